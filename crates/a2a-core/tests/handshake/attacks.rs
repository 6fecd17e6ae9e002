//! Replay, a stolen key, and forgeries that must not disturb the honest peer; by their numbers in the threat model.

use a2a_core::certificate::CertificateError;
use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::messages::{
    DecidedBy, KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply, Response,
};
use a2a_core::handshake::responder::EstablishError;
use a2a_core::handshake::transcript::Transcript;
use a2a_core::handshake::{Credential, HandshakeError};
use a2a_core::session::RekeyPolicy;

use crate::world::*;

const SUITE: Suite = Suite::X25519MlKem768;
const OTHER_SESSION: HandshakeError = HandshakeError::Mismatch("session_id");
const BAD_SIGNATURE: HandshakeError = HandshakeError::Crypto(CryptoError::BadSignature);
const BAD_TAG: HandshakeError = HandshakeError::Crypto(CryptoError::BadTag);

/// T02.
#[test]
fn m3_of_another_session() {
    for suite in Suite::ALL {
        let recorded = pair(suite).begun().message;
        let Begun { responder, .. } = pair(suite).begun();
        assert_eq!(responder.authenticate(&recorded).unwrap_err(), OTHER_SESSION);
        let renamed = KeyExchangeInit { session_id: responder.session_id(), ..recorded };
        assert_eq!(responder.authenticate(&renamed).unwrap_err(), BAD_SIGNATURE);
    }
}

/// T02.
#[test]
fn m4_of_another_session() {
    let recorded = pair(SUITE).replied().message;
    let Replied { initiator, message, .. } = pair(SUITE).replied();
    let renamed = KeyExchangeReply { session_id: message.session_id, ..recorded.clone() };
    assert_eq!(initiator.finish(&renamed).unwrap_err(), BAD_SIGNATURE);
    assert_eq!(pair(SUITE).replied().initiator.finish(&recorded).unwrap_err(), OTHER_SESSION);
}

/// T02.
#[test]
fn m5_of_another_session() {
    let recorded = pair(SUITE).finished().message;
    let Finished { responder, message, .. } = pair(SUITE).finished();
    assert_eq!(responder.authenticate(&recorded).unwrap_err(), OTHER_SESSION);
    let renamed = KeyExchangeFinish { session_id: message.session_id, ..recorded };
    assert_eq!(responder.authenticate(&renamed).unwrap_err(), BAD_SIGNATURE);
}

/// A proof is good for the state that gave it and for no other.
#[test]
fn the_proof_of_one_session_used_in_another() {
    let (one, two) = (pair(SUITE).begun(), pair(SUITE).begun());
    let proof = one.responder.authenticate(&one.message).unwrap();
    assert_eq!(reply(two.responder, proof).unwrap_err(), OTHER_SESSION);

    let (one, two) = (pair(SUITE).finished(), pair(SUITE).finished());
    let proof = one.responder.authenticate(&one.message).unwrap();
    let refused = two.responder.establish(proof, RekeyPolicy::default(), NOW).unwrap_err();
    assert_eq!(refused, EstablishError::Handshake(BAD_TAG));
}

#[test]
fn a_forged_m3_or_m5_leaves_the_state_usable() {
    let pair = pair(SUITE);
    let Begun { initiator, responder, message: init, .. } = pair.begun();
    for _ in 0..3 {
        let forged = KeyExchangeInit { dh_public_key: flipped(&init.dh_public_key), ..init.clone() };
        assert_eq!(responder.authenticate(&forged).unwrap_err(), BAD_SIGNATURE);
    }
    let proof = responder.authenticate(&init).unwrap();
    let reply = reply(responder, proof).unwrap();
    let finish = initiator.finish(&reply.message).unwrap();
    for _ in 0..3 {
        let mut forged = finish.message.clone();
        forged.signature.0 = flipped(&forged.signature.0);
        assert_eq!(reply.next.authenticate(&forged).unwrap_err(), BAD_SIGNATURE);
    }
    let proof = reply.next.authenticate(&finish.message).unwrap();
    let established = reply.next.establish(proof, pair.policy, NOW).unwrap();
    finish.next.establish(established.message, pair.policy, NOW).unwrap();
}

