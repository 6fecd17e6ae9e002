//! Asking the operator: an enrolment is entered as waiting, decided by a person, and then taken up again by whoever
//! waits for it, at whichever controller of the store.

use a2a_core::agent_id::AgentId;
use a2a_core::time::UnixTime;
use a2a_node::repl::CommandError;
use serde_json::json;

use crate::controller::Controller;
use crate::enrolment::{APPROVAL_LIFE, Entered, Petition};
use crate::operator::fault;
use crate::refusal::Refusal;
use crate::store::{ApprovalError, ApprovalKey, ApprovalRow, Change, Decision, Event};

impl Controller {
    /// Enters a petition as waiting. What the same key has asked before with another card, it no longer asks; and if it
    /// was rejected, another card does not put the question again.
    pub(crate) async fn ask(
        &self,
        mut change: Change,
        petition: &Petition,
        key: &ApprovalKey,
        now: UnixTime,
    ) -> Result<Entered, Refusal> {
        let card = petition.card();
        let approval = ApprovalRow {
            key: key.clone(),
            name: card.name.to_string(),
            address: card.address.to_string(),
            asked_at: now,
            expires_at: now.saturating_add(APPROVAL_LIFE),
            decision: Decision::Pending,
        };
        let same = |row: &ApprovalRow| (&row.key.agent_id, row.key.key_id) == (&key.agent_id, key.key_id);
        for former in self.store.approvals(now).await?.iter().filter(|row| same(row)) {
            if former.decision == Decision::Rejected {
                return Err(Refusal::Rejected);
            }
            change.drop_approval(&former.key).await?;
        }
        change.put_approval(&approval).await?;
        let detail = json!({ "key_id": key.key_id, "name": approval.name, "address": approval.address });
        change.record(now, Event::ApprovalAsked, Some(&key.agent_id), detail).await?;
        self.commit(change).await?;
        tracing::info!(agent_id = %key.agent_id, key_id = %key.key_id, "an enrolment waits for approval");
        Ok(Entered::Waiting(key.clone()))
    }

    /// Whether an enrolment still waits for the operator.
    pub(crate) async fn is_waiting(&self, key: &ApprovalKey) -> Result<bool, Refusal> {
        let approval = self.store.approval(key, self.clock.now()).await?;
        Ok(approval.is_some_and(|approval| approval.decision == Decision::Pending))
    }

    /// The enrolments that wait, the oldest first.
    pub(crate) async fn approvals(&self) -> Result<Vec<ApprovalRow>, CommandError> {
        let mut rows = self.store.approvals(self.clock.now()).await.map_err(fault)?;
        rows.retain(|row| row.decision == Decision::Pending);
        Ok(rows)
    }

    /// Says yes or no to the enrolment under this id; `key` is the beginning of the key's fingerprint, which is needed
    /// if several ask for the id.
    pub(crate) async fn decide(
        &self,
        agent_id: &AgentId,
        key: Option<&str>,
        decision: Decision,
    ) -> Result<ApprovalRow, CommandError> {
        let mut asking = self.approvals().await?;
        asking.retain(|row| {
            row.key.agent_id == *agent_id && key.is_none_or(|key| row.key.key_id.to_string().starts_with(key))
        });
        match asking.len() {
            0 => Err(nobody(agent_id)),
            1 => self.decide_on(&asking.remove(0), decision).await,
            several => Err(CommandError::new(
                "ambiguous",
                format!("{several} keys ask for {agent_id}"),
                "compare fingerprints, and name the right one with --key and its first digits; `approvals` lists them",
            )),
        }
    }

    /// Says yes or no to this very enrolment.
    pub(crate) async fn decide_on(
        &self,
        asking: &ApprovalRow,
        decision: Decision,
    ) -> Result<ApprovalRow, CommandError> {
        let (now, agent_id) = (self.clock.now(), &asking.key.agent_id);
        let mut change = self.store.begin().await.map_err(fault)?;
        change.decide_approval(&asking.key, decision, now).await.map_err(|error| match error {
            ApprovalError::Store(error) => fault(error),
            ApprovalError::Unknown => nobody(agent_id),
            error => CommandError::new("decided", error.to_string(), "`agents` shows who is enrolled"),
        })?;
        let event = if decision == Decision::Approved { Event::Approved } else { Event::Rejected };
        let detail = json!({ "key_id": asking.key.key_id, "name": asking.name, "address": asking.address });
        change.record(now, event, Some(agent_id), detail).await.map_err(fault)?;
        self.commit(change).await.map_err(fault)?;
        Ok(ApprovalRow { decision, ..asking.clone() })
    }
}

fn nobody(agent_id: &AgentId) -> CommandError {
    let text = format!("nobody asks for {agent_id}, or no longer");
    CommandError::new("unknown_approval", text, "`approvals` lists who waits")
}
