//! `keyexchange`: authenticated Diffie-Hellman for a session that has no keys yet.

use clap::Args;

use super::{AgentContext, screens, select};
use crate::agent::report::{Progress, SessionStage};
use crate::console::Console;
use crate::repl::{CommandError, Outcome};

/// Which session; asked for if it is not given.
#[derive(Debug, Args)]
pub struct Keyexchange {
    /// A number from the list of sessions, a session id or its beginning, or the peer's agent id
    session: Option<String>,
}

impl Keyexchange {
    /// Exchanges the keys, step by step on the screen.
    pub async fn run(self, context: &AgentContext, console: &Console) -> Result<Outcome, CommandError> {
        let sessions = context.node.sessions();
        let session =
            select::given_or_chosen(&sessions, self.session.as_deref(), SessionStage::Pending, console)
                .await?;
        let progress = |step: Progress| {
            if let Some(lines) = screens::key_exchange_progress(&step) {
                console.print(&lines);
            }
        };
        let established = context.node.key_exchange(session.session_id, &progress).await?;
        console.print("\n✓ Key exchange successful! Secure channel ready.");
        Ok(Outcome::of(&established))
    }
}
