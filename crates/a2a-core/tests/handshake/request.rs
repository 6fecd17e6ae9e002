//! M1 with one flaw each, and requests that are never made.

use std::time::Duration;

use a2a_core::certificate::CertificateError;
use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::{self, SignatureLabel};
use a2a_core::handshake::initiator::{self, REQUEST_LIFETIME};
use a2a_core::handshake::messages::Request;
use a2a_core::handshake::responder::PendingRequest;
use a2a_core::handshake::transcript::Transcript;
use a2a_core::handshake::{Credential, HandshakeError};
use a2a_core::time::{UnixTime, ValidityError};
use a2a_core::wire::Hex;

use crate::world::*;

const SUITE: Suite = Suite::X25519MlKem768;
const BAD_SIGNATURE: HandshakeError = HandshakeError::Crypto(CryptoError::BadSignature);

/// What the helper says of a request with one change, signed again by the traveller.
fn signed_with(change: impl FnOnce(&mut Request)) -> HandshakeError {
    let pair = pair(SUITE);
    resigned_by(&pair.initiator, &pair, change)
}

fn resigned_by(who: &Credential, pair: &Pair, change: impl FnOnce(&mut Request)) -> HandshakeError {
    let mut request = pair.asked().message;
    change(&mut request);
    request.signature = signed(who, SignatureLabel::Request, &Transcript::new(), &request);
    pair.verify(&request).unwrap_err()
}

#[test]
fn another_protocol_version() {
    for version in [0, 2] {
        let refused = signed_with(|request| request.protocol_version = version);
        assert_eq!(refused, HandshakeError::Version(version));
    }
}

#[test]
fn wrong_recipient() {
    let refused = signed_with(|request| request.peer_agent_id = id("worker_agent_001"));
    assert_eq!(refused, HandshakeError::WrongRecipient);
    let refused = signed_with(|request| request.peer_key_id = anchor().fingerprint());
    assert_eq!(refused, HandshakeError::WrongRecipient);
}

#[test]
fn a_request_forwarded_to_a_third_agent() {
    let to_helper = pair(SUITE).asked().message;
    let third = Pair { responder: mallory().credential(available()[0]), ..pair(SUITE) };
    assert_eq!(third.verify(&to_helper).unwrap_err(), HandshakeError::WrongRecipient);
}

#[test]
fn own_id() {
    let refused = signed_with(|request| request.agent_id = id("helper_agent_001"));
    assert_eq!(refused, HandshakeError::SelfPeer);
}

#[test]
fn own_key_under_another_name() {
    let provider = available()[0];
    let twin = Draft { key: Key::Helper, ..traveller() }.credential(provider);
    let pair = pair(SUITE);
    let refused =
        resigned_by(&twin, &pair, |request| request.certificate = twin.certificate().certificate().clone());
    assert_eq!(refused, HandshakeError::SelfPeer);
    let asking = |peer: &Credential| {
        initiator::request(twin.clone(), peer.certificate().clone(), pair.wish(), NOW).unwrap_err()
    };
    assert_eq!(asking(&pair.responder), HandshakeError::SelfPeer, "the same key");
    assert_eq!(asking(&pair.initiator), HandshakeError::SelfPeer, "the same name");
    assert_eq!(asking(&twin), HandshakeError::SelfPeer, "itself");
}

#[test]
fn an_address_other_than_the_certified_one() {
    let refused = signed_with(|request| request.address = "https://internal.example:443".parse().unwrap());
    assert_eq!(refused, HandshakeError::Mismatch("address"));
}

#[test]
fn stale() {
    assert_eq!(at(before(180), before(61), NOW), Err(HandshakeError::NotFresh));
    assert_eq!(at(before(180), before(60), NOW), Ok(()), "the skew's last second");
}

#[test]
fn from_the_future() {
    assert_eq!(at(after(61), after(100), after(0)), Err(HandshakeError::NotFresh));
    assert_eq!(at(after(60), after(100), after(0)), Ok(()), "the skew's last second");
}

#[test]
fn too_long_lived() {
    assert_eq!(at(NOW, after(121), NOW), Err(HandshakeError::NotFresh));
    assert_eq!(at(NOW, UnixTime::MAX, NOW), Err(HandshakeError::NotFresh));
    assert_eq!(at(NOW, after(120), NOW), Ok(()));
}

#[test]
fn no_life_at_all() {
    assert_eq!(at(NOW, NOW, NOW), Err(HandshakeError::NotFresh));
    assert_eq!(at(after(10), NOW, NOW), Err(HandshakeError::NotFresh));
}

fn at(timestamp: UnixTime, expires: UnixTime, now: UnixTime) -> Result<(), HandshakeError> {
    let pair = pair(SUITE);
    let mut request = pair.asked().message;
    (request.timestamp, request.expires) = (timestamp, expires);
    request.signature = signed(&pair.initiator, SignatureLabel::Request, &Transcript::new(), &request);
    PendingRequest::verify(pair.responder, verifier(), request, now).map(|_| ())
}

#[test]
fn a_wish_for_a_longer_life_is_cut_to_the_longest() {
    let pair = pair(SUITE);
    let wish = initiator::Wish { lifetime: Duration::from_hours(1), ..pair.wish() };
    let peer = pair.responder.certificate().clone();
    let request = initiator::request(pair.initiator, peer, wish, NOW).unwrap().message;
    assert_eq!(request.expires.since(request.timestamp), REQUEST_LIFETIME);
}

#[test]
fn a_repeated_suite() {
    let refused = signed_with(|request| request.suites = vec![SUITE, Suite::Modp2048, SUITE]);
    assert_eq!(refused, HandshakeError::Mismatch("suites"));
}

