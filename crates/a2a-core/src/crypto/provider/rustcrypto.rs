//! The pure-Rust provider: `rsa`, `x25519-dalek`, `ml-kem` and `aes-gcm`. Compiles no C.
//!
//! It is for machines without a C compiler and for testing one provider against the other. The `rsa` crate
//! carries the advisory RUSTSEC-2023-0071 (timing): private operations are blinded here, and the other
//! provider is the default. Where a library takes a generator that cannot fail (RSA key generation,
//! encapsulation), a system whose generator fails ends the thread with a panic rather than go on with a
//! guessable key.

use std::fmt::{self, Debug};

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use getrandom::SysRng;
use getrandom::rand_core::UnwrapErr;
use ml_kem::{Decapsulate, Encapsulate, KeyExport, Seed, TryKeyInit, ml_kem_768};
use rsa::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use rsa::signature::{RandomizedSigner, SignatureEncoding, Verifier};
use rsa::{RsaPrivateKey, RsaPublicKey, pss};
use sha2::Sha256;
use x25519_dalek::{PublicKey as MontgomeryPoint, StaticSecret};
use zeroize::{Zeroize, Zeroizing};

use super::{
    BAD_KEM_CIPHERTEXT, BAD_KEM_KEY, BAD_PRIVATE_KEY, CryptoProvider, Decapsulator, Encapsulated,
    LOW_ORDER_POINT, Provider, require_canonical,
};
use crate::crypto::CryptoError;
use crate::crypto::aead::{Aead, AeadKey, NONCE_LEN, TAG_LEN};
use crate::crypto::signature::{PublicKey, Signer, SigningKey};

/// The one value of [`RustCrypto`].
pub const PROVIDER: Provider = &RustCrypto;

/// See the module.
#[derive(Debug)]
pub struct RustCrypto;

impl CryptoProvider for RustCrypto {
    fn name(&self) -> &'static str {
        "rustcrypto"
    }

    fn generate_signing_key(&self) -> Result<Box<dyn SigningKey>, CryptoError> {
        let key = RsaPrivateKey::new(&mut UnwrapErr(SysRng), MODULUS_BITS)
            .map_err(|_| CryptoError::Library("RSA key generation failed"))?;
        Ok(Box::new(RsaKey::new(key)?))
    }

    fn load_signing_key(&self, pkcs8_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        let key = RsaPrivateKey::from_pkcs8_der(pkcs8_der).map_err(|_| BAD_PRIVATE_KEY)?;
        require_canonical(Box::new(RsaKey::new(key)?), pkcs8_der)
    }

    fn verify_pss(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let key = RsaPublicKey::from_public_key_der(key.spki_der())
            .map_err(|_| CryptoError::Library("RSA refused a public key"))?;
        let signature = pss::Signature::try_from(signature).map_err(|_| CryptoError::BadSignature)?;
        pss::VerifyingKey::<Sha256>::new_with_salt_len(key, SALT_LEN)
            .verify(message, &signature)
            .map_err(|_| CryptoError::BadSignature)
    }

    fn x25519_public(&self, secret: &[u8; 32]) -> Result<[u8; 32], CryptoError> {
        Ok(MontgomeryPoint::from(&StaticSecret::from(*secret)).to_bytes())
    }

    fn x25519_agree(&self, secret: &[u8; 32], peer: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        let shared = StaticSecret::from(*secret).diffie_hellman(&MontgomeryPoint::from(*peer));
        if !shared.was_contributory() {
            return Err(LOW_ORDER_POINT);
        }
        Ok(Zeroizing::new(shared.to_bytes()))
    }

    fn generate_ml_kem_768(&self) -> Result<Box<dyn Decapsulator>, CryptoError> {
        let mut seed = Zeroizing::new(Seed::default());
        self.fill_random(&mut seed)?;
        Ok(Box::new(KemKey(ml_kem_768::DecapsulationKey::from_seed(*seed))))
    }

    fn encapsulate_ml_kem_768(&self, encapsulation_key: &[u8]) -> Result<Encapsulated, CryptoError> {
        let key = ml_kem_768::EncapsulationKey::new_from_slice(encapsulation_key).map_err(|_| BAD_KEM_KEY)?;
        let (ciphertext, mut secret) = key.encapsulate_with_rng(&mut UnwrapErr(SysRng));
        let shared_secret = Zeroizing::new(secret.into());
        secret.zeroize();
        Ok(Encapsulated { ciphertext: ciphertext.to_vec(), shared_secret })
    }

    fn aes_256_gcm(&self, key: &AeadKey) -> Result<Box<dyn Aead>, CryptoError> {
        Ok(Box::new(AesGcm(Aes256Gcm::new(&key.0.into()))))
    }
}

