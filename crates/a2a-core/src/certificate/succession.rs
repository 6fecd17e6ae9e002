//! A planned change of the controller's key: the old key signs the new one, and agents follow by themselves.
//!
//! Not for a key that has been stolen: whoever has it can sign a successor, too. Then agents need a new first contact.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::verify::TrustAnchor;
use crate::agent_id::AgentId;
use crate::crypto::CryptoError;
use crate::crypto::provider::Provider;
use crate::crypto::signature::{self, KeyId, PublicKey, Signature, SignatureLabel, Signer};
use crate::time::UnixTime;
use crate::wire::{self, WireError};

/// One step from a key to the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Succession {
    /// Whose keys they are.
    pub controller_id: AgentId,
    /// The key that retires.
    pub former_key: PublicKey,
    /// The key that takes its place.
    pub key: PublicKey,
    /// When.
    pub succeeded_at: UnixTime,
    /// Until when certificates under the former key are still good.
    pub former_until: UnixTime,
    /// `SIG(Succession, JCS(all the fields above))` by the former key.
    pub former_signature: Signature,
    /// `SIG(Successor, the same)` by the new key, which proves that somebody holds it.
    pub signature: Signature,
}

/// A key that has been succeeded, while certificates under it still hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerKey {
    /// The key.
    pub public_key: PublicKey,
    /// Until when certificates under it are good.
    pub until: UnixTime,
}

impl Succession {
    /// States that `key` succeeds `former`, signed by both.
    pub fn sign(
        controller_id: AgentId,
        former: &dyn Signer,
        key: &dyn Signer,
        succeeded_at: UnixTime,
        former_until: UnixTime,
    ) -> Result<Self, SuccessionError> {
        let mut step = Self {
            controller_id,
            former_key: former.public_key().clone(),
            key: key.public_key().clone(),
            succeeded_at,
            former_until,
            former_signature: Signature::none(),
            signature: Signature::none(),
        };
        let message = step.signed_message()?;
        step.former_signature = signature::sign(former, SignatureLabel::Succession, &message)?;
        step.signature = signature::sign(key, SignatureLabel::Successor, &message)?;
        Ok(step)
    }

    fn verify(&self, provider: Provider, controller_id: &AgentId) -> Result<(), SuccessionError> {
        if self.controller_id != *controller_id || self.key == self.former_key {
            return Err(SuccessionError::Malformed);
        }
        let message = self.signed_message()?;
        let (former, new) = (&self.former_key, &self.key);
        signature::verify(provider, former, SignatureLabel::Succession, &message, &self.former_signature)?;
        Ok(signature::verify(provider, new, SignatureLabel::Successor, &message, &self.signature)?)
    }

    fn signed_message(&self) -> Result<Vec<u8>, WireError> {
        wire::canonical_json_without(self, &["former_signature", "signature"])
    }
}

impl TrustAnchor {
    /// Goes along `successions`, which stand in their order, from the trusted key to `presented`. Each step is signed
    /// by the key that is trusted before it. Keys whose certificates have all ended at `now` are forgotten.
    pub fn follow(
        &self,
        provider: Provider,
        successions: &[Succession],
        presented: KeyId,
        now: UnixTime,
    ) -> Result<Self, SuccessionError> {
        check_number(successions)?;
        let mut anchor = self.clone();
        for step in successions {
            if anchor.fingerprint() != presented && step.former_key == anchor.public_key {
                step.verify(provider, &anchor.controller_id)?;
                anchor.former.push(FormerKey { public_key: anchor.public_key, until: step.former_until });
                anchor.public_key = step.key.clone();
            }
        }
        if anchor.fingerprint() != presented {
            return Err(SuccessionError::NotASuccessor { trusted: self.fingerprint(), presented });
        }
        anchor.former.retain(|former| now < former.until);
        Ok(anchor)
    }
}

/// The keys before `public_key`, the oldest first, as far back as `successions` lead without a gap. It is the later key
/// that vouches for the former one here: for whoever meets the controller after it has changed its key, while other
/// agents still show certificates under the former one.
pub(super) fn former_keys(
    provider: Provider,
    controller_id: &AgentId,
    public_key: &PublicKey,
    successions: &[Succession],
) -> Result<Vec<FormerKey>, SuccessionError> {
    check_number(successions)?;
    let (mut former, mut key) = (Vec::new(), public_key);
    for step in successions.iter().rev() {
        if step.key == *key {
            step.verify(provider, controller_id)?;
            former.push(FormerKey { public_key: step.former_key.clone(), until: step.former_until });
            key = &step.former_key;
        }
    }
    former.reverse();
    Ok(former)
}

fn check_number(successions: &[Succession]) -> Result<(), SuccessionError> {
    if successions.len() > MAX_SUCCESSIONS {
        return Err(SuccessionError::TooMany(successions.len()));
    }
    Ok(())
}

/// Why a key is not followed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SuccessionError {
    /// Nothing leads from the trusted key to the one that is presented.
    #[error("no succession leads from the trusted key {trusted} to {presented}")]
    NotASuccessor {
        /// The trusted key's fingerprint.
        trusted: KeyId,
        /// What is presented.
        presented: KeyId,
    },
    /// More steps than a controller takes.
    #[error("{0} successions, where {MAX_SUCCESSIONS} are allowed")]
    TooMany(usize),
    /// Another controller's step, or one from a key to itself.
    #[error("the succession contradicts itself")]
    Malformed,
    /// One of the two signatures does not verify, or cannot be made.
    #[error("the succession's signatures: {0}")]
    Signature(#[from] CryptoError),
    /// It has no canonical JSON.
    #[error(transparent)]
    Encoding(#[from] WireError),
}

/// The most steps that a controller tells of; older ones are left out.
pub const MAX_SUCCESSIONS: usize = 16;
