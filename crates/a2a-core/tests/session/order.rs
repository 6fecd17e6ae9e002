//! T25 and T05: each frame once and in order, whatever the network does; nothing comes back to its sender.

use a2a_core::session::{Frame, FrameType, Opened, Opener, Session, SessionError};
use a2a_core::wire::MAX_PLAINTEXT;
use proptest::prelude::*;

use crate::world::*;

#[test]
fn frames_arrive_in_order_and_sequence_numbers_start_where_they_should() {
    let (mut initiator, mut responder) = sessions();
    assert_eq!((initiator.sealer.sealed(), responder.sealer.sealed()), (0, 1), "M6's frame is the first");
    assert_eq!((initiator.opener.received(), responder.opener.received()), (1, 0));
    for round in 0..100 {
        deliver(&mut initiator, &mut responder, &format!("there {round}"));
        deliver(&mut responder, &mut initiator, &format!("back {round}"));
    }
    assert_eq!((initiator.sealer.acknowledged(), responder.sealer.acknowledged()), (100, 101));
}

#[test]
fn every_type_and_length_arrives() {
    let (mut initiator, mut responder) = sessions();
    let mut seq = 0;
    for frame_type in [FrameType::Text, FrameType::Data, FrameType::Rekey, FrameType::Confirm] {
        for length in [0, 1, 15, 16, 17, 4096, MAX_PLAINTEXT] {
            let payload: Vec<u8> = (0..=255).cycle().take(length).collect();
            let frame = initiator.sealer.seal(frame_type, payload.clone(), NOW).unwrap();
            assert_eq!(frame.ciphertext.as_bytes().len(), length + 16);
            let opened = open(&mut responder.opener, &frame).unwrap();
            assert_eq!(opened, Opened::New { frame_type, seq, payload });
            seq += 1;
        }
    }
}

#[test]
fn a_payload_over_the_limit_is_not_sealed_and_uses_no_number() {
    let (mut initiator, mut responder) = sessions();
    let refused = initiator.sealer.seal(FrameType::Data, vec![0; MAX_PLAINTEXT + 1], NOW).unwrap_err();
    assert_eq!(refused, SessionError::TooLong(MAX_PLAINTEXT + 1));
    assert!(!refused.is_fatal());
    assert_eq!(initiator.sealer.sealed(), 0);
    deliver(&mut initiator, &mut responder, "shorter");
}

#[test]
fn a_duplicate_is_acknowledged_again_and_not_delivered_again() {
    let (mut initiator, mut responder) = sessions();
    let frames = seal_many(&mut initiator.sealer, 3);
    for frame in &frames {
        open(&mut responder.opener, frame).unwrap();
    }
    let ack = responder.opener.acknowledge();
    for frame in &frames {
        assert_eq!(open(&mut responder.opener, frame).unwrap(), Opened::Duplicate);
        assert_eq!(responder.opener.acknowledge(), ack, "a retry gets the same answer, byte for byte");
    }
    assert_eq!(initiator.sealer.accept(&ack).unwrap(), 3);
}

#[test]
fn a_gap_is_refused_until_it_is_filled() {
    let (mut initiator, mut responder) = sessions();
    let frames = seal_many(&mut initiator.sealer, 3);
    let refused = SessionError::OutOfOrder { expected: 0, found: 2 };
    assert!(!refused.is_fatal());
    assert_eq!(open(&mut responder.opener, &frames[2]).unwrap_err(), refused);
    for (seq, frame) in (0..).zip(&frames) {
        assert_eq!(open(&mut responder.opener, frame).unwrap(), text(seq, &seq.to_string()));
    }
}

/// A sealed frame is what is sent again; sealing the same words again makes another frame.
#[test]
fn the_same_words_sealed_twice_are_two_frames() {
    let (mut initiator, _) = sessions();
    let [one, two] = [0, 0].map(|_| seal(&mut initiator.sealer, "again"));
    assert_eq!((one.seq, two.seq), (0, 1));
    assert_ne!(one.ciphertext, two.ciphertext);
}