struct RsaKey {
    key: pss::SigningKey<Sha256>,
    public: PublicKey,
}

impl RsaKey {
    fn new(key: RsaPrivateKey) -> Result<Self, CryptoError> {
        let spki = key
            .as_ref()
            .to_public_key_der()
            .map_err(|_| CryptoError::Library("RSA public key has no encoding"))?;
        let public = PublicKey::from_spki_der(spki.as_bytes())?;
        Ok(Self { key: pss::SigningKey::new_with_salt_len(key, SALT_LEN), public })
    }
}

impl Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({}, ..)", self.public.key_id())
    }
}

impl Signer for RsaKey {
    fn public_key(&self) -> &PublicKey {
        &self.public
    }

    fn sign_pss(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        // The generator gives the salt and the blinding factor.
        let signature = self
            .key
            .try_sign_with_rng(&mut SysRng, message)
            .map_err(|_| CryptoError::Library("RSA signing failed"))?
            .to_vec();
        RustCrypto
            .verify_pss(&self.public, message, &signature)
            .map_err(|_| CryptoError::Library("RSA signing gave a wrong signature"))?;
        Ok(signature)
    }
}

impl SigningKey for RsaKey {
    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let key: &RsaPrivateKey = self.key.as_ref();
        let der = key.to_pkcs8_der().map_err(|_| CryptoError::Library("RSA private key has no encoding"))?;
        Ok(der.to_bytes())
    }
}

struct KemKey(ml_kem_768::DecapsulationKey);

impl Debug for KemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decapsulator(..)")
    }
}

impl Decapsulator for KemKey {
    fn encapsulation_key(&self) -> Vec<u8> {
        self.0.encapsulation_key().to_bytes().to_vec()
    }

    fn decapsulate(self: Box<Self>, ciphertext: &[u8]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        let mut secret = self.0.decapsulate_slice(ciphertext).map_err(|_| BAD_KEM_CIPHERTEXT)?;
        let shared_secret = Zeroizing::new(secret.into());
        secret.zeroize();
        Ok(shared_secret)
    }
}

struct AesGcm(Aes256Gcm);

impl Debug for AesGcm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Aes256Gcm(..)")
    }
}

impl Aead for AesGcm {
    fn seal_detached(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LEN], CryptoError> {
        let sealed = self.0.encrypt_inout_detached(&(*nonce).into(), aad, buffer.into());
        sealed.map(Into::into).map_err(|_| CryptoError::Library("AES-256-GCM sealing failed"))
    }

    fn open(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.0.decrypt_in_place(&(*nonce).into(), aad, buffer).map_err(|_| {
            buffer.zeroize();
            CryptoError::BadTag
        })
    }
}

/// Bits in the modulus of a new key.
const MODULUS_BITS: usize = 2048;
/// Bytes of salt in a signature, made or verified.
const SALT_LEN: usize = 32;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_signature_is_not_returned() {
        let pkcs8 = include_bytes!("../../../tests/keys/rsa2048.pk8");
        let mut key = RsaKey::new(RsaPrivateKey::from_pkcs8_der(pkcs8).unwrap()).unwrap();
        assert!(key.sign_pss(b"message").is_ok());
        // What a fault in the computation looks like from here: the signature does not fit the public key.
        let other = include_bytes!("../../../tests/keys/rsa3072.pk8");
        key.public = PROVIDER.load_signing_key(other).unwrap().public_key().clone();
        assert!(matches!(key.sign_pss(b"message"), Err(CryptoError::Library(_))));
    }
}
