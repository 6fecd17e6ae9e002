//! `audit`: what has been decided, filtered; and `audit verify`: whether anybody has changed what was written.

use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_node::console::Console;
use a2a_node::repl::{CommandError, Outcome};
use clap::{Args, Subcommand};

use super::{duration, screens, told};
use crate::controller::Controller;
use crate::operator::fault;
use crate::store::{AuditFilter, Event};

/// What is asked of the audit.
#[derive(Debug, Args)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    action: Option<AuditAction>,

    /// About this agent alone
    #[arg(long, value_name = "AGENT")]
    agent: Option<AgentId>,

    /// Of this kind alone, such as enrolled, refused or revoked
    #[arg(long, value_name = "EVENT")]
    event: Option<Event>,

    /// Not older than this
    #[arg(long, value_name = "TIME", value_parser = duration)]
    since: Option<Duration>,

    /// The latest so many
    #[arg(long, value_name = "NUMBER")]
    last: Option<u64>,
}

/// What else can be done with it.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditAction {
    /// Find any edit, deletion or truncation; exits with 1 if there is one
    Verify,
}

impl AuditArgs {
    pub(super) async fn run(
        self,
        controller: &Controller,
        console: &Console,
    ) -> Result<Outcome, CommandError> {
        if let Some(AuditAction::Verify) = self.action {
            return verify(controller, console).await;
        }
        let now = controller.clock.now();
        let filter = AuditFilter {
            agent_id: self.agent,
            event: self.event,
            since: self.since.map(|since| now.saturating_sub(since)),
            last: self.last,
        };
        let entries = controller.store.audit(&filter).await.map_err(fault)?;
        Ok(told(console, &entries, |entries| screens::audit(entries)))
    }
}

async fn verify(controller: &Controller, console: &Console) -> Result<Outcome, CommandError> {
    let verdict = controller.verify_audit().await?;
    match &verdict.flaw {
        None => Ok(told(console, &verdict, screens::whole)),
        Some(flaw) => Err(CommandError::new(
            "audit_broken",
            format!("the audit is not what was written: {flaw}"),
            "find out who could write to the database; docs/OPERATING.md says how to go on",
        )),
    }
}
