//! M3 to M6 with one flaw each.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::modp::GROUP_14;
use a2a_core::crypto::kx::{InitiatorKeys, ResponderKeys, Suite};
use a2a_core::crypto::provider::{ML_KEM_768_CIPHERTEXT_LEN, ML_KEM_768_KEY_LEN, available};
use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::HandshakeError;
use a2a_core::handshake::messages::{Established, KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply};
use a2a_core::handshake::responder::EstablishError;
use a2a_core::session::{FrameType, RekeyPolicy, SessionError};
use a2a_core::wire::Base64;
use uuid::Uuid;

use crate::world::*;

const BAD_SIGNATURE: HandshakeError = HandshakeError::Crypto(CryptoError::BadSignature);
const BAD_TAG: HandshakeError = HandshakeError::Crypto(CryptoError::BadTag);

/// What the helper says of an M3 with one change; signed again if `sign` says so.
fn m3(suite: Suite, sign: bool, change: impl FnOnce(&mut KeyExchangeInit)) -> HandshakeError {
    let pair = pair(suite);
    let begun = pair.begun();
    let mut init = begun.message;
    change(&mut init);
    if sign {
        init.signature = signed(&pair.initiator, SignatureLabel::KeyExchangeInit, &begun.transcript, &init);
    }
    match begun.responder.authenticate(&init) {
        Ok(authenticated) => {
            let checked = authenticated.check_share(suite);
            let refused = reply(begun.responder, authenticated).unwrap_err();
            // What only ML-KEM itself tells of a share, making keys for it tells.
            assert!(checked.is_ok() || checked == Err(refused.clone()), "{checked:?}");
            refused
        }
        Err(error) => error,
    }
}

#[test]
fn a_bad_share_is_told_of_before_keys_are_made_for_it() {
    let pair = pair(Suite::Modp2048);
    let begun = pair.begun();
    let mut init = begun.message;
    begun.responder.authenticate(&init).unwrap().check_share(Suite::Modp2048).unwrap();
    init.dh_public_key = vec![1].into();
    init.signature = signed(&pair.initiator, SignatureLabel::KeyExchangeInit, &begun.transcript, &init);
    begun.responder.authenticate(&init).unwrap().check_share(Suite::Modp2048).unwrap_err();
}

/// What the traveller says of an M4 with one change; signed again if `sign` says so.
fn m4(suite: Suite, sign: bool, change: impl FnOnce(&mut KeyExchangeReply)) -> HandshakeError {
    let pair = pair(suite);
    let replied = pair.replied();
    let mut reply = replied.message;
    change(&mut reply);
    if sign {
        reply.signature =
            signed(&pair.responder, SignatureLabel::KeyExchangeReply, &replied.transcript, &reply);
    }
    replied.initiator.finish(&sent(&reply)).unwrap_err()
}

fn m5(change: impl FnOnce(&mut KeyExchangeFinish)) -> EstablishError {
    let finished = pair(Suite::X25519MlKem768).finished();
    let mut finish = finished.message;
    change(&mut finish);
    match finished.responder.authenticate(&finish) {
        Ok(proof) => finished.responder.establish(proof, RekeyPolicy::default(), NOW).unwrap_err(),
        Err(error) => EstablishError::Handshake(error),
    }
}

fn m6(change: impl FnOnce(&mut Established)) -> SessionError {
    let opening = pair(Suite::X25519MlKem768).opening();
    let mut established = opening.message;
    change(&mut established);
    opening.initiator.establish(established, RekeyPolicy::default(), NOW).unwrap_err()
}

fn bad_share(error: &HandshakeError) -> bool {
    matches!(error, HandshakeError::Crypto(CryptoError::BadShare(_)))
}

