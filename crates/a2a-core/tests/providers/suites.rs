//! The whole key exchange: every suite, both ways round, and every share of a wrong shape.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::x25519::X25519Secret;
use a2a_core::crypto::kx::{
    InitiatorKeys, InitiatorSecrets, InitiatorShare, ResponderKeys, ResponderShare, SharedSecret, Suite,
};
use a2a_core::crypto::provider::{ML_KEM_768_CIPHERTEXT_LEN, ML_KEM_768_KEY_LEN, Provider, available};

use crate::pairs;

#[test]
fn both_sides_agree_in_every_suite() {
    for (initiator, responder) in pairs() {
        for suite in Suite::ALL {
            let (secrets, offer) = InitiatorKeys::generate(suite, initiator).unwrap().into_parts();
            let (reply, responders) = respond(suite, responder, &offer).unwrap();
            assert_eq!(secrets.agree(&reply).unwrap(), responders, "{suite}");

            let kem_lens = suite.is_hybrid().then_some((ML_KEM_768_KEY_LEN, ML_KEM_768_CIPHERTEXT_LEN));
            let found = offer.kem_public_key.as_ref().zip(reply.kem_ciphertext.as_ref());
            assert_eq!(found.map(|(key, ciphertext)| (key.len(), ciphertext.len())), kem_lens);

            let (_, another) = respond(suite, responder, &offer).unwrap();
            assert_ne!(another, responders, "{suite}: ephemeral keys came twice");
        }
    }
}

#[test]
fn a_share_of_another_suite_is_refused() {
    for provider in available() {
        for asked in Suite::ALL {
            for given in Suite::ALL.into_iter().filter(|given| *given != asked) {
                let (_, offer) = InitiatorKeys::generate(given, *provider).unwrap().into_parts();
                bad_share(respond(asked, *provider, &offer));
                let (reply, _) = respond(given, *provider, &offer).unwrap();
                let (secrets, _) = InitiatorKeys::generate(asked, *provider).unwrap().into_parts();
                bad_share(secrets.agree(&reply));
            }
        }
    }
}

#[test]
fn a_kem_part_of_a_wrong_length_is_refused() {
    for provider in available() {
        for suite in Suite::ALL {
            for (key_len, ciphertext_len) in [(0, 0), (1183, 1087), (1185, 1089), (1088, 1184)] {
                let (secrets, mut offer, mut reply) = exchange(suite, *provider);
                offer.kem_public_key = Some(vec![0; key_len]);
                reply.kem_ciphertext = Some(vec![0; ciphertext_len]);
                bad_share(respond(suite, *provider, &offer));
                bad_share(secrets.agree(&reply));
            }
        }
    }
}

#[test]
fn a_hybrid_never_falls_back_to_its_classical_half() {
    for provider in available() {
        for suite in Suite::ALL.into_iter().filter(|suite| suite.is_hybrid()) {
            let (secrets, mut offer, mut reply) = exchange(suite, *provider);
            offer.kem_public_key = None;
            reply.kem_ciphertext = None;
            bad_share(respond(suite, *provider, &offer));
            bad_share(secrets.agree(&reply));
        }
    }
}

#[test]
fn the_classical_suite_takes_no_kem_part() {
    for provider in available() {
        let (secrets, mut offer, mut reply) = exchange(Suite::Modp2048, *provider);
        let (_, hybrid_offer, hybrid_reply) = exchange(Suite::Modp2048MlKem768, *provider);
        offer.kem_public_key = hybrid_offer.kem_public_key;
        reply.kem_ciphertext = hybrid_reply.kem_ciphertext;
        bad_share(respond(Suite::Modp2048, *provider, &offer));
        bad_share(secrets.agree(&reply));
    }
}

