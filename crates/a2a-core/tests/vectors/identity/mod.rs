//! Vectors of an identity's life: enrolment by token, renewal under another key, revocation, a controller's succession,
//! and how fingerprints and tokens are written for people.
//!
//! What is signed is checked by code that shares nothing with the crate, in `by_hand`; the crate's own view is here.

mod by_hand;
mod cast;
mod refused;

use a2a_core::certificate::fingerprint::{from_words, to_words};
use a2a_core::certificate::{
    AgentCertificate, ControllerInfo, EnrolmentRequest, JoinToken, RenewalRequest, RevocationList, Standing,
    Succession,
};
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::{KeyId, PublicKey};
use a2a_core::time::UnixTime;
use a2a_core::wire::{self, MAX_HANDSHAKE_BODY};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::world::*;

/// When all of it is looked at.
pub(crate) const LATER: UnixTime = UnixTime::from_secs(NOW.as_secs() + 60);

pub(crate) fn make() -> Value {
    let mut vector = cast::make();
    vector["refused"] = refused::make(&vector);
    vector
}

/// All is what its neighbours and the protocol's text say it is.
pub(crate) fn check(vector: &Value) {
    for provider in available() {
        by_hand::check(vector, *provider);
        check_with_the_crate(vector, *provider);
        refused::check(vector, *provider);
    }
}

fn check_with_the_crate(vector: &Value, provider: Provider) {
    let read_key = |name: &str| read::<PublicKey>(&vector["keys"][name]["public_key"]);
    let enrolment: EnrolmentRequest = read(&vector["enrolment"]["body"]);
    enrolment.verify_possession(provider).unwrap();
    let renewal: RenewalRequest = read(&vector["renewal"]["body"]);
    renewal.verify_continuity(provider, &read_key("agent")).unwrap();
    EnrolmentRequest::from(renewal).verify_possession(provider).unwrap();

    let info: ControllerInfo = read(&vector["info"]["body"]);
    let trusted = info.verify(provider).unwrap();
    let steps: Vec<Succession> = vec![read(&vector["succession"]["body"])];
    let followed = anchor().follow(provider, &steps, info.fingerprint(), LATER).unwrap();
    assert_eq!(followed, trusted);
    let list: RevocationList = read(&vector["list"]["body"]);
    let revocations = list.verify(provider, &trusted, LATER).unwrap();
    for (name, certificate) in vector["certificates"].as_object().unwrap() {
        let verified =
            trusted.verify(provider, read::<AgentCertificate>(&certificate["body"]), None, LATER).unwrap();
        let standing = match revocations.standing(verified.certificate()) {
            Standing::Good => "good",
            Standing::Superseded => "superseded",
            Standing::Revoked => "revoked",
        };
        assert_eq!(certificate["standing"], standing, "{name}");
    }
    let token = &vector["join_token"];
    let parsed: JoinToken = text(&token["text"]).parse().unwrap();
    assert_eq!(parsed.to_string(), text(&token["text"]));
    assert_eq!(
        (&parsed.secret, parsed.agent_id),
        (enrolment.join_token.as_ref().unwrap(), id("traveller_agent_001"))
    );
    assert_eq!(parsed.secret.hash().to_string(), text(&token["hash"]));
    for entry in vector["weak_keys"].as_array().unwrap() {
        let weak: PublicKey = read(&entry["public_key"]);
        assert_eq!(weak.check_strength(), Err(text(&entry["flaw"])));
    }
    for entry in vector["fingerprints"].as_array().unwrap() {
        let fingerprint: KeyId = text(&entry["hex"]).parse().unwrap();
        assert_eq!(to_words(&fingerprint), text(&entry["words"]));
        assert_eq!(from_words(text(&entry["words"])), Ok(fingerprint));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn read<T: Serialize + DeserializeOwned>(value: &Value) -> T {
    wire::from_json(value.to_string().as_bytes(), MAX_HANDSHAKE_BODY).unwrap()
}
