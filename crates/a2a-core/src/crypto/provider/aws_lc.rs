//! The default provider: AWS-LC through `aws-lc-rs`. Constant-time, fast, compiled from C.
//!
//! Its own generator, which signing, key generation and encapsulation use, is seeded by the operating
//! system's.

use std::fmt::{self, Debug};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::kem::{Ciphertext, DecapsulationKey, EncapsulationKey, ML_KEM_768};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{self, KeyPair as _, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256};
use zeroize::{Zeroize, Zeroizing};

use super::{
    BAD_KEM_CIPHERTEXT, BAD_KEM_KEY, BAD_PRIVATE_KEY, CryptoProvider, Decapsulator, Encapsulated,
    LOW_ORDER_POINT, ML_KEM_768_CIPHERTEXT_LEN, Provider, require_canonical,
};
use crate::crypto::CryptoError;
use crate::crypto::aead::{Aead, AeadKey, NONCE_LEN, TAG_LEN};
use crate::crypto::signature::{PublicKey, Signer, SigningKey};

/// The one value of [`AwsLc`].
pub const PROVIDER: Provider = &AwsLc;

/// See the module.
#[derive(Debug)]
pub struct AwsLc;

impl CryptoProvider for AwsLc {
    fn name(&self) -> &'static str {
        "aws_lc"
    }

    fn generate_signing_key(&self) -> Result<Box<dyn SigningKey>, CryptoError> {
        let pair = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| CryptoError::Library("RSA key generation failed"))?;
        Ok(Box::new(RsaKey::new(pair)?))
    }

    fn load_signing_key(&self, pkcs8_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        let pair = KeyPair::from_pkcs8(pkcs8_der).map_err(|_| BAD_PRIVATE_KEY)?;
        require_canonical(Box::new(RsaKey::new(pair)?), pkcs8_der)
    }

    fn verify_pss(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        signature::UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key.spki_der())
            .verify(message, signature)
            .map_err(|_| CryptoError::BadSignature)
    }

    fn x25519_public(&self, secret: &[u8; 32]) -> Result<[u8; 32], CryptoError> {
        x25519_key(secret)?
            .compute_public_key()
            .ok()
            .and_then(|public| public.as_ref().try_into().ok())
            .ok_or(CryptoError::Library("X25519 gave no public value"))
    }

    fn x25519_agree(&self, secret: &[u8; 32], peer: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        let peer = UnparsedPublicKey::new(&X25519, peer);
        agreement::agree(&x25519_key(secret)?, peer, LOW_ORDER_POINT, secret_32)
    }

    fn generate_ml_kem_768(&self) -> Result<Box<dyn Decapsulator>, CryptoError> {
        let failed = |_| CryptoError::Library("ML-KEM-768 key generation failed");
        let key = DecapsulationKey::generate(&ML_KEM_768).map_err(failed)?;
        let public = key.encapsulation_key().and_then(|key| key.key_bytes()).map_err(failed)?;
        Ok(Box::new(KemKey { encapsulation_key: public.as_ref().to_vec(), key }))
    }

    fn encapsulate_ml_kem_768(&self, encapsulation_key: &[u8]) -> Result<Encapsulated, CryptoError> {
        // The length is checked by the first call, the modulus by the second.
        let key = EncapsulationKey::new(&ML_KEM_768, encapsulation_key).map_err(|_| BAD_KEM_KEY)?;
        let (ciphertext, secret) = key.encapsulate().map_err(|_| BAD_KEM_KEY)?;
        Ok(Encapsulated {
            ciphertext: ciphertext.as_ref().to_vec(),
            shared_secret: secret_32(secret.as_ref())?,
        })
    }

    fn aes_256_gcm(&self, key: &AeadKey) -> Result<Box<dyn Aead>, CryptoError> {
        let key = UnboundKey::new(&AES_256_GCM, &key.0)
            .map_err(|_| CryptoError::Library("AES-256-GCM refused a key"))?;
        Ok(Box::new(AesGcm(LessSafeKey::new(key))))
    }
}

struct RsaKey {
    pair: KeyPair,
    public: PublicKey,
}

impl RsaKey {
    fn new(pair: KeyPair) -> Result<Self, CryptoError> {
        let spki: PublicKeyX509Der<'_> =
            pair.public_key().as_der().map_err(|_| CryptoError::Library("RSA public key has no encoding"))?;
        let public = PublicKey::from_spki_der(spki.as_ref())?;
        Ok(Self { pair, public })
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
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PSS_SHA256, &SystemRandom::new(), message, &mut signature)
            .map_err(|_| CryptoError::Library("RSA signing failed"))?;
        AwsLc
            .verify_pss(&self.public, message, &signature)
            .map_err(|_| CryptoError::Library("RSA signing gave a wrong signature"))?;
        Ok(signature)
    }
}

impl SigningKey for RsaKey {
    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let der: Pkcs8V1Der<'_> =
            self.pair.as_der().map_err(|_| CryptoError::Library("RSA private key has no encoding"))?;
        Ok(Zeroizing::new(der.as_ref().to_vec()))
    }
}

struct KemKey {
    encapsulation_key: Vec<u8>,
    key: DecapsulationKey,
}

impl Debug for KemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decapsulator(..)")
    }
}

impl Decapsulator for KemKey {
    fn encapsulation_key(&self) -> Vec<u8> {
        self.encapsulation_key.clone()
    }

    fn decapsulate(self: Box<Self>, ciphertext: &[u8]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        if ciphertext.len() != ML_KEM_768_CIPHERTEXT_LEN {
            return Err(BAD_KEM_CIPHERTEXT);
        }
        let secret = self
            .key
            .decapsulate(Ciphertext::from(ciphertext))
            .map_err(|_| CryptoError::Library("ML-KEM-768 decapsulation failed"))?;
        secret_32(secret.as_ref())
    }
}

struct AesGcm(LessSafeKey);

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
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let sealed = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), buffer);
        let tag = sealed.ok().and_then(|tag| tag.as_ref().try_into().ok());
        tag.ok_or(CryptoError::Library("AES-256-GCM sealing failed"))
    }

    fn open(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError> {
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self.0.open_in_place(nonce, Aad::from(aad), buffer).map(|plaintext| plaintext.len());
        if let Ok(len) = opened {
            buffer.truncate(len);
            Ok(())
        } else {
            buffer.zeroize();
            Err(CryptoError::BadTag)
        }
    }
}

fn x25519_key(secret: &[u8; 32]) -> Result<PrivateKey, CryptoError> {
    PrivateKey::from_private_key(&X25519, secret).map_err(|_| CryptoError::Library("X25519 refused a secret"))
}

fn secret_32(bytes: &[u8]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
    let mut secret = Zeroizing::new([0; 32]);
    if bytes.len() != secret.len() {
        return Err(CryptoError::Library("a shared secret is not of 32 bytes"));
    }
    secret.copy_from_slice(bytes);
    Ok(secret)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_signature_is_not_returned() {
        let pkcs8 = include_bytes!("../../../tests/keys/rsa2048.pk8");
        let mut key = RsaKey::new(KeyPair::from_pkcs8(pkcs8).unwrap()).unwrap();
        assert!(key.sign_pss(b"message").is_ok());
        // What a fault in the computation looks like from here: the signature does not fit the public key.
        let other = include_bytes!("../../../tests/keys/rsa3072.pk8");
        key.public = PROVIDER.load_signing_key(other).unwrap().public_key().clone();
        assert!(matches!(key.sign_pss(b"message"), Err(CryptoError::Library(_))));
    }
}
