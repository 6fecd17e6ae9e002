//! What an operator types: one table, for the REPL of a controller that serves and for the command line beside it.

mod audit;
mod desk;
mod screens;
mod wait;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_node::console::{Console, ConsoleOptions, Vocabulary};
use a2a_node::passphrase::PassphraseSource;
use a2a_node::repl::{CommandError, CommandTable, Outcome};
use clap::{Parser, Subcommand};
use serde_json::Value;

use crate::controller::Controller;
use crate::node::{ControllerNode, ControllerStatus};
use crate::operator::{Sealing, Standing};
use crate::store::Decision;

pub(crate) use audit::AuditArgs;
pub(crate) use desk::Desk;
pub(crate) use screens::{announce, greeting, restored};
pub(crate) use wait::WaitArgs;

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum ControllerCommand {
    /// List all agents and how they stand
    Agents,
    /// Show who this controller is: compare the fingerprint with what agents show
    Info,
    /// Show everything at a glance
    Status,
    /// Make a join token for an agent: one use, not for long
    Token {
        /// Who may use it
        agent: AgentId,
        /// How long it can be used
        #[arg(long, value_name = "TIME", default_value = "10m", value_parser = duration)]
        life: Duration,
    },
    /// List join tokens and what has become of them
    Tokens,
    /// List the enrolments that wait for a decision
    Approvals,
    /// Let an agent in that waits for it
    Approve(DecisionArgs),
    /// Turn an agent away that waits for approval
    Reject(DecisionArgs),
    /// Answer yes to the enrolment on the screen
    #[command(name = "y", alias = "yes")]
    Yes,
    /// Answer no to the enrolment on the screen
    #[command(name = "n", alias = "no")]
    No,
    /// Make everything void that an agent has, until it is reinstated
    Revoke {
        /// Who
        agent: AgentId,
    },
    /// Let a revoked agent certify again
    Reinstate {
        /// Who
        agent: AgentId,
        /// With another key: the old one stays void for good
        #[arg(long)]
        new_key: bool,
    },
    /// Revoke an agent for good
    Ban {
        /// Who
        agent: AgentId,
    },
    /// Change the controller's own key; agents follow by themselves
    Rotate,
    /// Show what has been decided, or verify that nobody has changed it
    Audit(AuditArgs),
    /// Write store and keys into one sealed file
    Backup {
        /// Where to
        file: PathBuf,
        /// Where its passphrase comes from
        #[arg(long, value_name = "SOURCE", help = SEAL_WITH)]
        seal_with: Option<PassphraseSource>,
    },
    /// Read a backup back, while the controller is stopped
    Restore {
        /// The backup
        file: PathBuf,
        /// The latest revocation list: revocations.json from the data directory of any agent
        #[arg(long, value_name = "FILE")]
        revocations: Option<PathBuf>,
        /// Where its passphrase comes from
        #[arg(long, value_name = "SOURCE", help = SEAL_WITH)]
        seal_with: Option<PassphraseSource>,
    },
    /// Wait until somebody asks to be enrolled, or has been
    Wait(WaitArgs),
    /// Leave the program (also: quit, Ctrl-D)
    #[command(alias = "quit")]
    Exit,
}

/// Whose enrolment is decided on.
#[derive(Debug, clap::Args)]
pub(crate) struct DecisionArgs {
    /// Who
    agent: AgentId,
    /// The first digits of the key's fingerprint, if several keys ask for the id
    #[arg(long, value_name = "DIGITS")]
    key: Option<String>,
}

/// A line of the REPL.
#[derive(Debug, Parser)]
#[command(multicall = true, disable_help_flag = true, help_template = HELP)]
pub(crate) struct Line {
    #[command(subcommand)]
    command: ControllerCommand,
}

/// What the commands work on.
pub(crate) struct Operator {
    pub(crate) controller: Arc<Controller>,
    /// If it serves in this process.
    pub(crate) serving: Option<Here>,
}

/// A controller that serves in this process, with somebody who watches.
pub(crate) struct Here {
    pub(crate) node: ControllerNode,
    pub(crate) desk: Desk,
}

impl CommandTable for Line {
    type Context = Operator;

    async fn run(self, operator: &Operator, console: &Console) -> Result<Outcome, CommandError> {
        self.command.run(operator, console).await
    }
}

