//! Project Wycheproof's cases for every primitive of `a2a/1`, under each provider: what is valid gives its result, what is
//! not is refused. `wycheproof/README.md` says where the files come from, and which cases do not apply.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::aead::AeadKey;
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::PublicKey;
use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use super::kem;

/// One case, and the group that it is in.
struct Case {
    group: Value,
    case: Value,
}

impl Case {
    fn bytes(&self, field: &str) -> Vec<u8> {
        HEXLOWER.decode(self.case[field].as_str().unwrap().as_bytes()).unwrap()
    }

    fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().unwrap()
    }

    fn number(&self, field: &str) -> usize {
        let value = if self.case[field].is_null() { &self.group[field] } else { &self.case[field] };
        value.as_u64().unwrap().try_into().unwrap()
    }

    fn is_valid(&self) -> bool {
        self.case["result"] == "valid"
    }

    fn has(&self, flag: &str) -> bool {
        self.case["flags"].as_array().is_some_and(|flags| flags.iter().any(|found| found == flag))
    }

    /// For a failed assertion.
    fn name(&self) -> String {
        format!("case {}: {}", self.case["tcId"], self.case["comment"])
    }
}

/// All cases of a file, which are as many as it says.
fn cases(file: &str) -> Vec<Case> {
    let file = super::read(&format!("wycheproof/{file}.json"));
    let all: Vec<Case> = file["testGroups"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|group| {
            let cases = group["tests"].as_array().unwrap().clone();
            cases.into_iter().map(|case| Case { group: group.clone(), case })
        })
        .collect();
    assert_eq!(file["numberOfTests"].as_u64(), Some(all.len() as u64));
    all
}

/// Runs `check` on every case under every provider.
fn under_each(cases: &[Case], check: impl Fn(Provider, &Case)) {
    for provider in available() {
        for case in cases {
            check(*provider, case);
        }
    }
}

fn verifies(provider: Provider, case: &Case) -> bool {
    let der = HEXLOWER.decode(case.group["publicKeyDer"].as_str().unwrap().as_bytes()).unwrap();
    let key = PublicKey::from_spki_der(&der).unwrap();
    provider.verify_pss(&key, &case.bytes("msg"), &case.bytes("sig")).is_ok()
}

#[test]
fn rsa_pss_2048_with_sha_256() {
    let cases = cases("rsa_pss_2048_sha256_mgf1_32");
    assert_eq!(cases.len(), 108);
    under_each(&cases, |provider, case| {
        assert_eq!(verifies(provider, case), case.is_valid(), "{} {}", provider.name(), case.name());
    });
}

/// Signatures that are good with no salt, or with 20 bytes of it and SHA-1 in the mask: not ours. One has its flaw by being
/// ours.
#[test]
fn rsa_pss_with_another_salt_or_mask_is_refused() {
    const NO_SALT: &str = "rsa_pss_2048_sha256_mgf1_0";
    for file in [NO_SALT, "rsa_pss_2048_sha256_mgf1sha1_20"] {
        under_each(&cases(file), |provider, case| {
            let is_ours = file == NO_SALT && case.case["comment"] == "s_len changed to 32";
            assert_eq!(verifies(provider, case), is_ours, "{} {file} {}", provider.name(), case.name());
        });
    }
}

#[test]
fn aes_256_gcm() {
    let mut cases = cases("aes_gcm");
    cases.retain(|case| case.group["keySize"] == 256 && case.group["ivSize"] == 96);
    assert_eq!(cases.len(), 66);
    under_each(&cases, |provider, case| {
        let aead = provider.aes_256_gcm(&AeadKey::from_bytes(&case.array("key"))).unwrap();
        let (nonce, aad, plain) = (case.array("iv"), case.bytes("aad"), case.bytes("msg"));
        let sealed = [case.bytes("ct"), case.bytes("tag")].concat();
        let mut opened = sealed.clone();
        let outcome = aead.open(&nonce, &aad, &mut opened);
        if case.is_valid() {
            assert_eq!((outcome, &opened), (Ok(()), &plain), "{} {}", provider.name(), case.name());
            let mut buffer = plain;
            aead.seal(&nonce, &aad, &mut buffer).unwrap();
            assert_eq!(buffer, sealed, "{} {}", provider.name(), case.name());
        } else {
            assert_eq!((outcome, &opened[..]), (Err(CryptoError::BadTag), &[][..]), "{}", case.name());
        }
    });
}

/// The same library under every provider.
#[test]
fn hkdf_sha_256() {
    for case in cases("hkdf_sha256") {
        let mut out = vec![0; case.number("size")];
        let derived = Hkdf::<Sha256>::new(Some(&case.bytes("salt")), &case.bytes("ikm"));
        let outcome = derived.expand(&case.bytes("info"), &mut out);
        assert_eq!(outcome.is_ok(), case.is_valid(), "{}", case.name());
        assert!(outcome.is_err() || out == case.bytes("okm"), "{}", case.name());
    }
}

