//! The table `tokens`: join tokens, of which only the hash is kept. Each is good for one agent, once, not for long.

use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use thiserror::Error;

use super::column::{number, parsed, parsed_if_any, seconds, time, time_if_any};
use super::error::StoreError;
use super::{Change, Store};

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenRow {
    /// SHA-256 of the secret.
    pub(crate) hash: Hex<32>,
    /// Who may use it.
    pub(crate) agent_id: AgentId,
    /// When it was made.
    pub(crate) created_at: UnixTime,
    /// Until when it can be spent.
    pub(crate) expires_at: UnixTime,
    /// When it was spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) spent_at: Option<UnixTime>,
    /// On which certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) serial: Option<Hex<16>>,
}

/// Why a token is not entered, or buys nothing.
#[derive(Debug, Error)]
pub(crate) enum TokenError {
    /// There are too many that can be spent.
    #[error("there are {0} open tokens, and no room for another")]
    Full(u64),
    /// Nobody has made it, or it has long been forgotten.
    #[error("the token is not known")]
    Unknown,
    /// It is another agent's.
    #[error("the token is another agent's")]
    WrongAgent,
    /// It has been used.
    #[error("the token is spent")]
    Spent,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl TokenRow {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            hash: parsed(row, "hash")?,
            agent_id: parsed(row, "agent_id")?,
            created_at: time(row, "created_at")?,
            expires_at: time(row, "expires_at")?,
            spent_at: time_if_any(row, "spent_at")?,
            serial: parsed_if_any(row, "serial")?,
        })
    }

    /// Whether it can be spent.
    pub(crate) fn check(&self, agent_id: &AgentId, now: UnixTime) -> Result<(), TokenError> {
        if self.agent_id != *agent_id {
            return Err(TokenError::WrongAgent);
        }
        if self.spent_at.is_some() {
            return Err(TokenError::Spent);
        }
        if self.expires_at <= now {
            return Err(TokenError::Expired);
        }
        Ok(())
    }

    async fn read(connection: &mut AnyConnection, hash: &Hex<32>) -> Result<Self, TokenError> {
        let found = sqlx::query("SELECT * FROM tokens WHERE hash = $1").bind(hash.to_string());
        let found = found.fetch_optional(connection).await.map_err(StoreError::from)?;
        Ok(Self::of(&found.ok_or(TokenError::Unknown)?)?)
    }

    pub(super) async fn read_all(connection: &mut AnyConnection) -> Result<Vec<Self>, StoreError> {
        let rows =
            sqlx::query("SELECT * FROM tokens ORDER BY created_at, hash").fetch_all(connection).await?;
        rows.iter().map(Self::of).collect()
    }
}

impl Store {
    /// Whether a token could be spent now.
    pub(crate) async fn check_token(
        &self,
        hash: &Hex<32>,
        agent_id: &AgentId,
        now: UnixTime,
    ) -> Result<(), TokenError> {
        let mut connection = self.pool.acquire().await.map_err(StoreError::from)?;
        TokenRow::read(&mut connection, hash).await?.check(agent_id, now)
    }

    /// All that are remembered, the oldest first.
    pub(crate) async fn tokens(&self) -> Result<Vec<TokenRow>, StoreError> {
        TokenRow::read_all(&mut *self.pool.acquire().await?).await
    }
}

impl Change {
    /// Enters a new token. Those that ended more than a day before it was made are forgotten.
    pub(crate) async fn add_token(&mut self, token: &TokenRow) -> Result<(), TokenError> {
        let now = token.created_at;
        let pruned =
            sqlx::query("DELETE FROM tokens WHERE expires_at < $1").bind(seconds(now.saturating_sub(KEPT)));
        pruned.execute(self.connection()).await.map_err(StoreError::from)?;
        let counted =
            sqlx::query("SELECT COUNT(*) AS open FROM tokens WHERE spent_at IS NULL AND expires_at > $1")
                .bind(seconds(now));
        let row = counted.fetch_one(self.connection()).await.map_err(StoreError::from)?;
        let open = number(&row, "open")?;
        if open >= MAX_OPEN {
            return Err(TokenError::Full(open));
        }
        Ok(self.write_token(token).await?)
    }

    /// Uses a token up, for the certificate of this serial.
    pub(crate) async fn spend_token(
        &mut self,
        hash: &Hex<32>,
        agent_id: &AgentId,
        serial: &Hex<16>,
        now: UnixTime,
    ) -> Result<(), TokenError> {
        TokenRow::read(self.connection(), hash).await?.check(agent_id, now)?;
        let spent = sqlx::query("UPDATE tokens SET spent_at = $1, serial = $2 WHERE hash = $3")
            .bind(seconds(now))
            .bind(serial.to_string())
            .bind(hash.to_string());
        spent.execute(self.connection()).await.map_err(StoreError::from)?;
        Ok(())
    }

    pub(super) async fn write_token(&mut self, token: &TokenRow) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO tokens (hash, agent_id, created_at, expires_at, spent_at, serial) \
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(token.hash.to_string())
        .bind(token.agent_id.as_str())
        .bind(seconds(token.created_at))
        .bind(seconds(token.expires_at))
        .bind(token.spent_at.map(seconds))
        .bind(token.serial.map(|serial| serial.to_string()))
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

/// How long a token is remembered after its end.
const KEPT: Duration = Duration::from_hours(24);
/// The most tokens that can be spent at a time.
pub(super) const MAX_OPEN: u64 = 10_000;
