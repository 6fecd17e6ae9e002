//! The card and the certificate as they stand on the wire, and the bytes in them that are signed.
//!
//! Nothing here is verified: that is `verify`'s part.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::agent_id::{AgentAddress, AgentId};
use crate::crypto::kx::Suite;
use crate::crypto::signature::{KeyId, PublicKey, Signature};
use crate::text::FreeText;
use crate::time::UnixTime;
use crate::wire::{self, Hex, WireError};

/// What an agent says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentCard {
    /// The agent's name in the protocol.
    pub agent_id: AgentId,
    /// Its name for people, at most 64 bytes; authenticates nothing.
    pub name: FreeText<64>,
    /// The identity key: PEM `SubjectPublicKeyInfo`, RSA of 2048, 3072 or 4096 bits.
    pub public_key: PublicKey,
    /// What it does, for people and programs to choose by: at most [`MAX_METHODS`].
    pub methods: Vec<MethodName>,
    /// Where it listens.
    pub address: AgentAddress,
    /// SHA-256 of the DER `SubjectPublicKeyInfo` of the key of its TLS server; callers pin it.
    pub tls_spki_sha256: Hex<32>,
    /// The key exchange suites it speaks: at least one, none twice. Certified, so that nobody on the way can
    /// talk two agents down to a weaker one.
    pub suites: Vec<Suite>,
    /// From when the card holds.
    pub issued_at: UnixTime,
    /// Until when the card holds.
    pub expires_at: UnixTime,
    /// [`PROTOCOL_VERSION`](crate::PROTOCOL_VERSION).
    pub protocol_version: u32,
}

/// A certificate as received: parsed, not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AgentCertificate {
    /// What the agent says of itself.
    pub agent_card: AgentCard,
    /// Proof of possession: `SIG(Enrolment, JCS({"agent_card", "nonce"}))` by the card's key, fresh because
    /// it covers the controller's challenge.
    pub agent_signature: Signature,
    /// Who certifies.
    pub controller_id: AgentId,
    /// With which key: SHA-256 of its DER `SubjectPublicKeyInfo`.
    pub controller_key_id: KeyId,
    /// From when the controller certifies the card.
    pub issued_at: UnixTime,
    /// Until when; not later than the card's own end.
    pub expires_at: UnixTime,
    /// The controller's enrolment challenge.
    pub nonce: Hex<32>,
    /// 128 random bits that name this certificate.
    pub serial: Hex<16>,
    /// `SIG(Certificate, JCS(all the fields above))` by the controller's key.
    pub controller_signature: Signature,
}

impl AgentCard {
    /// The bytes that [`AgentCertificate::agent_signature`] covers.
    pub fn enrolment_message(&self, nonce: &Hex<32>) -> Result<Vec<u8>, WireError> {
        #[derive(Serialize)]
        struct Statement<'a> {
            agent_card: &'a AgentCard,
            nonce: &'a Hex<32>,
        }
        wire::canonical_json(&Statement { agent_card: self, nonce })
    }
}

impl AgentCertificate {
    /// The bytes that [`AgentCertificate::controller_signature`] covers.
    pub fn certified_message(&self) -> Result<Vec<u8>, WireError> {
        wire::canonical_json_without(self, &["controller_signature"])
    }
}

/// The name of something an agent does: 1 to 64 of `a-z`, `0-9` and `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct MethodName(String);

/// Not a method's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a method's name is 1 to {MAX_METHOD_NAME} of a-z, 0-9 and _, such as send_request")]
pub struct MethodNameError;

impl MethodName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MethodName {
    type Error = MethodNameError;

    fn try_from(name: String) -> Result<Self, MethodNameError> {
        let good = |b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if (1..=MAX_METHOD_NAME).contains(&name.len()) && name.bytes().all(good) {
            Ok(Self(name))
        } else {
            Err(MethodNameError)
        }
    }
}

impl std::str::FromStr for MethodName {
    type Err = MethodNameError;

    fn from_str(name: &str) -> Result<Self, MethodNameError> {
        name.to_owned().try_into()
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The most methods that a card may list.
pub const MAX_METHODS: usize = 32;
/// Longest name of a method, in bytes.
pub const MAX_METHOD_NAME: usize = 64;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn method_names() {
        assert_eq!("send_request".parse::<MethodName>().unwrap().as_str(), "send_request");
        assert!("x".repeat(64).parse::<MethodName>().is_ok());
        for bad in ["", "Send", "send request", "send-request", "\u{1b}", &"x".repeat(65)] {
            assert_eq!(bad.parse::<MethodName>(), Err(MethodNameError), "{bad:?}");
            assert!(serde_json::from_value::<MethodName>(bad.into()).is_err());
        }
    }
}
