//! `status`: everything at a glance.

use super::{AgentContext, screens};
use crate::console::Console;
use crate::repl::Outcome;

/// Shows it.
pub(super) fn run(context: &AgentContext, console: &Console) -> Outcome {
    let status = context.node.status();
    console.print(&screens::status(&status));
    Outcome::of(&status)
}
