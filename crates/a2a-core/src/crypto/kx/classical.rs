//! The classical half of a suite: one of two Diffie-Hellman groups, under one interface.

use zeroize::Zeroizing;

use super::Suite;
use super::modp::{DhPublicKey, DhSecret, generate_dh_keypair};
use super::x25519::{X25519PublicKey, X25519Secret};
use crate::crypto::CryptoError;
use crate::crypto::provider::Provider;

/// One side's secret.
pub(super) enum ClassicalSecret {
    Modp(DhSecret),
    X25519(X25519Secret),
}

impl ClassicalSecret {
    /// A fresh secret, and the public half as DER `SubjectPublicKeyInfo`.
    pub(super) fn generate(suite: Suite, provider: Provider) -> Result<(Self, Vec<u8>), CryptoError> {
        match suite {
            Suite::Modp2048MlKem768 | Suite::Modp2048 => {
                let (secret, public) = generate_dh_keypair(provider)?;
                Ok((Self::Modp(secret), public.to_spki_der()?))
            }
            Suite::X25519MlKem768 => {
                let (secret, public) = X25519Secret::generate(provider)?;
                Ok((Self::X25519(secret), public.to_spki_der()))
            }
        }
    }

    /// The shared secret: 256 or 32 bytes.
    pub(super) fn agree(
        self,
        provider: Provider,
        peer: &ClassicalShare,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        match (self, peer) {
            (Self::Modp(secret), ClassicalShare::Modp(peer)) => {
                Ok(Zeroizing::new(secret.agree(peer).to_vec()))
            }
            (Self::X25519(secret), ClassicalShare::X25519(peer)) => {
                Ok(Zeroizing::new(secret.agree(provider, peer)?.to_vec()))
            }
            _ => Err(CryptoError::Library("the two halves are of different suites")),
        }
    }
}

/// The peer's public half, parsed and in range.
#[expect(clippy::large_enum_variant, reason = "one at a time, for one step")]
pub(super) enum ClassicalShare {
    Modp(DhPublicKey),
    X25519(X25519PublicKey),
}

impl ClassicalShare {
    pub(super) fn parse(suite: Suite, spki_der: &[u8]) -> Result<Self, CryptoError> {
        match suite {
            Suite::Modp2048MlKem768 | Suite::Modp2048 => DhPublicKey::from_spki_der(spki_der).map(Self::Modp),
            Suite::X25519MlKem768 => X25519PublicKey::from_spki_der(spki_der).map(Self::X25519),
        }
    }
}
