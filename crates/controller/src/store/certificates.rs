//! The tables `certificates` and `revoked_keys`: what was issued and has not long ended, and what of it is void. Each
//! serial and each nonce stands there once, which is what makes a challenge good for one certificate.

use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::revocation::RevocationContent;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::{CLOCK_SKEW, UnixTime};
use a2a_core::wire::Hex;
use serde::{Deserialize, Serialize};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;
use thiserror::Error;

use super::column::{number, parsed, parsed_if_any, seconds, time};
use super::error::StoreError;
use super::{Change, State, Store};

/// A certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CertificateRow {
    /// Its name.
    pub(crate) serial: Hex<16>,
    /// The challenge that it answers.
    pub(crate) nonce: Hex<32>,
    /// Whose it is.
    pub(crate) agent_id: AgentId,
    /// The agent's key in it.
    pub(crate) key_id: KeyId,
    /// From when it holds.
    pub(crate) issued_at: UnixTime,
    /// Until when.
    pub(crate) expires_at: UnixTime,
    /// Whether it is void.
    pub(crate) revoked: bool,
}

/// A key of which every certificate is void.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RevokedKey {
    /// The key.
    pub(crate) key_id: KeyId,
    /// Whose it was, if that is known: after a restore, a list may name keys of agents that came after the backup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) agent_id: Option<AgentId>,
    /// Since when.
    pub(crate) revoked_at: UnixTime,
}

/// Why a certificate is not entered. It must not be handed out then.
#[derive(Debug, Error)]
pub(crate) enum IssueError {
    /// Another has this serial.
    #[error("the serial is another certificate's")]
    SerialUsed,
    /// The challenge has been answered already.
    #[error("the challenge is used")]
    NonceUsed,
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl CertificateRow {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            serial: parsed(row, "serial")?,
            nonce: parsed(row, "nonce")?,
            agent_id: parsed(row, "agent_id")?,
            key_id: parsed(row, "key_id")?,
            issued_at: time(row, "issued_at")?,
            expires_at: time(row, "expires_at")?,
            revoked: number(row, "revoked")? != 0,
        })
    }

    fn for_certificate(certificate: &AgentCertificate) -> Self {
        Self {
            serial: certificate.serial,
            nonce: certificate.nonce,
            agent_id: certificate.agent_card.agent_id.clone(),
            key_id: certificate.agent_card.public_key.key_id(),
            issued_at: certificate.issued_at,
            expires_at: certificate.expires_at,
            revoked: false,
        }
    }

    pub(super) async fn read_all(connection: &mut AnyConnection) -> Result<Vec<Self>, StoreError> {
        let rows = sqlx::query("SELECT * FROM certificates ORDER BY serial").fetch_all(connection).await?;
        rows.iter().map(Self::of).collect()
    }
}

impl RevokedKey {
    fn of(row: &AnyRow) -> Result<Self, StoreError> {
        Ok(Self {
            key_id: parsed(row, "key_id")?,
            agent_id: parsed_if_any(row, "agent_id")?,
            revoked_at: time(row, "revoked_at")?,
        })
    }

    async fn read(connection: &mut AnyConnection, key_id: KeyId) -> Result<Option<Self>, StoreError> {
        let found = sqlx::query("SELECT * FROM revoked_keys WHERE key_id = $1").bind(key_id.to_string());
        found.fetch_optional(connection).await?.as_ref().map(Self::of).transpose()
    }

    pub(super) async fn read_all(connection: &mut AnyConnection) -> Result<Vec<Self>, StoreError> {
        let rows = sqlx::query("SELECT * FROM revoked_keys ORDER BY key_id").fetch_all(connection).await?;
        rows.iter().map(Self::of).collect()
    }
}

impl Store {
    /// Whether a key is revoked, and whose it was.
    pub(crate) async fn revoked_key(&self, key_id: KeyId) -> Result<Option<RevokedKey>, StoreError> {
        RevokedKey::read(&mut *self.pool.acquire().await?, key_id).await
    }

    /// Every revoked key.
    pub(crate) async fn revoked_keys(&self) -> Result<Vec<RevokedKey>, StoreError> {
        RevokedKey::read_all(&mut *self.pool.acquire().await?).await
    }

    /// What the revocation list has to say at `now`, under the number that it was given last.
    pub(crate) async fn revoked_content(&self, now: UnixTime) -> Result<RevocationContent, StoreError> {
        let mut snapshot = self.snapshot().await?;
        let state = State::read(&mut snapshot).await?;
        content_of(&mut snapshot, &state, now).await
    }
}

