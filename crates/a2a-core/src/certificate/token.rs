//! Join tokens: one use, one agent, and the fingerprint of the controller that will take them.
//!
//! Whether a token is good is the controller's to know: it keeps the hash alone.

use std::fmt::{self, Debug, Display};
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::agent_id::AgentId;
use crate::crypto::CryptoError;
use crate::crypto::provider::Provider;
use crate::crypto::signature::KeyId;
use crate::wire::Hex;

/// What an operator hands to whoever sets up an agent. As text:
/// `a2a-join-1.<agent id>.<base64url, unpadded, of the fingerprint (32 bytes) and the secret (32 bytes)>`.
#[derive(Debug, Clone)]
pub struct JoinToken {
    /// Who may use it.
    pub agent_id: AgentId,
    /// The controller to trust: SHA-256 of its DER `SubjectPublicKeyInfo`.
    pub fingerprint: KeyId,
    /// What the controller is shown.
    pub secret: JoinSecret,
}

/// 256 random bits, base64url without padding on the wire. `Debug` hides them; they are wiped when dropped.
#[derive(Clone)]
pub struct JoinSecret(Zeroizing<[u8; 32]>);

impl JoinSecret {
    /// A fresh one, from the operating system's generator.
    pub fn random(provider: Provider) -> Result<Self, CryptoError> {
        let mut bytes = Zeroizing::new([0; 32]);
        provider.fill_random(bytes.as_mut_slice())?;
        Ok(Self(bytes))
    }

    /// SHA-256 of the bytes: what the controller keeps. With 256 random bits nothing slower is needed.
    pub fn hash(&self) -> Hex<32> {
        Hex::from_bytes(Sha256::digest(self.0.as_slice()).into())
    }
}

/// Takes the same time wherever the two differ.
impl PartialEq for JoinSecret {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(other.0.as_slice()).into()
    }
}

impl Eq for JoinSecret {}

impl Debug for JoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinSecret(..)")
    }
}

impl Serialize for JoinSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&Zeroizing::new(BASE64URL_NOPAD.encode(self.0.as_slice())))
    }
}

impl<'de> Deserialize<'de> for JoinSecret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        decode(&text).map(Self).map_err(de::Error::custom)
    }
}

/// The whole token, secret included: for the person who asked for it, and for nobody else.
impl Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = Zeroizing::new([0; 64]);
        bytes[..32].copy_from_slice(self.fingerprint.as_bytes());
        bytes[32..].copy_from_slice(self.secret.0.as_slice());
        let text = Zeroizing::new(BASE64URL_NOPAD.encode(bytes.as_slice()));
        write!(f, "{PREFIX}.{}.{}", self.agent_id, *text)
    }
}

impl FromStr for JoinToken {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<Self, JoinTokenError> {
        let mut parts = text.split('.');
        let (Some(PREFIX), Some(id), Some(rest), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(JoinTokenError);
        };
        let bytes: Zeroizing<[u8; 64]> = decode(rest)?;
        let (mut fingerprint, mut secret) = ([0; 32], Zeroizing::new([0; 32]));
        fingerprint.copy_from_slice(&bytes[..32]);
        secret.copy_from_slice(&bytes[32..]);
        Ok(Self {
            agent_id: id.parse().map_err(|_| JoinTokenError)?,
            fingerprint: KeyId::from_bytes(fingerprint),
            secret: JoinSecret(secret),
        })
    }
}

/// Not a join token. The text is not quoted: it may be one, mistyped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not a join token: one begins with {PREFIX}. and is copied whole")]
pub struct JoinTokenError;

fn decode<const N: usize>(text: &str) -> Result<Zeroizing<[u8; N]>, JoinTokenError> {
    let bytes = Zeroizing::new(BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| JoinTokenError)?);
    let mut array = Zeroizing::new([0; N]);
    if bytes.len() != N {
        return Err(JoinTokenError);
    }
    array.copy_from_slice(&bytes);
    Ok(array)
}

const PREFIX: &str = "a2a-join-1";
