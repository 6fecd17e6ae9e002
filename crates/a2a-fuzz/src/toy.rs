//! A crypto provider that costs next to nothing: a signature is a hash of key and message, which anybody could make, and
//! randomness is a counter. The network of ill will forges no signature; all else is the default provider's.
//!
//! With real signatures a handshake takes 100 times as long, and so a fuzzer sees a hundredth of the handshakes.

use std::cell::Cell;

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::aead::{Aead, AeadKey};
use a2a_core::crypto::provider::{CryptoProvider, Decapsulator, Encapsulated, Provider, aws_lc};
use a2a_core::crypto::signature::{PublicKey, Signer, SigningKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

pub(crate) const PROVIDER: Provider = &Toy;

/// Lets randomness begin anew, so that the same bytes tell the same story.
pub(crate) fn begin() {
    COUNTER.set(0);
}

thread_local! {
    static COUNTER: Cell<u64> = const { Cell::new(0) };
}

#[derive(Debug)]
struct Toy;

impl CryptoProvider for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn fill_random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        for part in out.chunks_mut(32) {
            COUNTER.set(COUNTER.get() + 1);
            part.copy_from_slice(&Sha256::digest(COUNTER.get().to_be_bytes())[..part.len()]);
        }
        Ok(())
    }

    fn generate_signing_key(&self) -> Result<Box<dyn SigningKey>, CryptoError> {
        Err(NOT_HERE)
    }

    fn load_signing_key(&self, pkcs8_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        Ok(Box::new(ToyKey(aws_lc::PROVIDER.load_signing_key(pkcs8_der)?.public_key().clone())))
    }

    fn verify_pss(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        if toy_signature(key, message) == signature { Ok(()) } else { Err(CryptoError::BadSignature) }
    }

    fn x25519_public(&self, secret: &[u8; 32]) -> Result<[u8; 32], CryptoError> {
        aws_lc::PROVIDER.x25519_public(secret)
    }

    fn x25519_agree(&self, secret: &[u8; 32], peer: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        aws_lc::PROVIDER.x25519_agree(secret, peer)
    }

    fn generate_ml_kem_768(&self) -> Result<Box<dyn Decapsulator>, CryptoError> {
        aws_lc::PROVIDER.generate_ml_kem_768()
    }

    fn encapsulate_ml_kem_768(&self, encapsulation_key: &[u8]) -> Result<Encapsulated, CryptoError> {
        aws_lc::PROVIDER.encapsulate_ml_kem_768(encapsulation_key)
    }

    fn aes_256_gcm(&self, key: &AeadKey) -> Result<Box<dyn Aead>, CryptoError> {
        aws_lc::PROVIDER.aes_256_gcm(key)
    }
}

#[derive(Debug)]
struct ToyKey(PublicKey);

impl Signer for ToyKey {
    fn public_key(&self) -> &PublicKey {
        &self.0
    }

    fn sign_pss(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        Ok(toy_signature(&self.0, message))
    }
}

impl SigningKey for ToyKey {
    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        Err(NOT_HERE)
    }
}

fn toy_signature(key: &PublicKey, message: &[u8]) -> Vec<u8> {
    let hash = Sha256::new().chain_update(key.key_id().as_bytes()).chain_update(message).finalize();
    hash.repeat(key.bits() / 8 / hash.len())
}

const NOT_HERE: CryptoError = CryptoError::Library("there is no such thing among the toys");
