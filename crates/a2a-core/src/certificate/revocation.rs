//! Which certificates no longer hold before their end: a list that the controller signs and agents keep.
//!
//! Fetching, keeping and comparing it with an older one over a restart is the agent's part; what goes into it, the
//! controller decides.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::card::AgentCertificate;
use super::verify::TrustAnchor;
use crate::agent_id::AgentId;
use crate::crypto::CryptoError;
use crate::crypto::provider::Provider;
use crate::crypto::signature::{self, KeyId, Signature, SignatureLabel, Signer};
use crate::time::{UnixTime, Validity, ValidityError};
use crate::wire::{self, Hex, WireError};

/// The answer of `GET /controller/revocations`, as received: parsed, not verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RevocationList {
    /// Whose list it is.
    pub controller_id: AgentId,
    /// Under which key: SHA-256 of its DER `SubjectPublicKeyInfo`.
    pub controller_key_id: KeyId,
    /// Rises with every change and never falls, not even when the controller is restored from a backup.
    #[serde(deserialize_with = "wire::safe_u64")]
    pub number: u64,
    /// When this was true.
    pub this_update: UnixTime,
    /// Until when it may be relied on; afterwards agents begin no session.
    pub next_update: UnixTime,
    /// Certificates that are void, in strictly ascending order.
    pub serials: Vec<Hex<16>>,
    /// Identity keys of which every certificate is void, in strictly ascending order.
    pub key_ids: Vec<KeyId>,
    /// The earliest issue time that is still good for an agent: older certificates of its have been superseded.
    pub not_before: BTreeMap<AgentId, UnixTime>,
    /// `SIG(RevocationList, JCS(all the fields above))` by the controller's key.
    pub signature: Signature,
}

/// What is revoked, before it is dated and signed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationContent {
    /// See [`RevocationList::number`].
    pub number: u64,
    /// See [`RevocationList::serials`]; in any order.
    pub serials: Vec<Hex<16>>,
    /// See [`RevocationList::key_ids`]; in any order.
    pub key_ids: Vec<KeyId>,
    /// See [`RevocationList::not_before`].
    pub not_before: BTreeMap<AgentId, UnixTime>,
}

impl RevocationList {
    /// Dates and signs `content`; `key` is the controller's.
    pub fn sign(
        controller_id: AgentId,
        content: RevocationContent,
        validity: Validity,
        key: &dyn Signer,
    ) -> Result<Self, RevocationError> {
        let RevocationContent { number, mut serials, mut key_ids, not_before } = content;
        serials.sort_unstable();
        serials.dedup();
        key_ids.sort_unstable();
        key_ids.dedup();
        let mut list = Self {
            controller_id,
            controller_key_id: key.public_key().key_id(),
            number,
            this_update: validity.issued_at(),
            next_update: validity.expires_at(),
            serials,
            key_ids,
            not_before,
            signature: Signature::none(),
        };
        list.signature = signature::sign(key, SignatureLabel::RevocationList, &list.signed_message()?)?;
        Ok(list)
    }

    /// Verifies in this order: structure, controller, signature, and that it may be relied on at `now`. Only the
    /// controller's present key counts: a key that has been succeeded revokes nothing, and un-revokes nothing.
    pub fn verify(
        self,
        provider: Provider,
        anchor: &TrustAnchor,
        now: UnixTime,
    ) -> Result<Revocations, RevocationError> {
        let ascending = self.serials.is_sorted_by(|one, next| one < next)
            && self.key_ids.is_sorted_by(|one, next| one < next);
        if !ascending {
            return Err(RevocationError::Unsorted);
        }
        let validity = Validity::new(self.this_update, self.next_update)?;
        let (expected, found) = (anchor.fingerprint(), self.controller_key_id);
        if found != expected {
            return Err(RevocationError::WrongController { expected, found });
        }
        if self.controller_id != anchor.controller_id {
            return Err(RevocationError::WrongControllerName {
                expected: anchor.controller_id.clone(),
                found: self.controller_id.clone(),
            });
        }
        let message = self.signed_message()?;
        let (key, label) = (&anchor.public_key, SignatureLabel::RevocationList);
        signature::verify(provider, key, label, &message, &self.signature)
            .map_err(|_| RevocationError::Signature)?;
        let verified = Revocations(Arc::new(Verified { list: self, validity }));
        verified.check_fresh(now)?;
        Ok(verified)
    }

