//! Frames: tampered, replayed, reordered, reflected, from elsewhere; forged closes and cut tails.

use a2a_core::session::frame::{FRAMES_MEDIA_TYPE, encode_frames};
use a2a_core::session::{Ack, CloseReason, Frame, FrameType, Session};
use a2a_core::wire::Base64;
use a2a_node::agent::report::{CloseCause, SessionStage};
use a2a_test::agent::Agent;
use a2a_test::mallory::{CLOSE, Mallory, SEND};
use a2a_test::raw::Reply;
use a2a_test::world::World;

use super::helper_and_mallory;

/// Mallory in a session with the helper.
struct Joined {
    world: World,
    helper: Agent,
    mallory: Mallory,
    session: Session,
}

impl Joined {
    async fn start() -> Self {
        let (world, mut helper, mallory) = helper_and_mallory().await;
        let session = mallory.connect(&world, &helper).await;
        helper.created().await;
        helper.established().await;
        Self { world, helper, mallory, session }
    }

    fn seal(&mut self, text: &str) -> Frame {
        let now = self.world.clock.now();
        self.session.sealer.seal(FrameType::Text, text.as_bytes().to_vec(), now).unwrap()
    }

    async fn post(&self, frame: &Frame) -> Reply {
        self.mallory.post(&self.helper, SEND, frame).await
    }

    async fn refused(&self, frame: &Frame, status: u16, code: &str) {
        assert_eq!(self.post(frame).await.refusal(), (status, code.to_owned()), "{frame:?}");
    }
}

fn with(frame: &Frame, change: impl FnOnce(&mut Frame)) -> Frame {
    let mut frame = frame.clone();
    change(&mut frame);
    frame
}

fn flip(ciphertext: &Base64, at: usize) -> Base64 {
    let mut bytes = ciphertext.as_bytes().to_vec();
    bytes[at] ^= 1;
    bytes.into()
}

/// T24: nothing changes before the tag has verified.
#[tokio::test]
async fn frames_tampered_with_are_refused_and_the_next_good_one_arrives() {
    let mut s = Joined::start().await;
    let good = s.seal("good");
    let last = good.ciphertext.as_bytes().len() - 1;
    for bad in [
        with(&good, |frame| frame.ciphertext = flip(&frame.ciphertext, 0)),
        with(&good, |frame| frame.ciphertext = flip(&frame.ciphertext, last)),
        with(&good, |frame| frame.ciphertext = frame.ciphertext.as_bytes()[..last].to_vec().into()),
        with(&good, |frame| frame.ciphertext = Vec::new().into()),
        with(&good, |frame| frame.epoch = 1),
        with(&good, |frame| frame.epoch = 2),
        with(&good, |frame| frame.epoch = u32::MAX),
        with(&good, |frame| frame.frame_type = FrameType::Data),
        with(&good, |frame| frame.frame_type = FrameType::Rekey),
    ] {
        s.refused(&bad, 401, "bad_frame").await;
    }
    s.helper.hears_nothing();
    assert_eq!(s.post(&good).await.status, 200);
    s.helper.hears("good").await;
}

/// T24, T29: hundreds of forgeries do not wear a session out.
#[tokio::test]
async fn garbage_between_good_frames_does_no_harm() {
    let mut s = Joined::start().await;
    for number in 0..10 {
        let good = s.seal(&number.to_string());
        for byte in 0..20 {
            let bad = with(&good, |frame| frame.ciphertext = vec![byte; 40].into());
            s.refused(&bad, 401, "bad_frame").await;
        }
        assert_eq!(s.post(&good).await.status, 200);
        s.helper.hears(&number.to_string()).await;
    }
}

/// T25
#[tokio::test]
async fn frames_replayed_are_acknowledged_and_not_delivered() {
    let mut s = Joined::start().await;
    let frames = [s.seal("one"), s.seal("two")];
    for frame in &frames {
        assert_eq!(s.post(frame).await.status, 200);
    }
    s.helper.hears("one").await;
    s.helper.hears("two").await;
    for frame in &frames {
        let ack: Ack = s.post(frame).await.read_as();
        assert_eq!(s.session.sealer.accept(&ack).unwrap(), 2);
    }
    // Not even the tag is looked at: a duplicate changes nothing.
    let forged = with(&frames[0], |frame| frame.ciphertext = flip(&frame.ciphertext, 0));
    let ack: Ack = s.post(&forged).await.read_as();
    assert_eq!(ack.received, 2);
    s.helper.hears_nothing();
}

