//! From `main` to the exit code: what starting and stopping have in common, and the agents' whole life.
//!
//! The controller is a program too: it uses [`parse`], [`block_on`] and [`StopSignals`] around its own node
//! and commands.

mod agent;
mod enrol;

use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::error::NodeError;
use crate::repl::CommandError;

pub use agent::run;

/// Reads argv and environment; ends the process with 2 (or 0 after `--help`) if that is all there is to do.
pub fn parse<A: Args>(program: &'static str, about: &'static str) -> A {
    let command = Command::new(program).version(env!("CARGO_PKG_VERSION"));
    // The arguments bring a description of themselves; people want the program's.
    let matches = A::augment_args(command).about(about).long_about(None).get_matches();
    A::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// Runs a program's main future. An error is told on stderr, with what to do about it.
pub fn block_on(main: impl Future<Output = Result<ExitCode, CommandError>>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&NodeError::Environment(format!("the runtime: {error}")).into()),
    };
    let code = runtime.block_on(main).unwrap_or_else(|error| fail(&error));
    // Whatever still blocks has had its deadline.
    runtime.shutdown_timeout(LAST_MOMENT);
    code
}

/// Tells an error that keeps a program from starting, and gives its exit code.
pub fn fail(error: &CommandError) -> ExitCode {
    // There is nobody left to tell if stderr is closed.
    let _ = writeln!(std::io::stderr(), "{error}");
    ExitCode::from(error.exit_code())
}

/// Signals that end a program in good order.
pub struct StopSignals {
    terminate: Signal,
    hang_up: Signal,
    interrupt: Option<Signal>,
}

impl StopSignals {
    /// Listens from now on. A person's Ctrl-C is not among them: it ends a command, not the program.
    pub fn listen(is_interactive: bool) -> Result<Self, NodeError> {
        let listen = |kind| {
            signal(kind).map_err(|error| NodeError::Environment(format!("signals cannot be heard: {error}")))
        };
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
            interrupt: if is_interactive { None } else { Some(listen(SignalKind::interrupt())?) },
        })
    }

    /// Resolves when one has come.
    pub async fn received(&mut self) {
        let interrupted = async {
            match &mut self.interrupt {
                Some(interrupt) => interrupt.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.hang_up.recv() => {}
            _ = interrupted => {}
        }
    }
}

/// How long tasks may linger after the program has said good-bye.
const LAST_MOMENT: Duration = Duration::from_millis(100);
