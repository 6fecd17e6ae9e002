//! SHA-256, HMAC-SHA-256 and HKDF-SHA-256, with every derivation's label in one closed list.
//!
//! Nothing here depends on the provider: the `sha2`, `hmac` and `hkdf` crates serve both.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::CryptoError;

/// Bytes in a SHA-256 hash, an HMAC-SHA-256 tag and every secret of the key schedule.
pub const HASH_LEN: usize = 32;

/// What a derived secret is for. The list is closed: a new use needs a new label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KdfLabel {
    /// MAC key of the initiator's key confirmation.
    FinishedInitiator,
    /// MAC key of the responder's key confirmation.
    FinishedResponder,
    /// Root of everything that a session uses.
    Master,
    /// Traffic secret from initiator to responder.
    InitiatorToResponder,
    /// Traffic secret from responder to initiator.
    ResponderToInitiator,
    /// MAC key of acknowledgements of frames from initiator to responder.
    AckInitiatorToResponder,
    /// MAC key of acknowledgements of frames from responder to initiator.
    AckResponderToInitiator,
    /// The short string that two people compare.
    SafetyCode,
    /// Ties the next exchange inside the session to this one.
    Rekey,
    /// AEAD key of an epoch.
    Key,
    /// AEAD nonce base of an epoch.
    Iv,
    /// Traffic secret of the next epoch.
    Update,
}

/// A secret of the key schedule: 32 bytes, zeroised on drop. Held by the schedule and by one direction of a session.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; HASH_LEN]);

impl Secret {
    /// `HKDF-Extract(salt, input)` (RFC 5869, section 2.2).
    pub(crate) fn extract(salt: &[u8], input: &[u8]) -> Self {
        let (mut prk, _) = Hkdf::<Sha256>::extract(Some(salt), input);
        let secret = Self(prk.into());
        prk.as_mut_slice().zeroize();
        secret
    }

    /// A secret of the schedule that hangs on this one.
    pub(crate) fn derive(&self, label: KdfLabel, context: &[u8]) -> Self {
        let mut out = Self([0; HASH_LEN]);
        self.expand(label, context, &mut out.0);
        out
    }

    /// `HKDF-Expand` (RFC 5869, section 2.3) with the info
    /// `u16 length || u8 len || "a2a/1 " label || u8 len || context`.
    pub(crate) fn expand(&self, label: KdfLabel, context: &[u8], out: &mut [u8]) {
        let label = label.as_str();
        let length = u16::try_from(out.len()).expect("outputs are 12 or 32 bytes").to_be_bytes();
        let label_len = u8::try_from(PREFIX.len() + label.len()).expect("labels are short");
        let context_len = u8::try_from(context.len()).expect("contexts are empty or one hash");
        let info = [&length, &[label_len][..], PREFIX, label.as_bytes(), &[context_len], context].concat();
        Hkdf::<Sha256>::from_prk(&self.0)
            .expect("a secret is as long as the hash")
            .expand(&info, out)
            .expect("outputs are far below 255 hashes");
    }

    /// The bytes, for a salt or a key of another primitive.
    pub(crate) fn as_bytes(&self) -> &[u8; HASH_LEN] {
        &self.0
    }

    /// HMAC-SHA-256 over the concatenation of `parts` (RFC 2104).
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; HASH_LEN] {
        self.hmac(parts).finalize().into_bytes().into()
    }

    /// Compares in constant time.
    pub(crate) fn verify_mac(&self, parts: &[&[u8]], tag: &[u8]) -> Result<(), CryptoError> {
        self.hmac(parts).verify_slice(tag).map_err(|_| CryptoError::BadTag)
    }

    fn hmac(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        let mut hmac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        for part in parts {
            hmac.update(part);
        }
        hmac
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// SHA-256 over the concatenation of `parts` (FIPS 180-4).
pub fn sha256(parts: &[&[u8]]) -> [u8; HASH_LEN] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}

impl KdfLabel {
    /// As it stands in the info, without the prefix.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FinishedInitiator => "fin i",
            Self::FinishedResponder => "fin r",
            Self::Master => "master",
            Self::InitiatorToResponder => "i2r",
            Self::ResponderToInitiator => "r2i",
            Self::AckInitiatorToResponder => "ack i2r",
            Self::AckResponderToInitiator => "ack r2i",
            Self::SafetyCode => "sas",
            Self::Rekey => "rekey",
            Self::Key => "key",
            Self::Iv => "iv",
            Self::Update => "upd",
        }
    }
}

const PREFIX: &[u8] = b"a2a/1 ";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;

    /// RFC 5869, appendix A.1, checks extract; our own info string is checked by the vectors.
    #[test]
    fn extract_matches_rfc_5869() {
        let input = [0x0b; 22];
        let salt = HEXLOWER.decode(b"000102030405060708090a0b0c").unwrap();
        assert_eq!(
            HEXLOWER.encode(Secret::extract(&salt, &input).as_bytes()),
            "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"
        );
    }

    #[test]
    fn label_and_context_separate_secrets() {
        let root = Secret([7; HASH_LEN]);
        let one = root.derive(KdfLabel::InitiatorToResponder, b"");
        let two = root.derive(KdfLabel::ResponderToInitiator, b"");
        let three = root.derive(KdfLabel::InitiatorToResponder, b"x");
        assert_ne!(one.as_bytes(), two.as_bytes());
        assert_ne!(one.as_bytes(), three.as_bytes());
    }

    #[test]
    fn a_changed_or_shortened_tag_is_refused() {
        let key = Secret([7; HASH_LEN]);
        let tag = key.mac(&[b"ab", b"c"]);
        assert_eq!(tag, key.mac(&[b"abc"]));
        assert!(key.verify_mac(&[b"abc"], &tag).is_ok());
        assert!(key.verify_mac(&[b"abc"], &tag[..31]).is_err());
        assert!(key.verify_mac(&[b"abd"], &tag).is_err());
    }

    #[test]
    fn debug_shows_nothing() {
        assert_eq!(format!("{:?}", Secret([7; HASH_LEN])), "Secret(..)");
    }
}
