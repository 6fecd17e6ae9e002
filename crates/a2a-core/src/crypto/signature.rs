//! RSASSA-PSS with SHA-256: keys, and signatures that say what they are for.
//!
//! Every signature of the protocol is made over 64 spaces, `a2a/1 `, a label from one closed list, a zero
//! byte and the message, so that none can stand in another's place (the construction of RFC 8446, section
//! 4.4.3).
//!
//! No arithmetic is here: a [`CryptoProvider`](super::provider::CryptoProvider) signs and verifies.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::CryptoError;
use super::provider::Provider;
pub use super::public_key::{KeyId, PublicKey};
use crate::wire::Base64;

/// Signs `message` for the use that `label` names.
pub fn sign(key: &dyn Signer, label: SignatureLabel, message: &[u8]) -> Result<Signature, CryptoError> {
    let signature = key.sign_pss(&signed_content(label, message))?;
    Ok(Signature(Base64::from(signature)))
}

/// Verifies that `signature` was made over `message` for the use that `label` names.
pub fn verify(
    provider: Provider,
    key: &PublicKey,
    label: SignatureLabel,
    message: &[u8],
    signature: &Signature,
) -> Result<(), CryptoError> {
    provider.verify_pss(key, &signed_content(label, message), signature.0.as_ref())
}

/// What a signature is for. The list is closed: a new use needs a new label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureLabel {
    /// An agent proves that it holds the key in its card, over the card and the controller's challenge.
    Enrolment,
    /// The controller certifies an agent.
    Certificate,
    /// The controller states its identity, its TLS root and how it came to its key.
    ControllerInfo,
    /// An agent's former key agrees to the key that takes its place.
    Rekey,
    /// The controller says which certificates are void.
    RevocationList,
    /// The controller's former key names its successor.
    Succession,
    /// The controller's new key agrees.
    Successor,
    /// M1: an agent asks for a session.
    Request,
    /// M2: the peer's person or policy consents.
    Accept,
    /// M2: the peer's person or policy refuses.
    Reject,
    /// M3: the initiator's shares.
    KeyExchangeInit,
    /// M4: the responder's shares.
    KeyExchangeReply,
    /// M5: the initiator's confirmation.
    KeyExchangeFinish,
}

impl SignatureLabel {
    /// Every label there is.
    pub const ALL: [Self; 13] = [
        Self::Enrolment,
        Self::Certificate,
        Self::ControllerInfo,
        Self::Rekey,
        Self::RevocationList,
        Self::Succession,
        Self::Successor,
        Self::Request,
        Self::Accept,
        Self::Reject,
        Self::KeyExchangeInit,
        Self::KeyExchangeReply,
        Self::KeyExchangeFinish,
    ];

    /// The label as it stands in the signed bytes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::Certificate => "certificate",
            Self::ControllerInfo => "controller-info",
            Self::Rekey => "rekey",
            Self::RevocationList => "revocation-list",
            Self::Succession => "succession",
            Self::Successor => "successor",
            Self::Request => "request",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::KeyExchangeInit => "ke-init",
            Self::KeyExchangeReply => "ke-resp",
            Self::KeyExchangeFinish => "ke-fin",
        }
    }
}

/// A signature: as long as the signer's modulus, 256 to 512 bytes; base64 on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(pub Base64);

impl Signature {
    /// What stands in the signature's place until there is one.
    pub(crate) fn none() -> Self {
        Self(Vec::new().into())
    }
}

/// Whoever signs: a key in memory, or one that a token or a service holds and that never leaves it. Shared behind an
/// `Arc`. Its `Debug` shows the public half alone.
pub trait Signer: Debug + Send + Sync {
    /// The other half.
    fn public_key(&self) -> &PublicKey;

    /// RSASSA-PSS over `message`, salt of 32 bytes; as long as the modulus. The signature is verified before
    /// it is returned, so that a fault in the computation never leaves the machine.
    fn sign_pss(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError>;
}

/// A signer whose private key is in memory, and can be kept in a file.
pub trait SigningKey: Signer {
    /// PKCS#8 DER (RFC 5958), for storage alone.
    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError>;
}

/// What is really signed.
fn signed_content(label: SignatureLabel, message: &[u8]) -> Vec<u8> {
    [&[b' '; 64], PREFIX, label.as_str().as_bytes(), &[0], message].concat()
}

const PREFIX: &[u8] = b"a2a/1 ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_content_is_padding_version_label_zero_and_message() {
        let expected = format!("{}a2a/1 ke-init\0message", " ".repeat(64));
        assert_eq!(signed_content(SignatureLabel::KeyExchangeInit, b"message"), expected.as_bytes());
    }

    #[test]
    fn labels_are_distinct_and_none_holds_the_separator() {
        for (i, label) in SignatureLabel::ALL.iter().enumerate() {
            assert!(!label.as_str().contains('\0'));
            assert!(SignatureLabel::ALL[i + 1..].iter().all(|other| other.as_str() != label.as_str()));
        }
    }
}
