//! M2, as the initiator of the vector receives it.

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::Credential;
use a2a_core::handshake::messages::{Acceptance, DecidedBy, Response};
use serde_json::{Value, json};

use super::{Case, replayed, text_with};
use crate::world::*;

const SUITE: Suite = Suite::X25519MlKem768;

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = signed_flaws();
    cases.extend(unsigned_flaws());
    cases
}

fn case(
    name: &'static str,
    who: &Credential,
    label: SignatureLabel,
    change: impl FnOnce(&mut Acceptance),
) -> Case {
    let Decided { message, transcript, .. } = replayed(SUITE, available()[0]).decided();
    let Response::Accepted(mut acceptance) = message else { panic!("rejected") };
    change(&mut acceptance);
    acceptance.signature = signed(who, label, &transcript, &Response::Accepted(acceptance.clone()));
    Case::new(name, SUITE, "M2", json!(Response::Accepted(acceptance)).to_string())
}

fn signed_flaws() -> Vec<Case> {
    let provider = available()[0];
    let own = helper().credential(provider);
    let second = Draft { key: Key::Mallory, ..helper() }.credential(provider);
    let flaw = |name, change: fn(&mut Acceptance)| case(name, &own, SignatureLabel::Accept, change);
    vec![
        flaw("m2_for_another_request", |m2| m2.request_id = uuid::Uuid::from_u128(7)),
        flaw("m2_in_another_name", |m2| m2.agent_id = id("worker_agent_001")),
        flaw("m2_run_out", |m2| m2.expires = before(1)),
        flaw("m2_downgrade", |m2| m2.suite = Suite::Modp2048),
        flaw("m2_suite_not_offered", |m2| m2.suite = Suite::Modp2048MlKem768),
        case("m2_certificate_of_another_key", &second, SignatureLabel::Accept, |m2| {
            m2.certificate = second.certificate().certificate().clone();
        }),
        case("m2_signed_by_another_agent", &mallory().credential(provider), SignatureLabel::Accept, |_| ()),
        case(
            "m2_signed_with_the_initiators_key",
            &traveller().credential(provider),
            SignatureLabel::Accept,
            |_| (),
        ),
        case("m2_signed_under_the_label_reject", &own, SignatureLabel::Reject, |_| ()),
    ]
}

fn unsigned_flaws() -> Vec<Case> {
    let pair = replayed(SUITE, available()[0]);
    let accepted = pair.decided().message;
    let flaw = |name, change: fn(&mut Value)| Case::new(name, SUITE, "M2", text_with(&accepted, change));
    let mut cases = vec![
        flaw("m2_consent_of_another", |m2| m2["decision"]["by"] = json!("policy:all")),
        flaw("m2_consent_at_another_time", |m2| m2["decision"]["at"] = json!(before(1))),
        flaw("m2_session_id_changed", |m2| m2["session_id"] = json!("00000000-0000-4000-8000-000000000000")),
        flaw("m2_nonce_changed", |m2| m2["nonce"] = json!("00".repeat(32))),
        flaw("m2_status_changed", |m2| m2["status"] = json!("rejected")),
        flaw("m2_unknown_member", |m2| m2["extra"] = json!(1)),
        flaw("m2_decision_with_unknown_member", |m2| m2["decision"]["extra"] = json!(1)),
    ];
    let pair = replayed(SUITE, available()[0]);
    let pending = Pair { responder: helper().credential(available()[0]), ..pair.clone() };
    let rejection = pending.verify(&pair.asked().message).unwrap().reject(DecidedBy::Operator, NOW).unwrap();
    let forged = text_with(&rejection, |m2| m2["decision"]["by"] = json!("policy:none"));
    cases.push(Case::new("m2_rejection_forged", SUITE, "M2", forged));
    cases
}
