//! Exchanges that fail, each by one flaw: the frames are genuine, so the session ends with the exchange.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::HandshakeError;
use a2a_core::handshake::messages::{KeyExchangeInit, KeyExchangeReply};
use a2a_core::session::{RekeyPolicy, Session, SessionError};
use a2a_core::wire::Base64;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::live::{assert_failed, recorded_exchange};
use crate::world::*;

const UNEXPECTED: SessionError = SessionError::BadContent("rekey");
const BAD_SIGNATURE: SessionError = SessionError::Rekey(HandshakeError::Crypto(CryptoError::BadSignature));
const BAD_TAG: SessionError = SessionError::Rekey(HandshakeError::Crypto(CryptoError::BadTag));

/// M3' to M6', for the side that takes each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Init,
    Reply,
    Finish,
    Done,
}

const STEPS: [Step; 4] = [Step::Init, Step::Reply, Step::Finish, Step::Done];

/// Goes on with an exchange up to `step`, has its payload replaced, and says what the receiver says.
fn replaced(sessions: (Session, Session), step: Step, with: impl FnOnce(Vec<u8>) -> Vec<u8>) -> SessionError {
    let (mut initiator, mut responder) = sessions;
    let mut payload = initiator.rekey.begin().unwrap().unwrap();
    for current in STEPS {
        let receiver = match current {
            Step::Init | Step::Finish => &mut responder,
            Step::Reply | Step::Done => &mut initiator,
        };
        if current == step {
            let error = receiver.rekey.receive(&with(payload)).unwrap_err();
            if error != UNEXPECTED {
                assert_failed(receiver, &error);
            }
            assert!(error.is_fatal());
            return error;
        }
        payload = receiver.rekey.receive(&payload).unwrap().reply.unwrap();
    }
    unreachable!("every step has been passed");
}

/// The payload with one field of its message changed.
fn changed(payload: &[u8], field: &str, value: Value) -> Vec<u8> {
    let mut json: Value = serde_json::from_slice(payload).unwrap();
    let (_, message) = json.as_object_mut().unwrap().iter_mut().next().unwrap();
    assert_ne!(message[field], value);
    message[field] = value;
    json.to_string().into_bytes()
}

fn bytes_of(payload: &[u8], field: &str) -> Base64 {
    let json: Value = serde_json::from_slice(payload).unwrap();
    let (_, message) = json.as_object().unwrap().iter().next().unwrap();
    message[field].as_str().unwrap().parse().unwrap()
}

#[test]
fn a_message_of_an_earlier_exchange() {
    for (step, refused) in
        [(Step::Init, BAD_SIGNATURE), (Step::Reply, BAD_SIGNATURE), (Step::Finish, BAD_SIGNATURE)]
    {
        let (mut initiator, mut responder) = sessions();
        let recorded = recorded_exchange(&mut initiator, &mut responder);
        let error = replaced((initiator, responder), step, |_| recorded[step as usize].clone());
        assert_eq!(error, refused, "{step:?}");
    }
}

#[test]
fn a_message_of_the_session_set_up() {
    let pair = pair(Suite::X25519MlKem768);
    let begun = pair.begun();
    let init = begun.message.clone();
    let proof = begun.responder.authenticate(&init).unwrap();
    let reply = reply(begun.responder, proof).unwrap();
    let finish = begun.initiator.finish(&reply.message).unwrap();
    let proof = reply.next.authenticate(&finish.message).unwrap();
    let opened = reply.next.establish(proof, RekeyPolicy::default(), NOW).unwrap();
    let payload = json!({"init": init}).to_string();
    let mut responder = opened.next;
    assert_eq!(responder.rekey.receive(payload.as_bytes()).unwrap_err(), BAD_SIGNATURE);
    let mut initiator = finish.next.establish(opened.message, RekeyPolicy::default(), NOW).unwrap();
    initiator.rekey.begin().unwrap();
    let payload = json!({"reply": reply.message}).to_string();
    assert_eq!(initiator.rekey.receive(payload.as_bytes()).unwrap_err(), BAD_SIGNATURE);
}

#[test]
fn any_field_changed() {
    let flip = |field: &'static str| {
        move |payload: Vec<u8>| changed(&payload, field, json!(flipped(&bytes_of(&payload, field))))
    };
    for (step, field, refused) in [
        (Step::Init, "dh_public_key", BAD_SIGNATURE),
        (Step::Init, "kem_public_key", BAD_SIGNATURE),
        (Step::Init, "signature", BAD_SIGNATURE),
        (Step::Reply, "dh_public_key", BAD_SIGNATURE),
        (Step::Reply, "kem_ciphertext", BAD_SIGNATURE),
        (Step::Reply, "signature", BAD_SIGNATURE),
        (Step::Reply, "confirm", BAD_TAG),
        (Step::Finish, "signature", BAD_SIGNATURE),
        (Step::Finish, "confirm", BAD_TAG),
    ] {
        assert_eq!(replaced(sessions(), step, flip(field)), refused, "{step:?} {field}");
    }
}

#[test]
fn another_session_or_suite() {
    for step in [Step::Init, Step::Reply, Step::Finish] {
        let other = |payload: Vec<u8>| changed(&payload, "session_id", json!(Uuid::from_u128(1)));
        let refused = SessionError::Rekey(HandshakeError::Mismatch("session_id"));
        assert_eq!(replaced(sessions(), step, other), refused, "{step:?}");
    }
    let other = |payload: Vec<u8>| changed(&payload, "suite", json!("A2A-MODP2048"));
    let refused = SessionError::Rekey(HandshakeError::Mismatch("suite"));
    assert_eq!(replaced(sessions(), Step::Init, other), refused);
}

