//! T24: a frame with anything changed is refused, and nothing else happens.

use a2a_core::crypto::kx::Suite;
use a2a_core::session::{Frame, FrameType, SessionError};
use uuid::Uuid;

use crate::world::*;

/// Every changed frame is refused, then the genuine one arrives.
fn refused_each_time(change: impl Fn(&Frame) -> Vec<Frame>) {
    for (one, other) in pairs() {
        let (one, other) = (traveller().credential(one), helper().credential(other));
        let (mut initiator, mut responder) = Pair::new(one, other, Suite::X25519MlKem768).established();
        deliver(&mut initiator, &mut responder, "before");
        let good = seal(&mut initiator.sealer, "hello");
        let ack = responder.opener.acknowledge();
        for changed in change(&good) {
            assert_ne!(changed, good);
            assert_eq!(
                open(&mut responder.opener, &changed).unwrap_err(),
                SessionError::BadFrame,
                "{changed:?}"
            );
            assert_eq!(responder.opener.received(), 1);
            assert_eq!(responder.opener.acknowledge(), ack);
        }
        assert_eq!(open(&mut responder.opener, &good).unwrap(), text(1, "hello"));
        deliver(&mut initiator, &mut responder, "after");
    }
}

#[test]
fn every_bit_of_the_ciphertext() {
    refused_each_time(|good| {
        let bytes = good.ciphertext.as_bytes();
        assert_eq!(bytes.len(), 5 + 16);
        let flip = |bit: usize| {
            let mut bytes = bytes.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            Frame { ciphertext: bytes.into(), ..good.clone() }
        };
        (0..bytes.len() * 8).map(flip).collect()
    });
}

#[test]
fn a_ciphertext_cut_or_lengthened() {
    refused_each_time(|good| {
        let bytes = good.ciphertext.as_bytes();
        let cut = (0..bytes.len()).map(|length| bytes[..length].to_vec());
        let longer = [[bytes, &[0]].concat(), [&[0], bytes].concat(), [bytes, bytes].concat()];
        cut.chain(longer).map(|bytes| Frame { ciphertext: bytes.into(), ..good.clone() }).collect()
    });
}

#[test]
fn another_session_id() {
    let other = sessions().0.info.session_id;
    refused_each_time(|good| {
        [other, Uuid::nil(), Uuid::max()].map(|session_id| Frame { session_id, ..good.clone() }).into()
    });
}

#[test]
fn another_epoch() {
    refused_each_time(|good| [1, 2, 3, u32::MAX].map(|epoch| Frame { epoch, ..good.clone() }).into());
}

#[test]
fn another_type() {
    refused_each_time(|good| {
        [FrameType::Confirm, FrameType::Data, FrameType::Close, FrameType::Rekey]
            .map(|frame_type| Frame { frame_type, ..good.clone() })
            .into()
    });
}

/// Only a close is looked at after a gap, so with the type changed too the tag must tell.
#[test]
fn another_number_with_the_type_of_a_close() {
    refused_each_time(|good| {
        [2, 3, 1 << 32, (1 << 53) - 1]
            .map(|seq| Frame { seq, frame_type: FrameType::Close, ..good.clone() })
            .into()
    });
}

#[test]
fn another_number() {
    let (mut initiator, mut responder) = sessions();
    let frames = seal_many(&mut initiator.sealer, 2);
    let as_first = Frame { seq: 0, ..frames[1].clone() };
    assert_eq!(open(&mut responder.opener, &as_first).unwrap_err(), SessionError::BadFrame);
    let far = Frame { seq: (1 << 53) - 1, ..frames[0].clone() };
    let refused = SessionError::OutOfOrder { expected: 0, found: (1 << 53) - 1 };
    assert_eq!(open(&mut responder.opener, &far).unwrap_err(), refused);
    // Such a number cannot come over the wire at all.
    let endless = Frame { seq: u64::MAX, frame_type: FrameType::Close, ..frames[0].clone() };
    assert_eq!(responder.opener.open(endless, NOW).unwrap_err(), SessionError::BadFrame);
    for frame in &frames {
        open(&mut responder.opener, frame).unwrap();
    }
}

#[test]
fn the_frame_of_another_session() {
    let (mut other, _) = sessions();
    let mut foreign = seal(&mut other.sealer, "hello");
    let (mut initiator, mut responder) = sessions();
    assert_eq!(open(&mut responder.opener, &foreign).unwrap_err(), SessionError::BadFrame);
    foreign.session_id = initiator.info.session_id;
    assert_eq!(open(&mut responder.opener, &foreign).unwrap_err(), SessionError::BadFrame);
    deliver(&mut initiator, &mut responder, "own");
}

/// T24. A hundred forgeries before each good frame: all the good ones arrive.
#[test]
fn ten_thousand_bad_frames_between_good_ones_change_nothing() {
    let (mut initiator, mut responder) = sessions();
    for round in 0..100 {
        let good = seal(&mut initiator.sealer, "good");
        for byte in 0..=99 {
            let bad = Frame { ciphertext: vec![byte; 20].into(), ..good.clone() };
            let refused = responder.opener.open(bad, NOW).unwrap_err();
            assert!(refused == SessionError::BadFrame && !refused.is_fatal());
        }
        assert_eq!(open(&mut responder.opener, &good).unwrap(), text(round, "good"));
    }
}

/// T24. GCM's bound for forgeries is far off; where their number nears it the session ends.
#[test]
fn a_million_bad_frames_end_the_session() {
    let (mut initiator, mut responder) = sessions();
    let good = seal(&mut initiator.sealer, "good");
    let bad = Frame { epoch: 7, ciphertext: vec![].into(), ..good };
    for _ in 1..1 << 20 {
        assert!(matches!(responder.opener.open(bad.clone(), NOW), Err(SessionError::BadFrame)));
    }
    let refused = responder.opener.open(bad, NOW).unwrap_err();
    assert!(refused == SessionError::Exhausted && refused.is_fatal());
}
