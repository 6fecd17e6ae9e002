//! `info`: this agent's certificate.

use super::{AgentContext, screens};
use crate::console::Console;
use crate::error::NodeError;
use crate::repl::{CommandError, Outcome};

/// Shows it; without one, says how to get one.
pub(super) fn run(context: &AgentContext, console: &Console) -> Result<Outcome, CommandError> {
    let certificate = context.node.certificate().ok_or(NodeError::NotEnrolled)?;
    console.print(&screens::certificate(&certificate));
    Ok(Outcome::of(&certificate))
}
