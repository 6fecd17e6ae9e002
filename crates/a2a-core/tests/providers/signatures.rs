//! RSA keys and RSASSA-PSS signatures.

use std::sync::LazyLock;

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::{Signature, SignatureLabel, SigningKey, sign, verify};
use a2a_core::wire::Base64;

use crate::pairs;

#[test]
fn new_keys_and_their_signatures_cross_every_way() {
    for (maker, taker) in pairs() {
        let made = generated(maker);
        assert_eq!(made.public_key().bits(), 2048);
        let stored = made.to_pkcs8_der().unwrap();
        let loaded = taker.load_signing_key(&stored).unwrap();
        assert_eq!(loaded.public_key(), made.public_key());
        assert_eq!(*loaded.to_pkcs8_der().unwrap(), *stored);
        for key in [made, loaded.as_ref()] {
            let signature = key.sign_pss(b"message").unwrap();
            assert_eq!(signature.len(), 256);
            taker.verify_pss(key.public_key(), b"message", &signature).unwrap();
            maker.verify_pss(key.public_key(), b"message", &signature).unwrap();
        }
    }
}

#[test]
fn keys_of_openssl_of_every_size_are_read() {
    for (signer, verifier) in pairs() {
        for (pkcs8, bits) in [(RSA_2048, 2048), (RSA_3072, 3072), (RSA_4096, 4096)] {
            let key = signer.load_signing_key(pkcs8).unwrap();
            assert_eq!(key.public_key().bits(), bits);
            assert_eq!(*key.to_pkcs8_der().unwrap(), pkcs8);
            let signature = key.sign_pss(b"message").unwrap();
            assert_eq!(signature.len(), bits / 8);
            verifier.verify_pss(key.public_key(), b"message", &signature).unwrap();
        }
    }
}

#[test]
fn unacceptable_private_keys_are_refused() {
    let truncated = &RSA_2048[..RSA_2048.len() - 1];
    let trailing = [RSA_2048, &[0]].concat();
    let flaws: [(&str, &[u8]); 8] = [
        ("1024 bits", RSA_1024),
        ("e = 3", RSA_2048_E3),
        ("elliptic curve", P256),
        ("PKCS #1", include_bytes!("../keys/rsa2048.pkcs1")),
        ("truncated", truncated),
        ("trailing byte", &trailing),
        ("empty", &[]),
        ("PEM", b"-----BEGIN PRIVATE KEY-----\n"),
    ];
    for provider in available() {
        for (flaw, key) in flaws {
            let refusal = provider.load_signing_key(key).unwrap_err();
            assert!(matches!(refusal, CryptoError::BadKey(_)), "{} {flaw}: {refusal}", provider.name());
        }
    }
}

#[test]
fn a_damaged_private_key_gives_no_signature() {
    for provider in available() {
        // One byte within each of n, d, p, q, dP, dQ and qInv.
        for offset in [100, 400, 600, 750, 850, 1000, 1150] {
            let mut damaged = RSA_2048.to_vec();
            damaged[offset] ^= 1;
            let signature = provider.load_signing_key(&damaged).and_then(|key| key.sign_pss(b"message"));
            assert!(signature.is_err(), "{}: byte {offset}", provider.name());
        }
    }
}

#[test]
fn any_change_is_refused() {
    for (signer, verifier) in pairs() {
        let key = generated(signer);
        let public = key.public_key();
        let signature = key.sign_pss(b"message").unwrap();
        let refused = |message: &[u8], signature: &[u8]| {
            assert_eq!(verifier.verify_pss(public, message, signature), Err(CryptoError::BadSignature));
        };
        for i in 0..signature.len() {
            let mut changed = signature.clone();
            changed[i] ^= 0x10;
            refused(b"message", &changed);
        }
        refused(b"massage", &signature);
        refused(b"", &signature);
        refused(b"message", &[]);
        refused(b"message", &signature[1..]);
        refused(b"message", &signature[..255]);
        refused(b"message", &[&[0], &signature[..]].concat());
        refused(b"message", &[&signature[..], &[0]].concat());
        refused(b"message", &[0; 256]);
        refused(b"message", &[0xff; 256]);
        let other = verifier.load_signing_key(RSA_2048).unwrap();
        let with_other = verifier.verify_pss(other.public_key(), b"message", &signature);
        assert_eq!(with_other, Err(CryptoError::BadSignature));
    }
}