impl ControllerCommand {
    /// Carries it out, and shows what came of it.
    pub(crate) async fn run(self, operator: &Operator, console: &Console) -> Result<Outcome, CommandError> {
        let controller = &operator.controller;
        match self {
            Self::Agents => Ok(told(console, &controller.agents().await?, |agents| screens::agents(agents))),
            Self::Info => Ok(operator.info(console)),
            Self::Status => Ok(told(console, &operator.status().await?, screens::glance)),
            Self::Token { agent, life } => {
                Ok(told(console, &controller.make_token(&agent, life).await?, screens::token))
            }
            Self::Tokens => Ok(told(console, &controller.tokens().await?, |tokens| screens::tokens(tokens))),
            Self::Approvals => {
                Ok(told(console, &controller.approvals().await?, |waiting| screens::approvals(waiting)))
            }
            Self::Approve(args) => operator.decide(&args, Decision::Approved, console).await,
            Self::Reject(args) => operator.decide(&args, Decision::Rejected, console).await,
            Self::Yes => operator.here()?.desk.answer(controller, Decision::Approved, console).await,
            Self::No => operator.here()?.desk.answer(controller, Decision::Rejected, console).await,
            Self::Revoke { agent } => operator.stand(&agent, Standing::Revoked, console).await,
            Self::Reinstate { agent, new_key: false } => {
                operator.stand(&agent, Standing::Reinstated, console).await
            }
            Self::Reinstate { agent, new_key: true } => {
                operator.stand(&agent, Standing::ReinstatedForNewKey, console).await
            }
            Self::Ban { agent } => operator.stand(&agent, Standing::Banned, console).await,
            Self::Rotate => Ok(told(console, &controller.rotate().await?, screens::rotated)),
            Self::Audit(args) => args.run(controller, console).await,
            Self::Backup { file, seal_with } => {
                let sealing = Sealing { told: seal_with, of_keys: controller.passphrase.clone() };
                Ok(told(console, &controller.backup(&file, sealing).await?, screens::backed_up))
            }
            Self::Restore { .. } => Err(CommandError::new(
                "controller_runs",
                "a backup is read back while the controller is stopped",
                "leave with `exit`, then start the program as `controller restore FILE`",
            )),
            Self::Wait(args) => args.run(operator.here()?).await,
            Self::Exit => operator.here().map(|_| Outcome::leave()),
        }
    }

    /// Its name, as it is typed.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Agents => "agents",
            Self::Info => "info",
            Self::Status => "status",
            Self::Token { .. } => "token",
            Self::Tokens => "tokens",
            Self::Approvals => "approvals",
            Self::Approve(_) => "approve",
            Self::Reject(_) => "reject",
            Self::Yes => "y",
            Self::No => "n",
            Self::Revoke { .. } => "revoke",
            Self::Reinstate { .. } => "reinstate",
            Self::Ban { .. } => "ban",
            Self::Rotate => "rotate",
            Self::Audit(_) => "audit",
            Self::Backup { .. } => "backup",
            Self::Restore { .. } => "restore",
            Self::Wait(_) => "wait",
            Self::Exit => "exit",
        }
    }
}

impl Operator {
    /// Carries out a line without any screen.
    pub(crate) async fn carry_out(&self, line: &str) -> Result<Value, CommandError> {
        let silent = ConsoleOptions { exec: Some(String::new()), json: true, history: None };
        let console = Console::open(silent, Vocabulary::default())?;
        let parsed = Line::try_parse_from(line.split_whitespace());
        let line = parsed.map_err(|error| CommandError::usage(error.to_string()))?;
        Ok(line.command.run(self, &console).await?.result().clone())
    }

    fn here(&self) -> Result<&Here, CommandError> {
        self.serving.as_ref().ok_or_else(|| {
            CommandError::usage("this is for a controller that serves")
                .with_next("start `controller` without a command, and type it there")
        })
    }

    async fn status(&self) -> Result<ControllerStatus, CommandError> {
        match &self.serving {
            Some(here) => Ok(here.node.status().await?),
            None => Ok(self.controller.status(None).await?),
        }
    }

    async fn decide(
        &self,
        args: &DecisionArgs,
        decision: Decision,
        console: &Console,
    ) -> Result<Outcome, CommandError> {
        let decided = self.controller.decide(&args.agent, args.key.as_deref(), decision).await?;
        if let Some(here) = &self.serving {
            here.desk.settle(&decided.key);
        }
        Ok(told(console, &decided, screens::decided))
    }

    async fn stand(
        &self,
        agent: &AgentId,
        standing: Standing,
        console: &Console,
    ) -> Result<Outcome, CommandError> {
        Ok(told(console, &self.controller.put_standing(agent, standing).await?, screens::standing))
    }
}

/// Shows a result to a person, and keeps it for `--json`.
fn told<T: serde::Serialize>(console: &Console, result: &T, screen: impl FnOnce(&T) -> String) -> Outcome {
    console.print(&screen(result));
    Outcome::of(result)
}

fn duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if duration < Duration::from_secs(1) { Err("at least 1s".to_owned()) } else { Ok(duration) }
}

const SEAL_WITH: &str =
    "Where its passphrase comes from: prompt, file:PATH or credential:NAME [default: that of the keys]";
const HELP: &str = "Commands:\n{subcommands}\n\n`help COMMAND` says more about one.";