#[test]
fn a_share_changed_on_the_way() {
    for suite in Suite::ALL {
        let flip_dh = |init: &mut KeyExchangeInit| init.dh_public_key = flipped(&init.dh_public_key);
        assert_eq!(m3(suite, false, flip_dh), BAD_SIGNATURE, "{suite}");
        let flip_dh = |reply: &mut KeyExchangeReply| reply.dh_public_key = flipped(&reply.dh_public_key);
        assert_eq!(m4(suite, false, flip_dh), BAD_SIGNATURE, "{suite}");
        if suite.is_hybrid() {
            let flip_kem = |init: &mut KeyExchangeInit| {
                init.kem_public_key = init.kem_public_key.as_ref().map(flipped);
            };
            assert_eq!(m3(suite, false, flip_kem), BAD_SIGNATURE, "{suite}");
            let flip_kem = |reply: &mut KeyExchangeReply| {
                reply.kem_ciphertext = reply.kem_ciphertext.as_ref().map(flipped);
            };
            assert_eq!(m4(suite, false, flip_kem), BAD_SIGNATURE, "{suite}");
        }
    }
}

/// Signed by the responder itself: then the confirmation tells, since the two sides hold different secrets.
#[test]
fn a_signed_share_other_than_the_one_used() {
    for suite in Suite::ALL {
        let other = pair(suite).replied().message;
        let swap_dh = |reply: &mut KeyExchangeReply| reply.dh_public_key = other.dh_public_key.clone();
        assert_eq!(m4(suite, true, swap_dh), BAD_TAG, "{suite}");
        if suite.is_hybrid() {
            let flip_kem = |reply: &mut KeyExchangeReply| {
                reply.kem_ciphertext = reply.kem_ciphertext.as_ref().map(flipped);
            };
            assert_eq!(m4(suite, true, flip_kem), BAD_TAG, "{suite}");
        }
    }
}

#[test]
fn another_session_id() {
    for sign in [true, false] {
        let suite = Suite::X25519MlKem768;
        let refused = HandshakeError::Mismatch("session_id");
        assert_eq!(m3(suite, sign, |init| init.session_id = Uuid::from_u128(1)), refused);
        assert_eq!(m4(suite, sign, |reply| reply.session_id = Uuid::from_u128(1)), refused);
    }
    let refused = EstablishError::Handshake(HandshakeError::Mismatch("session_id"));
    assert_eq!(m5(|finish| finish.session_id = Uuid::from_u128(1)), refused);
}

#[test]
fn another_suite_than_m2_said() {
    let refused = m3(Suite::Modp2048MlKem768, true, |init| init.suite = Suite::Modp2048);
    assert_eq!(refused, HandshakeError::Mismatch("suite"));
}

#[test]
fn a_missing_kem_part() {
    for suite in Suite::ALL.into_iter().filter(|suite| suite.is_hybrid()) {
        assert_eq!(m3(suite, false, |init| init.kem_public_key = None), BAD_SIGNATURE);
        assert!(bad_share(&m3(suite, true, |init| init.kem_public_key = None)));
        assert_eq!(m4(suite, false, |reply| reply.kem_ciphertext = None), BAD_SIGNATURE);
        assert!(bad_share(&m4(suite, true, |reply| reply.kem_ciphertext = None)));
    }
}

#[test]
fn a_superfluous_kem_part() {
    let key = Some(Base64::from(vec![0; ML_KEM_768_KEY_LEN]));
    assert!(bad_share(&m3(Suite::Modp2048, true, |init| init.kem_public_key = key)));
    let ciphertext = Some(Base64::from(vec![0; ML_KEM_768_CIPHERTEXT_LEN]));
    assert!(bad_share(&m4(Suite::Modp2048, true, |reply| reply.kem_ciphertext = ciphertext)));
}

#[test]
fn a_kem_part_of_a_wrong_length_or_out_of_range() {
    let suite = Suite::X25519MlKem768;
    for length in [0, ML_KEM_768_KEY_LEN - 1, ML_KEM_768_KEY_LEN + 1] {
        let short = Some(Base64::from(vec![0; length]));
        assert!(bad_share(&m3(suite, true, |init| init.kem_public_key = short)));
    }
    let overflow = Some(Base64::from(vec![0xff; ML_KEM_768_KEY_LEN]));
    assert!(bad_share(&m3(suite, true, |init| init.kem_public_key = overflow)), "FIPS 203's modulus check");
    for length in [0, ML_KEM_768_CIPHERTEXT_LEN - 1, ML_KEM_768_CIPHERTEXT_LEN + 1] {
        let short = Some(Base64::from(vec![0; length]));
        assert!(bad_share(&m4(suite, true, |reply| reply.kem_ciphertext = short)));
    }
}