#[test]
fn no_common_suite() {
    assert_eq!(signed_with(|request| request.suites = vec![]), HandshakeError::NoCommonSuite);
    let narrow = Draft { suites: vec![Suite::Modp2048], ..helper() }.credential(available()[0]);
    let wide = pair(SUITE);
    let peer = narrow.certificate().clone();
    let refused = initiator::request(wide.initiator.clone(), peer, wide.wish(), NOW).unwrap_err();
    assert_eq!(refused, HandshakeError::NoCommonSuite, "known before asking");

    let classical = Pair { responder: narrow, offer: vec![Suite::Modp2048], ..wide };
    let refused = resigned_by(&classical.initiator, &classical, |request| request.suites = vec![SUITE]);
    assert_eq!(refused, HandshakeError::NoCommonSuite);
}

#[test]
fn suites_stripped_by_a_man_in_the_middle() {
    let pair = Pair { offer: Suite::ALL.to_vec(), ..pair(SUITE) };
    let mut request = pair.asked().message;
    request.suites = vec![Suite::Modp2048];
    assert_eq!(pair.verify(&request).unwrap_err(), BAD_SIGNATURE);
}

#[test]
fn the_certificate_of_another_controller() {
    let provider = available()[0];
    let foreign = Draft { controller: Key::Impostor, ..traveller() }.credential(provider);
    let pair = Pair { initiator: foreign, ..pair(SUITE) };
    let refused = pair.verify(&pair.asked().message).unwrap_err();
    assert!(
        matches!(refused, HandshakeError::Certificate(CertificateError::WrongController { .. })),
        "{refused}"
    );
}

#[test]
fn a_certificate_that_another_controller_signed_in_the_right_ones_name() {
    let foreign = Draft { controller: Key::Impostor, ..traveller() }.certificate();
    let refused = signed_with(|request| {
        request.certificate.controller_signature = foreign.controller_signature;
    });
    assert_eq!(refused, HandshakeError::Certificate(CertificateError::ControllerSignature));
}

#[test]
fn an_expired_certificate() {
    let old = Draft { issued_at: NOW.saturating_sub(DAY * 2), ..traveller() }.credential(available()[0]);
    let pair = Pair { initiator: old, ..pair(SUITE) };
    let refused = pair.verify(&pair.asked().message).unwrap_err();
    let expired = matches!(
        refused,
        HandshakeError::Certificate(CertificateError::Validity(ValidityError::Expired { .. }))
    );
    assert!(expired, "{refused}");
}

#[test]
fn the_certificate_of_a_third_agent() {
    let refused = signed_with(|request| request.certificate = mallory().certificate());
    assert!(matches!(refused, HandshakeError::Certificate(CertificateError::WrongName { .. })), "{refused}");
}

#[test]
fn signed_by_a_third_agent() {
    let pair = pair(SUITE);
    let mallory = mallory().credential(available()[0]);
    assert_eq!(resigned_by(&mallory, &pair, |_| ()), BAD_SIGNATURE);
}

/// To a request, with the help of another.
type Change = fn(&mut Request, &Request);

#[test]
fn any_signed_field_changed() {
    let pair = Pair { offer: Suite::ALL.to_vec(), ..pair(SUITE) };
    let good = pair.asked().message;
    let changes: [(&str, Change); 6] = [
        ("request_id", |request, other| request.request_id = other.request_id),
        ("purpose", |request, _| request.purpose = "all your secrets".parse().unwrap()),
        ("suites", |request, _| request.suites.reverse()),
        ("nonce", |request, other| request.nonce = other.nonce),
        ("timestamp", |request, _| request.timestamp = after(1)),
        ("expires", |request, _| request.expires = after(119)),
    ];
    for (field, change) in changes {
        let mut request = good.clone();
        change(&mut request, &pair.asked().message);
        assert_ne!(request, good, "{field}");
        assert_eq!(pair.verify(&request).unwrap_err(), BAD_SIGNATURE, "{field}");
    }
    let mut request = good.clone();
    request.certificate = traveller().certificate();
    assert_eq!(pair.verify(&request).unwrap_err(), BAD_SIGNATURE, "a renewed certificate");
    request = good;
    request.certificate.nonce = Hex::from_bytes([1; 32]);
    let refused = pair.verify(&request).unwrap_err();
    assert_eq!(refused, HandshakeError::Certificate(CertificateError::ControllerSignature));
}

#[test]
fn a_signature_for_another_use_or_of_another_message() {
    let pair = pair(SUITE);
    let mut request = pair.asked().message;
    let good = request.signature.clone();
    for label in SignatureLabel::ALL.into_iter().filter(|label| *label != SignatureLabel::Request) {
        request.signature = signed(&pair.initiator, label, &Transcript::new(), &request);
        assert_eq!(pair.verify(&request).unwrap_err(), BAD_SIGNATURE, "{label:?}");
    }
    let mut transcript = Transcript::new();
    transcript.absorb_message(&request);
    let enrolment = &request.certificate.agent_signature;
    let truncated = good.0.as_bytes()[..255].to_vec().into();
    for wrong in [enrolment.clone(), signature::Signature(flipped(&good.0)), signature::Signature(truncated)]
    {
        request.signature = wrong;
        assert_eq!(pair.verify(&request).unwrap_err(), BAD_SIGNATURE);
    }
    request.signature = good;
    pair.verify(&request).unwrap();
}

#[test]
fn a_credential_of_two_agents() {
    let provider = available()[0];
    let certificate = traveller().credential(provider).certificate().clone();
    let refused = Credential::new(provider, Key::Mallory.load(provider), certificate).unwrap_err();
    assert_eq!(refused, HandshakeError::KeyMismatch);
}
