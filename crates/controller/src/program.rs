//! The controller's life: told, started, typed to or left alone, ended in good order; or one command beside a controller
//! that serves.

use std::future::pending;
use std::process::ExitCode;
use std::sync::Arc;

use a2a_node::args::{CommonArgs, ControllerArgs, ControllerConfig, DatabaseUrl};
use a2a_node::clock::Clock;
use a2a_node::console::{Console, ConsoleOptions};
use a2a_node::program::{StopSignals, launch};
use a2a_node::repl::{self, CommandError, Outcome};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use serde_json::json;

use crate::commands::{ControllerCommand, Desk, Here, Line, Operator, greeting, restored};
use crate::controller::Controller;
use crate::node::ControllerNode;
use crate::operator::{Sealing, fault, restore};
use crate::store::Database;

/// The whole program: parses the command line and serves, or runs the one command that stands there.
pub fn run() -> ExitCode {
    launch(PROGRAM, "The authority that certifies agents and lists them", live)
}

/// What the program takes.
#[derive(Debug)]
struct ProgramArgs(Told);

/// Without a command, it serves.
#[derive(Debug, Args)]
struct Told {
    #[command(flatten)]
    controller: ControllerArgs,
    #[command(subcommand)]
    command: Option<ControllerCommand>,
}

impl AsRef<CommonArgs> for ProgramArgs {
    fn as_ref(&self) -> &CommonArgs {
        &self.0.controller.common
    }
}

/// Options may stand before the command and after it.
impl Args for ProgramArgs {
    fn augment_args(command: Command) -> Command {
        Told::augment_args(command).mut_args(|argument| argument.global(true))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ProgramArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Told::from_arg_matches(matches).map(Self)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.0.update_from_arg_matches(matches)
    }
}

async fn live(
    ProgramArgs(Told { controller: args, command }): ProgramArgs,
) -> Result<ExitCode, CommandError> {
    let CommonArgs { headless, exec, .. } = &args.common;
    if *headless && exec.is_some() {
        let error = CommandError::usage("--headless reads no commands, and --exec brings some");
        return Err(error.with_next("leave one of them out"));
    }
    // May ask for the passphrase.
    let config = tokio::task::block_in_place(|| args.resolve())?;
    match command {
        None => serve(&args, config).await,
        Some(command) => once(command, &args, &config).await,
    }
}

/// Runs one command against the store, beside whatever serves.
async fn once(
    command: ControllerCommand,
    args: &ControllerArgs,
    config: &ControllerConfig,
) -> Result<ExitCode, CommandError> {
    let console = Console::open(
        ConsoleOptions { exec: Some(String::new()), json: args.common.json, history: None },
        repl::vocabulary::<Line>(),
    )?;
    let (name, provider) = (command.name(), a2a_core::crypto::provider::aws_lc::PROVIDER);
    let outcome = match command {
        ControllerCommand::Restore { file, revocations, seal_with } => {
            let sealing = Sealing { told: seal_with, of_keys: config.passphrase.clone() };
            let report =
                restore(config, &file, revocations.as_deref(), sealing, &Clock::System, provider).await?;
            console.print(&restored(&report));
            Outcome::of(&report)
        }
        command => {
            require_controller(config)?;
            let controller = Arc::new(Controller::open(config, Clock::System, provider).await?);
            let operator = Operator { controller: controller.clone(), serving: None };
            let outcome = command.run(&operator, &console).await;
            controller.keep_anchor().await.map_err(fault)?;
            controller.store.close().await;
            outcome?
        }
    };
    console.print_json(&json!({ "command": name, "ok": true, "result": outcome.result() }));
    console.close();
    Ok(ExitCode::SUCCESS)
}

/// A command does not make a controller: in a directory that was mistyped it would speak for one that nobody runs.
fn require_controller(config: &ControllerConfig) -> Result<(), CommandError> {
    let database = config.database.as_ref().map(DatabaseUrl::secret);
    let database = Database::resolve(database, &config.data_dir).map_err(fault)?;
    if database.may_exist() {
        return Ok(());
    }
    let next = "name its directory with --data-dir, or start one: `controller` without a command";
    Err(CommandError::new("no_controller", format!("there is no controller in {database}"), next))
}

async fn serve(args: &ControllerArgs, config: ControllerConfig) -> Result<ExitCode, CommandError> {
    let headless = args.common.headless;
    let console = open_console(&args.common)?;
    let mut stop = StopSignals::listen(console.is_interactive())?;
    let provider = a2a_core::crypto::provider::aws_lc::PROVIDER;
    let (node, notices) = ControllerNode::start(config, Clock::System, provider).await?;
    let desk = Desk::new(console.clone());
    // Without a console the log tells of both.
    if !headless {
        greeting(&node, &console);
        tokio::spawn(desk.clone().serve(node.controller().clone(), notices));
    }
    let operator = Operator { controller: node.controller().clone(), serving: Some(Here { node, desk }) };
    let commands = async {
        if headless {
            return pending().await;
        }
        repl::run::<Line>(&console, &operator, "controller> ").await.exit_code()
    };
    let code = tokio::select! {
        code = commands => code,
        // A script that was cut short has not succeeded.
        () = stop.received() => if headless || console.is_interactive() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
    };
    let ended = match operator.serving {
        Some(here) => here.node.shutdown().await,
        None => Ok(()),
    };
    console.close();
    ended.map(|()| code).map_err(CommandError::from)
}

fn open_console(args: &CommonArgs) -> Result<Console, CommandError> {
    if args.headless {
        return Ok(Console::headless());
    }
    let history = Some(args.data_dir(PROGRAM).join("history"));
    let options = ConsoleOptions { exec: args.exec.clone(), json: args.json, history };
    Console::open(options, repl::vocabulary::<Line>())
}

const PROGRAM: &str = "controller";