#[test]
fn a_bad_group() {
    let share = pair(Suite::Modp2048).begun().message.dh_public_key;
    assert_eq!(share.as_bytes()[GENERATOR_AT - 2..=GENERATOR_AT], [2, 1, 2], "INTEGER 2");
    for (place, with) in [
        // The generator's value, and a byte in the prime.
        (GENERATOR_AT, 5),
        (40, 0),
    ] {
        for suite in [Suite::Modp2048, Suite::Modp2048MlKem768] {
            let refused = HandshakeError::Crypto(CryptoError::BadGroup);
            assert_eq!(
                m3(suite, true, |init| init.dh_public_key = put(&init.dh_public_key, place, &[with])),
                refused
            );
            assert_eq!(
                m4(suite, true, |reply| reply.dh_public_key = put(&reply.dh_public_key, place, &[with])),
                refused
            );
        }
    }
}

#[test]
fn a_bad_share_value() {
    let prime = GROUP_14.prime();
    let minus_one = with_last(prime, prime[255] - 1);
    let plus_one = [&prime[..247], &[prime[247] + 1], &[0; 8]].concat();
    let too_long = [&[1], &[0; 256][..]].concat();
    let out_of_range = CryptoError::BadShare("Diffie-Hellman value is not within 2..=p-2");
    let refused = HandshakeError::Crypto(out_of_range);
    for value in [vec![0], vec![1], minus_one.to_vec(), prime.to_vec(), plus_one, vec![0xff; 256], too_long] {
        for suite in [Suite::Modp2048, Suite::Modp2048MlKem768] {
            assert_eq!(m3(suite, true, |init| init.dh_public_key = share(&value)), refused);
            assert_eq!(m4(suite, true, |reply| reply.dh_public_key = share(&value)), refused);
        }
    }
    assert_eq!(m4(Suite::Modp2048, true, |reply| reply.dh_public_key = share(&[2])), BAD_TAG, "in range");
}

#[test]
fn an_x25519_point_of_low_order() {
    let suite = Suite::X25519MlKem768;
    for point in [[0; 32], with_first([0; 32], 1)] {
        let change = |key: &Base64| put(key, 12, &point);
        assert!(bad_share(&m3(suite, true, |init| init.dh_public_key = change(&init.dh_public_key))));
        assert!(bad_share(&m4(suite, true, |reply| reply.dh_public_key = change(&reply.dh_public_key))));
    }
}

#[test]
fn a_share_of_another_suite_or_none() {
    let x25519 = pair(Suite::X25519MlKem768).begun().message.dh_public_key;
    let empty = Base64::default();
    for share in [x25519, empty] {
        assert!(bad_share(&m3(Suite::Modp2048, true, |init| init.dh_public_key = share.clone())));
        assert!(bad_share(&m4(Suite::Modp2048, true, |reply| reply.dh_public_key = share)));
    }
}

#[test]
fn a_flipped_confirm_in_m4() {
    for suite in Suite::ALL {
        assert_eq!(m4(suite, false, |reply| reply.confirm = flipped(&reply.confirm)), BAD_TAG);
    }
    let suite = Suite::X25519MlKem768;
    for length in [0, 31] {
        let cut = |reply: &mut KeyExchangeReply| {
            reply.confirm = reply.confirm.as_bytes()[..length].to_vec().into();
        };
        assert_eq!(m4(suite, false, cut), BAD_TAG, "cut to {length}");
    }
    let longer = |reply: &mut KeyExchangeReply| {
        reply.confirm = [reply.confirm.as_bytes(), &[0]].concat().into();
    };
    assert_eq!(m4(suite, false, longer), BAD_TAG);
}

/// The confirmation covers the signature, so that neither can be replaced without the other.
#[test]
fn a_second_signature_over_the_same_m4() {
    assert_eq!(m4(Suite::X25519MlKem768, true, |_| ()), BAD_TAG);
}

