//! `a2a-bench`: how fast real agents are, on loopback over real TLS, beside the fastest plain connection and the
//! primitives, in one run. Everything that is delivered is counted and checked.
//!
//! It is for measuring alone: no program of the others needs it, and `cargo test` runs no measurement. The primitives one
//! by one are measured by `cargo bench -p a2a-core`.

mod failure;
mod stats;
mod text;

mod process;

mod agent;
mod floor;
mod world;

mod measure;

mod criterion;
mod machine;
mod results;

mod bars;
mod plots;
mod tables;

mod progress;
mod report;
mod run;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::bars::Bar;
use crate::failure::Failure;
use crate::results::Results;

/// Measures agents that talk with each other.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Measure
    Run(run::RunArgs),
    /// Hold what a run has found against the bars; exit code 1 unless all hold
    Bars(BarsArgs),
    /// Be the agent that receives; started by `run`
    #[command(hide = true)]
    Peer(agent::AgentArgs),
    /// Be the plain server that ours is compared with; started by `run`
    #[command(hide = true)]
    Floor,
}

#[derive(Debug, Args)]
struct BarsArgs {
    /// Where `run --out` has written
    #[arg(value_name = "DIR")]
    from: PathBuf,
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Run(args) => run::run(&args).await,
        Command::Bars(args) => return hold(&args.from),
        Command::Peer(args) => agent::serve(&args).await,
        Command::Floor => floor::serve().await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => told(&failure),
    }
}

fn hold(from: &Path) -> ExitCode {
    let bars = match Results::read(from) {
        Ok(results) => bars::bars(&results),
        Err(failure) => return told(&failure),
    };
    // There is nobody left to tell if the output is closed.
    let _ = writeln!(std::io::stdout(), "{}", bars::table(tables::SCREEN, &bars));
    if bars.iter().all(Bar::holds) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn told(failure: &Failure) -> ExitCode {
    // There is nobody left to tell if the output is closed.
    let _ = writeln!(std::io::stderr(), "✗ {failure}");
    ExitCode::FAILURE
}
