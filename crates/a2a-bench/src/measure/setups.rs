//! Session set-ups: fetching and verifying the peer's certificate, request, consent by policy, key exchange.

use std::time::Instant;

use a2a_core::crypto::kx::Suite;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::Effort;
use super::line::{Line, send_for};
use super::primitives::{Bench, Primitives};
use crate::failure::Failure;
use crate::stats::{Latencies, Percentiles, as_f64, median};
use crate::world::{Sender, World, joined};

/// Set-ups with one suite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Setups {
    pub(crate) suite: Suite,
    /// The sum of the primitives that a set-up needs, both sides together, in microseconds.
    pub(crate) primitives_us: f64,
    /// The median of a message's way to the floor and back, in microseconds.
    pub(crate) round_trip_us: f64,
    /// One at a time, in microseconds.
    pub(crate) latency: Percentiles,
    /// Processor time of both sides for one, one at a time, in microseconds.
    pub(crate) cpu_us: f64,
    /// Several at a time.
    pub(crate) per_second: f64,
    /// Processor time of both sides for one of several, in microseconds.
    pub(crate) busy_cpu_us: f64,
    /// How many in all.
    pub(crate) count: u64,
}

/// Measures with one suite; the senders take part in no other.
pub(crate) async fn measure(
    world: &mut World,
    (suite, senders): (Suite, &[Sender]),
    bench: &Bench,
    effort: Effort,
) -> Result<(Setups, Primitives), Failure> {
    let mut rounds = Rounds::default();
    let mut floor = vec![Line::floor(world).await?];
    for round in 0..=effort.rounds {
        let (lines, sent) = send_for(floor, 1024, effort.slice / 4).await?;
        floor = lines;
        world.sent_to_floor += sent.texts;
        let primitives = bench.measure()?;
        let mut this = Round { trip_us: sent.latencies.percentiles().p50, ..Round::default() };
        this.one_at_a_time(world, &senders[0], effort.setups).await?;
        this.several(world, senders, effort.setups * 2).await?;
        // The first round warms up and is not counted.
        if round > 0 {
            rounds.add(this, primitives);
        }
    }
    world.check().await?;
    let primitives = Primitives::medians(&rounds.primitives);
    let of = |pick: fn(&Round) -> f64| median(&rounds.all.iter().map(pick).collect::<Vec<_>>());
    let setups = Setups {
        suite,
        primitives_us: primitives.of_setup(suite),
        round_trip_us: of(|round| round.trip_us),
        latency: rounds.latencies.percentiles(),
        cpu_us: of(|round| round.cpu_us),
        per_second: of(|round| round.per_second),
        busy_cpu_us: of(|round| round.busy_cpu_us),
        count: rounds.all.iter().map(|round| round.count).sum(),
    };
    Ok((setups, primitives))
}

#[derive(Default)]
struct Rounds {
    all: Vec<Round>,
    primitives: Vec<Primitives>,
    latencies: Latencies,
}

#[derive(Default)]
struct Round {
    trip_us: f64,
    latencies: Latencies,
    cpu_us: f64,
    per_second: f64,
    busy_cpu_us: f64,
    count: u64,
}

impl Rounds {
    fn add(&mut self, round: Round, primitives: Primitives) {
        self.latencies.add(&round.latencies);
        self.primitives.push(primitives);
        self.all.push(round);
    }
}

impl Round {
    async fn one_at_a_time(
        &mut self,
        world: &mut World,
        sender: &Sender,
        count: usize,
    ) -> Result<(), Failure> {
        let (mut sessions, before) = (Vec::with_capacity(count), world.cpu_with_peer().await?);
        for _ in 0..count {
            let began = Instant::now();
            sessions.push(sender.connect().await?);
            self.latencies.record(began.elapsed());
        }
        self.cpu_us = (world.cpu_with_peer().await? - before) / as_f64(count as u64);
        self.count += count as u64;
        sender.close(&sessions).await
    }

    async fn several(&mut self, world: &mut World, senders: &[Sender], count: usize) -> Result<(), Failure> {
        let each = count.div_ceil(senders.len());
        let count = as_f64((each * senders.len()) as u64);
        let (before, began) = (world.cpu_with_peer().await?, Instant::now());
        let mut connecting = JoinSet::new();
        for sender in senders.iter().cloned() {
            connecting.spawn(async move { Ok((sender.connect_many(each).await?, sender)) });
        }
        let mut connected = Vec::new();
        while let Some(ended) = connecting.join_next().await {
            connected.push(joined(Some(ended))?);
        }
        self.per_second = count / began.elapsed().as_secs_f64();
        self.busy_cpu_us = (world.cpu_with_peer().await? - before) / count;
        self.count += (each * senders.len()) as u64;
        for (sessions, sender) in connected {
            sender.close(&sessions).await?;
        }
        Ok(())
    }
}
