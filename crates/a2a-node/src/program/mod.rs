//! From `main` to the exit code: what starting and stopping have in common, and the agents' whole life.
//!
//! The controller is a program too: it uses [`launch`] and [`StopSignals`] around its own node and commands.

mod agent;
mod enrol;

use std::ffi::OsString;
use std::future::Future;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, Command};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::CommonArgs;
use crate::error::NodeError;
use crate::harden::harden;
use crate::repl::{CommandError, misused};
use crate::telemetry;

pub use agent::run;

/// Runs `main` on what argv and environment say. Whatever keeps it from its end is told on stderr or, with `--json`, as
/// one object on stdout; a wrong option gives 2, `--help` 0.
pub fn launch<A, F>(program: &'static str, about: &'static str, main: impl FnOnce(A) -> F) -> ExitCode
where
    A: Args + AsRef<CommonArgs>,
    F: Future<Output = Result<ExitCode, CommandError>>,
{
    // First of all: from here on, nothing secret can end up in a core dump.
    if let Err(error) = harden() {
        return fail(&error.into(), false);
    }
    let args: A = match parse(program, about, std::env::args_os().collect()) {
        Ok(args) => args,
        Err(code) => return code,
    };
    let json = args.as_ref().json;
    let ended = telemetry::init(args.as_ref(), program)
        .map_err(CommandError::from)
        .and_then(|()| block_on(main(args)));
    ended.unwrap_or_else(|error| fail(&error, json))
}

/// Reads argv and environment; an exit code if that is all there is to do.
fn parse<A: Args>(program: &'static str, about: &'static str, argv: Vec<OsString>) -> Result<A, ExitCode> {
    let command = Command::new(program).version(env!("CARGO_PKG_VERSION"));
    // The arguments bring a description of themselves; people want the program's.
    let command = A::augment_args(command).about(about).long_about(None);
    // Asked of argv itself, since something else in it may be wrong.
    let json = argv.iter().any(|argument| argument == "--json") || says_json(command.clone());
    let parsed = command.try_get_matches_from(argv).and_then(|matches| A::from_arg_matches(&matches));
    parsed.map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => told(&error),
        _ if json => fail(&misused(&error).with_next("--help lists the options"), true),
        _ => told(&error),
    })
}

/// Whether the environment asks for JSON.
fn says_json(command: Command) -> bool {
    let matches = command.ignore_errors(true).try_get_matches_from([""]);
    matches.is_ok_and(|matches| matches.get_flag("json"))
}

/// Lets `clap` say it, in colour if there is any.
fn told(error: &clap::Error) -> ExitCode {
    // There is nobody left to tell if the output is closed.
    let _ = error.print();
    u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn block_on(main: impl Future<Output = Result<ExitCode, CommandError>>) -> Result<ExitCode, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| NodeError::Environment(format!("the runtime: {error}")))?;
    let ended = runtime.block_on(main);
    // Whatever still blocks has had its deadline.
    runtime.shutdown_timeout(LAST_MOMENT);
    ended
}

/// Tells an error that keeps a program from going on, and gives its exit code.
fn fail(error: &CommandError, json: bool) -> ExitCode {
    // There is nobody left to tell if the output is closed.
    let _ = if json {
        writeln!(std::io::stdout(), "{}", json!({"ok": false, "error": error}))
    } else {
        writeln!(std::io::stderr(), "{error}")
    };
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_an_option_is_said_without_the_frills() {
        let refused = Command::new("x").try_get_matches_from(["x", "--nonsense"]).unwrap_err();
        let error = misused(&refused);
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().starts_with("✗ unexpected argument '--nonsense' found"), "{error}");
    }
}
