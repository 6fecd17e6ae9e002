//! The agents' one table of commands, and what the commands work on. Each command is a file of its own.

mod agents;
mod answer;
mod chat;
mod close;
mod communicate;
pub mod desk;
mod info;
mod keyexchange;
mod renew;
mod request;
mod screens;
mod select;
mod send;
mod sessions;
mod setup;
mod status;
mod wait;

use clap::Parser;

use crate::agent::AgentNode;
use crate::console::Console;
use crate::repl::{CommandError, CommandTable, Outcome};
use desk::Desk;

pub(crate) use screens::setup_progress;
pub use screens::time as shown_time;

/// What an agent's commands work on.
#[derive(Clone)]
pub struct AgentContext {
    /// The agent.
    pub node: AgentNode,
    /// What has come in.
    pub desk: Desk,
}

/// The commands, in the order in which a newcomer needs them.
#[derive(Debug, Parser)]
#[command(multicall = true, disable_help_flag = true, help_template = HELP)]
pub enum AgentCommand {
    /// Trust the controller, register with it, store the certificate
    Setup,
    /// Renew the certificate now; it renews by itself in good time
    Renew(renew::Renew),
    /// Show this agent's certificate
    Info,
    /// List the agents that the controller knows
    Agents,
    /// Ask another agent for a session
    Request(request::Request),
    /// List the active sessions
    Sessions,
    /// Exchange keys for a session that has none yet
    Keyexchange(keyexchange::Keyexchange),
    /// Find an agent, ask it, exchange keys and chat: all in one
    Communicate(communicate::Communicate),
    /// Send one message
    Send(send::Send),
    /// Close a session and clear its keys
    Close(close::Close),
    /// Show everything at a glance
    Status,
    /// Wait for something to happen; for scripts
    Wait(wait::Wait),
    /// Accept the request on the screen
    #[command(alias = "yes")]
    Y,
    /// Reject the request on the screen
    #[command(alias = "no")]
    N,
    /// Leave the program (also: quit, Ctrl-D)
    #[command(alias = "quit")]
    Exit,
}

impl CommandTable for AgentCommand {
    type Context = AgentContext;

    const FREE_TEXT: &'static [&'static str] = &["send"];

    async fn run(self, context: &AgentContext, console: &Console) -> Result<Outcome, CommandError> {
        match self {
            Self::Setup => setup::run(context, console).await,
            Self::Renew(command) => command.run(context, console).await,
            Self::Info => info::run(context, console),
            Self::Agents => agents::run(context, console).await,
            Self::Request(command) => command.run(context, console).await,
            Self::Sessions => Ok(sessions::run(context, console)),
            Self::Keyexchange(command) => command.run(context, console).await,
            Self::Communicate(command) => command.run(context, console).await,
            Self::Send(command) => command.run(context, console).await,
            Self::Close(command) => command.run(context, console).await,
            Self::Status => Ok(status::run(context, console)),
            Self::Wait(command) => command.run(context, console).await,
            Self::Y => answer::answer(true, context, console).await,
            Self::N => answer::answer(false, context, console).await,
            Self::Exit => Ok(Outcome::leave()),
        }
    }

    fn awaited(context: &AgentContext) -> Option<&'static str> {
        let is_asked = context.desk.with(|state| state.consents.on_screen().is_some());
        is_asked.then_some("answer y or n to the request on the screen; `help` lists all commands")
    }

    async fn meanwhile(context: &AgentContext, console: &Console) -> CommandError {
        answer::while_waiting(context, console).await
    }
}

const HELP: &str = "Commands:\n{subcommands}\n\n`help COMMAND` says more about one.";

#[cfg(test)]
mod tests;