#[test]
fn a_flipped_confirm_in_m5() {
    let refused = EstablishError::Handshake(BAD_TAG);
    assert_eq!(m5(|finish| finish.confirm = flipped(&finish.confirm)), refused);
    assert_eq!(m5(|finish| finish.confirm = Base64::default()), refused);
    assert_eq!(m5(|finish| finish.confirm = finish.confirm.as_bytes()[..31].to_vec().into()), refused);
}

#[test]
fn the_responders_confirm_sent_back_in_m5() {
    let pair = pair(Suite::X25519MlKem768);
    let replied = pair.replied();
    let responders = replied.message.confirm.clone();
    let mut finish = replied.initiator.finish(&replied.message).unwrap().message;
    finish.confirm = responders;
    let proof = replied.responder.authenticate(&finish).unwrap();
    let refused = replied.responder.establish(proof, RekeyPolicy::default(), NOW).unwrap_err();
    assert_eq!(refused, EstablishError::Handshake(BAD_TAG));
}

#[test]
fn m5_signed_by_another_agent() {
    let finished = pair(Suite::X25519MlKem768).finished();
    let mallory = mallory().credential(available()[0]);
    let mut finish = finished.message;
    finish.signature = signed(&mallory, SignatureLabel::KeyExchangeFinish, &finished.transcript, &finish);
    assert_eq!(finished.responder.authenticate(&finish).unwrap_err(), BAD_SIGNATURE);
}

#[test]
fn m6_with_a_frame_that_does_not_verify() {
    assert_eq!(m6(|m6| m6.frame.ciphertext = flipped(&m6.frame.ciphertext)), SessionError::BadFrame);
    assert_eq!(m6(|m6| m6.frame.session_id = Uuid::from_u128(1)), SessionError::BadFrame);
    assert_eq!(m6(|m6| m6.frame.epoch = 1), SessionError::BadFrame);
    assert_eq!(m6(|m6| m6.frame.frame_type = FrameType::Text), SessionError::BadFrame);
    assert_eq!(m6(|m6| m6.frame.seq = 1), SessionError::OutOfOrder { expected: 0, found: 1 });
}

#[test]
fn m6_of_another_session() {
    let other = pair(Suite::X25519MlKem768).opening().message;
    assert_eq!(m6(|m6| *m6 = other.clone()), SessionError::BadFrame);
    let renamed = |m6: &mut Established| m6.frame.ciphertext = other.frame.ciphertext.clone();
    assert_eq!(m6(renamed), SessionError::BadFrame);
}

/// The second frame of the session is genuine, and not the confirmation.
#[test]
fn m6_with_another_frame_of_the_responder() {
    let mut opening = pair(Suite::X25519MlKem768).opening();
    opening.message.frame = opening.responder.sealer.seal(FrameType::Text, b"hi".to_vec(), NOW).unwrap();
    let refused = opening.initiator.establish(opening.message, RekeyPolicy::default(), NOW).unwrap_err();
    assert_eq!(refused, SessionError::OutOfOrder { expected: 0, found: 1 });
}

/// DER of a share in the right group with this value.
fn share(value: &[u8]) -> Base64 {
    modp_share(&pair(Suite::Modp2048).begun().message.dh_public_key, value)
}

fn with_last<const N: usize>(mut bytes: [u8; N], value: u8) -> [u8; N] {
    bytes[N - 1] = value;
    bytes
}

fn with_first<const N: usize>(mut bytes: [u8; N], value: u8) -> [u8; N] {
    bytes[0] = value;
    bytes
}

#[test]
fn keys_made_for_another_suite_are_not_used() {
    let (suite, other) = (Suite::X25519MlKem768, Suite::Modp2048MlKem768);
    let provider = available()[0];
    let keys = InitiatorKeys::generate(other, provider).unwrap();
    let refused = pair(suite).accepted().initiator.start(keys).unwrap_err();
    assert_eq!(refused, HandshakeError::KeysOfAnotherSuite);

    let Begun { responder, message, .. } = pair(suite).begun();
    let proof = responder.authenticate(&message).unwrap();
    let keys = ResponderKeys::generate(other, provider).unwrap();
    assert_eq!(responder.reply(proof, keys).unwrap_err(), HandshakeError::KeysOfAnotherSuite);
}
