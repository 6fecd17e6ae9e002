//! The three key exchange suites: classical Diffie-Hellman, alone or hybridised with ML-KEM-768.
//!
//! A hybrid's secret is the KEM's followed by the classical one (`ml_kem || dh`), so it stands as long as
//! either does. Nothing here is authenticated: the handshake signs the shares before it hands them over.

mod classical;
pub mod modp;
pub mod x25519;

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use self::classical::{ClassicalSecret, ClassicalShare};
use super::CryptoError;
use super::provider::{Decapsulator, Provider};

/// A key exchange suite, in the order of preference: the first is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Suite {
    /// RFC 3526 group 14 and ML-KEM-768; the default.
    #[serde(rename = "A2A-MODP2048-MLKEM768")]
    Modp2048MlKem768,
    /// X25519 and ML-KEM-768; fast, for busy agents.
    #[serde(rename = "A2A-X25519-MLKEM768")]
    X25519MlKem768,
    /// RFC 3526 group 14 alone; mandatory to implement.
    #[serde(rename = "A2A-MODP2048")]
    Modp2048,
}

impl Suite {
    /// Every suite, the best first.
    pub const ALL: [Self; 3] = [Self::Modp2048MlKem768, Self::X25519MlKem768, Self::Modp2048];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Modp2048MlKem768 => "A2A-MODP2048-MLKEM768",
            Self::X25519MlKem768 => "A2A-X25519-MLKEM768",
            Self::Modp2048 => "A2A-MODP2048",
        }
    }

    /// Whether ML-KEM-768 is part of it.
    pub const fn is_hybrid(self) -> bool {
        match self {
            Self::Modp2048MlKem768 | Self::X25519MlKem768 => true,
            Self::Modp2048 => false,
        }
    }
}

impl Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Suite {
    type Err = UnknownSuite;

    fn from_str(name: &str) -> Result<Self, UnknownSuite> {
        Self::ALL.into_iter().find(|suite| suite.as_str() == name).ok_or(UnknownSuite)
    }
}

/// A name that is no suite's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("unknown suite: choose A2A-MODP2048-MLKEM768, A2A-X25519-MLKEM768 or A2A-MODP2048")]
pub struct UnknownSuite;

/// The initiator's half of an exchange as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitiatorShare {
    /// DER `SubjectPublicKeyInfo`: with the group's parameters for MODP (PKCS #3 dhKeyAgreement,
    /// 1.2.840.113549.1.3.1), RFC 8410 for X25519.
    pub dh_public_key: Vec<u8>,
    /// 1184 bytes, in a hybrid.
    pub kem_public_key: Option<Vec<u8>>,
}

impl InitiatorShare {
    /// Whether a responder's keys of `suite` can be used with it, as far as can be told without them:
    /// [`CryptoError::BadShare`] or [`CryptoError::BadGroup`] if not. Costs no exponentiation.
    pub fn check(&self, suite: Suite) -> Result<(), CryptoError> {
        ClassicalShare::parse(suite, &self.dh_public_key)?;
        kem_part(suite, self.kem_public_key.as_deref()).map(|_| ())
    }
}

/// The responder's half as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponderShare {
    /// As in [`InitiatorShare`].
    pub dh_public_key: Vec<u8>,
    /// 1088 bytes, in a hybrid.
    pub kem_ciphertext: Option<Vec<u8>>,
}

/// The initiator's ephemeral keys of one suite, which may be made in advance: the classical pair, and ML-KEM's in a
/// hybrid. Used once, zeroised.
pub struct InitiatorKeys {
    secrets: InitiatorSecrets,
    share: InitiatorShare,
}

impl InitiatorKeys {
    /// Makes fresh keys for `suite`.
    pub fn generate(suite: Suite, provider: Provider) -> Result<Self, CryptoError> {
        let kem = if suite.is_hybrid() { Some(provider.generate_ml_kem_768()?) } else { None };
        let (dh, dh_public_key) = ClassicalSecret::generate(suite, provider)?;
        let kem_public_key = kem.as_ref().map(|kem| kem.encapsulation_key());
        let share = InitiatorShare { dh_public_key, kem_public_key };
        Ok(Self { secrets: InitiatorSecrets { suite, provider, dh, kem }, share })
    }

