//! What is sent over a session.

use a2a_core::session::{Ack, CloseReason, Frame, FrameType, Session};
use a2a_core::wire::Base64;
use a2a_node::clock::Clock;
use a2a_test::mallory::{CLOSE, SEND};

use super::helper_in_session;

fn seal(session: &mut Session, text: &str) -> Frame {
    session.sealer.seal(FrameType::Text, text.as_bytes().to_vec(), Clock::System.now()).unwrap()
}

fn flipped(ciphertext: &Base64, at: usize) -> Base64 {
    let mut bytes = ciphertext.as_bytes().to_vec();
    bytes[at] ^= 1;
    bytes.into()
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
    assert_eq!(helper.sessions("established").await, 1);
    assert_eq!(mallory.post(&helper, CLOSE, &close).await.status, 200);
    let closed = helper.repl.notice("session_closed").await;
    assert_eq!((&closed["session_id"], &closed["missing"]), (&id.to_string().into(), &1.into()));
}
