//! M3 to M6, as either side of a vector receives them.

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::kx::modp::GROUP_14;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::messages::{KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply};
use a2a_core::wire::Base64;
use serde_json::{Value, json};

use super::{Case, replayed, text_with};
use crate::derive::resealed;
use crate::vector;
use crate::world::*;

const HYBRID: Suite = Suite::Modp2048MlKem768;
const X25519: Suite = Suite::X25519MlKem768;
const MODP: Suite = Suite::Modp2048;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = m3_signed();
    cases.extend(m3_changed());
    cases.extend(m4_signed());
    cases.extend(m4_changed());
    cases.extend(m5());
    cases.extend(m6());
    cases
}

fn m3(name: &'static str, suite: Suite, change: impl FnOnce(&mut KeyExchangeInit)) -> Case {
    m3_under(name, suite, SignatureLabel::KeyExchangeInit, change)
}

fn m3_under(
    name: &'static str,
    suite: Suite,
    label: SignatureLabel,
    change: impl FnOnce(&mut KeyExchangeInit),
) -> Case {
    let Begun { mut message, transcript, .. } = replayed(suite, available()[0]).begun();
    change(&mut message);
    message.signature = signed(&traveller().credential(available()[0]), label, &transcript, &message);
    Case::new(name, suite, "M3", json!(message).to_string())
}

fn m3_signed() -> Vec<Case> {
    let prime = GROUP_14.prime();
    let mut minus_one = prime;
    minus_one[255] -= 1;
    vec![
        m3("m3_another_suite", HYBRID, |m3| m3.suite = MODP),
        m3("m3_another_session", MODP, |m3| m3.session_id = uuid::Uuid::from_u128(7)),
        m3("m3_kem_missing", HYBRID, |m3| m3.kem_public_key = None),
        m3("m3_kem_superfluous", MODP, |m3| m3.kem_public_key = Some(vec![0; 1184].into())),
        m3("m3_kem_too_short", X25519, |m3| m3.kem_public_key = Some(vec![0; 1183].into())),
        m3("m3_kem_over_the_modulus", X25519, |m3| m3.kem_public_key = Some(vec![0xff; 1184].into())),
        m3("m3_another_prime", MODP, |m3| m3.dh_public_key = put(&m3.dh_public_key, 100, &[0])),
        m3("m3_another_generator", MODP, |m3| m3.dh_public_key = put(&m3.dh_public_key, 286, &[5])),
        m3("m3_share_0", MODP, |m3| m3.dh_public_key = share(&[0])),
        m3("m3_share_1", MODP, |m3| m3.dh_public_key = share(&[1])),
        m3("m3_share_p_minus_1", MODP, |m3| m3.dh_public_key = share(&minus_one)),
        m3("m3_share_p", MODP, |m3| m3.dh_public_key = share(&prime)),
        m3("m3_share_not_der", MODP, |m3| m3.dh_public_key = vec![2; 256].into()),
        m3("m3_x25519_of_low_order", X25519, |m3| m3.dh_public_key = put(&m3.dh_public_key, 12, &[0; 32])),
        m3_under("m3_signed_under_the_label_request", MODP, SignatureLabel::Request, |_| ()),
        m3_under("m3_signed_under_the_label_ke_resp", MODP, SignatureLabel::KeyExchangeReply, |_| ()),
    ]
}

fn m3_changed() -> Vec<Case> {
    let m3 = replayed(HYBRID, available()[0]).begun().message;
    let share = flipped(&m3.dh_public_key);
    let kem = m3.kem_public_key.as_ref().map(flipped);
    let case = |name, change: &dyn Fn(&mut Value)| Case::new(name, HYBRID, "M3", text_with(&m3, change));
    vec![
        case("m3_share_changed", &|m3| m3["dh_public_key"] = json!(share)),
        case("m3_kem_changed", &|m3| m3["kem_public_key"] = json!(kem)),
        case("m3_kem_removed", &|m3| drop(m3.as_object_mut().unwrap().remove("kem_public_key"))),
        case("m3_kem_null", &|m3| m3["kem_public_key"] = json!(null)),
        case("m3_with_confirm", &|m3| m3["confirm"] = json!("")),
        case("m3_with_the_other_phase", &|m3| m3["phase"] = json!("finish")),
    ]
}

fn m4(name: &'static str, suite: Suite, change: impl FnOnce(&mut KeyExchangeReply)) -> Case {
    let Replied { mut message, transcript, .. } = replayed(suite, available()[0]).replied();
    change(&mut message);
    let own = helper().credential(available()[0]);
    message.signature = signed(&own, SignatureLabel::KeyExchangeReply, &transcript, &message);
    Case::new(name, suite, "M4", json!(message).to_string())
}

