//! `setup`: trust the controller, register, store the certificate. Running it again renews the certificate.

use super::{AgentContext, screens};
use crate::agent::report::Progress;
use crate::console::Console;
use crate::error::NodeError;
use crate::repl::{CommandError, Outcome};

/// An unknown controller is put to the person, with its fingerprint; a script has to bring the fingerprint
/// along.
pub(super) async fn run(context: &AgentContext, console: &Console) -> Result<Outcome, CommandError> {
    let progress = |step: Progress| {
        if let Some(line) = screens::setup_progress(&step) {
            console.print(line);
        }
    };
    let report = match context.node.setup(None, &progress).await {
        Err(NodeError::ControllerUnconfirmed { fingerprint }) if console.is_interactive() => {
            console.print(&format!(
                "This agent has never met the controller. Its fingerprint is\n{}\nCompare it with what the \
                 controller shows on `info`.",
                screens::fingerprint(&fingerprint)
            ));
            if !console.confirm("Do you trust this controller? (y/n): ").await? {
                return Err(NodeError::ControllerUnconfirmed { fingerprint }.into());
            }
            context.node.setup(Some(fingerprint), &progress).await?
        }
        result => result?,
    };
    Ok(Outcome::of(&report))
}
