//! The table `agents`: which id belongs to which key, how each stands, and its present certificate. Rows are never
//! deleted: certificates end, names do not change hands.

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use thiserror::Error;

use super::column::{json, number, parsed, seconds, text, time, time_if_any};
use super::error::StoreError;
use super::words::words;
use super::{Change, Store};

/// Which agents the directory holds at `$1`.
macro_rules! listed {
    () => {
        "status = 'active' AND expires_at > $1 AND (not_before IS NULL OR issued_at >= not_before)"
    };
}

/// An agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AgentRow {
    /// Who.
    pub(crate) agent_id: AgentId,
    /// The key that the id belongs to.
    pub(crate) key_id: KeyId,
    /// Whether it may certify.
    pub(crate) status: AgentStatus,
    /// When the id was first claimed.
    pub(crate) enrolled_at: UnixTime,
    /// Certificates issued before this are no longer good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_before: Option<UnixTime>,
    /// The latest one.
    pub(crate) certificate: AgentCertificate,
}

words! {
    /// How an agent stands.
    enum AgentStatus {
        /// It may certify again.
        Active = "active",
        /// It may not until it is reinstated.
        Revoked = "revoked",
        /// It never may.
        Banned = "banned",
        /// As revoked: a restore could not tell whether it was.
        Held = "held",
    }
}

/// How much there is of everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Ids that are taken.
    pub(crate) agents: u64,
    /// Agents that are listed.
    pub(crate) valid: u64,
    /// Agents that are revoked, banned or held.
    pub(crate) revoked: u64,
    /// Tokens that can be spent.
    pub(crate) tokens: u64,
    /// Enrolments that wait for a decision.
    pub(crate) approvals: u64,
}

/// Why an agent is not entered.
#[derive(Debug, Error)]
pub(crate) enum AgentsFull {
    /// There is no room for another.
    #[error("there are {0} agents, and no room for another")]
    Full(u64),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AgentRow {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            agent_id: parsed(row, "agent_id")?,
            key_id: parsed(row, "key_id")?,
            status: parsed(row, "status")?,
            enrolled_at: time(row, "enrolled_at")?,
            not_before: time_if_any(row, "not_before")?,
            certificate: json(row, "certificate")?,
        })
    }

    async fn read(connection: &mut AnyConnection, agent_id: &AgentId) -> Result<Option<Self>, StoreError> {
        let found = sqlx::query("SELECT * FROM agents WHERE agent_id = $1").bind(agent_id.as_str());
        found.fetch_optional(connection).await?.as_ref().map(Self::of).transpose()
    }

    pub(super) async fn read_all(connection: &mut AnyConnection) -> Result<Vec<Self>, StoreError> {
        let rows = sqlx::query("SELECT * FROM agents").fetch_all(connection).await?;
        let mut agents = rows.iter().map(Self::of).collect::<Result<Vec<_>, _>>()?;
        // Not by the database: the two order differently.
        agents.sort_unstable_by(|one, other| one.agent_id.cmp(&other.agent_id));
        Ok(agents)
    }
}

impl Store {
    /// One agent.
    pub(crate) async fn agent(&self, agent_id: &AgentId) -> Result<Option<AgentRow>, StoreError> {
        AgentRow::read(&mut *self.pool.acquire().await?, agent_id).await
    }

    /// All of them, by id.
    pub(crate) async fn agents(&self) -> Result<Vec<AgentRow>, StoreError> {
        AgentRow::read_all(&mut *self.pool.acquire().await?).await
    }

    /// The directory: of each active agent the certificate, if it is good at `now`; by id.
    pub(crate) async fn certificates_valid_at(
        &self,
        now: UnixTime,
    ) -> Result<Vec<AgentCertificate>, StoreError> {
        let rows = sqlx::query(concat!("SELECT certificate FROM agents WHERE ", listed!()))
            .bind(seconds(now))
            .fetch_all(&self.pool)
            .await?;
        let certificates = rows.iter().map(|row| json(row, "certificate"));
        let mut certificates = certificates.collect::<Result<Vec<AgentCertificate>, _>>()?;
        certificates.sort_unstable_by(|one, other| one.agent_card.agent_id.cmp(&other.agent_card.agent_id));
        Ok(certificates)
    }

    /// How much there is of everything.
    pub(crate) async fn counts(&self, now: UnixTime) -> Result<Counts, StoreError> {
        let counted = sqlx::query(concat!(
            "SELECT (SELECT COUNT(*) FROM agents) AS agents, \
             (SELECT COUNT(*) FROM agents WHERE ",
            listed!(),
            ") AS valid, \
             (SELECT COUNT(*) FROM agents WHERE status <> 'active') AS revoked, \
             (SELECT COUNT(*) FROM tokens WHERE spent_at IS NULL AND expires_at > $1) AS tokens, \
             (SELECT COUNT(*) FROM approvals WHERE decision = 'pending' AND expires_at > $1) AS approvals"
        ));
        let row = counted.bind(seconds(now)).fetch_one(&self.pool).await?;
        Ok(Counts {
            agents: number(&row, "agents")?,
            valid: number(&row, "valid")?,
            revoked: number(&row, "revoked")?,
            tokens: number(&row, "tokens")?,
            approvals: number(&row, "approvals")?,
        })
    }
}

impl Change {
    /// One agent.
    pub(crate) async fn agent(&mut self, agent_id: &AgentId) -> Result<Option<AgentRow>, StoreError> {
        AgentRow::read(self.connection(), agent_id).await
    }

    /// Enters or replaces an agent; a new one is refused if there are `limit` already. Whether the key may have the id
    /// is the caller's to decide, under this very lock.
    pub(crate) async fn put_agent(&mut self, agent: &AgentRow, limit: u64) -> Result<(), AgentsFull> {
        if self.agent(&agent.agent_id).await?.is_none() {
            let counted =
                sqlx::query("SELECT COUNT(*) AS agents FROM agents").fetch_one(self.connection()).await;
            let agents = number(&counted.map_err(StoreError::from)?, "agents")?;
            if agents >= limit {
                return Err(AgentsFull::Full(agents));
            }
        }
        Ok(self.write_agent(agent).await?)
    }

    pub(super) async fn write_agent(&mut self, agent: &AgentRow) -> Result<(), StoreError> {
        let AgentRow { agent_id, key_id, status, enrolled_at, not_before, certificate } = agent;
        sqlx::query(
            "INSERT INTO agents \
             (agent_id, key_id, status, enrolled_at, not_before, issued_at, expires_at, certificate) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (agent_id) DO UPDATE SET \
             key_id = excluded.key_id, status = excluded.status, enrolled_at = excluded.enrolled_at, \
             not_before = excluded.not_before, issued_at = excluded.issued_at, expires_at = excluded.expires_at, \
             certificate = excluded.certificate",
        )
        .bind(agent_id.as_str())
        .bind(key_id.to_string())
        .bind(status.as_str())
        .bind(seconds(*enrolled_at))
        .bind(not_before.map(seconds))
        .bind(seconds(certificate.issued_at))
        .bind(seconds(certificate.expires_at.min(certificate.agent_card.expires_at)))
        .bind(text(certificate)?)
        .execute(self.connection())
        .await?;
        Ok(())
    }
}
