//! What is sent over a session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use a2a_core::session::frame::{FRAMES_MEDIA_TYPE, decode_frames};
use a2a_core::session::{Ack, CloseReason, Frame, FrameType, Session};
use a2a_core::wire::{Base64, MAX_SEND_BODY};
use a2a_node::clock::Clock;
use a2a_test::arena::{AgentProcess, copy_files};
use a2a_test::mallory::{CLOSE, SEND};
use a2a_test::man::Call;
use a2a_test::raw::Reply;
use serde_json::json;

use super::{helper_in_session, man_inside_tls};

fn seal(session: &mut Session, text: &str) -> Frame {
    session.sealer.seal(FrameType::Text, text.as_bytes().to_vec(), Clock::System.now()).unwrap()
}

fn flipped(ciphertext: &Base64, at: usize) -> Base64 {
    let mut bytes = ciphertext.as_bytes().to_vec();
    bytes[at] ^= 1;
    bytes.into()
}

/// A man loses answers, the sender is killed in the middle and begins again, and a copy of its files runs as well: no number of
/// a key stands for two frames.
#[tokio::test]
async fn t07_no_number_is_used_twice() {
    let (arena, helper, man) = man_inside_tls(&[]).await;
    let lost = AtomicUsize::new(0);
    man.on_reply(move |call, reply| {
        if [SEND, CLOSE].contains(&call.path.as_str()) && lost.fetch_add(1, Ordering::SeqCst) % 3 == 1 {
            *reply = Reply::lost();
        }
    });
    let talk = async |traveller: &mut AgentProcess| {
        assert_eq!(traveller.done("sessions").await, json!([]), "keys have come from a file");
        let id = traveller.connect(&helper).await;
        for number in 0..6 {
            traveller.done(&format!("send {id} {number}")).await;
        }
        traveller.done(&format!("close {id}")).await;
        let id = traveller.connect(&helper).await;
        traveller.repl.begin(&format!("send {id} cut off")).await.unwrap();
    };
    let mut traveller = arena.agent("traveller", &[]).await;
    talk(&mut traveller).await;
    traveller.kill().await;
    let copy = arena.world.path().join("copy");
    copy_files(&arena.world.path().join("traveller"), &copy);
    let mut traveller = arena.agent("traveller", &[]).await;
    talk(&mut traveller).await;
    talk(&mut arena.agent("traveller", &["--data-dir", copy.to_str().unwrap()]).await).await;
    let mut frames: HashMap<_, Base64> = HashMap::new();
    let mut repeated = 0;
    for (call, _) in [man.passed_to(SEND), man.passed_to(CLOSE)].concat() {
        for frame in read_frames(&call) {
            let id = (frame.session_id, frame.epoch, frame.seq);
            let known = frames.entry(id).or_insert_with(|| frame.ciphertext.clone());
            assert_eq!(*known, frame.ciphertext, "{id:?}");
            repeated += 1;
        }
    }
    assert!(repeated > frames.len(), "nothing was sent again");
}

fn read_frames(call: &Call) -> Vec<Frame> {
    if call.content_type == FRAMES_MEDIA_TYPE {
        return decode_frames(&call.body).unwrap();
    }
    vec![Frame::from_json(&call.body, MAX_SEND_BODY).unwrap()]
}

#[tokio::test]
async fn t24_garbage_between_good_frames_changes_nothing() {
    let (_arena, mut helper, mallory, mut session) = helper_in_session().await;
    for number in 0..5 {
        let good = seal(&mut session, &number.to_string());
        for at in 0..good.ciphertext.as_bytes().len() {
            let bad = Frame { ciphertext: flipped(&good.ciphertext, at), ..good.clone() };
            let refused = mallory.post(&helper, SEND, &bad).await;
            assert_eq!(refused.refusal(), (401, "bad_frame".into()), "byte {at}");
        }
        helper.hears_nothing().await;
        assert_eq!(mallory.post(&helper, SEND, &good).await.status, 200);
        helper.hears(&number.to_string()).await;
    }
}

#[tokio::test]
async fn t25_frames_are_delivered_once_and_in_their_order() {
    let (_arena, mut helper, mallory, mut session) = helper_in_session().await;
    let frames = ["a", "b", "c"].map(|text| seal(&mut session, text));
    for order in [[2, 1, 0], [2, 0, 0], [1, 2, 1], [0, 0, 2], [0, 1, 2]] {
        for at in order {
            let reply = mallory.post(&helper, SEND, &frames[at]).await;
            assert!(reply.status == 200 || reply.refusal() == (409, "out_of_order".into()), "{reply:?}");
        }
    }
    let mut heard = Vec::new();
    for notice in helper.repl.notices().await {
        if notice["event"] == "message" {
            heard.push(notice["detail"]["text"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(heard, ["a", "b", "c"]);
    let ack: Ack = mallory.post(&helper, SEND, &frames[0]).await.read_as();
    assert_eq!(session.sealer.accept(&ack).unwrap(), 3);
}

/// After a quarter of an hour the sender goes on under the next key, and with the one before nothing is taken any more.
#[tokio::test]
async fn t27_keys_follow_each_other() {
    let (_arena, mut helper, mallory, mut session) = helper_in_session().await;
    let first = seal(&mut session, "under the first key");
    assert_eq!(mallory.post(&helper, SEND, &first).await.status, 200);
    let later = Clock::System.now().saturating_add(Duration::from_mins(16));
    let mut seal =
        |text: &str| session.sealer.seal(FrameType::Text, text.as_bytes().to_vec(), later).unwrap();
    let next = seal("under the next");
    assert_eq!((first.epoch, next.epoch), (0, 1));
    assert_eq!(mallory.post(&helper, SEND, &next).await.status, 200);
    let back = Frame { epoch: 0, ..seal("as if under the first") };
    assert_eq!(mallory.post(&helper, SEND, &back).await.refusal(), (401, "bad_frame".into()));
    helper.hears("under the first key").await;
    helper.hears("under the next").await;
    helper.hears_nothing().await;
}

/// A close without a good tag closes nothing; a good one tells what is missing.
#[tokio::test]
async fn t26_a_close_is_sealed_and_counts() {
    let (_arena, mut helper, mallory, mut session) = helper_in_session().await;
    seal(&mut session, "never sent");
    let id = session.info.session_id;
    let (_, close) = session.sealer.close(CloseReason::Done, 1, Clock::System.now()).unwrap();
    for forged in [
        Frame { ciphertext: flipped(&close.ciphertext, 0), ..close.clone() },
        Frame { ciphertext: vec![0; 40].into(), ..close.clone() },
        Frame { seq: 0, ..close.clone() },
    ] {
        let refused = mallory.post(&helper, CLOSE, &forged).await;
        assert_eq!(refused.refusal(), (401, "bad_frame".into()));
    }
    let unsealed = json!({"session_id": id, "reason": "done"});
    assert_eq!(mallory.raw.post(helper.socket, CLOSE, &unsealed).await.refusal(), (400, "bad_json".into()));
    assert_eq!(helper.sessions("established").await, 1);
    assert_eq!(mallory.post(&helper, CLOSE, &close).await.status, 200);
    let closed = helper.repl.notice("session_closed").await;
    assert_eq!((&closed["session_id"], &closed["missing"]), (&id.to_string().into(), &1.into()));
}