impl Change {
    /// Enters a certificate. Those that ended more than a day before it was issued are forgotten.
    pub(crate) async fn issue(&mut self, certificate: &AgentCertificate) -> Result<(), IssueError> {
        let row = CertificateRow::for_certificate(certificate);
        let life = row.expires_at.since(row.issued_at).as_secs();
        self.state.longest_life = self.state.longest_life.max(life);
        let ended = seconds(row.issued_at.saturating_sub(KEPT));
        let pruned = sqlx::query("DELETE FROM certificates WHERE expires_at < $1").bind(ended);
        pruned.execute(self.connection()).await.map_err(StoreError::from)?;
        if self.write_certificate(&row).await? {
            return Ok(());
        }
        let serial =
            sqlx::query("SELECT serial FROM certificates WHERE serial = $1").bind(row.serial.to_string());
        let found = serial.fetch_optional(self.connection()).await.map_err(StoreError::from)?;
        Err(if found.is_some() { IssueError::SerialUsed } else { IssueError::NonceUsed })
    }

    /// Makes every certificate of an agent void; those of later are not.
    pub(crate) async fn revoke_certificates(&mut self, agent_id: &AgentId) -> Result<(), StoreError> {
        let revoke =
            sqlx::query("UPDATE certificates SET revoked = 1 WHERE agent_id = $1").bind(agent_id.as_str());
        revoke.execute(self.connection()).await?;
        Ok(())
    }

    /// Makes every certificate under a key void, those of later, too. Its agent, if it is named, has to be in the store.
    pub(crate) async fn revoke_key(&mut self, key: &RevokedKey) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO revoked_keys (key_id, agent_id, revoked_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        )
        .bind(key.key_id.to_string())
        .bind(key.agent_id.as_ref().map(AgentId::to_string))
        .bind(seconds(key.revoked_at))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Takes a key off the list.
    pub(crate) async fn reinstate_key(&mut self, key_id: KeyId) -> Result<(), StoreError> {
        let reinstate = sqlx::query("DELETE FROM revoked_keys WHERE key_id = $1").bind(key_id.to_string());
        reinstate.execute(self.connection()).await?;
        Ok(())
    }

    /// Whether a key is revoked, and whose it was.
    pub(crate) async fn revoked_key(&mut self, key_id: KeyId) -> Result<Option<RevokedKey>, StoreError> {
        RevokedKey::read(self.connection(), key_id).await
    }

    /// Whether it was new.
    pub(super) async fn write_certificate(&mut self, row: &CertificateRow) -> Result<bool, StoreError> {
        let written = sqlx::query(
            "INSERT INTO certificates (serial, nonce, agent_id, key_id, issued_at, expires_at, revoked) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        )
        .bind(row.serial.to_string())
        .bind(row.nonce.to_string())
        .bind(row.agent_id.as_str())
        .bind(row.key_id.to_string())
        .bind(seconds(row.issued_at))
        .bind(seconds(row.expires_at))
        .bind(i64::from(row.revoked))
        .execute(self.connection())
        .await?;
        Ok(written.rows_affected() == 1)
    }
}

/// What has ended, for the clocks of all agents, needs no word.
async fn content_of(
    connection: &mut AnyConnection,
    state: &State,
    now: UnixTime,
) -> Result<RevocationContent, StoreError> {
    let ended = now.saturating_sub(CLOCK_SKEW);
    let serials =
        sqlx::query("SELECT serial FROM certificates WHERE revoked = 1 AND expires_at > $1 ORDER BY serial")
            .bind(seconds(ended))
            .fetch_all(&mut *connection)
            .await?;
    let keys =
        sqlx::query("SELECT key_id FROM revoked_keys ORDER BY key_id").fetch_all(&mut *connection).await?;
    let superseded = sqlx::query("SELECT agent_id, not_before FROM agents WHERE not_before > $1")
        .bind(seconds(ended.saturating_sub(state.longest_life())))
        .fetch_all(connection)
        .await?;
    Ok(RevocationContent {
        number: state.list_number,
        serials: serials.iter().map(|row| parsed(row, "serial")).collect::<Result<_, _>>()?,
        key_ids: keys.iter().map(|row| parsed(row, "key_id")).collect::<Result<_, _>>()?,
        not_before: superseded
            .iter()
            .map(|row| Ok((parsed(row, "agent_id")?, time(row, "not_before")?)))
            .collect::<Result<_, StoreError>>()?,
    })
}

/// How long a certificate is remembered after its end.
const KEPT: Duration = Duration::from_hours(24);
