//! A run: the parts one after the other, in one world, and what they have found.

use std::io::{self, Write};
use std::path::PathBuf;

use a2a_core::crypto::kx::Suite;
use clap::{Args, ValueEnum};

use crate::failure::{Failure, OrFail};
use crate::machine::Machine;
use crate::measure::primitives::Bench;
use crate::measure::{Effort, growth, messages, others, queue, setups};
use crate::progress::Progress;
use crate::results::Results;
use crate::world::World;
use crate::{criterion, report, tables};

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
    /// Up to so many live sessions, with commas between
    #[arg(long, value_delimiter = ',', default_values_t = [1, 10, 100, 1000, 10_000])]
    sessions: Vec<usize>,
    /// Only these suites, with commas between
    #[arg(long, value_delimiter = ',', default_values_t = Suite::ALL)]
    suites: Vec<Suite>,
    /// How many rounds, instead of the usual number
    #[arg(long)]
    rounds: Option<usize>,
    /// Where to write results.json, figures.md and plots
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Where criterion has left its estimates, to stand in the same report
    #[arg(long, value_name = "DIR")]
    criterion: Option<PathBuf>,
    /// Print the results as JSON
    #[arg(long)]
    json: bool,
}

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Single messages beside the floor
    Messages,
    /// A queue over one session, which batches by itself
    Queue,
    /// Session set-ups beside their primitives
    Setups,
    /// What people use instead
    Others,
    /// Growing numbers of live sessions
    Growth,
}

/// Measures, shows and writes.
pub(crate) async fn run(args: &RunArgs) -> Result<(), Failure> {
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let progress = Progress::start();
    let mut results = Results { machine: Machine::here(), ..Results::default() };
    let mut world = World::start().await?;
    if wanted(Part::Messages) {
        args.messages(&mut world, &mut results, &progress).await?;
    }
    if wanted(Part::Queue) {
        args.queue(&mut world, &mut results, &progress).await?;
    }
    if wanted(Part::Setups) {
        args.setups(&mut world, &mut results, &progress).await?;
    }
    if wanted(Part::Others) {
        args.others(&mut world, &mut results, &progress).await?;
    }
    world.check().await?;
    drop(world);
    if wanted(Part::Growth) {
        let (mut fresh, mut lone) = (World::start().await?, World::start().await?);
        let (worlds, tell) = ((&mut fresh, &mut lone), |what: &str| progress.tell(what));
        results.growth = growth::measure(worlds, &args.sessions, args.effort(), &tell).await?;
    }
    progress.end();
    results.criterion = args.criterion.as_deref().map(criterion::read).unwrap_or_default();
    if let Some(out) = &args.out {
        report::write(&results, out)?;
    }
    let shown = if args.json {
        serde_json::to_string(&results).or_fail(|| "the results".into())?
    } else {
        tables::all(&results, tables::SCREEN, |title| format!("\n{title}"))
    };
    writeln!(io::stdout(), "{shown}").or_fail(|| "the output".into())
}

impl RunArgs {
    fn effort(&self) -> Effort {
        let usual = if self.quick { Effort::QUICK } else { Effort::FULL };
        Effort { rounds: self.rounds.unwrap_or(usual.rounds), ..usual }
    }

    async fn messages(
        &self,
        world: &mut World,
        results: &mut Results,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let sender = world.sender(Vec::new()).await?;
        for size in &self.sizes {
            for senders in &self.senders {
                progress.tell(&format!("messages of {size} bytes, {senders} senders"));
                let compared = messages::compare(world, &sender, (*size, *senders), self.effort()).await?;
                results.messages.push(compared);
            }
        }
        Ok(())
    }

    async fn queue(
        &self,
        world: &mut World,
        results: &mut Results,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let (sender, bench) = (world.sender(Vec::new()).await?, Bench::new()?);
        for size in self.sizes.iter().filter(|size| **size <= QUEUED) {
            progress.tell(&format!("a queue of messages of {size} bytes"));
            results.queues.push(queue::measure(world, &sender, *size, &bench, self.effort()).await?);
        }
        Ok(())
    }

    async fn others(
        &self,
        world: &mut World,
        results: &mut Results,
        progress: &Progress,
    ) -> Result<(), Failure> {
        for senders in &self.senders {
            progress.tell(&format!("reqwest, {senders} senders"));
            results.clients.push(others::client(world, *senders, self.effort()).await?);
        }
        progress.tell("Noise and Olm");
        results.libraries = others::libraries()?;
        Ok(())
    }

    async fn setups(
        &self,
        world: &mut World,
        results: &mut Results,
        progress: &Progress,
    ) -> Result<(), Failure> {
        let bench = Bench::new()?;
        for suite in &self.suites {
            progress.tell(&format!("set-ups with {suite}"));
            let mut senders = Vec::new();
            for _ in 0..SENDERS_A_SUITE {
                senders.push(world.sender(vec![*suite]).await?);
            }
            let measured = setups::measure(world, (*suite, &senders), &bench, self.effort()).await?;
            results.setups.push(measured.0);
            results.primitives = Some(measured.1);
        }
        Ok(())
    }
}

/// Agents that set up sessions at the same time.
const SENDERS_A_SUITE: usize = 4;
/// Larger texts are not queued: each fills a body.
const QUEUED: usize = 16 * 1024;
