//! Who is there: a controller, a traveller and a helper with certificates, and what they set up if nobody interferes.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use a2a_core::certificate::{
    AgentCard, Authority, EnrolmentRequest, KnownCertificates, RevocationContent, Revocations, TrustAnchor,
    Verifier,
};
use a2a_core::crypto::kx::{InitiatorKeys, ResponderKeys, Suite};
use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::SigningKey;
use a2a_core::handshake::Credential;
use a2a_core::handshake::initiator::{Answer, Wish, request};
use a2a_core::handshake::messages::{DecidedBy, Established};
use a2a_core::handshake::responder::PendingRequest;
use a2a_core::session::{RekeyPolicy, Session};
use a2a_core::time::UnixTime;
use a2a_core::wire::{Hex, canonical_json};
use serde::Serialize;
use serde_json::Value;

use crate::toy;

pub(crate) const PROVIDER: Provider = toy::PROVIDER;
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);
/// Small, so that a short story has changes of keys.
pub(crate) const POLICY: RekeyPolicy = RekeyPolicy {
    frames: 8,
    bytes: 4096,
    age: Duration::from_secs(1000),
    exchange_age: Duration::from_mins(50),
};

pub(crate) fn traveller() -> Credential {
    CAST.traveller.clone()
}

pub(crate) fn helper() -> Credential {
    CAST.helper.clone()
}

pub(crate) fn anchor() -> TrustAnchor {
    CAST.verifier.anchor.clone()
}

pub(crate) fn verifier() -> &'static Verifier {
    &CAST.verifier
}

pub(crate) fn no_revocations() -> Revocations {
    CAST.verifier.revocations.clone()
}

pub(crate) fn wish() -> Wish {
    let purpose = "weather".parse().expect("short");
    Wish { purpose, suites: vec![SUITE], lifetime: Duration::from_mins(2) }
}

/// What crosses when nobody interferes: M1 to M6 as JSON.
pub(crate) type Messages = Vec<Value>;

/// The initiator's and the responder's session, and what it took. The responder's first frame is in the last message.
pub(crate) fn sessions(now: UnixTime) -> (Session, Session, Established) {
    let (initiator, responder, _, established) = set_up(now);
    (initiator, responder, established)
}

/// The messages of another handshake than the one under way.
pub(crate) fn others_messages() -> &'static Messages {
    static MESSAGES: LazyLock<Messages> = LazyLock::new(|| {
        toy::begin();
        // Its randomness is another's.
        for _ in 0..100 {
            PROVIDER.fill_random(&mut [0; 32]).expect("a counter");
        }
        set_up(NOW).2
    });
    &MESSAGES
}

fn set_up(now: UnixTime) -> (Session, Session, Messages, Established) {
    const HONEST: &str = "an honest message";
    let asked = request(traveller(), helper().certificate().clone(), wish(), now).expect(HONEST);
    let pending = PendingRequest::verify(helper(), verifier(), asked.message.clone(), now).expect(HONEST);
    let decided = pending.accept(DecidedBy::Operator, PATIENCE, now).expect(HONEST);
    let answer = asked.next.receive(&decided.message, verifier(), now).expect(HONEST);
    let Answer::Accepted(accepted) = answer else { panic!("it said yes") };
    let begun = accepted.start(InitiatorKeys::generate(SUITE, PROVIDER).expect("keys")).expect(HONEST);
    let authenticated = decided.next.authenticate(&begun.message).expect(HONEST);
    let keys = ResponderKeys::generate(SUITE, PROVIDER).expect("keys");
    let replied = decided.next.reply(authenticated, keys).expect(HONEST);
    let finished = begun.next.finish(&replied.message).expect(HONEST);
    let authenticated = replied.next.authenticate(&finished.message).expect(HONEST);
    let opening = replied.next.establish(authenticated, POLICY, now).expect(HONEST);
    let initiator = finished.next.establish(opening.message.clone(), POLICY, now).expect(HONEST);
    let messages = vec![
        as_value(&asked.message),
        as_value(&decided.message),
        as_value(&begun.message),
        as_value(&replied.message),
        as_value(&finished.message),
        as_value(&opening.message),
    ];
    (initiator, opening.next, messages, opening.message)
}

pub(crate) fn as_value<T: Serialize>(message: &T) -> Value {
    let json = canonical_json(message).expect("a message");
    serde_json::from_slice(&json).expect("what was written")
}

struct Cast {
    traveller: Credential,
    helper: Credential,
    verifier: Verifier,
}

static CAST: LazyLock<Cast> = LazyLock::new(|| {
    let controller = load(include_bytes!("../../a2a-core/tests/keys/controller.pk8"));
    let authority = Authority::new("controller".parse().expect("an id"), controller, PROVIDER);
    let anchor = authority.anchor();
    let list = authority.revocations(RevocationContent::default(), LIFE, NOW).expect("a list");
    let revocations = list.verify(PROVIDER, &anchor, NOW).expect("a list of today");
    let traveller = load(include_bytes!("../../a2a-core/tests/keys/traveller.pk8"));
    let helper = load(include_bytes!("../../a2a-core/tests/keys/helper.pk8"));
    Cast {
        traveller: certified(&authority, "traveller_agent_001", traveller),
        helper: certified(&authority, "helper_agent_001", helper),
        verifier: Verifier { anchor, revocations, known: KnownCertificates::default() },
    }
});

fn load(pkcs8: &[u8]) -> Arc<dyn SigningKey> {
    PROVIDER.load_signing_key(pkcs8).expect("a key of the tests").into()
}

fn certified(authority: &Authority, agent_id: &str, key: Arc<dyn SigningKey>) -> Credential {
    let card = AgentCard {
        agent_id: agent_id.parse().expect("an id"),
        name: agent_id.parse().expect("a name"),
        public_key: key.public_key().clone(),
        methods: vec!["send_request".parse().expect("a method")],
        address: "https://localhost:5001".parse().expect("an address"),
        tls_spki_sha256: Hex::from_bytes([7; 32]),
        suites: Suite::ALL.to_vec(),
        issued_at: NOW,
        expires_at: NOW.saturating_add(LIFE),
        protocol_version: 1,
    };
    let request =
        EnrolmentRequest::new(card, Hex::from_bytes([9; 32]), String::new(), &*key).expect("its key");
    let certificate = authority.issue(&request, LIFE, NOW).expect("a good request");
    let certificate = authority.anchor().verify(PROVIDER, certificate, None, NOW).expect("a certificate");
    Credential::new(PROVIDER, key, certificate).expect("its key")
}

/// The fastest.
pub(crate) const SUITE: Suite = Suite::X25519MlKem768;
const LIFE: Duration = Duration::from_hours(24);
