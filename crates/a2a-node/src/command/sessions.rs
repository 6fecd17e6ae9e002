//! `sessions`: the active sessions.

use super::{AgentContext, screens};
use crate::console::Console;
use crate::repl::Outcome;

/// Lists them, oldest first; the place in the list is the number that other commands take.
pub(super) fn run(context: &AgentContext, console: &Console) -> Outcome {
    let sessions = context.node.sessions();
    console.learn(sessions.iter().map(|report| report.session_id.to_string()));
    console.print(&screens::sessions(&sessions));
    Outcome::of(&sessions)
}
