//! Join tokens: made for one agent id, shown once, kept as a hash.

use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::token::{JoinSecret, JoinToken};
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;
use a2a_node::repl::CommandError;
use serde::Serialize;
use serde_json::json;

use super::fault;
use crate::claim::{Admission, Claim};
use crate::controller::Controller;
use crate::enrolment::token_name;
use crate::refusal::Refusal;
use crate::store::{Event, TokenError, TokenRow};

/// A token that was just made. The only place where it is shown.
#[derive(Debug, Serialize)]
pub(crate) struct TokenReport {
    /// Who may use it.
    pub(crate) agent_id: AgentId,
    /// The whole token, secret included.
    #[serde(serialize_with = "as_text")]
    pub(crate) token: JoinToken,
    /// Until when.
    pub(crate) expires_at: UnixTime,
}

/// A token as it is remembered.
#[derive(Debug, Serialize)]
pub(crate) struct TokenSummary {
    /// The beginning of its hash.
    pub(crate) token: String,
    /// Who may use it.
    pub(crate) agent_id: AgentId,
    /// What has become of it.
    pub(crate) state: TokenState,
    /// When it was made.
    pub(crate) created_at: UnixTime,
    /// Until when it can be, or could have been, spent.
    pub(crate) expires_at: UnixTime,
    /// When it was spent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spent_at: Option<UnixTime>,
    /// On which certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) serial: Option<Hex<16>>,
}

/// What has become of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TokenState {
    /// It can be spent.
    Open,
    /// It has been.
    Spent,
    /// It was not in time.
    Expired,
}

impl Controller {
    /// Makes a token for an id that is free.
    pub(crate) async fn make_token(
        &self,
        agent_id: &AgentId,
        life: Duration,
    ) -> Result<TokenReport, CommandError> {
        if life > LONGEST_LIFE {
            let error = CommandError::usage("a join token lasts for a day at most");
            return Err(error.with_next("make one when it is needed; --life 10m is the default"));
        }
        self.check_free(agent_id).await?;
        let now = self.clock.now();
        let secret = JoinSecret::random(self.provider)
            .map_err(|error| fault(a2a_node::error::NodeError::Environment(error.to_string())))?;
        let row = TokenRow {
            hash: secret.hash(),
            agent_id: agent_id.clone(),
            created_at: now,
            expires_at: now.saturating_add(life),
            spent_at: None,
            serial: None,
        };
        let mut change = self.store.begin().await.map_err(fault)?;
        change.add_token(&row).await.map_err(|error| match error {
            TokenError::Store(error) => fault(error),
            error => CommandError::new("too_many_tokens", error.to_string(), "wait until some have expired"),
        })?;
        let detail = json!({ "token": token_name(&row.hash), "expires_at": row.expires_at });
        change.record(now, Event::TokenMade, Some(agent_id), detail).await.map_err(fault)?;
        // Under the lock, so that a rotation comes before or after.
        let fingerprint = change.state().key_id.unwrap_or(self.active().key_id);
        self.commit(change).await.map_err(fault)?;
        let token = JoinToken { agent_id: agent_id.clone(), fingerprint, secret };
        Ok(TokenReport { agent_id: agent_id.clone(), token, expires_at: row.expires_at })
    }

    /// The tokens that are remembered, the oldest first.
    pub(crate) async fn tokens(&self) -> Result<Vec<TokenSummary>, CommandError> {
        let now = self.clock.now();
        let rows = self.store.tokens().await.map_err(fault)?;
        Ok(rows.into_iter().map(|row| TokenSummary::of(row, now)).collect())
    }

    /// A token for an id that has its key would buy nothing.
    async fn check_free(&self, agent_id: &AgentId) -> Result<(), CommandError> {
        if *agent_id == self.id {
            let text = format!("{agent_id} is the controller itself");
            return Err(CommandError::new("id_taken", text, "choose another agent id"));
        }
        // No key is this one.
        let claim = Claim::read(&self.store, agent_id, Hex::from_bytes([0; 32])).await.map_err(fault)?;
        match claim.enrolment() {
            Ok(Admission::New(_)) => Ok(()),
            Err(Refusal::Agent(..)) => Err(CommandError::new(
                "agent_revoked",
                format!("{agent_id} may not certify"),
                format!("say `reinstate {agent_id}` first, with --new-key if it has a new key"),
            )),
            _ => Err(CommandError::new(
                "id_taken",
                format!("{agent_id} is enrolled: it renews with its key, and needs no token"),
                format!(
                    "if the key is lost, say `revoke {agent_id}` and `reinstate {agent_id} --new-key` first"
                ),
            )),
        }
    }
}

impl TokenSummary {
    fn of(row: TokenRow, now: UnixTime) -> Self {
        let state = match row.spent_at {
            Some(_) => TokenState::Spent,
            None if now < row.expires_at => TokenState::Open,
            None => TokenState::Expired,
        };
        let TokenRow { hash, agent_id, created_at, expires_at, spent_at, serial } = row;
        Self { token: token_name(&hash), agent_id, state, created_at, expires_at, spent_at, serial }
    }
}

fn as_text<S: serde::Serializer>(token: &JoinToken, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(token)
}

const LONGEST_LIFE: Duration = Duration::from_hours(24);
