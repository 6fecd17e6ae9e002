//! `renew [--new-key]`: another certificate before its time, for the same key or for a new one.

use clap::Args;

use super::{AgentContext, screens};
use crate::console::Console;
use crate::repl::{CommandError, Outcome};

/// See the module.
#[derive(Debug, Args)]
pub struct Renew {
    /// Make a new identity key, which takes the present one's place
    #[arg(long)]
    new_key: bool,
}

impl Renew {
    pub(super) async fn run(
        self,
        context: &AgentContext,
        console: &Console,
    ) -> Result<Outcome, CommandError> {
        let report = context.node.renew(self.new_key).await?;
        console.print(&screens::renewed(&report));
        Ok(Outcome::of(&report))
    }
}