#[test]
fn a_message_out_of_its_place() {
    let (mut initiator, mut responder) = sessions();
    let messages = recorded_exchange(&mut initiator, &mut responder);
    for step in STEPS {
        for wrong in STEPS.into_iter().filter(|wrong| *wrong != step) {
            let error = replaced(sessions(), step, |_| messages[wrong as usize].clone());
            assert_eq!(error, UNEXPECTED, "{wrong:?} for {step:?}");
        }
    }
}

#[test]
fn a_message_when_none_is_due() {
    let (mut initiator, mut responder) = sessions();
    let messages = recorded_exchange(&mut initiator, &mut responder);
    for payload in &messages[1..] {
        let (mut initiator, mut responder) = sessions();
        for session in [&mut initiator, &mut responder] {
            assert_eq!(session.rekey.receive(payload).unwrap_err(), UNEXPECTED);
        }
    }
    assert_eq!(initiator.rekey.receive(&messages[0]).unwrap_err(), UNEXPECTED, "the responder never begins");
}

#[test]
fn a_second_m3_while_an_exchange_is_under_way() {
    let (mut initiator, mut responder) = sessions();
    let init = initiator.rekey.begin().unwrap().unwrap();
    responder.rekey.receive(&init).unwrap();
    let error = responder.rekey.receive(&init).unwrap_err();
    assert_eq!(error, UNEXPECTED);
    assert_failed(&mut responder, &error);
}

#[test]
fn content_that_is_no_rekey_message() {
    let (mut initiator, mut responder) = sessions();
    let init = String::from_utf8(initiator.rekey.begin().unwrap().unwrap()).unwrap();
    for content in [
        "",
        "null",
        "{}",
        "[]",
        "\"done\"",
        r#"{"done":null}"#,
        r#"{"done":{"extra":1}}"#,
        r#"{"done":{},"done":{}}"#,
        r#"{"again":{}}"#,
        &init.replace("\"phase\":\"init\"", "\"phase\":\"finish\""),
        &init.replace("\"phase\"", "\"extra\":1,\"phase\""),
        &init.replace("{\"init\"", "{\"finish\""),
        &format!("{init}{init}"),
        &format!("{}{init}", " ".repeat(65_536)),
    ] {
        assert_ne!(content, init);
        let error = responder.rekey.receive(content.as_bytes()).unwrap_err();
        assert_eq!(error, UNEXPECTED, "{content:.80}");
        assert!(error.is_fatal());
    }
    responder.rekey.receive(init.as_bytes()).expect("it was the content");
}

/// A peer that signs a share that is none: found out before any arithmetic, as in the set-up.
#[test]
fn a_signed_share_in_another_group() {
    let suite = Suite::Modp2048;
    let pair = pair(suite);
    let Opening { initiator, responder, message, transcript } = pair.opening();
    let initiator = initiator.establish(message, pair.policy, NOW).unwrap();
    let error = replaced((initiator, responder), Step::Init, |payload| {
        let init: KeyExchangeInit = message_in(&payload);
        let mut der = init.dh_public_key.as_bytes().to_vec();
        der[100] ^= 1;
        let mut init = KeyExchangeInit { dh_public_key: der.into(), ..init };
        init.signature = signed(&pair.initiator, SignatureLabel::KeyExchangeInit, &transcript, &init);
        json!({"init": init}).to_string().into_bytes()
    });
    assert_eq!(error, SessionError::Rekey(HandshakeError::Crypto(CryptoError::BadGroup)));
}

/// Whoever holds the session's traffic keys still needs an identity key: this is what heals a session.
#[test]
fn m3_signed_by_another_identity() {
    let (pair, mallory) = (pair(Suite::X25519MlKem768), mallory().credential(available()[0]));
    let Opening { initiator, responder, message, transcript } = pair.opening();
    let initiator = initiator.establish(message, pair.policy, NOW).unwrap();
    let error = replaced((initiator, responder), Step::Init, |payload| {
        let mut init: KeyExchangeInit = message_in(&payload);
        init.signature = signed(&mallory, SignatureLabel::KeyExchangeInit, &transcript, &init);
        json!({"init": init}).to_string().into_bytes()
    });
    assert_eq!(error, BAD_SIGNATURE);
}

/// The helper's own second signature shows that the transcript is the right one: it passes, and the confirmation, which
/// covers the first, does not.
#[test]
fn m4_signed_by_another_identity() {
    let (pair, mallory) = (pair(Suite::X25519MlKem768), mallory().credential(available()[0]));
    for (signer, refused) in [(&mallory, BAD_SIGNATURE), (&pair.responder, BAD_TAG)] {
        let Opening { initiator, mut responder, message, mut transcript } = pair.opening();
        let mut initiator = initiator.establish(message, pair.policy, NOW).unwrap();
        let payload = initiator.rekey.begin().unwrap().unwrap();
        let init: KeyExchangeInit = message_in(&payload);
        transcript.absorb_message(&init);
        transcript.absorb_signature(&init.signature);
        let payload = responder.rekey.receive(&payload).unwrap().reply.unwrap();
        let mut reply: KeyExchangeReply = message_in(&payload);
        reply.signature = signed(signer, SignatureLabel::KeyExchangeReply, &transcript, &reply);
        let payload = json!({"reply": reply}).to_string();
        assert_eq!(initiator.rekey.receive(payload.as_bytes()).unwrap_err(), refused);
    }
}

fn message_in<T: DeserializeOwned>(payload: &[u8]) -> T {
    let json: Value = serde_json::from_slice(payload).unwrap();
    let (_, message) = json.as_object().unwrap().iter().next().unwrap();
    T::deserialize(message).unwrap()
}