#[test]
fn each_half_of_a_hybrid_changes_the_secret() {
    for (initiator, responder) in pairs() {
        for suite in Suite::ALL.into_iter().filter(|suite| suite.is_hybrid()) {
            let (_, _, foreign) = exchange(suite, responder);
            for swap_kem in [true, false] {
                let (secrets, offer) = InitiatorKeys::generate(suite, initiator).unwrap().into_parts();
                let (mut reply, responders) = respond(suite, responder, &offer).unwrap();
                if swap_kem {
                    reply.kem_ciphertext.clone_from(&foreign.kem_ciphertext);
                } else {
                    reply.dh_public_key.clone_from(&foreign.dh_public_key);
                }
                assert_ne!(secrets.agree(&reply).unwrap(), responders, "{suite}");
            }
        }
    }
}

#[test]
fn an_x25519_share_has_one_encoding_and_no_low_order() {
    let suite = Suite::X25519MlKem768;
    for provider in available() {
        let (_, offer, _) = exchange(suite, *provider);
        let good = offer.dh_public_key.clone();
        assert_eq!(good.len(), 44);
        let mut flawed = vec![Vec::new(), good[..43].to_vec(), [&good[..], &[0]].concat()];
        flawed.extend((0..12).map(|i| {
            let mut changed = good.clone();
            changed[i] ^= 1;
            changed
        }));
        flawed.push([&good[..12], &[0; 32]].concat());
        for dh_public_key in flawed {
            let (secrets, _, mut reply) = exchange(suite, *provider);
            bad_share(respond(
                suite,
                *provider,
                &InitiatorShare { dh_public_key: dh_public_key.clone(), ..offer.clone() },
            ));
            reply.dh_public_key = dh_public_key;
            bad_share(secrets.agree(&reply));
        }
    }
}

#[test]
fn suites_are_named_the_same_everywhere_and_the_best_is_first() {
    for suite in Suite::ALL {
        assert_eq!(serde_json::to_string(&suite).unwrap(), format!("\"{suite}\""));
        assert_eq!(suite.as_str().parse(), Ok(suite));
    }
    assert!("A2A-MODP1024".parse::<Suite>().is_err());
    assert!(Suite::ALL.is_sorted());
}

#[test]
fn debug_shows_no_secret() {
    let (scalar, _) = X25519Secret::generate(available()[0]).unwrap();
    assert_eq!(format!("{scalar:?}"), "X25519Secret(..)");
    for suite in Suite::ALL {
        let keys = InitiatorKeys::generate(suite, available()[0]).unwrap();
        assert_eq!(format!("{keys:?}"), "InitiatorKeys(..)");
        let (secrets, offer) = keys.into_parts();
        assert_eq!(format!("{secrets:?}"), "InitiatorSecrets(..)");
        let keys = ResponderKeys::generate(suite, available()[0]).unwrap();
        assert_eq!(format!("{keys:?}"), "ResponderKeys(..)");
        let (_, secrets) = keys.respond(&offer).unwrap();
        assert_eq!(format!("{secrets:?}"), "ResponderSecrets(..)");
        assert_eq!(format!("{:?}", secrets.agree().unwrap()), "SharedSecret(..)");
    }
}

/// One good exchange, the initiator's secrets not yet used.
fn exchange(suite: Suite, provider: Provider) -> (InitiatorSecrets, InitiatorShare, ResponderShare) {
    let (secrets, offer) = InitiatorKeys::generate(suite, provider).unwrap().into_parts();
    let (reply, _) = respond(suite, provider, &offer).unwrap();
    (secrets, offer, reply)
}

/// The responder's whole part, with fresh keys.
fn respond(
    suite: Suite,
    provider: Provider,
    share: &InitiatorShare,
) -> Result<(ResponderShare, SharedSecret), CryptoError> {
    let (share, secrets) = ResponderKeys::generate(suite, provider)?.respond(share)?;
    Ok((share, secrets.agree()?))
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "the result is made in the call")]
fn bad_share<T: std::fmt::Debug>(result: Result<T, CryptoError>) {
    assert!(matches!(result, Err(CryptoError::BadShare(_))), "{result:?}");
}
