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

mod results;
mod run;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

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
    /// Be the agent that receives; started by `run`
    #[command(hide = true)]
    Peer(agent::AgentArgs),
    /// Be the plain server that ours is compared with; started by `run`
    #[command(hide = true)]
    Floor,
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Run(args) => run::run(&args).await,
        Command::Peer(args) => agent::serve(&args).await,
        Command::Floor => floor::serve().await,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // There is nobody left to tell if the output is closed.
            let _ = writeln!(std::io::stderr(), "✗ {failure}");
            ExitCode::FAILURE
        }
    }
}
