//! ML-KEM-768 with fixed randomness, as far as each library lets it be fixed.
//!
//! `ml-kem` takes the seed of a key pair (`d || z`) and the randomness of an encapsulation, `aws-lc-rs` takes expanded
//! decapsulation keys alone; what it cannot compute is played back from the vector.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::provider::{Decapsulator, Encapsulated, Provider};
use zeroize::Zeroizing;

/// What a vector holds of one encapsulation.
#[derive(Debug, Clone)]
pub(crate) struct KemRecord {
    pub(crate) encapsulation_key: Vec<u8>,
    /// 2400 bytes (FIPS 203, section 7.1).
    pub(crate) decapsulation_key: Vec<u8>,
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) shared_secret: [u8; 32],
}

/// An expanded key, for the library of `provider`.
#[derive(Debug, Clone)]
pub(crate) struct KemKey {
    provider: Provider,
    encapsulation_key: Vec<u8>,
    pub(crate) decapsulation_key: Vec<u8>,
}

impl Decapsulator for KemKey {
    fn encapsulation_key(&self) -> Vec<u8> {
        self.encapsulation_key.clone()
    }

    fn decapsulate(self: Box<Self>, ciphertext: &[u8]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        Ok(decapsulate(self.provider, &self.decapsulation_key, ciphertext).into())
    }
}

/// The key pair of a seed, computed if the `ml-kem` crate is there, else played back.
pub(crate) fn from_seed(provider: Provider, seed: &[u8; 64], record: Option<KemRecord>) -> KemKey {
    let (encapsulation_key, decapsulation_key) = match expand(seed) {
        Some(pair) => pair,
        None => record.map(|record| (record.encapsulation_key, record.decapsulation_key)).expect("recorded"),
    };
    KemKey { provider, encapsulation_key, decapsulation_key }
}

/// Computed from the randomness if the `ml-kem` crate is there, else played back.
pub(crate) fn encapsulate(key: &[u8], randomness: &[u8; 32], record: Option<KemRecord>) -> Encapsulated {
    let (ciphertext, shared_secret) = match encapsulate_with(key, randomness) {
        Some(pair) => pair,
        None => record.map(|record| (record.ciphertext, record.shared_secret)).expect("recorded"),
    };
    Encapsulated { ciphertext, shared_secret: shared_secret.into() }
}

/// By the library under test.
pub(crate) fn decapsulate(provider: Provider, decapsulation_key: &[u8], ciphertext: &[u8]) -> [u8; 32] {
    match provider.name() {
        #[cfg(feature = "aws_lc")]
        "aws_lc" => {
            use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, ML_KEM_768};
            let key = DecapsulationKey::new(&ML_KEM_768, decapsulation_key).unwrap();
            key.decapsulate(Ciphertext::from(ciphertext)).unwrap().as_ref().try_into().unwrap()
        }
        #[cfg(feature = "rustcrypto")]
        "rustcrypto" => {
            use ml_kem::{Decapsulate, ml_kem_768};
            #[expect(deprecated, reason = "the form that every library can read")]
            let key = ml_kem_768::DecapsulationKey::from_expanded(decapsulation_key.try_into().unwrap());
            key.unwrap().decapsulate_slice(ciphertext).unwrap().into()
        }
        other => panic!("no provider {other}"),
    }
}

/// Encapsulation key and expanded decapsulation key (FIPS 203, algorithm 16).
#[cfg(feature = "rustcrypto")]
#[expect(clippy::unnecessary_wraps, reason = "without the library there is no result")]
pub(crate) fn expand(seed: &[u8; 64]) -> Option<(Vec<u8>, Vec<u8>)> {
    #[expect(deprecated, reason = "the form that every library can read")]
    use ml_kem::ExpandedKeyEncoding;
    use ml_kem::{KeyExport, ml_kem_768};
    let key = ml_kem_768::DecapsulationKey::from_seed((*seed).into());
    #[expect(deprecated, reason = "the form that every library can read")]
    let expanded = key.to_expanded_bytes().to_vec();
    Some((key.encapsulation_key().to_bytes().to_vec(), expanded))
}

/// Ciphertext and shared secret (FIPS 203, algorithm 17).
#[cfg(feature = "rustcrypto")]
#[expect(clippy::unnecessary_wraps, reason = "without the library there is no result")]
pub(crate) fn encapsulate_with(key: &[u8], randomness: &[u8; 32]) -> Option<(Vec<u8>, [u8; 32])> {
    use ml_kem::{TryKeyInit, ml_kem_768};
    let key = ml_kem_768::EncapsulationKey::new_from_slice(key).unwrap();
    let (ciphertext, secret) = key.encapsulate_deterministic(&(*randomness).into());
    Some((ciphertext.to_vec(), secret.into()))
}

#[cfg(not(feature = "rustcrypto"))]
pub(crate) fn expand(_: &[u8; 64]) -> Option<(Vec<u8>, Vec<u8>)> {
    None
}

#[cfg(not(feature = "rustcrypto"))]
pub(crate) fn encapsulate_with(_: &[u8], _: &[u8; 32]) -> Option<(Vec<u8>, [u8; 32])> {
    None
}
