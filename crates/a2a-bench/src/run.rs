//! A run: the parts one after the other, in one world, and what they have found.

use std::io::{self, Write};
use std::path::PathBuf;

use a2a_core::crypto::kx::Suite;
use clap::{Args, ValueEnum};

use crate::failure::{Failure, OrFail};
use crate::measure::primitives::Bench;
use crate::measure::{Effort, messages, setups};
use crate::results::{self, Results};
use crate::world::World;

/// What to measure.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// A short run, to look at; figures to keep come from a full one
    #[arg(long)]
    quick: bool,
    /// Only these parts, with commas between
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Only messages of these sizes in bytes, with commas between
    #[arg(long, value_delimiter = ',', default_values_t = [16, 1024, 16 * 1024, 1024 * 1024])]
    sizes: Vec<usize>,
    /// Only so many senders, with commas between
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64])]
    senders: Vec<usize>,
    /// Only these suites, with commas between
    #[arg(long, value_delimiter = ',', default_values_t = Suite::ALL)]
    suites: Vec<Suite>,
    /// How many rounds, instead of the usual number
    #[arg(long)]
    rounds: Option<usize>,
    /// Where to write results.json
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Single messages beside the floor
    Messages,
    /// Session set-ups beside their primitives
    Setups,
}

/// Measures, shows and writes.
pub(crate) async fn run(args: &RunArgs) -> Result<(), Failure> {
    let mut effort = if args.quick { Effort::QUICK } else { Effort::FULL };
    effort.rounds = args.rounds.unwrap_or(effort.rounds);
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let (mut world, mut results) = (World::start().await?, Results::default());
    if wanted(Part::Messages) {
        let sender = world.sender(Vec::new()).await?;
        for size in &args.sizes {
            for senders in &args.senders {
                tell(&format!("messages of {size} bytes, {senders} senders"));
                let compared = messages::compare(&mut world, &sender, (*size, *senders), effort).await?;
                results.messages.push(compared);
            }
        }
        show(&results::messages(&results.messages).to_string())?;
    }
    if wanted(Part::Setups) {
        let bench = Bench::new()?;
        for suite in &args.suites {
            tell(&format!("set-ups with {suite}"));
            let mut senders = Vec::new();
            for _ in 0..SENDERS_A_SUITE {
                senders.push(world.sender(vec![*suite]).await?);
            }
            let (measured, primitives) =
                setups::measure(&mut world, (*suite, &senders), &bench, effort).await?;
            results.setups.push(measured);
            results.primitives = Some(primitives);
        }
        show(&results::setups(&results.setups).to_string())?;
    }
    world.check().await?;
    if let Some(out) = &args.out {
        let written = serde_json::to_vec_pretty(&results).or_fail(|| "the results".into())?;
        std::fs::create_dir_all(out).or_fail(|| format!("{}", out.display()))?;
        std::fs::write(out.join("results.json"), written).or_fail(|| format!("{}", out.display()))?;
    }
    Ok(())
}

fn tell(what: &str) {
    // Nobody may be looking.
    let _ = writeln!(io::stderr(), "… {what}");
}

fn show(table: &str) -> Result<(), Failure> {
    writeln!(io::stdout(), "{table}").or_fail(|| "the output".into())
}

/// Agents that set up sessions at the same time.
const SENDERS_A_SUITE: usize = 4;
