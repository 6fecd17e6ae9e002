//! Sealing straight into the body that is sent: many payloads, or a large one where it stands.

use a2a_core::crypto::kx::Suite;
use a2a_core::session::frame::{begin_frames, decode_frames, skip_frames};
use a2a_core::session::{FrameType, Opened, RekeyPolicy, SessionError};
use a2a_core::wire::MAX_PLAINTEXT;

use crate::world::*;

const TYPES: [FrameType; 2] = [FrameType::Text, FrameType::Data];

#[test]
fn payloads_sealed_into_one_body_are_the_frames_that_seal_makes() {
    let (mut initiator, mut responder) = sessions();
    let payloads: Vec<Vec<u8>> = [0, 1, 1000].map(|length| vec![7; length]).into();
    let mut body = begin_frames(initiator.info.session_id, 0);
    for (expected, (payload, frame_type)) in (0..).zip(payloads.iter().zip(TYPES.iter().cycle())) {
        assert_eq!(initiator.sealer.seal_into(&mut body, *frame_type, payload, NOW), Ok(expected));
    }
    assert_eq!(initiator.sealer.sealed(), 3);
    let all = decode_frames(&body).unwrap();
    for count in 0..all.len() {
        assert_eq!(decode_frames(&skip_frames(&body, count)).unwrap(), all[count..]);
    }
    for (frame, payload) in all.into_iter().zip(payloads) {
        let Opened::New { payload: opened, .. } = responder.opener.open(frame, NOW).unwrap() else {
            panic!("not a new frame")
        };
        assert_eq!(opened, payload);
    }
    assert_eq!(initiator.sealer.accept(&responder.opener.acknowledge()), Ok(3));
}

#[test]
fn a_large_payload_is_sealed_where_it_stands() {
    let (mut initiator, mut responder) = sessions();
    for (expected, length) in [(0, 0), (1, 40), (2, MAX_PLAINTEXT)] {
        let text: Vec<u8> = (0..=255).cycle().take(length).collect();
        let mut payload = text.clone();
        let (seq, head, tag) = initiator.sealer.seal_in_place(FrameType::Data, &mut payload, NOW).unwrap();
        assert_eq!((seq, payload.len()), (expected, length));
        assert!(length == 0 || payload != text, "it has been sealed");
        let frames = decode_frames(&[&head[..], &payload, &tag].concat()).unwrap();
        let [frame] = &frames[..] else { panic!("one frame") };
        let opened = Opened::New { frame_type: FrameType::Data, seq, payload: text };
        assert_eq!(open(&mut responder.opener, frame).unwrap(), opened);
    }
}

#[test]
fn a_payload_over_the_limit_changes_neither_the_body_nor_the_number() {
    let (mut initiator, _) = sessions();
    let mut body = begin_frames(initiator.info.session_id, 0);
    initiator.sealer.seal_into(&mut body, FrameType::Text, b"before", NOW).unwrap();
    let before = body.clone();
    let mut long = vec![0; MAX_PLAINTEXT + 1];
    let refused = Err(SessionError::TooLong(MAX_PLAINTEXT + 1));
    assert_eq!(initiator.sealer.seal_into(&mut body, FrameType::Text, &long, NOW), refused);
    let refused_in_place =
        initiator.sealer.seal_in_place(FrameType::Text, &mut long, NOW).map(|sealed| sealed.0);
    assert_eq!(refused_in_place, refused);
    assert_eq!((body, initiator.sealer.sealed()), (before, 1));
}

/// The limits of a key hold for every way of sealing.
#[test]
fn every_way_of_sealing_goes_on_to_the_next_epoch() {
    let policy = RekeyPolicy { frames: 2, ..RekeyPolicy::default() };
    let (mut initiator, mut responder) = Pair { policy, ..pair(Suite::X25519MlKem768) }.established();
    let mut body = begin_frames(initiator.info.session_id, 0);
    for _ in 0..3 {
        initiator.sealer.seal_into(&mut body, FrameType::Text, b"one of three", NOW).unwrap();
    }
    let mut last = b"the fourth and fifth".to_vec();
    initiator.sealer.seal_into(&mut body, FrameType::Text, &last, NOW).unwrap();
    let (_, head, tag) = initiator.sealer.seal_in_place(FrameType::Text, &mut last, NOW).unwrap();
    let mut frames = decode_frames(&body).unwrap();
    frames.extend(decode_frames(&[&head[..], &last, &tag].concat()).unwrap());
    let epochs: Vec<_> = frames.iter().map(|frame| frame.epoch).collect();
    assert_eq!(epochs, [0, 0, 1, 1, 2]);
    for frame in &frames {
        open(&mut responder.opener, frame).unwrap();
    }
}
