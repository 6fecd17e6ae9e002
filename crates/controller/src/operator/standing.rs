//! Revoking an agent, taking that back, and banning it for good. Each change goes onto the revocation list under a new
//! number in the same transaction.

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use a2a_node::repl::CommandError;
use serde::Serialize;
use serde_json::json;

use super::{fault, unknown_agent};
use crate::claim::after;
use crate::controller::Controller;
use crate::store::{AgentRow, AgentStatus, AgentsFull, Change, Event, RevokedKey, StoreError};

/// What becomes of an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Its certificates and its key are void until it is reinstated.
    Revoked,
    /// The same, for good.
    Banned,
    /// Its key may certify again; what it had before stays void.
    Reinstated,
    /// Its key stays void for good, and another may have the id.
    ReinstatedForNewKey,
}

/// What has become of it.
#[derive(Debug, Serialize)]
pub(crate) struct StandingReport {
    /// Who.
    pub(crate) agent_id: AgentId,
    /// How it stands now.
    pub(crate) status: AgentStatus,
    /// The key that it is about.
    pub(crate) key_id: KeyId,
    /// Whether that key is void.
    pub(crate) key_is_void: bool,
    /// The number of the list that says so.
    pub(crate) list_number: u64,
}

impl Controller {
    /// Changes how an agent stands.
    pub(crate) async fn put_standing(
        &self,
        agent_id: &AgentId,
        standing: Standing,
    ) -> Result<StandingReport, CommandError> {
        let now = self.clock.now();
        let mut change = self.store.begin().await.map_err(fault)?;
        let agent = change.agent(agent_id).await.map_err(fault)?;
        let agent = agent.ok_or_else(|| unknown_agent(agent_id))?;
        let key_is_void = change.revoked_key(agent.key_id).await.map_err(fault)?.is_some();
        check(&agent, standing, key_is_void)?;
        let agent = apply(&mut change, agent, standing, now).await.map_err(fault)?;
        let list_number = change.next_list_number(now);
        let detail = json!({
            "key_id": agent.key_id, "list_number": list_number,
            "new_key": standing == Standing::ReinstatedForNewKey,
        });
        change.record(now, standing.event(), Some(agent_id), detail).await.map_err(fault)?;
        self.commit(change).await.map_err(fault)?;
        if matches!(standing, Standing::Revoked | Standing::Banned) {
            self.metrics.revocation();
        }
        let (status, key_id) = (agent.status, agent.key_id);
        let key_is_void = standing != Standing::Reinstated;
        Ok(StandingReport { agent_id: agent_id.clone(), status, key_id, key_is_void, list_number })
    }
}

impl Standing {
    fn event(self) -> Event {
        match self {
            Self::Revoked => Event::Revoked,
            Self::Banned => Event::Banned,
            Self::Reinstated | Self::ReinstatedForNewKey => Event::Reinstated,
        }
    }
}

fn check(agent: &AgentRow, standing: Standing, key_is_void: bool) -> Result<(), CommandError> {
    let (id, status) = (&agent.agent_id, agent.status);
    match standing {
        Standing::Reinstated | Standing::ReinstatedForNewKey if status == AgentStatus::Banned => {
            let text = format!("{id} is banned for good");
            Err(CommandError::new("agent_banned", text, "give the agent another id"))
        }
        Standing::Reinstated if status == AgentStatus::Active && key_is_void => Err(CommandError::new(
            "key_revoked",
            format!("{id} was reinstated for a new key, and its old one stays void"),
            "have the agent make a new key and enrol again",
        )),
        Standing::Reinstated | Standing::ReinstatedForNewKey
            if status == AgentStatus::Active && !key_is_void =>
        {
            let text = format!("{id} is not revoked");
            Err(CommandError::new("not_revoked", text, format!("`revoke {id}` comes first")))
        }
        Standing::Revoked if status == AgentStatus::Active && key_is_void => {
            let text = format!("nobody has the id {id}: its former key is void for good");
            Err(CommandError::new("already_revoked", text, format!("`ban {id}` gives it to nobody again")))
        }
        Standing::Revoked if status == AgentStatus::Revoked || status == AgentStatus::Banned => {
            let text = format!("{id} is {status} already");
            Err(CommandError::new("already_revoked", text, "`agents` shows how each stands"))
        }
        Standing::Banned if status == AgentStatus::Banned => {
            let text = format!("{id} is banned already");
            Err(CommandError::new("already_revoked", text, "`agents` shows how each stands"))
        }
        _ => Ok(()),
    }
}

async fn apply(
    change: &mut Change,
    agent: AgentRow,
    standing: Standing,
    now: UnixTime,
) -> Result<AgentRow, StoreError> {
    let status = match standing {
        Standing::Revoked => AgentStatus::Revoked,
        Standing::Banned => AgentStatus::Banned,
        Standing::Reinstated | Standing::ReinstatedForNewKey => AgentStatus::Active,
    };
    match standing {
        Standing::Revoked | Standing::Banned => {
            change.revoke_certificates(&agent.agent_id).await?;
            let (key_id, agent_id) = (agent.key_id, Some(agent.agent_id.clone()));
            change.revoke_key(&RevokedKey { key_id, agent_id, revoked_at: now }).await?;
        }
        Standing::Reinstated => change.reinstate_key(agent.key_id).await?,
        Standing::ReinstatedForNewKey => {}
    }
    let not_before = match standing {
        Standing::Revoked | Standing::Banned => agent.not_before,
        Standing::Reinstated | Standing::ReinstatedForNewKey => Some(after(&agent, now)),
    };
    let agent = AgentRow { status, not_before, ..agent };
    match change.put_agent(&agent, u64::MAX).await {
        Ok(()) | Err(AgentsFull::Full(_)) => Ok(agent),
        Err(AgentsFull::Store(error)) => Err(error),
    }
}
