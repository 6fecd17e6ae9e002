//! `close`: end a session on both sides.

use clap::Args;

use super::{AgentContext, screens, select};
use crate::agent::report::{ClosedReport, SessionStage};
use crate::console::Console;
use crate::repl::{CommandError, Outcome};

/// Which session; asked for if it is not given.
#[derive(Debug, Args)]
pub struct Close {
    /// A number from the list of sessions, a session id or its beginning, or the peer's agent id
    session: Option<String>,
}

impl Close {
    /// Closes it and clears its keys.
    pub async fn run(self, context: &AgentContext, console: &Console) -> Result<Outcome, CommandError> {
        let sessions = context.node.sessions();
        let session =
            select::given_or_chosen(&sessions, self.session.as_deref(), SessionStage::Established, console)
                .await?;
        let report = close(session.session_id, context, console).await?;
        Ok(Outcome::of(&report))
    }
}

/// Closes a session, on the screen too.
pub(super) async fn close(
    session_id: uuid::Uuid,
    context: &AgentContext,
    console: &Console,
) -> Result<ClosedReport, CommandError> {
    console.print("[Closing session...]");
    let report = context.node.close(session_id).await?;
    console
        .print(&format!("✓ Session closed. Keys cleared.{}", screens::unacknowledged(report.unacknowledged)));
    if !report.confirmed {
        console.print("  The peer has not confirmed it; on its side the session ends by time-out.");
    }
    Ok(report)
}