    /// The suite that they are for.
    pub fn suite(&self) -> Suite {
        self.secrets.suite
    }

    /// What to send, and what to keep until the responder's share comes.
    pub fn into_parts(self) -> (InitiatorSecrets, InitiatorShare) {
        (self.secrets, self.share)
    }
}

impl Debug for InitiatorKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InitiatorKeys(..)")
    }
}

/// The secret half of [`InitiatorKeys`].
pub struct InitiatorSecrets {
    suite: Suite,
    provider: Provider,
    dh: ClassicalSecret,
    kem: Option<Box<dyn Decapsulator>>,
}

impl InitiatorSecrets {
    /// Combines them with the responder's share. A share of the wrong shape or out of range is
    /// [`CryptoError::BadShare`] or [`CryptoError::BadGroup`], before any exponentiation.
    pub fn agree(self, share: &ResponderShare) -> Result<SharedSecret, CryptoError> {
        let peer = ClassicalShare::parse(self.suite, &share.dh_public_key)?;
        let ciphertext = kem_part(self.suite, share.kem_ciphertext.as_deref())?;
        let kem = self.kem.zip(ciphertext).map(|(key, bytes)| key.decapsulate(bytes)).transpose()?;
        let dh = self.dh.agree(self.provider, &peer)?;
        Ok(SharedSecret::combine(kem.as_deref(), &dh))
    }
}

impl Debug for InitiatorSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InitiatorSecrets(..)")
    }
}

/// The responder's ephemeral keys of one suite, which may be made in advance: the classical pair. Used once, zeroised.
pub struct ResponderKeys {
    suite: Suite,
    provider: Provider,
    dh: ClassicalSecret,
    dh_public_key: Vec<u8>,
}

impl ResponderKeys {
    /// Makes fresh keys for `suite`.
    pub fn generate(suite: Suite, provider: Provider) -> Result<Self, CryptoError> {
        let (dh, dh_public_key) = ClassicalSecret::generate(suite, provider)?;
        Ok(Self { suite, provider, dh, dh_public_key })
    }

    /// The suite that they are for.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Checks the initiator's share and encapsulates to it: all that the answer needs. A share of the wrong shape or out
    /// of range is [`CryptoError::BadShare`] or [`CryptoError::BadGroup`]. No exponentiation takes place.
    pub fn respond(self, share: &InitiatorShare) -> Result<(ResponderShare, ResponderSecrets), CryptoError> {
        let Self { suite, provider, dh, dh_public_key } = self;
        let peer = ClassicalShare::parse(suite, &share.dh_public_key)?;
        let kem_key = kem_part(suite, share.kem_public_key.as_deref())?;
        let kem = kem_key.map(|key| provider.encapsulate_ml_kem_768(key)).transpose()?;
        let (kem_ciphertext, kem) = kem.map(|kem| (kem.ciphertext, kem.shared_secret)).unzip();
        Ok((
            ResponderShare { dh_public_key, kem_ciphertext },
            ResponderSecrets { provider, dh, peer: Box::new(peer), kem },
        ))
    }
}

impl Debug for ResponderKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponderKeys(..)")
    }
}

/// The responder's secrets, with a good share of the initiator's: what is left is the costly part.
pub struct ResponderSecrets {
    provider: Provider,
    dh: ClassicalSecret,
    peer: Box<ClassicalShare>,
    kem: Option<Zeroizing<[u8; 32]>>,
}

impl ResponderSecrets {
    /// Combines them: one exponentiation in MODP.
    pub fn agree(self) -> Result<SharedSecret, CryptoError> {
        let dh = self.dh.agree(self.provider, &self.peer)?;
        Ok(SharedSecret::combine(self.kem.as_deref(), &dh))
    }
}

