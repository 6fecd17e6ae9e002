//! Makes what a controller and its agents sign in the course of a few lives.

use std::collections::BTreeMap;
use std::time::Duration;

use a2a_core::certificate::fingerprint::to_words;
use a2a_core::certificate::{
    AgentCard, AgentCertificate, EnrolmentRequest, Grant, JoinSecret, JoinToken, RenewalRequest,
    RevocationContent, Succession,
};
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::KeyId;
use a2a_core::wire::Hex;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use num_bigint_dig::BigUint;
use num_bigint_dig::prime::next_prime;
use serde::Serialize;
use serde_json::{Value, json};

use super::{LATER, by_hand};
use crate::play::private;
use crate::world::*;

pub(crate) fn make() -> Value {
    let mut certificates = Certificates::make();
    let token = token();
    certificates.enrolment.join_token = Some(token.secret.clone());
    let step = succession();
    let info = authority(Key::Impostor, available()[0]).info("root\n".into(), vec![step.clone()]).unwrap();
    let weak_keys: Vec<Value> = weak_keys().into_iter().collect();
    json!({
        "warning": "test keys: all of them are public",
        "now": LATER,
        "keys": {
            "controller": key(Key::Controller),
            "successor": key(Key::Impostor),
            "agent": key(Key::Traveller),
            "rekeyed": key(Key::Mallory),
        },
        "enrolment": signed(&certificates.enrolment, &statement(&certificates.enrolment.agent_card)),
        "renewal": signed(&certificates.renewal, &statement(&certificates.renewal.agent_card)),
        "certificates": certificates.shown(),
        "list": signed_itself(&certificates.list()),
        "succession": signed_itself(&step),
        "info": signed_itself(&info),
        "join_token": {
            "text": token.to_string(),
            "agent_id": token.agent_id,
            "fingerprint": token.fingerprint,
            "secret": HEXLOWER.encode(&SECRET),
            "hash": token.secret.hash(),
        },
        "fingerprints": [
            words(KeyId::from_bytes([0; 32])),
            words(KeyId::from_bytes([0xff; 32])),
            words(anchor().fingerprint()),
        ],
        "weak_keys": weak_keys,
    })
}

struct Certificates {
    enrolment: EnrolmentRequest,
    renewal: RenewalRequest,
    first: AgentCertificate,
    rekeyed: AgentCertificate,
    /// By its serial, and by its key.
    revoked: [AgentCertificate; 2],
}

impl Certificates {
    /// The traveller enrols, and changes its key ten seconds later.
    fn make() -> Self {
        let provider = available()[0];
        let (old, new) = (Key::Traveller.load(provider), Key::Mallory.load(provider));
        let enrolment = EnrolmentRequest::new(traveller().card(), NONCE, "csr\n".into(), &*old).unwrap();
        let draft = Draft { key: Key::Mallory, issued_at: after(10), ..traveller() };
        let renewal = RenewalRequest::new(draft.card(), NONCE, "csr\n".into(), &*new, Some(&*old)).unwrap();
        let controller = authority(Key::Controller, provider);
        let first = controller.issue(&enrolment, DAY, NOW).unwrap();
        let grant = Grant { life: DAY, not_before: after(10) };
        let rekeyed = controller.issue(&renewal.clone().into(), grant, after(10)).unwrap();
        let other = Draft { agent_id: "worker_agent_001", key: Key::Worker, ..helper() };
        Self { enrolment, renewal, first, rekeyed, revoked: [helper().certificate(), other.certificate()] }
    }

    fn list(&self) -> a2a_core::certificate::RevocationList {
        let [by_serial, by_key] = &self.revoked;
        let content = RevocationContent {
            number: LATER.as_secs(),
            serials: vec![by_serial.serial, Hex::from_bytes([0; 16])],
            key_ids: vec![by_key.agent_card.public_key.key_id()],
            not_before: BTreeMap::from([(self.first.agent_card.agent_id.clone(), after(10))]),
        };
        let controller = authority(Key::Impostor, available()[0]);
        controller.revocations(content, Duration::from_hours(6), LATER).unwrap()
    }

    fn shown(&self) -> Value {
        let shown = |certificate: &AgentCertificate, standing: &str| {
            let mut shown = signed_itself(certificate);
            shown["standing"] = json!(standing);
            shown
        };
        json!({
            "first": shown(&self.first, "superseded"),
            "rekeyed": shown(&self.rekeyed, "good"),
            "revoked_by_serial": shown(&self.revoked[0], "revoked"),
            "revoked_by_key": shown(&self.revoked[1], "revoked"),
        })
    }
}

/// The controller's key is followed by another a minute later.
pub(super) fn succession() -> Succession {
    let provider = available()[0];
    let successor = Key::Impostor.load(provider);
    authority(Key::Controller, provider).succession(&*successor, LATER.saturating_add(DAY), LATER).unwrap()
}

fn token() -> JoinToken {
    let secret: JoinSecret = serde_json::from_value(json!(BASE64URL_NOPAD.encode(&SECRET))).unwrap();
    JoinToken { agent_id: id("traveller_agent_001"), fingerprint: anchor().fingerprint(), secret }
}

/// A small factor, and two primes next to each other.
fn weak_keys() -> [Value; 2] {
    let big_prime = |from: BigUint| next_prime(&from);
    let p = big_prime(BigUint::from(0xff_u8) << 1016);
    let small = BigUint::from(65_521_u32) * &p;
    let cofactor = big_prime((BigUint::from(0xff_u8) << 2040) / &small);
    let public_key = |modulus: BigUint| by_hand::public_key_pem(&modulus.to_bytes_be());
    [
        json!({"flaw": "its modulus has a small prime factor", "public_key": public_key(small * cofactor)}),
        json!({
            "flaw": "the two primes of its modulus are too close together",
            "public_key": public_key(&p * next_prime(&p)),
        }),
    ]
}

fn key(key: Key) -> Value {
    let public_key = key.load(available()[0]).public_key().clone();
    json!({"private_key": private(key), "public_key": public_key, "key_id": public_key.key_id()})
}

fn words(fingerprint: KeyId) -> Value {
    json!({"hex": fingerprint, "words": to_words(&fingerprint)})
}

fn statement(card: &AgentCard) -> String {
    String::from_utf8(card.enrolment_message(&NONCE).unwrap()).unwrap()
}

fn signed(body: &impl Serialize, message: &str) -> Value {
    json!({"body": body, "signed": message})
}

fn signed_itself(body: &impl Serialize) -> Value {
    let body = json!(body);
    let message = by_hand::without_signatures(&body);
    json!({"body": body, "signed": message})
}

const NONCE: Hex<32> = Hex::from_bytes([9; 32]);
const SECRET: [u8; 32] = *b"a join token's secret: 256 bits.";
