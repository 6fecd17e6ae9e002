//! Frames and acknowledgements on the wire, and what a log may show of a session.

use a2a_core::session::frame::{decode_frames, encode_frames};
use a2a_core::session::{Ack, CloseReason, Frame, FrameType, SessionError};
use a2a_core::wire::{Base64, WireError, from_json};
use proptest::prelude::*;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::*;

#[test]
fn a_binary_body_of_frames_is_opened_in_order() {
    let (mut initiator, mut responder) = sessions();
    let frames = seal_many(&mut initiator.sealer, 50);
    let body = encode_frames(initiator.info.session_id, &frames);
    let decoded = decode_frames(&body).unwrap();
    assert_eq!(decoded, frames);
    for (seq, frame) in (0..).zip(decoded) {
        assert_eq!(responder.opener.open(frame, NOW).unwrap(), text(seq, &seq.to_string()));
    }
    assert_eq!(initiator.sealer.accept(&responder.opener.acknowledge()).unwrap(), 50);
}

/// Every byte of a binary body counts: the header fields by the associated data, the rest by the tag.
#[test]
fn no_byte_of_a_binary_body_can_be_changed() {
    let (mut initiator, mut responder) = sessions();
    let frames = seal_many(&mut initiator.sealer, 1);
    let body = encode_frames(initiator.info.session_id, &frames);
    for at in 0..body.len() {
        let mut body = body.clone();
        body[at] ^= 1;
        let Ok(frames) = decode_frames(&body) else { continue };
        for frame in frames {
            let refused = responder.opener.open(frame, NOW).unwrap_err();
            assert!(matches!(refused, SessionError::BadFrame | SessionError::OutOfOrder { .. }), "{at}");
        }
    }
    assert_eq!(responder.opener.received(), 0);
    open(&mut responder.opener, &frames[0]).unwrap();
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused_and_what_is_read_is_written_the_same(
        id in any::<u128>(),
        frames in prop::collection::vec((any::<u32>(), 0..1_u64 << 53, 0..8_u8, prop::collection::vec(any::<u8>(), 0..40)), 0..4),
        rest in prop::collection::vec(any::<u8>(), 0..3),
    ) {
        let mut body = Uuid::from_u128(id).as_bytes().to_vec();
        for (epoch, seq, frame_type, ciphertext) in &frames {
            body.extend(epoch.to_be_bytes());
            body.extend(seq.to_be_bytes());
            body.push(*frame_type);
            body.extend(u32::try_from(ciphertext.len()).unwrap().to_be_bytes());
            body.extend(ciphertext);
        }
        body.extend(&rest);
        let known = |frame_type: u8| matches!(frame_type, 0 | 1 | 2 | 4 | 5 | 6);
        let good = !frames.is_empty() && rest.is_empty() && frames.iter().all(|frame| known(frame.2));
        match decode_frames(&body) {
            Ok(decoded) => {
                prop_assert!(good);
                prop_assert_eq!(encode_frames(Uuid::from_u128(id), &decoded), body);
            }
            Err(error) => {
                prop_assert!(!good);
                prop_assert!(matches!(error, WireError::Frames(_)));
            }
        }
    }
}

fn read_with(frame: &Frame, field: &str, value: Value) -> Result<Frame, WireError> {
    let mut json = json!(frame);
    json[field] = value;
    from_json(json.to_string().as_bytes(), 1000)
}

#[test]
fn a_frame_as_json_has_these_fields_and_no_others() {
    let (mut initiator, _) = sessions();
    let frame = seal(&mut initiator.sealer, "hi");
    let ciphertext = frame.ciphertext.to_string();
    let session_id = initiator.info.session_id.to_string();
    let expected =
        json!({"session_id": session_id, "epoch": 0, "seq": 0, "type": "text", "ciphertext": ciphertext});
    assert_eq!(json!(frame), expected);
    for (field, value) in [
        ("extra", json!(1)),
        ("session_id", json!(session_id.to_uppercase())),
        ("session_id", json!(initiator.info.session_id.simple().to_string())),
        ("epoch", json!(-1)),
        ("epoch", json!(0.0)),
        ("epoch", json!(1_u64 << 32)),
        ("epoch", json!("0")),
        ("seq", json!(null)),
        ("seq", json!(1_u64 << 53)),
        ("seq", json!(-1)),
        ("type", json!("file")),
        ("type", json!("Text")),
        ("type", json!(1)),
        ("ciphertext", json!(ciphertext.trim_end_matches('=').to_owned() + "=====")),
        ("ciphertext", json!([1, 2])),
        ("ciphertext", json!(null)),
    ] {
        assert!(read_with(&frame, field, value.clone()).is_err(), "{field} {value}");
    }
    assert_eq!(read_with(&frame, "seq", json!((1_u64 << 53) - 1)).unwrap().seq, (1 << 53) - 1);
}

#[test]
fn types_and_reasons_have_these_words() {
    let types = [
        (FrameType::Confirm, "confirm"),
        (FrameType::Text, "text"),
        (FrameType::Data, "data"),
        (FrameType::Close, "close"),
        (FrameType::Rekey, "rekey"),
        (FrameType::Certificate, "certificate"),
    ];
    for (frame_type, word) in types {
        assert_eq!(json!(frame_type), word);
        assert_eq!(serde_json::from_value::<FrameType>(word.into()).unwrap(), frame_type);
    }
    let reasons = [
        (CloseReason::Done, "done"),
        (CloseReason::Idle, "idle"),
        (CloseReason::Expired, "expired"),
        (CloseReason::Shutdown, "shutdown"),
        (CloseReason::Revoked, "revoked"),
    ];
    for (reason, word) in reasons {
        assert_eq!(json!(reason), word);
        assert_eq!(serde_json::from_value::<CloseReason>(word.into()).unwrap(), reason);
    }
}

#[test]
fn an_acknowledgement_as_json_has_these_fields_and_no_others() {
    let ack = Ack { received: 7, mac: Base64::from(vec![1; 32]) };
    let json = json!(ack);
    assert_eq!(json, json!({"received": 7, "mac": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}));
    for (field, value) in [
        ("epoch", json!(0)),
        ("received", json!(1_u64 << 53)),
        ("received", json!("7")),
        ("mac", json!(null)),
    ] {
        let mut json = json.clone();
        json[field] = value;
        assert!(from_json::<Ack>(json.to_string().as_bytes(), 1000).is_err(), "{json}");
    }
}

#[test]
fn debug_shows_neither_keys_nor_what_is_said() {
    let (mut initiator, mut responder) = sessions();
    let frame = seal(&mut initiator.sealer, "swordfish");
    let opened = open(&mut responder.opener, &frame).unwrap();
    assert_eq!(format!("{opened:?}"), "New(Text, seq 0, 9 bytes)");
    let shown = format!("{:?}", initiator.sealer);
    assert!(shown.contains("epoch: Epoch(0)") && shown.contains("key: Secret(..)"), "{shown}");
    let shown = format!("{:?}", responder.opener);
    assert!(shown.contains("epoch: Epoch(0)") && shown.contains("ack_key: Secret(..)"), "{shown}");
    let shown = format!("{:?}", initiator.rekey);
    assert!(shown.contains("stage: Idle(..)"), "{shown}");
    assert!(format!("{frame:?}").contains("Base64(25 bytes)"));
}