/// T25
#[tokio::test]
async fn frames_in_any_order_are_delivered_once_and_in_theirs() {
    let mut s = Joined::start().await;
    let texts = ["a", "b", "c", "d"];
    let frames = texts.map(|text| s.seal(text));
    for (place, frame) in [(2, &frames[2]), (1, &frames[1]), (3, &frames[3])] {
        assert_eq!(s.post(frame).await.refusal(), (409, "out_of_order".into()), "{place}");
    }
    for (place, frame) in frames.iter().enumerate() {
        if let Some(later) = frames.get(place + 2) {
            s.refused(later, 409, "out_of_order").await;
        }
        assert_eq!(s.post(frame).await.status, 200);
        assert_eq!(s.post(frame).await.status, 200);
        s.helper.hears(texts[place]).await;
    }
    s.helper.hears_nothing();
    let far = with(&frames[3], |frame| frame.seq = (1 << 53) - 1);
    s.refused(&far, 409, "out_of_order").await;
}

/// T05: what the helper has sent is not taken back by it.
#[tokio::test]
async fn frames_reflected_to_their_sender_are_refused() {
    let mut s = Joined::start().await;
    let id = s.session.info.session_id;
    let answers = s.mallory.server.clone();
    let now = s.world.clock.now();
    let opener = std::sync::Mutex::new(std::mem::replace(&mut s.session.opener, spare().await));
    answers.on_call(move |call| {
        let frame: Frame = serde_json::from_slice(&call.body).unwrap();
        let mut opener = opener.lock().unwrap();
        opener.open(frame, now).unwrap();
        Some(Reply::json(200, &opener.acknowledge()))
    });
    s.helper.say(id, "to Mallory").await;
    s.helper.say(id, "to Mallory again").await;
    for (call, _) in answers.passed_to(SEND) {
        let frame: Frame = serde_json::from_slice(&call.body).unwrap();
        // As it is, and with the number that is due.
        for seq in [frame.seq, 0] {
            let reflected = with(&frame, |frame| frame.seq = seq);
            let reply = s.post(&reflected).await;
            assert!(matches!(reply.refusal(), (401 | 409, _)), "{reply:?}");
        }
    }
    assert_eq!(s.helper.session(id).received, 0);
    let good = s.seal("a good one");
    assert_eq!(s.post(&good).await.status, 200);
    s.helper.hears("a good one").await;
}

/// Somebody's opener, to put into a place.
async fn spare() -> a2a_core::session::Opener {
    Joined::start().await.session.opener
}

/// T25: of another session, of no session, under another session's name.
#[tokio::test]
async fn frames_of_another_session_are_refused() {
    let mut s = Joined::start().await;
    let second = s.mallory.connect(&s.world, &s.helper).await;
    s.helper.created().await;
    s.helper.established().await;
    let good = s.seal("good");
    let elsewhere = with(&good, |frame| frame.session_id = second.info.session_id);
    s.refused(&elsewhere, 401, "bad_frame").await;
    let nowhere = with(&good, |frame| frame.session_id = uuid::Uuid::nil());
    s.refused(&nowhere, 404, "unknown_session").await;
    assert_eq!(s.post(&good).await.status, 200);
    s.helper.hears("good").await;
}

#[tokio::test]
async fn a_batch_is_taken_as_far_as_it_is_good() {
    let mut s = Joined::start().await;
    let (id, to) = (s.session.info.session_id, s.helper.local_addr());
    let (one, two, three) = (s.seal("one"), s.seal("two"), s.seal("three"));
    let bad = with(&two, |frame| frame.ciphertext = flip(&frame.ciphertext, 3));
    let body = encode_frames(id, [&one, &bad, &three]);
    let raw = s.mallory.raw.clone();
    let ack: Ack = raw.post_bytes(to, SEND, FRAMES_MEDIA_TYPE, body).await.read_as();
    assert_eq!(ack.received, 1);
    s.helper.hears("one").await;
    s.helper.hears_nothing();
    for malformed in [Vec::new(), vec![0; 16], encode_frames(id, [&two])[..50].to_vec()] {
        let reply = raw.post_bytes(to, SEND, FRAMES_MEDIA_TYPE, malformed).await;
        assert_eq!(reply.refusal(), (400, "bad_json".into()));
    }
    let body = encode_frames(id, [&two, &three]);
    let ack: Ack = raw.post_bytes(to, SEND, FRAMES_MEDIA_TYPE, body).await.read_as();
    assert_eq!(ack.received, 3);
    s.helper.hears("two").await;
    s.helper.hears("three").await;
}

