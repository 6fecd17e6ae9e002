//! A provider whose randomness is written down: SHA-256 of a name and a counter. All else is a real provider's.
//!
//! Salts of signatures are the library's own, so signatures are recorded and played back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::aead::{Aead, AeadKey};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::{CryptoProvider, Decapsulator, Encapsulated, Provider};
use a2a_core::crypto::signature::{PublicKey, Signer, SigningKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::kem::{self, KemRecord};

/// One side's provider.
#[derive(Debug)]
pub(crate) struct Script {
    name: &'static str,
    inner: Provider,
    kem_is_first: bool,
    drawn: Mutex<BTreeMap<usize, Vec<u8>>>,
    kems: Mutex<VecDeque<KemRecord>>,
    kem_keys: Mutex<Vec<Vec<u8>>>,
}

impl Script {
    /// `kems` are played back where the inner provider cannot compute them from fixed randomness.
    pub(crate) fn new(
        name: &'static str,
        suite: Suite,
        inner: Provider,
        kems: Vec<KemRecord>,
    ) -> &'static Self {
        let kem_is_first = suite.is_hybrid() && name == "responder";
        let (drawn, kem_keys) = (Mutex::default(), Mutex::default());
        Box::leak(Box::new(Self {
            name,
            inner,
            kem_is_first,
            drawn,
            kems: Mutex::new(kems.into()),
            kem_keys,
        }))
    }

    /// All that has been drawn, in the vectors' order.
    pub(crate) fn drawn(&self) -> Vec<Vec<u8>> {
        self.drawn.lock().unwrap().values().cloned().collect()
    }

    /// In the vectors a responder draws the KEM's randomness before its Diffie-Hellman secret, which may have been made
    /// long before that. Two draws come before all exchanges, two belong to each.
    fn place(&self, draw: usize) -> usize {
        if self.kem_is_first && draw >= 2 { draw ^ 1 } else { draw }
    }

    /// The expanded ML-KEM keys that have been made, in order.
    pub(crate) fn kem_keys(&self) -> Vec<Vec<u8>> {
        self.kem_keys.lock().unwrap().clone()
    }

    fn draw<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill_random(&mut bytes).unwrap();
        bytes
    }

    fn next_kem(&self) -> Option<KemRecord> {
        self.kems.lock().unwrap().pop_front()
    }
}

impl CryptoProvider for Script {
    fn name(&self) -> &'static str {
        self.name
    }

    /// Blocks of `SHA-256("a2a/1 test vector" || name || u64 draw || u64 block)`.
    fn fill_random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        let mut drawn = self.drawn.lock().unwrap();
        let place = self.place(drawn.len());
        for (block, chunk) in (0_u64..).zip(out.chunks_mut(32)) {
            let hash = Sha256::new()
                .chain_update("a2a/1 test vector")
                .chain_update(self.name)
                .chain_update((place as u64).to_be_bytes())
                .chain_update(block.to_be_bytes())
                .finalize();
            chunk.copy_from_slice(&hash[..chunk.len()]);
        }
        drawn.insert(place, out.to_vec());
        Ok(())
    }

    fn generate_signing_key(&self) -> Result<Box<dyn SigningKey>, CryptoError> {
        unreachable!("the vectors' keys are given")
    }

    fn load_signing_key(&self, pkcs8_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        self.inner.load_signing_key(pkcs8_der)
    }

    fn verify_pss(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.inner.verify_pss(key, message, signature)
    }

    fn x25519_public(&self, secret: &[u8; 32]) -> Result<[u8; 32], CryptoError> {
        self.inner.x25519_public(secret)
    }

    fn x25519_agree(&self, secret: &[u8; 32], peer: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        self.inner.x25519_agree(secret, peer)
    }

    fn generate_ml_kem_768(&self) -> Result<Box<dyn Decapsulator>, CryptoError> {
        let seed = self.draw();
        let key = kem::from_seed(self.inner, &seed, self.next_kem());
        self.kem_keys.lock().unwrap().push(key.decapsulation_key.clone());
        Ok(Box::new(key))
    }

    fn encapsulate_ml_kem_768(&self, encapsulation_key: &[u8]) -> Result<Encapsulated, CryptoError> {
        // What a peer may not send is refused by the real provider.
        self.inner.encapsulate_ml_kem_768(encapsulation_key)?;
        let randomness = self.draw();
        Ok(kem::encapsulate(encapsulation_key, &randomness, self.next_kem()))
    }

    fn aes_256_gcm(&self, key: &AeadKey) -> Result<Box<dyn Aead>, CryptoError> {
        self.inner.aes_256_gcm(key)
    }
}

/// A key that signs, or says again what it signed once.
#[derive(Debug)]
pub(crate) struct ScriptedKey {
    inner: Arc<dyn SigningKey>,
    verifier: Provider,
    signatures: Option<Mutex<VecDeque<Vec<u8>>>>,
}

impl ScriptedKey {
    pub(crate) fn recording(inner: Arc<dyn SigningKey>, verifier: Provider) -> Self {
        Self { inner, verifier, signatures: None }
    }

    pub(crate) fn replaying(
        inner: Arc<dyn SigningKey>,
        verifier: Provider,
        signatures: Vec<Vec<u8>>,
    ) -> Self {
        Self { inner, verifier, signatures: Some(Mutex::new(signatures.into())) }
    }
}

impl Signer for ScriptedKey {
    fn public_key(&self) -> &PublicKey {
        self.inner.public_key()
    }

    /// A recorded signature is given back only if it is one over this message.
    fn sign_pss(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let Some(signatures) = &self.signatures else { return self.inner.sign_pss(message) };
        let signature = signatures.lock().unwrap().pop_front().expect("more is signed than was recorded");
        self.verifier.verify_pss(self.public_key(), message, &signature)?;
        Ok(signature)
    }
}

impl SigningKey for ScriptedKey {
    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        self.inner.to_pkcs8_der()
    }
}
