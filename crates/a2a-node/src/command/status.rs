//! `status`: everything at a glance.

use clap::Args;

use super::{AgentContext, screens};
use crate::console::Console;
use crate::repl::Outcome;

/// Takes no arguments.
#[derive(Debug, Args)]
pub struct Status {}

impl Status {
    /// Shows it.
    pub fn run(self, context: &AgentContext, console: &Console) -> Outcome {
        let status = context.node.status();
        console.print(&screens::status(&status));
        Outcome::of(&status)
    }
}
