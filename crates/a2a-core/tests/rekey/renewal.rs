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

/// One exchange, M3' (0) to M6' (3). Before the message `at` is taken, one side renews; what it has sent before arrives
/// before its certificate.
fn renewed_during(at: usize, initiator_renews: bool, credential: &Credential) {
    let (mut initiator, mut responder) = sessions();
    let mut payload = initiator.rekey.begin().unwrap().unwrap();
    for step in 0..4 {
        let from_initiator = step % 2 == 0;
        let (sender, receiver) =
            if from_initiator { (&mut initiator, &mut responder) } else { (&mut responder, &mut initiator) };
        let sender_renews = step == at && from_initiator == initiator_renews;
        if step == at && !sender_renews {
            renew(receiver, sender, credential);
        }
        if sender_renews {
            sender.rekey.renew_local(credential.clone());
        }
        let taken = receiver.rekey.receive(&payload).unwrap();
        if sender_renews {
            receiver.rekey.renew_peer(certificate(credential));
        }
        assert_eq!(taken.complete, step >= 2);
        payload = taken.reply.unwrap_or_default();
    }
    exchange(&mut initiator, &mut responder);
}

#[test]
fn an_exchange_goes_on_whenever_a_certificate_is_renewed() {
    for at in 0..4 {
        renewed_during(at, true, &renewed(traveller()));
        renewed_during(at, false, &renewed(helper()));
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
