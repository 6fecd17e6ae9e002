//! The one row of `state`: what holds for the controller as a whole.

use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::signature::KeyId;
use a2a_core::wire::Hex;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::Store;
use super::column::{number, parsed, parsed_if_any};
use super::error::StoreError;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// Rises with every change: who has seen it has seen all that was changed until then.
    pub(crate) version: u64,
    /// Whose store it is; `None` until it is claimed.
    pub(crate) controller_id: Option<AgentId>,
    /// The key that certifies now.
    pub(crate) key_id: Option<KeyId>,
    /// The number of the latest revocation list.
    pub(crate) list_number: u64,
    /// The longest life that a certificate was ever given, in seconds.
    pub(crate) longest_life: u64,
    /// Where the audit chain ends.
    pub(crate) audit_head: AuditHead,
}

/// The last entry of the audit chain; before the first, number 0 and a hash of zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditHead {
    /// Its number.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: Hex<32>,
}

impl AuditHead {
    /// Of an empty chain.
    pub(crate) const EMPTY: Self = Self { seq: 0, hash: Hex::from_bytes([0; 32]) };
}

impl State {
    pub(super) fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            version: number(row, "version")?,
            controller_id: parsed_if_any(row, "controller_id")?,
            key_id: parsed_if_any(row, "key_id")?,
            list_number: number(row, "list_number")?,
            longest_life: number(row, "longest_life")?,
            audit_head: AuditHead { seq: number(row, "audit_seq")?, hash: parsed(row, "audit_hash")? },
        })
    }

    pub(super) async fn read(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        Self::of(&sqlx::query("SELECT * FROM state WHERE id = 1").fetch_one(connection).await?)
    }

    /// See [`State::longest_life`].
    pub(super) fn longest_life(&self) -> Duration {
        Duration::from_secs(self.longest_life)
    }
}

impl Store {
    /// What was last committed.
    pub(crate) async fn state(&self) -> Result<State, StoreError> {
        State::read(&mut *self.pool.acquire().await?).await
    }
}
