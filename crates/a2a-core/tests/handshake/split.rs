//! M4 and M5 made in two halves, on two threads.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::{ResponderKeys, Suite};
use a2a_core::crypto::provider::available;
use a2a_core::handshake::HandshakeError;
use a2a_core::handshake::messages::KeyExchangeReply;
use a2a_core::handshake::responder::{AwaitInit, InitAuthenticated, Replying};
use a2a_core::handshake::split::{Agreed, Signed, Split};
use a2a_core::session::RekeyPolicy;

use crate::world::*;

#[test]
fn two_threads_set_a_session_up() {
    for suite in Suite::ALL {
        let Begun { initiator, responder, message, .. } = pair(suite).begun();
        let proof = responder.authenticate(&message).unwrap();
        let (next, signed, agreed) = at_once(begin_reply(responder, proof));
        let reply = next.join(signed, &agreed);

        let (next, signed, agreed) = at_once(initiator.begin_finish(&sent(&reply.message)).unwrap());
        let finish = next.join(signed, &agreed).unwrap();

        let proof = reply.next.authenticate(&sent(&finish.message)).unwrap();
        let opened = reply.next.establish(proof, RekeyPolicy::default(), NOW).unwrap();
        finish.next.establish(sent(&opened.message), RekeyPolicy::default(), NOW).unwrap();
    }
}

/// Nothing is to be sent before M4's confirmation is verified.
#[test]
fn there_is_no_m5_for_an_m4_with_a_wrong_confirmation() {
    let Replied { initiator, message, .. } = pair(Suite::X25519MlKem768).replied();
    let forged = KeyExchangeReply { confirm: flipped(&message.confirm), ..message };
    let (next, signed, agreed) = at_once(initiator.begin_finish(&forged).unwrap());
    assert_eq!(next.join(signed, &agreed).unwrap_err(), HandshakeError::Crypto(CryptoError::BadTag));
}

/// No agreement is to be had with a share that the peer has not signed.
#[test]
fn there_are_no_halves_for_a_forged_m4() {
    let Replied { initiator, message, .. } = pair(Suite::X25519MlKem768).replied();
    let forged = KeyExchangeReply { dh_public_key: flipped(&message.dh_public_key), ..message };
    let refused = initiator.begin_finish(&forged).unwrap_err();
    assert_eq!(refused, HandshakeError::Crypto(CryptoError::BadSignature));
}

#[test]
fn halves_of_another_session_are_found_out() {
    let [one, two] = [(); 2].map(|()| pair(Suite::X25519MlKem768).begun());
    let proof = one.responder.authenticate(&one.message).unwrap();
    let (next, signed, _) = at_once(begin_reply(one.responder, proof));
    let proof = two.responder.authenticate(&two.message).unwrap();
    let (_, _, others) = at_once(begin_reply(two.responder, proof));
    let reply = next.join(signed, &others).message;
    assert_eq!(one.initiator.finish(&reply).unwrap_err(), HandshakeError::Crypto(CryptoError::BadTag));

    let [one, two] = [(); 2].map(|()| pair(Suite::X25519MlKem768).replied());
    let (next, _, agreed) = at_once(one.initiator.begin_finish(&one.message).unwrap());
    let (_, others, _) = at_once(two.initiator.begin_finish(&two.message).unwrap());
    let finish = next.join(others, &agreed).unwrap().message;
    let refused = one.responder.authenticate(&finish).unwrap_err();
    assert_eq!(refused, HandshakeError::Crypto(CryptoError::BadSignature));
}

#[test]
fn debug_shows_no_secret() {
    let Begun { responder, message, .. } = pair(Suite::X25519MlKem768).begun();
    let proof = responder.authenticate(&message).unwrap();
    let split = begin_reply(responder, proof);
    assert_eq!(format!("{:?}", split.agreement), "AgreementJob(..)");
    assert_eq!(format!("{:?}", split.agreement.run().unwrap()), "Agreed(SharedSecret(..))");
}

fn begin_reply(responder: AwaitInit, proof: InitAuthenticated) -> Split<Replying> {
    let keys = ResponderKeys::generate(responder.suite(), available()[0]).unwrap();
    responder.begin_reply(proof, keys).unwrap()
}

fn at_once<State>(split: Split<State>) -> (State, Signed, Agreed) {
    let Split { next, signing, agreement } = split;
    let signing = std::thread::spawn(move || signing.run());
    let agreed = agreement.run().unwrap();
    (next, signing.join().unwrap().unwrap(), agreed)
}