/// The same library under every provider.
#[test]
fn hmac_sha_256() {
    for case in cases("hmac_sha256") {
        let mac = Hmac::<Sha256>::new_from_slice(&case.bytes("key")).unwrap();
        let verified = mac.chain_update(case.bytes("msg")).verify_truncated_left(&case.bytes("tag"));
        assert_eq!(case.bytes("tag").len() * 8, case.number("tagSize"), "{}", case.name());
        assert_eq!(verified.is_ok(), case.is_valid(), "{}", case.name());
    }
}

/// Points of low order give zero, which is refused; every other value gives its secret, canonical or not (RFC 7748,
/// section 5).
#[test]
fn x25519() {
    let cases = cases("x25519");
    assert!(cases.iter().any(|case| case.has("ZeroSharedSecret")));
    under_each(&cases, |provider, case| {
        let agreed = provider.x25519_agree(&case.array("private"), &case.array("public"));
        let agreed = agreed.map(|secret| secret.to_vec());
        if case.has("ZeroSharedSecret") {
            assert!(matches!(agreed, Err(CryptoError::BadShare(_))), "{} {}", provider.name(), case.name());
        } else {
            assert_eq!(agreed, Ok(case.bytes("shared")), "{} {}", provider.name(), case.name());
        }
    });
}

/// Keys that are too short, too long or not reduced are refused (FIPS 203, section 7.2), and no others.
#[test]
fn ml_kem_768_encapsulation() {
    under_each(&cases("mlkem_768_encaps"), |provider, case| {
        let outcome = provider.encapsulate_ml_kem_768(&case.bytes("ek"));
        let outcome = outcome.map(|made| (made.ciphertext.len(), made.shared_secret.len()));
        if case.is_valid() {
            assert_eq!(outcome, Ok((1088, 32)), "{} {}", provider.name(), case.name());
            let (key, randomness) = (case.bytes("ek"), case.array("m"));
            if let Some((ciphertext, secret)) = kem::encapsulate_with(&key, &randomness) {
                assert_eq!((ciphertext, secret), (case.bytes("c"), case.array("K")), "{}", case.name());
            }
        } else {
            assert!(matches!(outcome, Err(CryptoError::BadShare(_))), "{} {}", provider.name(), case.name());
        }
    });
}

/// Ciphertexts of a wrong length are refused; what is forged gives another secret (FIPS 203, section 6.3).
#[test]
fn ml_kem_768_decapsulation() {
    under_each(&cases("mlkem_768"), |provider, case| {
        let (seed, ciphertext) = (case.bytes("seed"), case.bytes("c"));
        // Nobody hands an agent a seed.
        let Ok(seed) = <[u8; 64]>::try_from(seed) else { return assert!(!case.is_valid()) };
        if !case.is_valid() {
            return refuses_ciphertext(provider, &ciphertext, case);
        }
        // `aws-lc-rs` reads no seed, but what another library has made of it.
        let Some((encapsulation_key, expanded)) = kem::expand(&seed) else { return };
        assert_eq!(encapsulation_key, case.bytes("ek"), "{}", case.name());
        let secret = kem::decapsulate(provider, &expanded, &ciphertext);
        assert_eq!(secret, case.array("K"), "{} {}", provider.name(), case.name());
    });
}

/// With keys in expanded form, which every library reads. An agent reads none, so cases of bad ones do not apply.
#[test]
fn ml_kem_768_decapsulation_with_expanded_keys() {
    under_each(&cases("mlkem_768_semi_expanded_decaps"), |provider, case| {
        let (key, ciphertext) = (case.bytes("dk"), case.bytes("c"));
        if case.is_valid() {
            let secret = kem::decapsulate(provider, &key, &ciphertext);
            assert_eq!(secret, case.array("K"), "{} {}", provider.name(), case.name());
        } else if case.has("IncorrectCiphertextLength") {
            refuses_ciphertext(provider, &ciphertext, case);
        }
    });
}

#[test]
fn ml_kem_768_key_pairs() {
    for case in cases("mlkem_768_keygen_seed") {
        if let Some(pair) = kem::expand(&case.array("seed")) {
            assert_eq!(pair, (case.bytes("ek"), case.bytes("dk")), "{}", case.name());
        }
    }
}

fn refuses_ciphertext(provider: Provider, ciphertext: &[u8], case: &Case) {
    let key = provider.generate_ml_kem_768().unwrap();
    let outcome = key.decapsulate(ciphertext);
    assert!(matches!(outcome, Err(CryptoError::BadShare(_))), "{} {}", provider.name(), case.name());
}
