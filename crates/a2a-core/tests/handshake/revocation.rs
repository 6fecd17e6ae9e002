//! Peers that have been revoked or superseded, and lists that say nothing any more: as the peer's certificate is
//! fetched, in M1 and in M2.

use std::collections::BTreeMap;
use std::time::Duration;

use a2a_core::certificate::{
    CertificateError, RevocationContent, RevocationError, VerifiedCertificate, Verifier,
};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::handshake::messages::{DecidedBy, Response};
use a2a_core::handshake::responder::PendingRequest;
use a2a_core::handshake::{HandshakeError, Step, initiator};
use a2a_core::time::{UnixTime, ValidityError};

use crate::world::*;

const HOUR: Duration = Duration::from_hours(1);

/// What the verifier's owner knows, when it looks, and why it refuses the peer.
type Case = (&'static str, Verifier, UnixTime, CertificateError);

fn cases(peer: &VerifiedCertificate) -> Vec<Case> {
    let none = RevocationContent::default;
    let by_serial = RevocationContent { serials: vec![peer.certificate().serial], ..none() };
    let by_key = RevocationContent { key_ids: vec![peer.key_id()], ..none() };
    let not_before = BTreeMap::from([(peer.agent_id().clone(), after(1))]);
    let superseded = RevocationContent { not_before, ..none() };
    let know = |content| verifier_with(content, HOUR);
    let expired = ValidityError::Expired { expires_at: after(3_600), now: after(3_660) };
    let early = ValidityError::NotYetValid { issued_at: NOW, now: before(61) };
    // Its certificate is not valid that early either, so the list is looked at alone below.
    assert_eq!(know(none()).revocations.check_fresh(before(61)), Err(RevocationError::Validity(early)));
    vec![
        ("serial", know(by_serial), NOW, CertificateError::Revoked),
        ("key", know(by_key), NOW, CertificateError::Revoked),
        ("superseded", know(superseded), NOW, CertificateError::Superseded),
        ("stale", know(none()), after(3_660), RevocationError::Validity(expired).into()),
    ]
}

#[test]
fn a_certificate_that_is_fetched() {
    let peer = helper().credential(available()[0]).certificate().clone();
    let fetched = |verifier: &Verifier, now| {
        let expected = Some(peer.agent_id());
        verifier.verify(available()[0], peer.certificate().clone(), expected, now).map(|_| ())
    };
    for (name, verifier, now, error) in cases(&peer) {
        assert_eq!(fetched(&verifier, now), Err(error), "{name}");
    }
    assert_eq!(fetched(verifier(), NOW), Ok(()));
}

#[test]
fn m1_of_such_a_peer() {
    let pair = pair(Suite::X25519MlKem768);
    let asked = |now, verifier: &Verifier| {
        let peer = pair.responder.certificate().clone();
        let Step { message, .. } =
            initiator::request(pair.initiator.clone(), peer, pair.wish(), now).unwrap();
        PendingRequest::verify(pair.responder.clone(), verifier, sent(&message), now).map(|_| ())
    };
    for (name, verifier, now, error) in cases(pair.initiator.certificate()) {
        assert_eq!(asked(now, &verifier), Err(HandshakeError::Certificate(error)), "{name}");
    }
    assert_eq!(asked(NOW, verifier()), Ok(()));
    // Whoever is revoked is refused before anything is verified with its key.
    let (_, verifier, ..) = cases(pair.initiator.certificate()).remove(1);
    let mut forged = pair.asked().message;
    forged.purpose = "another".parse().unwrap();
    let refused = PendingRequest::verify(pair.responder.clone(), &verifier, forged, NOW).unwrap_err();
    assert_eq!(refused, HandshakeError::Certificate(CertificateError::Revoked));
}

#[test]
fn m2_of_such_a_peer() {
    type Decide = fn(PendingRequest) -> Response;
    let pair = pair(Suite::X25519MlKem768);
    let answers: [(&str, Decide); 2] = [
        ("yes", |pending| pending.accept(DecidedBy::Operator, PATIENCE, after(3_600)).unwrap().message),
        ("no", |pending| pending.reject(DecidedBy::Operator, NOW).unwrap()),
    ];
    for (answer, decide) in answers {
        let received = |verifier: &Verifier, now| {
            let Step { next, message } = pair.asked();
            let response = decide(pair.verify(&message).unwrap());
            next.receive(&sent(&response), verifier, now).map(|_| ())
        };
        for (name, verifier, now, error) in cases(pair.responder.certificate()) {
            let refused = HandshakeError::Certificate(error);
            assert_eq!(received(&verifier, now), Err(refused), "{answer}, {name}");
        }
        assert_eq!(received(verifier(), NOW), Ok(()), "{answer}");
    }
}