fn m4_signed() -> Vec<Case> {
    vec![
        m4("m4_another_signature_over_the_same", X25519, |_| ()),
        m4("m4_another_session", X25519, |m4| m4.session_id = uuid::Uuid::from_u128(7)),
        m4("m4_kem_missing", HYBRID, |m4| m4.kem_ciphertext = None),
        m4("m4_kem_superfluous", MODP, |m4| m4.kem_ciphertext = Some(vec![0; 1088].into())),
        m4("m4_another_prime", MODP, |m4| m4.dh_public_key = put(&m4.dh_public_key, 100, &[0])),
        m4("m4_share_1", MODP, |m4| m4.dh_public_key = share(&[1])),
        m4("m4_x25519_of_low_order", X25519, |m4| m4.dh_public_key = put(&m4.dh_public_key, 12, &[0; 32])),
        m4("m4_share_other_than_the_one_used", MODP, |m4| m4.dh_public_key = share(&[2])),
        m4("m4_kem_other_than_the_one_used", X25519, |m4| {
            m4.kem_ciphertext = m4.kem_ciphertext.as_ref().map(flipped);
        }),
    ]
}

fn m4_changed() -> Vec<Case> {
    let m4 = replayed(X25519, available()[0]).replied().message;
    let (share, confirm, signature) =
        (flipped(&m4.dh_public_key), flipped(&m4.confirm), flipped(&m4.signature.0));
    let case = |name, change: &dyn Fn(&mut Value)| Case::new(name, X25519, "M4", text_with(&m4, change));
    vec![
        case("m4_share_changed", &|m4| m4["dh_public_key"] = json!(share)),
        case("m4_confirm_changed", &|m4| m4["confirm"] = json!(confirm)),
        case("m4_confirm_empty", &|m4| m4["confirm"] = json!("")),
        case("m4_signature_changed", &|m4| m4["signature"] = json!(signature)),
    ]
}

fn m5() -> Vec<Case> {
    let Finished { message: m5, transcript, .. } = replayed(X25519, available()[0]).finished();
    let m4 = replayed(X25519, available()[0]).replied().message;
    let case = |name, m5: KeyExchangeFinish| Case::new(name, X25519, "M5", json!(m5).to_string());
    let own = traveller().credential(available()[0]);
    let mallory = mallory().credential(available()[0]);
    let by = |who, label| signed(who, label, &transcript, &m5);
    let mallorys = by(&mallory, SignatureLabel::KeyExchangeFinish);
    let labelled = by(&own, SignatureLabel::KeyExchangeInit);
    let again = by(&own, SignatureLabel::KeyExchangeFinish);
    vec![
        case("m5_confirm_changed", KeyExchangeFinish { confirm: flipped(&m5.confirm), ..m5.clone() }),
        case("m5_confirm_of_m4", KeyExchangeFinish { confirm: m4.confirm, ..m5.clone() }),
        case("m5_another_session", KeyExchangeFinish { session_id: uuid::Uuid::from_u128(7), ..m5.clone() }),
        case("m5_signed_by_another_agent", KeyExchangeFinish { signature: mallorys, ..m5.clone() }),
        case("m5_signed_under_the_label_ke_init", KeyExchangeFinish { signature: labelled, ..m5.clone() }),
        case("m5_another_signature_over_the_same", KeyExchangeFinish { signature: again, ..m5.clone() }),
        Case::new("m5_with_a_share", X25519, "M5", text_with(&m5, |m5| m5["dh_public_key"] = json!(""))),
    ]
}

fn m6() -> Vec<Case> {
    let m6 = replayed(X25519, available()[0]).opening().message;
    let tag = flipped(&m6.frame.ciphertext);
    let resealed = |frame_type: &str, payload: &[u8]| {
        let mut frame = json!(m6.frame);
        frame["type"] = json!(frame_type);
        resealed(vector(X25519), "r2i", frame, payload)
    };
    let (with_payload, text) = (resealed("confirm", b"x"), resealed("text", b""));
    let case = |name, change: &dyn Fn(&mut Value)| Case::new(name, X25519, "M6", text_with(&m6, change));
    vec![
        case("m6_tag_changed", &|m6| m6["frame"]["ciphertext"] = json!(tag)),
        case("m6_another_type", &|m6| m6["frame"]["type"] = json!("text")),
        case("m6_another_number", &|m6| m6["frame"]["seq"] = json!(1)),
        case("m6_sealed_with_a_payload", &|m6| m6["frame"] = with_payload.clone()),
        case("m6_sealed_as_text", &|m6| m6["frame"] = text.clone()),
        case("m6_another_status", &|m6| m6["status"] = json!("ok")),
    ]
}

/// A share in group 14 with this value.
fn share(value: &[u8]) -> Base64 {
    let any = replayed(MODP, available()[0]).begun().message.dh_public_key;
    modp_share(&any, value)
}
