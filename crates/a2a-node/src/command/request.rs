//! `request`: ask another agent for a session, and wait for its answer.

use a2a_core::agent_id::{AgentAddress, AgentId};
use clap::Args;

use super::AgentContext;
use crate::agent::report::Progress;
use crate::console::Console;
use crate::repl::{CommandError, Outcome};

/// Whom to ask; what is missing is asked for.
#[derive(Debug, Args)]
pub struct Request {
    #[arg(help = "The peer's address, such as https://localhost:5001")]
    address: Option<String>,
    #[arg(help = "The peer's agent id, such as helper_agent_001")]
    agent_id: Option<String>,
    /// What for, in your own words; the peer is shown it
    #[arg(long, value_name = "TEXT", default_value = "")]
    purpose: String,
}

impl Request {
    /// Asks and waits. Ctrl-C withdraws the request.
    pub async fn run(self, context: &AgentContext, console: &Console) -> Result<Outcome, CommandError> {
        let address = given_or_asked(self.address, "Enter peer agent address: ", console).await?;
        let address: AgentAddress =
            address.parse().map_err(|error| CommandError::usage(format!("`{address}`: {error}")))?;
        let agent_id = given_or_asked(self.agent_id, "Enter peer agent ID: ", console).await?;
        let agent_id: AgentId =
            agent_id.parse().map_err(|error| CommandError::usage(format!("`{agent_id}`: {error}")))?;

        console.print(&format!("\nSending communication request to {agent_id}..."));
        let progress = |step: Progress| {
            if step == Progress::RequestSent {
                console.print("✓ Communication request sent. Waiting for response...");
            }
        };
        let session = context.node.request(&address, &agent_id, &self.purpose, &progress).await?;
        console.learn([agent_id.to_string(), address.to_string(), session.session_id.to_string()]);
        console.print(&format!("✓ Request accepted. Session created: {}", session.session_id));
        Ok(Outcome::of(&session))
    }
}

async fn given_or_asked(
    given: Option<String>,
    question: &str,
    console: &Console,
) -> Result<String, CommandError> {
    match given {
        Some(text) => Ok(text),
        None => console.ask(question).await,
    }
}
