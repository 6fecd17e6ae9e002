//! T27: no key serves too long. The sender moves on at the limit, the receiver refuses at twice it.

use std::time::Duration;

use a2a_core::crypto::kx::Suite;
use a2a_core::session::{Frame, FrameType, Opened, RekeyPolicy, Session, SessionError};
use a2a_core::time::UnixTime;

use crate::world::*;

const FRAMES: RekeyPolicy = RekeyPolicy { frames: 100, ..UNLIMITED };
const BYTES: RekeyPolicy = RekeyPolicy { bytes: 1000, ..UNLIMITED };
const AGE: RekeyPolicy = RekeyPolicy { age: Duration::from_mins(1), ..UNLIMITED };
const UNLIMITED: RekeyPolicy =
    RekeyPolicy { frames: u64::MAX, bytes: u64::MAX, age: Duration::MAX, exchange_age: Duration::MAX };

/// The initiator under one policy, the responder under another.
fn under(initiators: RekeyPolicy, responders: RekeyPolicy) -> (Session, Session) {
    Pair { policy: responders, ..pair(Suite::X25519MlKem768) }.established_under(initiators)
}

fn seal_at(session: &mut Session, length: usize, now: UnixTime) -> Frame {
    session.sealer.seal(FrameType::Data, vec![0; length], now).unwrap()
}

#[test]
fn the_policy_of_the_protocol() {
    let policy = RekeyPolicy::default();
    assert_eq!((policy.frames, policy.bytes), (1 << 20, 64 << 30));
    assert_eq!((policy.age, policy.exchange_age), (Duration::from_mins(15), Duration::from_hours(1)));
}

#[test]
fn the_epoch_rises_by_one_after_each_hundred_frames() {
    let (mut initiator, mut responder) = under(FRAMES, FRAMES);
    for seq in 0..1000 {
        let frame = seal(&mut initiator.sealer, "on and on");
        assert_eq!((frame.seq, u64::from(frame.epoch)), (seq, seq / 100));
        assert_eq!(open(&mut responder.opener, &frame).unwrap(), text(seq, "on and on"));
    }
    assert_eq!(seal(&mut responder.sealer, "back").epoch, 0, "each direction counts for itself");
}

/// Frames that are sent again count once.
#[test]
fn duplicates_do_not_wear_a_key_out() {
    let (mut initiator, mut responder) = under(UNLIMITED, FRAMES);
    let frame = seal(&mut initiator.sealer, "again");
    open(&mut responder.opener, &frame).unwrap();
    for _ in 0..300 {
        assert_eq!(open(&mut responder.opener, &frame).unwrap(), Opened::Duplicate);
    }
    deliver(&mut initiator, &mut responder, "still here");
}

#[test]
fn after_the_switch_a_frame_of_the_old_epoch_is_refused() {
    let (mut initiator, mut responder) = under(FRAMES, FRAMES);
    for frame in seal_many(&mut initiator.sealer, 101) {
        open(&mut responder.opener, &frame).unwrap();
    }
    let good = seal(&mut initiator.sealer, "new");
    assert_eq!(good.epoch, 1);
    for epoch in [0, 2, 3, u32::MAX] {
        let refused = open(&mut responder.opener, &Frame { epoch, ..good.clone() }).unwrap_err();
        assert_eq!(refused, SessionError::BadFrame, "{epoch}");
    }
    assert_eq!(open(&mut responder.opener, &good).unwrap(), text(101, "new"));
}

/// A forged frame of the next epoch does not make the receiver move on.
#[test]
fn the_receiver_moves_on_only_with_a_verified_frame() {
    let (mut initiator, mut responder) = under(FRAMES, FRAMES);
    let frames = seal_many(&mut initiator.sealer, 101);
    for frame in &frames[..100] {
        let forged = Frame { epoch: 1, ..frame.clone() };
        assert_eq!(open(&mut responder.opener, &forged).unwrap_err(), SessionError::BadFrame);
        open(&mut responder.opener, frame).unwrap();
    }
    let forged = Frame { ciphertext: flipped(&frames[100].ciphertext), ..frames[100].clone() };
    assert_eq!(open(&mut responder.opener, &forged).unwrap_err(), SessionError::BadFrame);
    open(&mut responder.opener, &frames[100]).unwrap();
}

