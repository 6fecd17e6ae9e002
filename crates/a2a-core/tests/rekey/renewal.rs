//! Certificates that are renewed around an exchange, under another key: whoever signs does so with the key in the last
//! certificate that it has sent.

use a2a_core::certificate::VerifiedCertificate;
use a2a_core::crypto::CryptoError;
use a2a_core::crypto::provider::available;
use a2a_core::handshake::{Credential, HandshakeError};
use a2a_core::session::{Session, SessionError};

use crate::live::{assert_failed, exchange};
use crate::world::*;

const BAD_SIGNATURE: SessionError = SessionError::Rekey(HandshakeError::Crypto(CryptoError::BadSignature));

/// The agent's next certificate, under a key that it has not used yet.
fn renewed(agent: Draft) -> Credential {
    Draft { key: Key::Mallory, issued_at: after(60), ..agent }.credential(available()[0])
}

fn certificate(credential: &Credential) -> VerifiedCertificate {
    credential.certificate().clone()
}

/// One side has a new certificate and tells the other.
fn renew(one: &mut Session, other: &mut Session, credential: &Credential) {
    one.rekey.renew_local(credential.clone());
    other.rekey.renew_peer(certificate(credential));
}

/// Renews before step `at` of an exchange (0: M3' to 3: M6'), and lets it run.
fn renewed_before_step(at: usize, renew: impl Fn(&mut Session, &mut Session)) {
    let (mut initiator, mut responder) = sessions();
    let mut payload = Vec::new();
    for step in 0..4 {
        if step == at {
            renew(&mut initiator, &mut responder);
        }
        payload = match step {
            0 => initiator.rekey.begin().unwrap().unwrap(),
            1 | 3 => responder.rekey.receive(&payload).unwrap().reply.unwrap(),
            _ => initiator.rekey.receive(&payload).unwrap().reply.unwrap(),
        };
    }
    assert!(initiator.rekey.receive(&payload).unwrap().complete);
}

#[test]
fn an_exchange_goes_on_whenever_a_certificate_is_renewed() {
    let (new_initiator, new_responder) = (renewed(traveller()), renewed(helper()));
    for at in 0..4 {
        renewed_before_step(at, |initiator, responder| renew(initiator, responder, &new_initiator));
        renewed_before_step(at, |initiator, responder| renew(responder, initiator, &new_responder));
    }
}

#[test]
fn the_next_exchange_is_under_the_new_keys() {
    let (mut initiator, mut responder) = sessions();
    exchange(&mut initiator, &mut responder);
    renew(&mut initiator, &mut responder, &renewed(traveller()));
    exchange(&mut initiator, &mut responder);
    deliver(&mut initiator, &mut responder, "there");
    deliver(&mut responder, &mut initiator, "back");
}

#[test]
fn after_a_renewal_the_former_key_is_refused() {
    // M3' by the former key.
    let (mut initiator, mut responder) = sessions();
    responder.rekey.renew_peer(certificate(&renewed(traveller())));
    let init = initiator.rekey.begin().unwrap().unwrap();
    let error = responder.rekey.receive(&init).unwrap_err();
    assert_eq!(error, BAD_SIGNATURE);
    assert_failed(&mut responder, &error);
    // M4' by the former key.
    let (mut initiator, mut responder) = sessions();
    let init = initiator.rekey.begin().unwrap().unwrap();
    let reply = responder.rekey.receive(&init).unwrap().reply.unwrap();
    initiator.rekey.renew_peer(certificate(&renewed(helper())));
    assert_eq!(initiator.rekey.receive(&reply).unwrap_err(), BAD_SIGNATURE);
    // M5' by the former key.
    let (mut initiator, mut responder) = sessions();
    let init = initiator.rekey.begin().unwrap().unwrap();
    let reply = responder.rekey.receive(&init).unwrap().reply.unwrap();
    let finish = initiator.rekey.receive(&reply).unwrap().reply.unwrap();
    responder.rekey.renew_peer(certificate(&renewed(traveller())));
    assert_eq!(responder.rekey.receive(&finish).unwrap_err(), BAD_SIGNATURE);
}