impl Debug for ResponderSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponderSecrets(..)")
    }
}

/// What both sides end up with: 32 (X25519) or 256 (MODP, left-padded) bytes, with 32 of ML-KEM before them
/// in a hybrid. It goes into the key schedule and nowhere else.
pub struct SharedSecret(pub(crate) Zeroizing<Vec<u8>>);

impl SharedSecret {
    fn combine(kem: Option<&[u8; 32]>, dh: &[u8]) -> Self {
        let kem: &[u8] = kem.map_or(&[], |secret| secret);
        // The full capacity at once: growing would leave a copy behind.
        let mut secret = Zeroizing::new(Vec::with_capacity(kem.len() + dh.len()));
        secret.extend_from_slice(kem);
        secret.extend_from_slice(dh);
        Self(secret)
    }
}

/// In constant time for secrets of one length.
impl PartialEq for SharedSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SharedSecret {}

impl Debug for SharedSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedSecret(..)")
    }
}

/// The KEM's part of a share, there exactly if the suite wants it. The provider checks its length.
fn kem_part(suite: Suite, part: Option<&[u8]>) -> Result<Option<&[u8]>, CryptoError> {
    match part {
        None if suite.is_hybrid() => Err(CryptoError::BadShare("the suite's ML-KEM part is missing")),
        Some(_) if !suite.is_hybrid() => Err(CryptoError::BadShare("the suite has no ML-KEM part")),
        part => Ok(part),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::crypto::provider::available;

    #[test]
    fn the_kem_secret_stands_before_the_classical_one() {
        assert_eq!(*SharedSecret::combine(None, &[2; 256]).0, [2; 256]);
        let both = SharedSecret::combine(Some(&[1; 32]), &[2; 33]);
        assert_eq!(*both.0, [&[1; 32][..], &[2; 33]].concat());
        assert_eq!(both.0.capacity(), 65, "it has not grown");
        assert_eq!(both, SharedSecret::combine(Some(&[1; 32]), &[2; 33]));
        assert_ne!(both, SharedSecret::combine(Some(&[1; 32]), &[3; 33]));
    }

    #[test]
    fn a_share_is_checked_without_keys() {
        for suite in Suite::ALL {
            let (_, share) = InitiatorKeys::generate(suite, available()[0]).unwrap().into_parts();
            share.check(suite).unwrap();
            let none = InitiatorShare { dh_public_key: vec![1], ..share.clone() };
            none.check(suite).unwrap_err();
            let kem_public_key = share.kem_public_key.is_none().then(|| vec![1; 1184]);
            InitiatorShare { kem_public_key, ..share }.check(suite).unwrap_err();
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let initiator = InitiatorKeys::generate(Suite::X25519MlKem768, available()[0]).unwrap();
        let responder = ResponderKeys::generate(Suite::X25519MlKem768, available()[0]).unwrap();
        assert_eq!(format!("{initiator:?} {responder:?}"), "InitiatorKeys(..) ResponderKeys(..)");
        let (initiator, share) = initiator.into_parts();
        let (share, responder) = responder.respond(&share).unwrap();
        assert_eq!(format!("{initiator:?} {responder:?}"), "InitiatorSecrets(..) ResponderSecrets(..)");
        assert_eq!(format!("{:?}", initiator.agree(&share).unwrap()), "SharedSecret(..)");
    }

    #[test]
    fn secrets_have_the_length_of_their_suite() {
        for (suite, len) in
            [(Suite::Modp2048MlKem768, 288), (Suite::X25519MlKem768, 64), (Suite::Modp2048, 256)]
        {
            let (_, offer) = InitiatorKeys::generate(suite, available()[0]).unwrap().into_parts();
            let (_, secrets) =
                ResponderKeys::generate(suite, available()[0]).unwrap().respond(&offer).unwrap();
            assert_eq!(secrets.agree().unwrap().0.len(), len);
        }
    }
}
