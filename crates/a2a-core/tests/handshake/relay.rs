//! T01: identity misbinding. Mallory, with a good certificate, stands between a traveller who talks to her and a helper
//! to whom she talks, and passes on all she can, so that the traveller's and the helper's keys would be each other's.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::{Signature, SignatureLabel};
use a2a_core::handshake::initiator::{Accepted, AwaitReply};
use a2a_core::handshake::messages::{
    DecidedBy, KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply, Request, Response,
};
use a2a_core::handshake::responder::{AwaitFinish, AwaitInit, EstablishError};
use a2a_core::handshake::transcript::Transcript;
use a2a_core::handshake::{Credential, HandshakeError, Step};
use a2a_core::session::RekeyPolicy;

use crate::world::*;

const BAD_SIGNATURE: HandshakeError = HandshakeError::Crypto(CryptoError::BadSignature);
const BAD_TAG: HandshakeError = HandshakeError::Crypto(CryptoError::BadTag);

/// As far as M2 on both sides.
struct Consented {
    mallory: Credential,
    traveller: Accepted,
    helper: AwaitInit,
    /// As the traveller has it.
    with_traveller: Transcript,
    /// As the helper has it.
    with_helper: Transcript,
}

/// As far as M4 on both sides: the traveller's share has reached the helper, and the helper's is on its way.
struct Shared {
    mallory: Credential,
    traveller: AwaitReply,
    helper: AwaitFinish,
    with_traveller: Transcript,
    with_helper: Transcript,
    reply: KeyExchangeReply,
}

fn consented(suite: Suite) -> Consented {
    let provider = available()[0];
    let mallory = mallory().credential(provider);
    let to_mallory = Pair::new(traveller().credential(provider), mallory.clone(), suite);
    let to_helper = Pair::new(mallory.clone(), helper().credential(provider), suite);

    let Step { next: traveller, message: asked } = to_mallory.asked();
    let request = in_mallorys_name(&to_helper, &asked);
    let pending = to_helper.verify(&request).unwrap();
    let Step { next: helper, message: helpers } =
        pending.accept(DecidedBy::PolicyAll, PATIENCE, NOW).unwrap();
    let mallorys =
        in_mallorys_name_too(&to_mallory, &after(Transcript::new(), &asked, &asked.signature), &helpers);
    let traveller = accept(traveller, &mallorys).expect("Mallory may accept what she was asked");
    Consented {
        mallory,
        traveller,
        helper,
        with_traveller: after_m2(&asked, &mallorys),
        with_helper: after_m2(&request, &helpers),
    }
}

/// The traveller's M1 with all kept that Mallory can keep: nonce, request id, times.
fn in_mallorys_name(to_helper: &Pair, asked: &Request) -> Request {
    let (own, peer) = (to_helper.initiator.certificate(), to_helper.responder.certificate());
    let mut request = Request {
        agent_id: own.agent_id().clone(),
        address: own.address().clone(),
        peer_agent_id: peer.agent_id().clone(),
        peer_key_id: peer.key_id(),
        certificate: own.certificate().clone(),
        ..asked.clone()
    };
    request.signature = signed(&to_helper.initiator, SignatureLabel::Request, &Transcript::new(), &request);
    request
}

/// The helper's M2 with all kept that Mallory can keep: session id, nonce, decision.
fn in_mallorys_name_too(to_mallory: &Pair, transcript: &Transcript, helpers: &Response) -> Response {
    let Response::Accepted(mut acceptance) = helpers.clone() else { panic!("rejected") };
    acceptance.agent_id = id("mallory");
    acceptance.certificate = to_mallory.responder.certificate().certificate().clone();
    let unsigned = Response::Accepted(acceptance.clone());
    acceptance.signature = signed(&to_mallory.responder, SignatureLabel::Accept, transcript, &unsigned);
    Response::Accepted(acceptance)
}

fn after_m2(request: &Request, response: &Response) -> Transcript {
    let Response::Accepted(acceptance) = response else { panic!("rejected") };
    let transcript = after(Transcript::new(), request, &request.signature);
    after(transcript, response, &acceptance.signature)
}

fn after<T: serde::Serialize>(mut transcript: Transcript, message: &T, signature: &Signature) -> Transcript {
    transcript.absorb_message(message);
    transcript.absorb_signature(signature);
    transcript
}

fn shared(suite: Suite) -> Shared {
    let Consented { mallory, traveller, helper, with_traveller, with_helper } = consented(suite);
    let Step { next: traveller, message: init } = start(traveller);
    let signature = signed(&mallory, SignatureLabel::KeyExchangeInit, &with_helper, &init);
    let mallorys = KeyExchangeInit { signature, ..init.clone() };
    let proof = helper.authenticate(&mallorys).expect("Mallory may sign any share");
    let Step { next: helper, message: reply } = reply(helper, proof).unwrap();
    Shared {
        mallory,
        traveller,
        helper,
        with_traveller: after(with_traveller, &init, &init.signature),
        with_helper: after(with_helper, &mallorys, &mallorys.signature),
        reply,
    }
}

#[test]
fn the_travellers_share_as_it_is_is_refused_by_the_helper() {
    let Consented { traveller, helper, .. } = consented(Suite::X25519MlKem768);
    assert_eq!(traveller.session_id(), helper.session_id(), "Mallory gave both the same session id");
    let init = start(traveller).message;
    assert_eq!(helper.authenticate(&init).unwrap_err(), BAD_SIGNATURE);
}

#[test]
fn the_helpers_reply_as_it_is_is_refused_by_the_traveller() {
    for suite in Suite::ALL {
        let Shared { traveller, reply, .. } = shared(suite);
        assert_eq!(traveller.finish(&reply).unwrap_err(), BAD_SIGNATURE, "{suite}");
    }
}

/// Mallory can sign the helper's share, but the confirmation is made with keys that hang on both identities.
#[test]
fn the_helpers_reply_signed_by_mallory_is_refused_by_the_traveller() {
    for suite in Suite::ALL {
        let Shared { mallory, traveller, with_traveller, mut reply, .. } = shared(suite);
        reply.signature = signed(&mallory, SignatureLabel::KeyExchangeReply, &with_traveller, &reply);
        assert_eq!(traveller.finish(&reply).unwrap_err(), BAD_TAG, "{suite}");
    }
}

/// Mallory can sign M5, but not confirm keys that she does not have.
#[test]
fn mallory_cannot_finish_with_the_helper() {
    let Shared { mallory, helper, with_helper, reply, .. } = shared(Suite::X25519MlKem768);
    let mut transcript = after(with_helper, &reply, &reply.signature);
    transcript.absorb(reply.confirm.as_bytes());
    let stolen = pair(Suite::X25519MlKem768).finished().message;
    let mut finish = KeyExchangeFinish { session_id: reply.session_id, ..stolen };
    finish.signature = signed(&mallory, SignatureLabel::KeyExchangeFinish, &transcript, &finish);
    let proof = helper.authenticate(&finish).expect("Mallory is whom the helper talks to");
    let refused = helper.establish(proof, RekeyPolicy::default(), NOW).unwrap_err();
    assert_eq!(refused, EstablishError::Handshake(BAD_TAG));
}
