//! What an operator looks at: who is enrolled, who the controller is, and whether the audit is whole.

use std::collections::BTreeSet;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::fingerprint;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use a2a_node::error::NodeError;
use a2a_node::repl::CommandError;
use serde::Serialize;

use super::fault;
use crate::controller::{Controller, blocking};
use crate::node::{ControllerStatus, ServingStatus};
use crate::store::{AgentRow, AgentStatus, AuditHead, Flaw};

/// An agent at a glance.
#[derive(Debug, Serialize)]
pub(crate) struct AgentReport {
    /// Who.
    pub(crate) agent_id: AgentId,
    /// Its name for people.
    pub(crate) name: String,
    /// `valid`, `expired`, `revoked`, `banned`, `held`, or `free` once it was reinstated for a new key.
    pub(crate) standing: &'static str,
    /// Where it says that it listens.
    pub(crate) address: AgentAddress,
    /// The key that the id belongs, or belonged, to.
    pub(crate) key_id: KeyId,
    /// When the id was claimed.
    pub(crate) enrolled_at: UnixTime,
    /// When its present certificate was issued.
    pub(crate) issued_at: UnixTime,
    /// When it ends.
    pub(crate) expires_at: UnixTime,
}

/// Who the controller is.
#[derive(Debug, Serialize)]
pub(crate) struct InfoReport {
    /// Its id.
    pub(crate) controller_id: AgentId,
    /// SHA-256 of its key: what people compare.
    pub(crate) fingerprint: KeyId,
    /// The same in 24 words.
    pub(crate) words: String,
    /// How often the key has been rotated, of what is still told.
    pub(crate) successions: usize,
}

/// Whether the audit is whole.
#[derive(Debug, Serialize)]
pub(crate) struct AuditVerdict {
    /// Whether nothing is wrong.
    pub(crate) whole: bool,
    /// How many entries were found good.
    pub(crate) entries: u64,
    /// What is wrong first.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) flaw: Option<Flaw>,
    /// Up to which entry this data directory vouches for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) anchored: Option<u64>,
}

impl Controller {
    /// Every agent there is, by id.
    pub(crate) async fn agents(&self) -> Result<Vec<AgentReport>, CommandError> {
        let now = self.clock.now();
        let void = self.store.revoked_keys().await.map_err(fault)?;
        let void: BTreeSet<KeyId> = void.into_iter().map(|key| key.key_id).collect();
        let rows = self.store.agents().await.map_err(fault)?;
        Ok(rows.into_iter().map(|row| AgentReport::of(row, &void, now)).collect())
    }

    /// Who the controller is.
    pub(crate) fn who(&self) -> InfoReport {
        let active = self.active();
        InfoReport {
            controller_id: self.id.clone(),
            fingerprint: active.key_id,
            words: fingerprint::to_words(&active.key_id),
            successions: active.info.successions.len(),
        }
    }

    /// Everything at a glance.
    pub(crate) async fn status(&self, serving: Option<ServingStatus>) -> Result<ControllerStatus, NodeError> {
        let counts = self.store.counts(self.clock.now()).await?;
        let state = self.store.state().await?;
        Ok(ControllerStatus {
            controller_id: self.id.clone(),
            fingerprint: self.active().key_id,
            agents_enrolled: counts.agents,
            agents_valid: counts.valid,
            agents_revoked: counts.revoked,
            tokens_open: counts.tokens,
            approvals_waiting: counts.approvals,
            list_number: state.list_number,
            audit_entries: state.audit_head.seq,
            serving,
        })
    }

    /// Walks through the whole audit, and compares its end with what this data directory has seen of it.
    pub(crate) async fn verify_audit(&self) -> Result<AuditVerdict, CommandError> {
        let anchor = self.anchor().clone();
        let anchor: Option<AuditHead> = blocking(move || Ok(anchor.read()?)).await.map_err(fault)?;
        let report = self.store.verify_audit(anchor).await.map_err(fault)?;
        let anchored = anchor.map(|head| head.seq);
        Ok(AuditVerdict {
            whole: report.flaw.is_none(),
            entries: report.entries,
            flaw: report.flaw,
            anchored,
        })
    }
}

impl AgentReport {
    fn of(row: AgentRow, void: &BTreeSet<KeyId>, now: UnixTime) -> Self {
        let AgentRow { agent_id, key_id, status, enrolled_at, not_before, certificate } = row;
        let issued_at = certificate.issued_at;
        let expires_at = certificate.expires_at.min(certificate.agent_card.expires_at);
        let standing = match status {
            AgentStatus::Active if void.contains(&key_id) => "free",
            AgentStatus::Active if now < expires_at && not_before.is_none_or(|time| issued_at >= time) => {
                "valid"
            }
            AgentStatus::Active => "expired",
            status => status.as_str(),
        };
        let card = certificate.agent_card;
        let (name, address) = (card.name.to_string(), card.address);
        Self { agent_id, name, standing, address, key_id, enrolled_at, issued_at, expires_at }
    }
}