/// T25. 720 rounds in one session; each delivers six new frames in another order, everything twice, until all are there.
#[test]
fn every_permutation_of_six_frames_with_duplicates_is_delivered_once_and_in_order() {
    let (mut initiator, mut responder) = sessions();
    for order in permutations(6) {
        let first = initiator.sealer.sealed();
        let frames = seal_many(&mut initiator.sealer, 6);
        let mut delivered = Vec::new();
        while delivered.len() < frames.len() {
            let before = delivered.len();
            for index in &order {
                delivered.extend(delivery(&mut responder.opener, &frames[*index]));
                delivered.extend(delivery(&mut responder.opener, &frames[*index]));
            }
            assert!(delivered.len() > before, "no progress in order {order:?}");
        }
        assert_eq!(delivered, (first..first + 6).collect::<Vec<_>>(), "{order:?}");
        assert_eq!(initiator.sealer.accept(&responder.opener.acknowledge()).unwrap(), first + 6);
    }
}

/// The number that a frame delivers, if it delivers one.
fn delivery(opener: &mut Opener, frame: &Frame) -> Option<u64> {
    match open(opener, frame) {
        Ok(Opened::New { seq, payload, .. }) => {
            assert_eq!(payload, seq.to_string().into_bytes());
            Some(seq)
        }
        Ok(Opened::Duplicate) | Err(SessionError::OutOfOrder { .. }) => None,
        other => panic!("{other:?}"),
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![vec![]];
    }
    let shorter = permutations(count - 1);
    let inserted = |shorter: &Vec<usize>, at: usize| {
        let mut longer = shorter.clone();
        longer.insert(at, count - 1);
        longer
    };
    (0..count).flat_map(|at| shorter.iter().map(move |shorter| inserted(shorter, at))).collect()
}

/// T05. Each frame is sent back just when its number is the one that its sender awaits.
#[test]
fn none_of_a_thousand_reflected_frames_is_taken() {
    let (mut initiator, mut responder) = sessions();
    deliver(&mut initiator, &mut responder, "so that both count from one");
    for _ in 0..500 {
        reflected_both_ways(&mut initiator, &mut responder);
    }
    assert_eq!((initiator.opener.received(), responder.opener.received()), (501, 501));
}

fn reflected_both_ways(initiator: &mut Session, responder: &mut Session) {
    let there = seal(&mut initiator.sealer, "there");
    let back = seal(&mut responder.sealer, "back");
    assert_eq!((there.seq, back.seq), (initiator.opener.received(), responder.opener.received()));
    assert_eq!(open(&mut initiator.opener, &there).unwrap_err(), SessionError::BadFrame);
    assert_eq!(open(&mut responder.opener, &back).unwrap_err(), SessionError::BadFrame);
    assert_eq!((there.seq, back.seq), (initiator.opener.received(), responder.opener.received()));
    open(&mut responder.opener, &there).unwrap();
    open(&mut initiator.opener, &back).unwrap();
}

/// What a network may do with what has been sealed so far.
#[derive(Debug, Clone)]
enum Event {
    Seal,
    Deliver(prop::sample::Index),
    Damage(prop::sample::Index, prop::sample::Index),
    Acknowledge,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => Just(Event::Seal),
        4 => any::<prop::sample::Index>().prop_map(Event::Deliver),
        2 => (any::<prop::sample::Index>(), any::<prop::sample::Index>()).prop_map(|(f, b)| Event::Damage(f, b)),
        1 => Just(Event::Acknowledge),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_network_delivers_a_prefix_of_what_was_said(events in prop::collection::vec(event(), 1..200)) {
        let (mut initiator, mut responder) = sessions();
        let mut frames = seal_many(&mut initiator.sealer, 1);
        let mut delivered = 0;
        for event in events {
            match event {
                Event::Seal => frames.extend(seal_many(&mut initiator.sealer, 1)),
                Event::Deliver(index) => {
                    if let Some(seq) = delivery(&mut responder.opener, index.get(&frames)) {
                        prop_assert_eq!(seq, delivered);
                        delivered += 1;
                    }
                }
                Event::Damage(index, place) => {
                    let mut damaged = index.get(&frames).clone();
                    let mut bytes = damaged.ciphertext.into_vec();
                    *place.get_mut(&mut bytes) ^= 0x80;
                    damaged.ciphertext = bytes.into();
                    let seq = damaged.seq;
                    let opened = open(&mut responder.opener, &damaged);
                    prop_assert_eq!(opened == Ok(Opened::Duplicate), seq < delivered);
                    prop_assert_eq!(opened.is_err(), seq >= delivered);
                }
                Event::Acknowledge => {
                    prop_assert_eq!(initiator.sealer.accept(&responder.opener.acknowledge()).unwrap(), delivered);
                }
            }
            prop_assert_eq!(responder.opener.received(), delivered);
        }
    }
}