    fn signed_message(&self) -> Result<Vec<u8>, WireError> {
        wire::canonical_json_without(self, &["signature"])
    }
}

/// A list that [`RevocationList::verify`] has found good. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Revocations(Arc<Verified>);

#[derive(Debug)]
struct Verified {
    list: RevocationList,
    validity: Validity,
}

/// What a list says of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Good,
    /// The agent has a newer one: no session begins with this one, those that live go on.
    Superseded,
    /// It is void, and with it every session that rests on it.
    Revoked,
}

impl Revocations {
    /// The list as it goes over the wire and to the disk.
    pub fn list(&self) -> &RevocationList {
        &self.0.list
    }

    /// Its number.
    pub fn number(&self) -> u64 {
        self.0.list.number
    }

    /// Whether it may be relied on at `now`, clocks differing by up to 60 s. A clock that has been set back to
    /// before the list was made fails, too.
    pub fn check_fresh(&self, now: UnixTime) -> Result<(), RevocationError> {
        Ok(self.0.validity.check(now)?)
    }

    /// Whether `newer` may take this one's place: its number is not lower, and at the same number it is not older.
    pub fn check_succession(&self, newer: &Self) -> Result<(), RevocationError> {
        let rank = |list: &Self| (list.number(), list.list().this_update);
        if rank(newer) < rank(self) {
            return Err(RevocationError::Older { known: self.number(), found: newer.number() });
        }
        Ok(())
    }

    /// What the list says of a certificate.
    pub fn standing(&self, certificate: &AgentCertificate) -> Standing {
        let (list, card) = (self.list(), &certificate.agent_card);
        let is_void = list.serials.binary_search(&certificate.serial).is_ok()
            || list.key_ids.binary_search(&card.public_key.key_id()).is_ok();
        let earliest = list.not_before.get(&card.agent_id);
        match earliest {
            _ if is_void => Standing::Revoked,
            Some(earliest) if certificate.issued_at < *earliest => Standing::Superseded,
            _ => Standing::Good,
        }
    }
}

/// Why a list is not taken, one variant a reason.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RevocationError {
    /// Serials or key ids are out of order, or stand twice.
    #[error("serials and key ids must be strictly ascending")]
    Unsorted,
    /// Another controller's, or under a key that is not the trusted one. Perhaps the controller has changed its key:
    /// fetch its info and follow it.
    #[error("signed under controller key {found}, but the trusted one is {expected}")]
    WrongController {
        /// The trusted key's fingerprint.
        expected: KeyId,
        /// What the list says.
        found: KeyId,
    },
    /// The trusted key, under another controller's name.
    #[error("the list of controller {found}, but the trusted one is called {expected}")]
    WrongControllerName {
        /// The trusted controller's name.
        expected: AgentId,
        /// What the list says.
        found: AgentId,
    },
    /// It was altered or forged.
    #[error("the controller's signature does not verify: the list was altered or forged")]
    Signature,
    /// It is too old to be relied on, or from the future: one of the clocks is wrong, or somebody holds newer lists
    /// back.
    #[error("the revocation list does not hold now: {0}")]
    Validity(#[from] ValidityError),
    /// A newer one is known.
    #[error("list {found} is older than list {known}, which is known")]
    Older {
        /// The number that is known.
        known: u64,
        /// The number that came.
        found: u64,
    },
    /// Our side: the key does not sign.
    #[error("the list cannot be signed: {0}")]
    Signing(#[from] CryptoError),
    /// It has no canonical JSON.
    #[error(transparent)]
    Encoding(#[from] WireError),
}

/// Limit of a [`RevocationList`] as JSON, in bytes: 16 MiB, which holds key id and serial of 150 000 agents.
pub const MAX_REVOCATIONS: usize = 16 * 1024 * 1024;
