//! T03: a signature made for one message stands in no other's place, whoever made it and over whatever transcript.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::signature::{Signature, SignatureLabel};
use a2a_core::handshake::HandshakeError;
use a2a_core::handshake::messages::{KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply, Response};

use crate::world::*;

const SUITE: Suite = Suite::X25519MlKem768;
const BAD_SIGNATURE: HandshakeError = HandshakeError::Crypto(CryptoError::BadSignature);

fn other_than(label: SignatureLabel) -> impl Iterator<Item = SignatureLabel> {
    SignatureLabel::ALL.into_iter().filter(move |other| *other != label)
}

#[test]
fn m3_signed_for_another_use() {
    let pair = pair(SUITE);
    let Begun { responder, message, transcript, .. } = pair.begun();
    for label in other_than(SignatureLabel::KeyExchangeInit) {
        let signature = signed(&pair.initiator, label, &transcript, &message);
        let init = KeyExchangeInit { signature, ..message.clone() };
        assert_eq!(responder.authenticate(&init).unwrap_err(), BAD_SIGNATURE, "{label:?}");
    }
    responder.authenticate(&message).unwrap();
}

#[test]
fn m4_signed_for_another_use() {
    let pair = pair(SUITE);
    for label in other_than(SignatureLabel::KeyExchangeReply) {
        let Replied { initiator, message, transcript, .. } = pair.replied();
        let signature = signed(&pair.responder, label, &transcript, &message);
        let reply = KeyExchangeReply { signature, ..message };
        assert_eq!(initiator.finish(&reply).unwrap_err(), BAD_SIGNATURE, "{label:?}");
    }
}

#[test]
fn m5_signed_for_another_use() {
    let pair = pair(SUITE);
    let Finished { responder, message, transcript, .. } = pair.finished();
    for label in other_than(SignatureLabel::KeyExchangeFinish) {
        let signature = signed(&pair.initiator, label, &transcript, &message);
        let finish = KeyExchangeFinish { signature, ..message.clone() };
        assert_eq!(responder.authenticate(&finish).unwrap_err(), BAD_SIGNATURE, "{label:?}");
    }
    responder.authenticate(&message).unwrap();
}

/// Every signature of one handshake in every other message's place, those of the certificates included.
#[test]
fn the_genuine_signature_of_another_message_of_the_same_handshake() {
    let pair = pair(SUITE);
    let asked = pair.asked();
    let decided = pair.decided();
    let begun = pair.begun();
    let replied = pair.replied();
    let finished = pair.finished();
    let Response::Accepted(acceptance) = &decided.message else { panic!("rejected") };
    let papers = pair.initiator.certificate().certificate();
    let all = [
        &papers.agent_signature,
        &papers.controller_signature,
        &asked.message.signature,
        &acceptance.signature,
        &begun.message.signature,
        &replied.message.signature,
        &finished.message.signature,
    ];
    let elsewhere = |own: &Signature| all.into_iter().filter(move |other| *other != own).cloned().collect();
    let others: Vec<Signature> = elsewhere(&asked.message.signature);
    assert_eq!(others.len(), 6);
    for signature in others {
        let mut request = asked.message.clone();
        request.signature = signature;
        assert_eq!(pair.verify(&request).unwrap_err(), BAD_SIGNATURE);
    }
    let others: Vec<Signature> = elsewhere(&begun.message.signature);
    for signature in others {
        let init = KeyExchangeInit { signature, ..begun.message.clone() };
        assert_eq!(begun.responder.authenticate(&init).unwrap_err(), BAD_SIGNATURE);
    }
    let others: Vec<Signature> = elsewhere(&finished.message.signature);
    for signature in others {
        let finish = KeyExchangeFinish { signature, ..finished.message.clone() };
        assert_eq!(finished.responder.authenticate(&finish).unwrap_err(), BAD_SIGNATURE);
    }
    let others: Vec<Signature> = elsewhere(&acceptance.signature);
    for signature in others {
        let Decided { initiator, message, .. } = pair.decided();
        let Response::Accepted(mut acceptance) = message else { panic!("rejected") };
        acceptance.signature = signature;
        assert_eq!(accept(initiator, &Response::Accepted(acceptance)).unwrap_err(), BAD_SIGNATURE);
    }
    let others: Vec<Signature> = elsewhere(&replied.message.signature);
    for signature in others {
        let Replied { initiator, message, .. } = pair.replied();
        let reply = KeyExchangeReply { signature, ..message };
        assert_eq!(initiator.finish(&reply).unwrap_err(), BAD_SIGNATURE);
    }
}
