//! `send`: one message, without entering a chat.

use clap::Args;

use super::{AgentContext, select};
use crate::agent::report::SessionStage;
use crate::console::Console;
use crate::repl::{CommandError, Outcome};

/// To whom, and what. Everything after the peer is the message, as typed.
#[derive(Debug, Args)]
#[command(override_usage = "send [PEER|SESSION] TEXT...")]
pub struct Send {
    /// The peer's agent id or the session (not needed if there is only one), and the message
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: String,
}

impl Send {
    /// Sends, and waits for the peer's authenticated acknowledgement.
    pub async fn run(self, context: &AgentContext, console: &Console) -> Result<Outcome, CommandError> {
        let sessions = context.node.sessions();
        let (session, text) = select::addressed(&sessions, &self.text, SessionStage::Established)?;
        console.print("[Sending encrypted...]");
        let report = context.node.send(session.session_id, text).await?;
        console.print("✓ Delivered");
        Ok(Outcome::of(&report))
    }
}
