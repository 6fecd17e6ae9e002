//! T26: a session ends when its peer says so under its keys, and a missing tail is noticed.

use a2a_core::crypto::kx::Suite;
use a2a_core::session::{Close, CloseReason, Frame, FrameType, Opened, RekeyPolicy, SessionError};

use crate::world::*;

#[test]
fn a_close_says_why_and_how_far_both_directions_went() {
    for reason in [CloseReason::Done, CloseReason::Idle, CloseReason::Expired, CloseReason::Shutdown] {
        let (mut initiator, mut responder) = sessions();
        deliver(&mut initiator, &mut responder, "one");
        deliver(&mut responder, &mut initiator, "two");
        let received = initiator.opener.received();
        let (closing, frame) = initiator.sealer.close(reason, received, NOW).unwrap();
        assert_eq!((frame.seq, frame.frame_type), (1, FrameType::Close));
        let close = Close { reason, sent: 1, received: 2 };
        assert_eq!(open(&mut responder.opener, &frame).unwrap(), Opened::Closed { close, missing: 0 });
        closing.accept(&sent(&responder.opener.acknowledge())).unwrap();
    }
}

#[test]
fn a_missing_tail_is_counted() {
    for lost in 1..5 {
        let (mut initiator, mut responder) = sessions();
        deliver(&mut initiator, &mut responder, "arrives");
        let late = seal_many(&mut initiator.sealer, lost);
        let (closing, frame) = initiator.sealer.close(CloseReason::Done, 1, NOW).unwrap();
        let close = Close { reason: CloseReason::Done, sent: 1 + lost, received: 1 };
        assert_eq!(open(&mut responder.opener, &frame).unwrap(), Opened::Closed { close, missing: lost });
        for frame in &late {
            assert_eq!(open(&mut responder.opener, frame).unwrap(), Opened::Duplicate, "too late");
        }
        closing.accept(&responder.opener.acknowledge()).unwrap();
    }
}

#[test]
fn a_missing_tail_with_a_change_of_epoch_in_it_is_counted() {
    let policy = RekeyPolicy { frames: 2, ..RekeyPolicy::default() };
    let (mut initiator, mut responder) = Pair { policy, ..pair(Suite::X25519MlKem768) }.established();
    seal_many(&mut initiator.sealer, 3);
    let (_, frame) = initiator.sealer.close(CloseReason::Done, 1, NOW).unwrap();
    assert_eq!(frame.epoch, 1);
    let opened = open(&mut responder.opener, &frame).unwrap();
    assert!(matches!(opened, Opened::Closed { missing: 3, .. }), "{opened:?}");
}

#[test]
fn a_close_that_comes_again_gets_the_same_answer() {
    let (initiator, mut responder) = sessions();
    let (closing, frame) = initiator.sealer.close(CloseReason::Done, 1, NOW).unwrap();
    open(&mut responder.opener, &frame).unwrap();
    let ack = responder.opener.acknowledge();
    assert_eq!(open(&mut responder.opener, &frame).unwrap(), Opened::Duplicate);
    assert_eq!(responder.opener.acknowledge(), ack);
    closing.accept(&ack).unwrap();
}

#[test]
fn a_forged_close_leaves_the_session_alive() {
    let (mut initiator, mut responder) = sessions();
    let session_id = initiator.info.session_id;
    let payload = br#"{"received":1,"reason":"done","sent":0}"#.to_vec();
    let unsealed = |seq, payload: &[u8]| {
        let ciphertext = [payload, &[0; 16]].concat().into();
        Frame { session_id, epoch: 0, seq, frame_type: FrameType::Close, ciphertext }
    };
    for forged in [unsealed(0, &payload), unsealed(0, b""), unsealed(9, &payload)] {
        let refused = open(&mut responder.opener, &forged).unwrap_err();
        assert!(refused == SessionError::BadFrame && !refused.is_fatal());
    }
    deliver(&mut initiator, &mut responder, "alive");

    let (_, close) = initiator.sealer.close(CloseReason::Done, 1, NOW).unwrap();
    let later = Frame { seq: close.seq + 1, ..close.clone() };
    assert_eq!(open(&mut responder.opener, &later).unwrap_err(), SessionError::BadFrame);
    let reflected = Frame { seq: initiator.opener.received(), ..close.clone() };
    assert_eq!(open(&mut initiator.opener, &reflected).unwrap_err(), SessionError::BadFrame);
    open(&mut responder.opener, &close).unwrap();
}

#[test]
fn a_close_is_not_an_ordinary_frame_and_no_other_is_a_close() {
    let (initiator, mut responder) = sessions();
    let (_, close) = initiator.sealer.close(CloseReason::Done, 1, NOW).unwrap();
    let as_text = Frame { frame_type: FrameType::Text, ..close };
    assert_eq!(open(&mut responder.opener, &as_text).unwrap_err(), SessionError::BadFrame);
}

#[test]
fn a_close_with_other_content_ends_the_session_as_broken() {
    for content in [
        "",
        "{}",
        "done",
        r#"{"reason":"bored","sent":0,"received":1}"#,
        r#"{"reason":"done","sent":0}"#,
        r#"{"reason":"done","sent":0,"received":1,"received":1}"#,
        r#"{"reason":"done","sent":0,"received":1,"more":1}"#,
        r#"{"reason":"done","sent":-1,"received":1}"#,
        r#"{"reason":"done","sent":0,"received":9007199254740992}"#,
    ] {
        let (mut initiator, mut responder) = sessions();
        let frame = initiator.sealer.seal(FrameType::Close, content.into(), NOW).unwrap();
        let refused = open(&mut responder.opener, &frame).unwrap_err();
        assert_eq!(refused, SessionError::BadContent("close"), "{content}");
        assert!(refused.is_fatal());
    }
}

#[test]
fn only_an_acknowledgement_of_the_close_itself_will_do() {
    let closed = || {
        let (mut initiator, mut responder) = sessions();
        deliver(&mut initiator, &mut responder, "one");
        let before = responder.opener.acknowledge();
        let (closing, frame) = initiator.sealer.close(CloseReason::Done, 1, NOW).unwrap();
        open(&mut responder.opener, &frame).unwrap();
        (closing, before, responder.opener.acknowledge())
    };
    let (closing, before, _) = closed();
    assert_eq!(closing.accept(&before).unwrap_err(), SessionError::BadAck, "it is of what was before");
    let (closing, _, mut ack) = closed();
    ack.mac = flipped(&ack.mac);
    assert_eq!(closing.accept(&ack).unwrap_err(), SessionError::BadAck);
    let (closing, before, mut ack) = closed();
    ack.mac = before.mac;
    assert_eq!(closing.accept(&ack).unwrap_err(), SessionError::BadAck);
    let (closing, _, _) = closed();
    let (_, _, of_another_session) = closed();
    assert_eq!(closing.accept(&of_another_session).unwrap_err(), SessionError::BadAck);
    let (closing, _, ack) = closed();
    closing.accept(&ack).unwrap();
}
