//! T10: what is not signed by the peer costs no modular exponentiation, however often it comes.
//!
//! A program of its own with a single test, since the counter is one for the process.

#![allow(clippy::unwrap_used)]

mod world;

use a2a_core::crypto::kx::modp::exponentiations;
use a2a_core::crypto::kx::{ResponderKeys, Suite};
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::messages::KeyExchangeInit;

use world::*;

#[test]
fn a_forged_m3_or_a_bad_group_costs_no_exponentiation() {
    let mallory = mallory().credential(available()[0]);
    for suite in [Suite::Modp2048, Suite::Modp2048MlKem768] {
        let pair = pair(suite);
        let Begun { responder, message, transcript, .. } = pair.begun();
        let replayed = pair.begun().message;

        let keys = ResponderKeys::generate(suite, available()[0]).unwrap();
        let before = exponentiations();
        for _ in 0..100 {
            let signature = signed(&mallory, SignatureLabel::KeyExchangeInit, &transcript, &message);
            responder.authenticate(&KeyExchangeInit { signature, ..message.clone() }).unwrap_err();
            let changed =
                KeyExchangeInit { dh_public_key: flipped(&message.dh_public_key), ..message.clone() };
            responder.authenticate(&changed).unwrap_err();
            let renamed = KeyExchangeInit { session_id: message.session_id, ..replayed.clone() };
            responder.authenticate(&renamed).unwrap_err();
        }
        responder.authenticate(&message).unwrap();
        assert_eq!(exponentiations(), before, "{suite}: verifying M3");

        // The peer itself, with a share that is not one.
        let mut der = message.dh_public_key.as_bytes().to_vec();
        der[100] ^= 1;
        let mut bad = KeyExchangeInit { dh_public_key: der.into(), ..message.clone() };
        bad.signature = signed(&pair.initiator, SignatureLabel::KeyExchangeInit, &transcript, &bad);
        let proof = responder.authenticate(&bad).unwrap();
        responder.reply(proof, keys).unwrap_err();
        assert_eq!(exponentiations(), before, "{suite}: a signed share in another group");

        let Begun { responder, message, .. } = pair.begun();
        let before = exponentiations();
        let proof = responder.authenticate(&message).unwrap();
        reply(responder, proof).unwrap();
        assert_eq!(exponentiations(), before + 2, "{suite}: the counter counts");
    }
}