#[test]
fn two_signatures_over_one_message_differ_by_their_salt() {
    for provider in available() {
        let key = generated(*provider);
        assert_ne!(key.sign_pss(b"message").unwrap(), key.sign_pss(b"message").unwrap());
    }
}

#[test]
fn a_signature_under_one_label_is_refused_under_every_other() {
    for (signer, verifier) in pairs() {
        let key = generated(signer);
        for made in SignatureLabel::ALL {
            let signature = sign(key, made, b"message").unwrap();
            for checked in SignatureLabel::ALL {
                let verdict = verify(verifier, key.public_key(), checked, b"message", &signature);
                let expected = if made == checked { Ok(()) } else { Err(CryptoError::BadSignature) };
                assert_eq!(verdict, expected, "{made:?} as {checked:?}");
            }
            let bare = Signature(Base64::from(key.sign_pss(b"message").unwrap()));
            assert!(verify(verifier, key.public_key(), made, b"message", &bare).is_err());
        }
    }
}

/// Signatures that a lax verifier takes: another salt length, hash or padding, all by the right key.
#[cfg(feature = "rustcrypto")]
#[test]
fn another_salt_length_hash_or_padding_is_refused() {
    use rsa::pkcs8::DecodePrivateKey;
    use rsa::signature::{RandomizedSigner, SignatureEncoding, Signer};
    use rsa::{RsaPrivateKey, pkcs1v15, pss};
    use sha2::{Sha256, Sha384, Sha512};

    let rng = &mut getrandom::SysRng;
    let key = RsaPrivateKey::from_pkcs8_der(RSA_2048).unwrap();
    let with_salt = |rng: &mut _, len| {
        let signer = pss::SigningKey::<Sha256>::new_with_salt_len(key.clone(), len);
        signer.try_sign_with_rng(rng, b"message").unwrap().to_vec()
    };
    let mut flawed = vec![
        (
            "SHA-384",
            pss::SigningKey::<Sha384>::new(key.clone()).try_sign_with_rng(rng, b"message").unwrap().to_vec(),
        ),
        (
            "SHA-512",
            pss::SigningKey::<Sha512>::new(key.clone()).try_sign_with_rng(rng, b"message").unwrap().to_vec(),
        ),
        ("PKCS #1 v1.5", pkcs1v15::SigningKey::<Sha256>::new(key.clone()).sign(b"message").to_vec()),
    ];
    for len in [0, 1, 20, 31, 33, 64, 221, 222] {
        flawed.push(("salt", with_salt(rng, len)));
    }
    let good = with_salt(rng, 32);
    for provider in available() {
        let loaded = provider.load_signing_key(RSA_2048).unwrap();
        provider.verify_pss(loaded.public_key(), b"message", &good).unwrap();
        for (flaw, signature) in &flawed {
            let verdict = provider.verify_pss(loaded.public_key(), b"message", signature);
            assert_eq!(verdict, Err(CryptoError::BadSignature), "{}: {flaw}", provider.name());
        }
    }
}

#[test]
fn debug_of_a_signing_key_shows_the_public_half_alone() {
    for provider in available() {
        let key = provider.load_signing_key(RSA_2048).unwrap();
        assert_eq!(format!("{key:?}"), format!("SigningKey({}, ..)", key.public_key().key_id()));
    }
}

/// One fresh key for each provider: making one takes a tenth of a second.
fn generated(provider: Provider) -> &'static dyn SigningKey {
    static KEYS: LazyLock<Vec<Box<dyn SigningKey>>> = LazyLock::new(|| {
        available().iter().map(|provider| provider.generate_signing_key().unwrap()).collect()
    });
    let index = available().iter().position(|other| other.name() == provider.name()).unwrap();
    KEYS[index].as_ref()
}

const RSA_1024: &[u8] = include_bytes!("../keys/rsa1024.pk8");
const RSA_2048: &[u8] = include_bytes!("../keys/rsa2048.pk8");
const RSA_2048_E3: &[u8] = include_bytes!("../keys/rsa2048_e3.pk8");
const RSA_3072: &[u8] = include_bytes!("../keys/rsa3072.pk8");
const RSA_4096: &[u8] = include_bytes!("../keys/rsa4096.pk8");
const P256: &[u8] = include_bytes!("../keys/p256.pk8");