/// Verified, and of no use: the session cannot go on.
#[tokio::test]
async fn content_that_does_not_fit_its_type_ends_the_session() {
    for (frame_type, payload) in [
        (FrameType::Text, vec![0xff, 0xfe]),
        (FrameType::Data, b"bytes".to_vec()),
        (FrameType::Confirm, Vec::new()),
        (FrameType::Rekey, b"{}".to_vec()),
        (FrameType::Rekey, br#"{"done":{}}"#.to_vec()),
    ] {
        let mut s = Joined::start().await;
        let now = s.world.clock.now();
        let frame = s.session.sealer.seal(frame_type, payload, now).unwrap();
        s.refused(&frame, 401, "bad_frame").await;
        assert_eq!(s.helper.closed().await.cause, CloseCause::Lost, "{frame_type:?}");
        assert!(s.helper.node.sessions().is_empty());
    }
}

/// T26
#[tokio::test]
async fn a_close_that_is_not_sealed_is_no_close() {
    let mut s = Joined::start().await;
    let id = s.session.info.session_id;
    let text = s.seal("still here");
    let forged = [
        with(&text, |frame| frame.frame_type = FrameType::Close),
        with(&text, |frame| (frame.frame_type, frame.seq) = (FrameType::Close, 9)),
        with(&text, |frame| (frame.frame_type, frame.ciphertext) = (FrameType::Close, vec![0; 80].into())),
        // A text at the end that is for closes.
        text.clone(),
    ];
    for frame in &forged {
        let reply = s.mallory.post(&s.helper, CLOSE, frame).await;
        assert_eq!(reply.refusal(), (401, "bad_frame".into()), "{frame:?}");
    }
    let unsealed = serde_json::json!({"session_id": id, "reason": "done", "sent": 0, "received": 0});
    assert_eq!(s.mallory.post(&s.helper, CLOSE, &unsealed).await.refusal(), (400, "bad_json".into()));
    assert_eq!(s.helper.session(id).stage, SessionStage::Established);
    assert_eq!(s.post(&text).await.status, 200);
    s.helper.hears("still here").await;
}

/// T26: a good close in the wrong place is not taken there; in the right one it is, and its repetition is
/// answered.
#[tokio::test]
async fn a_close_is_taken_at_its_own_end_once() {
    let Joined { world, mut helper, mallory, session } = Joined::start().await;
    let now = world.clock.now();
    let received = session.opener.received();
    let (closing, frame) = session.sealer.close(CloseReason::Done, received, now).unwrap();
    assert_eq!(mallory.post(&helper, SEND, &frame).await.refusal(), (401, "bad_frame".into()));
    helper.hears_nothing();
    let reply = mallory.post(&helper, CLOSE, &frame).await;
    closing.accept(&reply.read_as()).unwrap();
    assert_eq!(helper.closed().await.cause, CloseCause::ClosedByPeer);
    assert_eq!(mallory.post(&helper, CLOSE, &frame).await, reply);
    let other = with(&frame, |frame| frame.ciphertext = flip(&frame.ciphertext, 0));
    assert_eq!(mallory.post(&helper, CLOSE, &other).await.refusal(), (404, "unknown_session".into()));
    helper.hears_nothing();
    world.pass(std::time::Duration::from_secs(121));
    helper.node.sweep().await;
    assert_eq!(mallory.post(&helper, CLOSE, &frame).await.refusal(), (404, "unknown_session".into()));
}

/// T26: the tail that was cut off is counted.
#[tokio::test]
async fn a_cut_tail_is_reported() {
    let mut s = Joined::start().await;
    let arrives = s.seal("arrives");
    let _cut = [s.seal("does not"), s.seal("nor this"), s.seal("nor that")];
    assert_eq!(s.post(&arrives).await.status, 200);
    s.helper.hears("arrives").await;
    let Joined { world, mut helper, mallory, session } = s;
    let (_, close) = session.sealer.close(CloseReason::Done, 1, world.clock.now()).unwrap();
    assert_eq!(mallory.post(&helper, CLOSE, &close).await.status, 200);
    let closed = helper.closed().await;
    assert_eq!((closed.cause, closed.missing), (CloseCause::ClosedByPeer, 3));
}
