//! The controller's life: told, started, typed to or left alone, ended in good order.

use std::future::pending;
use std::process::ExitCode;

use a2a_node::args::{CommonArgs, ControllerArgs};
use a2a_node::clock::Clock;
use a2a_node::console::{Console, ConsoleOptions};
use a2a_node::program::{StopSignals, launch};
use a2a_node::repl::{self, CommandError};
use serde_json::json;
use tokio::sync::mpsc;

use crate::commands::{ControllerCommand, announce};
use crate::node::ControllerNode;
use crate::registry::Enrolled;

/// The whole program: parses the command line, serves, reads commands, and shuts down.
pub fn run() -> ExitCode {
    launch(PROGRAM, "The authority that certifies agents and lists them", live)
}

async fn live(args: ControllerArgs) -> Result<ExitCode, CommandError> {
    let config = args.resolve()?;
    let headless = args.common.headless;
    if headless && args.common.exec.is_some() {
        let error = CommandError::usage("--headless reads no commands, and --exec brings some");
        return Err(error.with_next("leave one of them out"));
    }
    let console = open_console(&args.common)?;
    let mut stop = StopSignals::listen(console.is_interactive())?;
    let provider = a2a_core::crypto::provider::aws_lc::PROVIDER;
    let (node, notices) = ControllerNode::start(config, Clock::System, provider).await?;
    // Without a console the log tells both.
    if !headless {
        greet(&node, &console);
        tokio::spawn(tell(notices, console.clone()));
    }
    let commands = async {
        if headless {
            return pending().await;
        }
        repl::run::<ControllerCommand>(&console, &node, "controller> ").await.exit_code()
    };
    let code = tokio::select! {
        code = commands => code,
        // A script that was cut short has not succeeded.
        () = stop.received() => if headless || console.is_interactive() { ExitCode::SUCCESS } else { ExitCode::FAILURE },
    };
    let ended = node.shutdown().await;
    console.close();
    ended.map(|()| code).map_err(CommandError::from)
}

fn open_console(args: &CommonArgs) -> Result<Console, CommandError> {
    if args.headless {
        return Ok(Console::headless());
    }
    let history = Some(args.data_dir(PROGRAM).join("history"));
    let options = ConsoleOptions { exec: args.exec.clone(), json: args.json, history };
    Console::open(options, repl::vocabulary::<ControllerCommand>())
}

fn greet(node: &ControllerNode, console: &Console) {
    let (id, address, fingerprint) = (&node.info().controller_id, node.address(), node.fingerprint());
    console.print(&format!("{id} listening on {address}; type help\nFingerprint: {fingerprint}"));
    let detail = json!({"controller_id": id, "address": address, "fingerprint": fingerprint});
    console.print_json(&json!({"event": "listening", "detail": detail}));
}

async fn tell(mut notices: mpsc::Receiver<Enrolled>, console: Console) {
    while let Some(enrolled) = notices.recv().await {
        announce(&enrolled, &console);
    }
}

const PROGRAM: &str = "controller";