/// T28. Mallory holds the traveller's key, and would be the helper for her: in M2 …
#[test]
fn who_has_the_travellers_key_cannot_consent_as_the_helper() {
    let stolen = traveller().credential(available()[0]);
    for signer in [&stolen, &mallory().credential(available()[0])] {
        let Decided { initiator, message, transcript, .. } = pair(SUITE).decided();
        let refused = accept(initiator, &consent(signer, message, &transcript)).unwrap_err();
        assert_eq!(refused, BAD_SIGNATURE);
    }
    // With a certificate for the helper's name that she makes up around a key she has.
    let Decided { initiator, message, transcript, .. } = pair(SUITE).decided();
    let Response::Accepted(mut acceptance) = message else { panic!("rejected") };
    acceptance.certificate.agent_card.public_key = stolen.certificate().public_key().clone();
    let message = consent(&stolen, Response::Accepted(acceptance), &transcript);
    let refused = accept(initiator, &message).unwrap_err();
    assert_eq!(refused, HandshakeError::Certificate(CertificateError::ControllerSignature));
}

fn consent(signer: &Credential, message: Response, transcript: &Transcript) -> Response {
    let signature = signed(signer, SignatureLabel::Accept, transcript, &message);
    let Response::Accepted(mut acceptance) = message else { panic!("rejected") };
    acceptance.signature = signature;
    Response::Accepted(acceptance)
}

/// T28. … and in M4, after the real helper's consent.
#[test]
fn who_has_the_travellers_key_cannot_exchange_keys_as_the_helper() {
    let stolen = traveller().credential(available()[0]);
    let Replied { initiator, message, transcript, .. } = pair(SUITE).replied();
    let own_share = pair(SUITE).replied().message.dh_public_key;
    let mut reply = KeyExchangeReply { dh_public_key: own_share, ..message };
    reply.signature = signed(&stolen, SignatureLabel::KeyExchangeReply, &transcript, &reply);
    assert_eq!(initiator.finish(&reply).unwrap_err(), BAD_SIGNATURE);
}

/// The same the other way round: the helper's key does not let anybody be the traveller.
#[test]
fn who_has_the_helpers_key_cannot_ask_or_exchange_keys_as_the_traveller() {
    let pair = pair(SUITE);
    let mut request = pair.asked().message;
    request.signature = signed(&pair.responder, SignatureLabel::Request, &Transcript::new(), &request);
    assert_eq!(pair.verify(&request).unwrap_err(), BAD_SIGNATURE);

    let Begun { responder, mut message, transcript, .. } = pair.begun();
    message.signature = signed(&pair.responder, SignatureLabel::KeyExchangeInit, &transcript, &message);
    assert_eq!(responder.authenticate(&message).unwrap_err(), BAD_SIGNATURE);
}

/// Consent is in the transcript: what was signed for one decision does not go with another.
#[test]
fn m3_after_another_consent_to_the_same_request() {
    let pair = pair(SUITE);
    let asked = pair.asked();
    let accept_once = || {
        let pending = pair.verify(&asked.message).unwrap();
        pending.accept(DecidedBy::Operator, PATIENCE, NOW).unwrap()
    };
    let (seen, hidden) = (accept_once(), accept_once());
    let init = start(accept(asked.next, &seen.message).unwrap()).message;
    let renamed = KeyExchangeInit { session_id: hidden.next.session_id(), ..init.clone() };
    assert_eq!(hidden.next.authenticate(&renamed).unwrap_err(), BAD_SIGNATURE);
    seen.next.authenticate(&init).unwrap();
}
