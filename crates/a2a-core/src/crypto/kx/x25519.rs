//! X25519 (RFC 7748) with public values as DER `SubjectPublicKeyInfo` (RFC 8410). The provider does the
//! arithmetic.

use std::fmt::{self, Debug};

use zeroize::Zeroizing;

use crate::crypto::CryptoError;
use crate::crypto::provider::Provider;

/// A secret scalar: made for one handshake, consumed by it, zeroised.
pub struct X25519Secret(Zeroizing<[u8; 32]>);

impl X25519Secret {
    /// Makes a fresh key pair.
    pub fn generate(provider: Provider) -> Result<(Self, X25519PublicKey), CryptoError> {
        let mut secret = Zeroizing::new([0; 32]);
        provider.fill_random(secret.as_mut_slice())?;
        let public = provider.x25519_public(&secret)?;
        Ok((Self(secret), X25519PublicKey(public)))
    }

    /// The shared secret: 32 bytes, never all zero.
    pub fn agree(
        self,
        provider: Provider,
        peer: &X25519PublicKey,
    ) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        provider.x25519_agree(&self.0, &peer.0)
    }
}

impl Debug for X25519Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("X25519Secret(..)")
    }
}

/// A public value: any 32 bytes. Those that give an all-zero secret are refused by [`X25519Secret::agree`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct X25519PublicKey([u8; 32]);

impl X25519PublicKey {
    /// Reads the one DER encoding that RFC 8410, section 4 leaves: 12 fixed bytes and the value.
    pub fn from_spki_der(spki_der: &[u8]) -> Result<Self, CryptoError> {
        spki_der
            .strip_prefix(&SPKI_PREFIX)
            .and_then(|value| value.try_into().ok())
            .map(Self)
            .ok_or(CryptoError::BadShare("not DER of an X25519 key"))
    }

    /// DER `SubjectPublicKeyInfo`: 44 bytes.
    pub fn to_spki_der(&self) -> Vec<u8> {
        [SPKI_PREFIX.as_slice(), &self.0].concat()
    }
}

/// SEQUENCE { SEQUENCE { OID 1.3.101.110 }, BIT STRING of 32 bytes.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00];
