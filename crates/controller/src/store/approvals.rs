//! The table `approvals`: enrolments that wait for the operator's word, or have it. Each is bound to the agent id, the
//! key and the very card, and is forgotten when its time is over.

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use thiserror::Error;

use super::column::{number, parsed, seconds, time};
use super::error::StoreError;
use super::words::words;
use super::{Change, Store};

/// What is approved: this card of this key under this id, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalKey {
    /// The id that is asked for.
    pub(crate) agent_id: AgentId,
    /// The key that asks.
    pub(crate) key_id: KeyId,
    /// SHA-256 of the card's canonical JSON.
    pub(crate) card_hash: Hex<32>,
}

/// An enrolment that waits, or has been decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalRow {
    /// What is asked.
    #[serde(flatten)]
    pub(crate) key: ApprovalKey,
    /// The agent's name for people.
    pub(crate) name: String,
    /// Where it says that it listens.
    pub(crate) address: String,
    /// Since when it waits.
    pub(crate) asked_at: UnixTime,
    /// Until when it waits, and a decision holds.
    pub(crate) expires_at: UnixTime,
    /// What the operator said.
    pub(crate) decision: Decision,
}

words! {
    /// What the operator said.
    enum Decision {
        /// Nothing yet.
        Pending = "pending",
        /// Yes.
        Approved = "approved",
        /// No.
        Rejected = "rejected",
    }
}

/// Why an approval is not entered or decided.
#[derive(Debug, Error)]
pub(crate) enum ApprovalError {
    /// There are too many that wait.
    #[error("{0} enrolments wait for approval, and there is no room for another")]
    Full(u64),
    /// Nobody asked, or the time is over.
    #[error("no such enrolment waits for approval")]
    Unknown,
    /// It has been decided already.
    #[error("the enrolment has been {0} already")]
    Decided(Decision),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ApprovalRow {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            key: ApprovalKey {
                agent_id: parsed(row, "agent_id")?,
                key_id: parsed(row, "key_id")?,
                card_hash: parsed(row, "card_hash")?,
            },
            name: parsed(row, "name")?,
            address: parsed(row, "address")?,
            asked_at: time(row, "asked_at")?,
            expires_at: time(row, "expires_at")?,
            decision: parsed(row, "decision")?,
        })
    }

    pub(super) async fn read_all(connection: &mut AnyConnection) -> Result<Vec<Self>, StoreError> {
        let order = "SELECT * FROM approvals ORDER BY asked_at, key_id, card_hash";
        let rows = sqlx::query(order).fetch_all(connection).await?;
        rows.iter().map(Self::of).collect()
    }

    /// The one of this key whose time is not over.
    async fn read(
        connection: &mut AnyConnection,
        key: &ApprovalKey,
        now: UnixTime,
    ) -> Result<Option<Self>, StoreError> {
        let found = sqlx::query(
            "SELECT * FROM approvals WHERE agent_id = $1 AND key_id = $2 AND card_hash = $3 AND expires_at > $4",
        )
        .bind(key.agent_id.as_str())
        .bind(key.key_id.to_string())
        .bind(key.card_hash.to_string())
        .bind(seconds(now));
        found.fetch_optional(connection).await?.as_ref().map(Self::of).transpose()
    }
}

impl Store {
    /// One whose time is not over.
    pub(crate) async fn approval(
        &self,
        key: &ApprovalKey,
        now: UnixTime,
    ) -> Result<Option<ApprovalRow>, StoreError> {
        ApprovalRow::read(&mut *self.pool.acquire().await?, key, now).await
    }

    /// All whose time is not over, whatever was decided; the oldest first.
    pub(crate) async fn approvals(&self, now: UnixTime) -> Result<Vec<ApprovalRow>, StoreError> {
        let mut rows = ApprovalRow::read_all(&mut *self.pool.acquire().await?).await?;
        rows.retain(|row| now < row.expires_at);
        Ok(rows)
    }
}

impl Change {
    /// One whose time is not over.
    pub(crate) async fn approval(
        &mut self,
        key: &ApprovalKey,
        now: UnixTime,
    ) -> Result<Option<ApprovalRow>, StoreError> {
        ApprovalRow::read(self.connection(), key, now).await
    }

    /// Enters an enrolment that waits, and gives back how it stands: one that is there already stays as it is. Those
    /// whose time was over when it asked are forgotten.
    pub(crate) async fn put_approval(
        &mut self,
        approval: &ApprovalRow,
    ) -> Result<ApprovalRow, ApprovalError> {
        let now = approval.asked_at;
        let pruned = sqlx::query("DELETE FROM approvals WHERE expires_at <= $1").bind(seconds(now));
        pruned.execute(self.connection()).await.map_err(StoreError::from)?;
        if let Some(present) = self.approval(&approval.key, now).await? {
            return Ok(present);
        }
        let counted =
            sqlx::query("SELECT COUNT(*) AS waiting FROM approvals").fetch_one(self.connection()).await;
        let waiting = number(&counted.map_err(StoreError::from)?, "waiting")?;
        if waiting >= MAX_APPROVALS {
            return Err(ApprovalError::Full(waiting));
        }
        self.write_approval(approval).await?;
        Ok(approval.clone())
    }

    /// Says yes or no to an enrolment that waits.
    pub(crate) async fn decide_approval(
        &mut self,
        key: &ApprovalKey,
        decision: Decision,
        now: UnixTime,
    ) -> Result<(), ApprovalError> {
        let present = self.approval(key, now).await?.ok_or(ApprovalError::Unknown)?;
        if present.decision != Decision::Pending {
            return Err(ApprovalError::Decided(present.decision));
        }
        self.drop_approval(key).await?;
        Ok(self.write_approval(&ApprovalRow { decision, ..present }).await?)
    }

    /// Forgets an approval: it has been used.
    pub(crate) async fn drop_approval(&mut self, key: &ApprovalKey) -> Result<(), StoreError> {
        let dropped =
            sqlx::query("DELETE FROM approvals WHERE agent_id = $1 AND key_id = $2 AND card_hash = $3")
                .bind(key.agent_id.as_str())
                .bind(key.key_id.to_string())
                .bind(key.card_hash.to_string());
        dropped.execute(self.connection()).await?;
        Ok(())
    }

    pub(super) async fn write_approval(&mut self, approval: &ApprovalRow) -> Result<(), StoreError> {
        let ApprovalRow { key, name, address, asked_at, expires_at, decision } = approval;
        sqlx::query(
            "INSERT INTO approvals (agent_id, key_id, card_hash, name, address, asked_at, expires_at, decision) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        )
        .bind(key.agent_id.as_str())
        .bind(key.key_id.to_string())
        .bind(key.card_hash.to_string())
        .bind(name.as_str())
        .bind(address.as_str())
        .bind(seconds(*asked_at))
        .bind(seconds(*expires_at))
        .bind(decision.as_str())
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

/// The most enrolments that wait, or have been decided and not yet forgotten.
pub(super) const MAX_APPROVALS: u64 = 1_000;