#[test]
fn the_receiver_refuses_a_key_at_twice_the_number_of_frames() {
    let (mut initiator, mut responder) = under(UNLIMITED, FRAMES);
    let frames = seal_many(&mut initiator.sealer, 201);
    for frame in &frames[..200] {
        open(&mut responder.opener, frame).unwrap();
    }
    let forged = Frame { ciphertext: flipped(&frames[200].ciphertext), ..frames[200].clone() };
    assert_eq!(open(&mut responder.opener, &forged).unwrap_err(), SessionError::BadFrame, "not by a forgery");
    let refused = open(&mut responder.opener, &frames[200]).unwrap_err();
    assert!(refused == SessionError::Exhausted && refused.is_fatal());
    assert_eq!(responder.opener.received(), 200);
}

#[test]
fn a_sender_that_has_moved_on_may_go_on() {
    let limit = RekeyPolicy { frames: 199, ..UNLIMITED };
    let (mut initiator, mut responder) = under(limit, FRAMES);
    for seq in 0..600 {
        let frame = seal(&mut initiator.sealer, "within twice the limit");
        assert_eq!(u64::from(frame.epoch), seq / 199);
        open(&mut responder.opener, &frame).unwrap();
    }
}

#[test]
fn the_epoch_rises_at_the_number_of_bytes() {
    let (mut initiator, mut responder) = under(BYTES, BYTES);
    for (length, epoch) in [(999, 0), (1, 0), (0, 1), (1000, 1), (5000, 2), (1, 3)] {
        let frame = seal_at(&mut initiator, length, NOW);
        assert_eq!(frame.epoch, epoch, "{length}");
        open(&mut responder.opener, &frame).unwrap();
    }
}

#[test]
fn the_receiver_refuses_a_key_at_twice_the_number_of_bytes() {
    let (mut initiator, mut responder) = under(UNLIMITED, BYTES);
    for length in [1999, 1] {
        open(&mut responder.opener, &seal_at(&mut initiator, length, NOW)).unwrap();
    }
    let frame = seal_at(&mut initiator, 0, NOW);
    assert_eq!(open(&mut responder.opener, &frame).unwrap_err(), SessionError::Exhausted);
}

#[test]
fn the_epoch_rises_with_age() {
    let (mut initiator, mut responder) = under(AGE, AGE);
    for (secs, epoch) in [(0, 0), (59, 0), (60, 1), (119, 1), (120, 2), (10_000, 3), (10_001, 3)] {
        let frame = seal_at(&mut initiator, 1, after(secs));
        assert_eq!(frame.epoch, epoch, "{secs}");
        responder.opener.open(frame, after(secs)).unwrap();
    }
}

#[test]
fn the_receiver_refuses_a_key_at_twice_its_age() {
    let (mut initiator, mut responder) = under(UNLIMITED, AGE);
    let frame = seal_at(&mut initiator, 1, after(119));
    responder.opener.open(frame, after(119)).unwrap();
    let frame = seal_at(&mut initiator, 1, after(120));
    assert_eq!(responder.opener.open(frame, after(120)).unwrap_err(), SessionError::Exhausted);
}

/// A clock that is set back neither wears keys out nor breaks anything.
#[test]
fn a_clock_that_goes_back_is_borne() {
    let (mut initiator, mut responder) = under(AGE, AGE);
    let frame = seal_at(&mut initiator, 1, before(10_000));
    assert_eq!(frame.epoch, 0);
    responder.opener.open(frame, before(20_000)).unwrap();
}
