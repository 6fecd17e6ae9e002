//! M1, as the responder of the vector receives it.

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::Credential;
use a2a_core::handshake::messages::Request;
use a2a_core::handshake::transcript::Transcript;
use serde_json::{Value, json};

use super::{Case, text_with};
use crate::vector;
use crate::world::*;

const SUITE: Suite = Suite::Modp2048;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = signed_flaws();
    cases.extend(papers());
    cases.extend(unsigned_flaws());
    cases.extend(encodings());
    cases.extend([at("m1_stale", after(181)), at("m1_from_the_future", before(61))]);
    cases
}

fn genuine() -> Request {
    let message = &vector(SUITE)["messages"]["m1"];
    serde_json::from_value(message.clone()).unwrap()
}

fn at(name: &'static str, now: a2a_core::time::UnixTime) -> Case {
    let message = &vector(SUITE)["messages"]["m1"];
    Case { now, ..Case::new(name, SUITE, "M1", message.to_string()) }
}

fn case(
    name: &'static str,
    who: &Credential,
    label: SignatureLabel,
    change: impl FnOnce(&mut Request),
) -> Case {
    let mut request = genuine();
    change(&mut request);
    request.signature = signed(who, label, &Transcript::new(), &request);
    Case::new(name, SUITE, "M1", json!(request).to_string())
}

/// The traveller signs what it may not say.
fn signed_flaws() -> Vec<Case> {
    let own = traveller().credential(available()[0]);
    let flaw = |name, change: fn(&mut Request)| case(name, &own, SignatureLabel::Request, change);
    vec![
        flaw("m1_protocol_version_2", |m1| m1.protocol_version = 2),
        flaw("m1_for_another_agent", |m1| m1.peer_agent_id = id("worker_agent_001")),
        flaw("m1_for_another_key", |m1| m1.peer_key_id = anchor().fingerprint()),
        flaw("m1_in_the_responders_own_name", |m1| m1.agent_id = id("helper_agent_001")),
        flaw("m1_address_not_the_certified_one", |m1| m1.address = "https://localhost:5003".parse().unwrap()),
        flaw("m1_life_over_120_s", |m1| m1.expires = after(121)),
        flaw("m1_expires_as_it_begins", |m1| m1.expires = m1.timestamp),
        flaw("m1_suite_twice", |m1| m1.suites = vec![SUITE, SUITE]),
        flaw("m1_no_suite", |m1| m1.suites = vec![]),
        case("m1_signed_under_the_label_accept", &own, SignatureLabel::Accept, |_| ()),
    ]
}

/// Signed as it should be, with a certificate that is not good or not the asker's.
fn papers() -> Vec<Case> {
    let (provider, label) = (available()[0], SignatureLabel::Request);
    let foreign = Draft { controller: Key::Impostor, ..traveller() }.credential(provider);
    let expired = Draft { issued_at: NOW.saturating_sub(DAY * 2), ..traveller() }.credential(provider);
    let twin = Draft { key: Key::Helper, ..traveller() }.credential(provider);
    let with_papers = |name, who: &Credential| {
        let certificate = who.certificate().certificate().clone();
        case(name, who, label, |m1| m1.certificate = certificate)
    };
    let own = traveller().credential(provider);
    vec![
        with_papers("m1_certificate_of_another_controller", &foreign),
        with_papers("m1_certificate_expired", &expired),
        with_papers("m1_responders_own_key_under_another_name", &twin),
        with_papers("m1_certificate_of_another_agent", &mallory().credential(provider)),
        case("m1_signed_by_another_agent", &mallory().credential(provider), label, |_| ()),
        case("m1_certificate_with_another_card_name", &own, label, |m1| {
            m1.certificate.agent_card.name = "Helper".parse().unwrap();
        }),
    ]
}

/// Changed on the way.
fn unsigned_flaws() -> Vec<Case> {
    let flaw = |name, change: fn(&mut Value)| Case::new(name, SUITE, "M1", text_with(&genuine(), change));
    vec![
        flaw("m1_purpose_changed", |m1| m1["purpose"] = json!("all your secrets")),
        flaw("m1_nonce_changed", |m1| m1["nonce"] = json!("00".repeat(32))),
        flaw("m1_request_id_changed", |m1| m1["request_id"] = json!("00000000-0000-4000-8000-000000000000")),
        flaw("m1_suites_changed", |m1| m1["suites"] = json!(["A2A-MODP2048-MLKEM768", "A2A-MODP2048"])),
        flaw("m1_timestamp_changed", |m1| m1["timestamp"] = json!(after(1))),
        flaw("m1_signature_of_the_enrolment", |m1| {
            m1["signature"] = m1["certificate"]["agent_signature"].clone();
        }),
    ]
}

/// No request at all, as JSON goes.
fn encodings() -> Vec<Case> {
    let text = json!(genuine()).to_string();
    let replaced = |name, old: &str, new: &str| {
        let body = text.replacen(old, new, 1);
        assert_ne!(body, text, "{name}");
        Case::new(name, SUITE, "M1", body)
    };
    let request_id = genuine().request_id.to_string();
    vec![
        replaced("m1_unknown_member", "{", "{\"extra\":1,"),
        replaced("m1_duplicate_member", "{", "{\"purpose\":\"weather\","),
        replaced("m1_null_member", "\"weather\"", "null"),
        replaced("m1_missing_member", "\"purpose\":\"weather\",", ""),
        replaced("m1_member_in_capitals", "\"purpose\"", "\"Purpose\""),
        replaced("m1_integer_with_fraction", "\"timestamp\":1739577600", "\"timestamp\":1739577600.0"),
        replaced("m1_integer_over_2_53", "\"timestamp\":1739577600", "\"timestamp\":9007199254740992"),
        replaced("m1_uuid_in_capitals", &request_id, &request_id.to_uppercase()),
        replaced("m1_base64_without_padding", "==\"", "\""),
        replaced("m1_bytes_after_the_value", "{", " {} {"),
    ]
}
