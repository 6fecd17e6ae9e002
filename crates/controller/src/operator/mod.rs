//! What an operator can do to a controller, typed into one that serves or beside it: each a transaction of its own, with
//! its entry in the audit.

mod backup;
mod merge;
mod reports;
mod restore;
mod rotation;
mod standing;
mod tokens;

use a2a_core::agent_id::AgentId;
use a2a_node::error::NodeError;
use a2a_node::repl::CommandError;

#[cfg(feature = "fuzzing")]
pub(crate) use backup::Backup;
pub(crate) use backup::{BackupReport, Sealing};
pub(crate) use reports::{AgentReport, AuditVerdict, InfoReport};
pub(crate) use restore::{RestoreReport, restore};
pub(crate) use rotation::RotationReport;
pub(crate) use standing::{Standing, StandingReport};
pub(crate) use tokens::{TokenReport, TokenState, TokenSummary};

/// A fault of the machine or the database: neither the operator's nor anybody's decision.
pub(crate) fn fault(error: impl Into<NodeError>) -> CommandError {
    error.into().into()
}

/// There is no such agent.
fn unknown_agent(agent_id: &AgentId) -> CommandError {
    CommandError::new("unknown_agent", format!("there is no agent {agent_id}"), "`agents` lists all of them")
}
