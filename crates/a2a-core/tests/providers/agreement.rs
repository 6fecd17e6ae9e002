//! X25519 and ML-KEM-768, each by itself.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::provider::{ML_KEM_768_CIPHERTEXT_LEN, ML_KEM_768_KEY_LEN, available};
use data_encoding::HEXLOWER;

use crate::pairs;

#[test]
fn x25519_key_pairs_and_secret_of_rfc_7748() {
    for provider in available() {
        let alice = bytes("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let bob = bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let alice_public = bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        let bob_public = bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        let shared = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(provider.x25519_public(&alice).unwrap(), alice_public);
        assert_eq!(provider.x25519_public(&bob).unwrap(), bob_public);
        assert_eq!(*provider.x25519_agree(&alice, &bob_public).unwrap(), shared);
        assert_eq!(*provider.x25519_agree(&bob, &alice_public).unwrap(), shared);
    }
}

/// RFC 7748, section 5.2. The second value has its unused top bit set.
#[test]
fn x25519_function_of_rfc_7748() {
    let vectors = [
        [
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ],
        [
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ],
    ];
    for provider in available() {
        for [scalar, point, product] in vectors {
            assert_eq!(*provider.x25519_agree(&bytes(scalar), &bytes(point)).unwrap(), bytes(product));
        }
    }
}

#[test]
fn x25519_iterated_a_thousand_times_as_in_rfc_7748() {
    for provider in available() {
        let mut scalar = bytes("0900000000000000000000000000000000000000000000000000000000000000");
        let mut point = scalar;
        for _ in 0..1000 {
            let product = *provider.x25519_agree(&scalar, &point).unwrap();
            point = scalar;
            scalar = product;
        }
        assert_eq!(scalar, bytes("684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51"));
    }
}

#[test]
fn x25519_points_of_low_order_are_refused() {
    let points = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for provider in available() {
        for point in points {
            for top_bit in [0, 0x80] {
                let mut point = bytes(point);
                point[31] |= top_bit;
                let refusal = provider.x25519_agree(&[0x42; 32], &point).unwrap_err();
                assert!(matches!(refusal, CryptoError::BadShare(_)), "{}: {point:02x?}", provider.name());
            }
        }
    }
}

#[test]
fn ml_kem_secrets_agree_across_providers() {
    for (receiver, sender) in pairs() {
        let key = receiver.generate_ml_kem_768().unwrap();
        assert_eq!(key.encapsulation_key().len(), ML_KEM_768_KEY_LEN);
        let sent = sender.encapsulate_ml_kem_768(&key.encapsulation_key()).unwrap();
        assert_eq!(sent.ciphertext.len(), ML_KEM_768_CIPHERTEXT_LEN);
        let again = sender.encapsulate_ml_kem_768(&key.encapsulation_key()).unwrap();
        assert_ne!(again.shared_secret, sent.shared_secret);
        assert_ne!(again.ciphertext, sent.ciphertext);
        assert_eq!(key.decapsulate(&sent.ciphertext).unwrap(), sent.shared_secret);
    }
}

#[test]
fn a_changed_ml_kem_ciphertext_gives_another_secret() {
    for (receiver, sender) in pairs() {
        for offset in [0, 500, ML_KEM_768_CIPHERTEXT_LEN - 1] {
            let key = receiver.generate_ml_kem_768().unwrap();
            let mut sent = sender.encapsulate_ml_kem_768(&key.encapsulation_key()).unwrap();
            sent.ciphertext[offset] ^= 1;
            assert_ne!(key.decapsulate(&sent.ciphertext).unwrap(), sent.shared_secret);
        }
    }
}

#[test]
fn ml_kem_values_of_a_wrong_length_are_refused() {
    for provider in available() {
        for len in [0, 1, 1087, 1089, 1184, 1568] {
            let refusal = provider.generate_ml_kem_768().unwrap().decapsulate(&vec![1; len]).unwrap_err();
            assert!(matches!(refusal, CryptoError::BadShare(_)), "{}: {len}", provider.name());
        }
        for len in [0, 1, 800, 1088, 1183, 1185, 1568] {
            let refusal = provider.encapsulate_ml_kem_768(&vec![1; len]).unwrap_err();
            assert!(matches!(refusal, CryptoError::BadShare(_)), "{}: {len}", provider.name());
        }
    }
}

/// FIPS 203, section 7.2: each of the key's 768 coefficients of 12 bits must be below 3329.
#[test]
fn an_ml_kem_key_that_fails_the_modulus_check_is_refused() {
    for (receiver, sender) in pairs() {
        let good = receiver.generate_ml_kem_768().unwrap().encapsulation_key();
        for index in [0, 1, 383, 766, 767] {
            for (coefficient, accepted) in [(3328, true), (3329, false), (4095, false)] {
                let key = with_coefficient(&good, index, coefficient);
                match sender.encapsulate_ml_kem_768(&key) {
                    Ok(_) => assert!(accepted, "{}: {coefficient} at {index}", sender.name()),
                    Err(refusal) => {
                        assert!(!accepted && matches!(refusal, CryptoError::BadShare(_)), "{refusal}");
                    }
                }
            }
        }
    }
}

#[test]
fn debug_shows_no_secret() {
    for provider in available() {
        let key = provider.generate_ml_kem_768().unwrap();
        let sent = provider.encapsulate_ml_kem_768(&key.encapsulation_key()).unwrap();
        assert_eq!(format!("{key:?} {sent:?}"), "Decapsulator(..) Encapsulated(..)");
    }
}

/// Two coefficients share three bytes, the lower bits first (FIPS 203, algorithm 5).
fn with_coefficient(key: &[u8], index: usize, coefficient: u16) -> Vec<u8> {
    let mut key = key.to_vec();
    let start = index / 2 * 3;
    let [low, high] = coefficient.to_le_bytes();
    if index.is_multiple_of(2) {
        key[start] = low;
        key[start + 1] = key[start + 1] & 0xf0 | high;
    } else {
        key[start + 1] = key[start + 1] & 0x0f | low << 4;
        key[start + 2] = low >> 4 | high << 4;
    }
    key
}

fn bytes(hex: &str) -> [u8; 32] {
    HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
}
