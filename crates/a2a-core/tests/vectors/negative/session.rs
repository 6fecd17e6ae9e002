//! Frames as the responder receives them in the initiator's first one's place, and acknowledgements of three frames.

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::session::frame::encode_frames;
use a2a_core::wire::Base64;
use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use super::{Case, replayed, text_with};
use crate::derive::resealed;
use crate::vector;
use crate::world::*;

const SUITE: Suite = Suite::X25519MlKem768;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = frames();
    cases.extend(acks());
    cases.extend(bodies());
    cases
}

fn frames() -> Vec<Case> {
    let (mut initiator, _) = replayed(SUITE, available()[0]).established();
    let good = seal(&mut initiator.sealer, "hello");
    let mut next = seal(&mut initiator.sealer, "hello");
    let reflected = replayed(SUITE, available()[0]).opening().message.frame;
    let bytes = good.ciphertext.as_bytes().to_vec();
    let tag = flipped(&good.ciphertext);
    let case = |name, change: &dyn Fn(&mut Value)| Case::new(name, SUITE, "frame", text_with(&good, change));
    let mut cases = vec![
        case("frame_ciphertext_changed", &|frame| frame["ciphertext"] = json!(tag)),
        case("frame_cut", &|frame| {
            frame["ciphertext"] = json!(Base64::from(bytes[1..].to_vec()));
        }),
        case("frame_empty", &|frame| frame["ciphertext"] = json!("")),
        case("frame_of_another_session", &|frame| {
            frame["session_id"] = json!("00000000-0000-4000-8000-000000000000");
        }),
        case("frame_of_the_next_epoch", &|frame| frame["epoch"] = json!(1)),
        case("frame_of_an_epoch_far_off", &|frame| frame["epoch"] = json!(2)),
        case("frame_of_another_type", &|frame| frame["type"] = json!("data")),
        case("frame_turned_into_a_close", &|frame| frame["type"] = json!("close")),
        case("frame_of_a_reserved_type", &|frame| frame["type"] = json!("file")),
        case("frame_with_a_number_over_2_53", &|frame| frame["seq"] = json!(1_u64 << 53)),
        case("frame_with_an_unknown_member", &|frame| frame["extra"] = json!(1)),
        Case::new("frame_after_a_gap", SUITE, "frame", json!(next).to_string()),
        Case::new("frame_reflected", SUITE, "frame", json!(reflected).to_string()),
    ];
    for (name, payload) in [
        ("close_with_an_unknown_reason", &br#"{"reason":"bored","received":1,"sent":0}"#[..]),
        ("close_with_an_unknown_member", br#"{"extra":1,"reason":"done","received":1,"sent":0}"#),
        ("close_without_content", b""),
    ] {
        let mut frame = json!(good);
        frame["type"] = json!("close");
        let frame = resealed(vector(SUITE), "i2r", frame, payload);
        cases.push(Case::new(name, SUITE, "frame", frame.to_string()));
    }
    next.seq = 0;
    cases.push(Case::new("frame_with_the_number_of_another", SUITE, "frame", json!(next).to_string()));
    cases
}

fn acks() -> Vec<Case> {
    let (mut initiator, mut responder) = replayed(SUITE, available()[0]).established();
    for frame in &seal_many(&mut initiator.sealer, 1) {
        open(&mut responder.opener, frame).unwrap();
    }
    let good = responder.opener.acknowledge();
    let other_way = initiator.opener.acknowledge();
    let mac = flipped(&good.mac);
    let case = |name, change: &dyn Fn(&mut Value)| Case::new(name, SUITE, "ack", text_with(&good, change));
    vec![
        case("ack_code_changed", &|ack| ack["mac"] = json!(mac)),
        case("ack_code_empty", &|ack| ack["mac"] = json!("")),
        case("ack_of_more_than_was_received", &|ack| ack["received"] = json!(2)),
        case("ack_with_an_unknown_member", &|ack| ack["epoch"] = json!(0)),
        Case::new("ack_of_the_other_direction", SUITE, "ack", json!(other_way).to_string()),
    ]
}

fn bodies() -> Vec<Case> {
    let (mut initiator, _) = replayed(SUITE, available()[0]).established();
    let frames = seal_many(&mut initiator.sealer, 2);
    let good = encode_frames(initiator.info.session_id, &frames);
    let case = |name, body: &[u8]| Case::new(name, SUITE, "frames", HEXLOWER.encode(body));
    let with = |at: usize, byte: u8| {
        let mut body = good.clone();
        body[at] = byte;
        body
    };
    vec![
        case("frames_none", &good[..16]),
        case("frames_cut_in_a_header", &good[..20]),
        case("frames_cut_in_a_ciphertext", &good[..good.len() - 1]),
        case("frames_with_a_byte_too_many", &[&good[..], &[0]].concat()),
        case("frames_with_a_reserved_type", &with(28, 3)),
        case("frames_with_a_number_over_2_53", &with(20, 0xff)),
        case("frames_with_a_length_beyond_the_body", &with(29, 0x7f)),
    ]
}
