//! The table `audit`: each decision is one entry, chained to the one before it under a key, so that whoever can write to
//! the database and has no key can neither change, leave out nor add one unseen. `chain` verifies it.

use std::fmt::{self, Debug};
use std::sync::{Mutex, PoisonError};

use a2a_core::agent_id::AgentId;
use a2a_core::time::UnixTime;
use a2a_core::wire::{self, Hex};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use zeroize::Zeroizing;

use super::column::{bigint, json, number, parsed, parsed_if_any, seconds, time};
use super::error::StoreError;
use super::words::words;
use super::{AuditHead, Change, Store};

/// What chains the entries. Wiped when dropped.
pub(crate) struct AuditKey(Zeroizing<[u8; 32]>);

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditEntry {
    /// Its number, from 1.
    pub(crate) seq: u64,
    /// When.
    pub(crate) at: UnixTime,
    /// What.
    pub(crate) event: Event,
    /// About whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent_id: Option<AgentId>,
    /// The rest; no secret.
    pub(crate) detail: Value,
    /// HMAC-SHA256 under the audit key of the hash before and all of the above.
    pub(crate) hash: Hex<32>,
}

words! {
    /// What can be decided or done.
    enum Event {
        /// An id was claimed.
        Enrolled = "enrolled",
        /// A certificate was renewed.
        Renewed = "renewed",
        /// An agent changed its key.
        Rekeyed = "rekeyed",
        /// Somebody asked in vain.
        Refused = "refused",
        /// An enrolment waits for the operator.
        ApprovalAsked = "approval_asked",
        /// The operator said yes.
        Approved = "approved",
        /// The operator said no.
        Rejected = "rejected",
        /// A join token was made.
        TokenMade = "token_made",
        /// A join token was used up.
        TokenSpent = "token_spent",
        /// An agent was revoked.
        Revoked = "revoked",
        /// An agent may certify again.
        Reinstated = "reinstated",
        /// An agent was revoked for good.
        Banned = "banned",
        /// The controller made its key.
        KeyMade = "key_made",
        /// The controller changed its key.
        KeyRotated = "key_rotated",
        /// A backup was written.
        BackupMade = "backup_made",
        /// A backup was read back.
        Restored = "restored",
    }
}

/// Which entries are asked for; what is `None` asks for nothing in particular.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuditFilter {
    /// About this agent.
    pub(crate) agent_id: Option<AgentId>,
    /// Of this kind.
    pub(crate) event: Option<Event>,
    /// Not older than this.
    pub(crate) since: Option<UnixTime>,
    /// The latest so many.
    pub(crate) last: Option<u64>,
}

/// Which refusals of strangers are entered: one a second, so that nobody fills the disk by asking in vain.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<(Option<UnixTime>, u64)>);

/// What an entry's hash covers, besides the hash before.
#[derive(Serialize)]
pub(super) struct Link<'a> {
    pub(super) seq: u64,
    pub(super) at: u64,
    pub(super) event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) agent_id: Option<&'a str>,
    pub(super) detail: &'a Value,
}

impl AuditKey {
    /// Takes the bytes, which come from the operating system's generator.
    pub(crate) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    pub(super) fn chain(&self, previous: &Hex<32>, link: &Link<'_>) -> Result<Hex<32>, StoreError> {
        let link = wire::canonical_json(link)
            .map_err(|error| StoreError::Database(sqlx::Error::Encode(error.into())))?;
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("HMAC takes keys of every length");
        mac.update(previous.as_bytes());
        mac.update(&link);
        Ok(Hex::from_bytes(mac.finalize().into_bytes().into()))
    }
}

impl Debug for AuditKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AuditKey(..)")
    }
}

impl Refusals {
    /// Whether a refusal at `now` is entered, and then how many were left out before it.
    pub(crate) fn admit(&self, now: UnixTime) -> Option<u64> {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, left_out) = *seen;
        if last == Some(now) {
            *seen = (last, left_out.saturating_add(1));
            return None;
        }
        *seen = (Some(now), 0);
        Some(left_out)
    }
}

impl AuditEntry {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            seq: number(row, "seq")?,
            at: time(row, "at")?,
            event: parsed(row, "event")?,
            agent_id: parsed_if_any(row, "agent_id")?,
            detail: json(row, "detail")?,
            hash: parsed(row, "hash")?,
        })
    }

    pub(super) async fn read_all(connection: &mut AnyConnection) -> Result<Vec<Self>, StoreError> {
        let rows = sqlx::query("SELECT * FROM audit ORDER BY seq").fetch_all(connection).await?;
        rows.iter().map(Self::of).collect()
    }
}

impl Store {
    /// The entries that fit, the oldest first.
    pub(crate) async fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM audit WHERE ($1 IS NULL OR agent_id = $1) AND ($2 IS NULL OR event = $2) AND at >= $3 \
             ORDER BY seq DESC LIMIT $4",
        )
        .bind(filter.agent_id.as_ref().map(AgentId::to_string))
        .bind(filter.event.map(|event| event.as_str().to_owned()))
        .bind(filter.since.map_or(0, seconds))
        .bind(filter.last.map_or(i64::MAX, bigint))
        .fetch_all(&self.pool)
        .await?;
        rows.iter().rev().map(AuditEntry::of).collect()
    }
}

impl Change {
    /// Enters what this change is about. `detail` is a JSON object without secrets.
    pub(crate) async fn record(
        &mut self,
        at: UnixTime,
        event: Event,
        agent_id: Option<&AgentId>,
        detail: Value,
    ) -> Result<(), StoreError> {
        let AuditHead { seq, hash: previous } = self.state.audit_head;
        let seq = seq + 1;
        let about = agent_id.map(AgentId::as_str);
        let link = Link { seq, at: at.as_secs(), event: event.as_str(), agent_id: about, detail: &detail };
        let hash = self.audit_key.chain(&previous, &link)?;
        self.write_entry(&AuditEntry { seq, at, event, agent_id: agent_id.cloned(), detail, hash }).await?;
        self.state.audit_head = AuditHead { seq, hash };
        Ok(())
    }

    pub(super) async fn write_entry(&mut self, entry: &AuditEntry) -> Result<(), StoreError> {
        let detail = wire::canonical_json(&entry.detail).ok().and_then(|json| String::from_utf8(json).ok());
        sqlx::query(
            "INSERT INTO audit (seq, at, event, agent_id, detail, hash) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(bigint(entry.seq))
        .bind(seconds(entry.at))
        .bind(entry.event.as_str())
        .bind(entry.agent_id.as_ref().map(AgentId::to_string))
        .bind(detail)
        .bind(entry.hash.to_string())
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
