//! `agents`: the controller's directory.

use super::{AgentContext, screens};
use crate::console::Console;
use crate::repl::{CommandError, Outcome};

/// Lists every agent whose certificate verifies.
pub(super) async fn run(context: &AgentContext, console: &Console) -> Result<Outcome, CommandError> {
    let agents = context.node.agents().await?;
    let others = agents.iter().filter(|agent| !agent.is_self);
    console.learn(others.flat_map(|agent| [agent.agent_id.to_string(), agent.address.to_string()]));
    console.print(&screens::directory(&agents));
    Ok(Outcome::of(&agents))
}
