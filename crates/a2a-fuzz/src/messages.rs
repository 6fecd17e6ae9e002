//! Messages in JSON, each as its receiver reads it.

use std::fmt::Debug;

use a2a_core::certificate::{
    AgentCard, AgentCertificate, Challenge, ChallengeRequest, ControllerInfo, EnrolmentRequest,
    EnrolmentResponse, KnownCertificates, RenewalRequest, RevocationList,
};
use a2a_core::certificate::{TrustAnchor, Verifier};
use a2a_core::crypto::provider::available;
use a2a_core::handshake::messages::{Established, KeyExchange, KeyExchangeReply, Request, Response};
use a2a_core::session::{Ack, Close};
use a2a_core::time::UnixTime;
use a2a_core::wire::{MAX_CERTIFICATE, MAX_HANDSHAKE_BODY, MAX_SEND_BODY, canonical_json, from_json};
use a2a_node::http::ErrorBody;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::cast;

/// What a reader takes means the same to everybody: written canonically it is read as the same value, is written the same
/// again, and is what a reader without any types writes. So nothing of it was ignored, and what is signed is what came.
pub(crate) fn strictly<T>(bytes: &[u8], limit: usize) -> Option<T>
where
    T: DeserializeOwned + Serialize + PartialEq + Debug,
{
    let value: T = from_json(bytes, limit).ok()?;
    let canonical = canonical_json(&value).expect("what was read can be written");
    assert_eq!(from_json::<T>(&canonical, MAX_SEND_BODY).as_ref(), Ok(&value));
    let untyped: Value = serde_json::from_slice(bytes).expect("what was read is JSON");
    assert_eq!(canonical_json(&untyped).as_ref(), Ok(&canonical));
    Some(value)
}

/// A certificate as a peer shows it.
pub(crate) fn certificate(bytes: &[u8]) {
    if let Some(certificate) = strictly::<AgentCertificate>(bytes, MAX_CERTIFICATE) {
        judged(certificate);
    }
    strictly::<AgentCard>(bytes, MAX_CERTIFICATE);
}

/// Whatever a certificate holds, verifying it comes to an end; nobody has signed what the fuzzer makes.
fn judged(certificate: AgentCertificate) {
    let (anchor, now) = (anchor_of(&certificate), certificate.issued_at);
    let verifier =
        Verifier { revocations: cast::no_revocations(), known: KnownCertificates::default(), anchor };
    let verified = verifier.anchor.verify(cast::PROVIDER, certificate.clone(), None, now);
    assert!(verified.is_err(), "a certificate that nobody has signed");
    assert!(verifier.verify(cast::PROVIDER, certificate, None, now).is_err());
}

/// The one that comes furthest with it: whoever it names, with the key that it names if that is ours.
fn anchor_of(certificate: &AgentCertificate) -> TrustAnchor {
    TrustAnchor { controller_id: certificate.controller_id.clone(), ..cast::anchor() }
}

/// M1 to M6, a rejection, and what is said in a session. No bytes are two of these.
pub(crate) fn handshake(bytes: &[u8]) {
    let readers: [(&str, bool); 8] = [
        ("M1", strictly::<Request>(bytes, MAX_HANDSHAKE_BODY).is_some()),
        ("M2", strictly::<Response>(bytes, MAX_HANDSHAKE_BODY).is_some()),
        ("M3 or M5", strictly::<KeyExchange>(bytes, MAX_HANDSHAKE_BODY).is_some()),
        ("M4", strictly::<KeyExchangeReply>(bytes, MAX_HANDSHAKE_BODY).is_some()),
        ("M6", strictly::<Established>(bytes, MAX_HANDSHAKE_BODY).is_some()),
        ("acknowledgement", strictly::<Ack>(bytes, MAX_HANDSHAKE_BODY).is_some()),
        ("close", strictly::<Close>(bytes, MAX_HANDSHAKE_BODY).is_some()),
        ("error", strictly::<ErrorBody>(bytes, MAX_HANDSHAKE_BODY).is_some()),
    ];
    let taken: Vec<_> = readers.iter().filter(|(_, is_taken)| *is_taken).collect();
    assert!(taken.len() <= 1, "one message is two: {taken:?}");
}

/// What a controller says: who it is, how it came to its key, and what is void.
pub(crate) fn controller(bytes: &[u8]) {
    let provider = available()[0];
    if let Some(list) = strictly::<RevocationList>(bytes, MAX_HANDSHAKE_BODY) {
        let anchor = TrustAnchor { controller_id: list.controller_id.clone(), ..cast::anchor() };
        assert!(list.clone().verify(provider, &anchor, list.this_update).is_err(), "nobody has signed it");
    }
    if let Some(info) = strictly::<ControllerInfo>(bytes, MAX_HANDSHAKE_BODY) {
        // Real traffic verifies: what its seeds hold was signed.
        if let Ok(anchor) = info.verify(provider) {
            assert_eq!(anchor.fingerprint(), info.fingerprint());
        }
        let followed = cast::anchor().follow(provider, &info.successions, info.fingerprint(), NOW);
        assert!(followed.is_err(), "a successor that nobody has named");
    }
}

/// The bodies of enrolment, as the controller and the agent read them.
pub(crate) fn enrolment(bytes: &[u8]) {
    let provider = available()[0];
    if let Some(request) = strictly::<EnrolmentRequest>(bytes, MAX_HANDSHAKE_BODY) {
        let _ = request.verify_possession(provider);
        let _ = request.agent_card.public_key.check_strength();
        requested_key(&request.tls_csr);
    }
    if let Some(request) = strictly::<RenewalRequest>(bytes, MAX_HANDSHAKE_BODY) {
        requested_key(&request.tls_csr);
    }
    strictly::<EnrolmentResponse>(bytes, MAX_HANDSHAKE_BODY);
    strictly::<Challenge>(bytes, MAX_HANDSHAKE_BODY);
    strictly::<ChallengeRequest>(bytes, MAX_HANDSHAKE_BODY);
    if let Ok(pem) = std::str::from_utf8(bytes) {
        requested_key(pem);
    }
}

/// A request for a TLS certificate names one key, however often it is read.
fn requested_key(pem: &str) {
    let key = controller::fuzzing::requested_key(pem);
    assert_eq!(key, controller::fuzzing::requested_key(pem));
}

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
