//! Single messages: one POST each, acknowledged, at several sizes and numbers of senders, ours and the floor in turns.

use serde::{Deserialize, Serialize};

use super::Effort;
use super::line::{Line, Sent, send_for};
use crate::failure::Failure;
use crate::stats::{Latencies, Percentiles, as_f64, median};
use crate::world::{Sender, World};

/// Ours and the floor, at one size and number of senders.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Comparison {
    /// Bytes of a text.
    pub(crate) size: usize,
    /// How many send at the same time.
    pub(crate) senders: usize,
    pub(crate) floor: Side,
    pub(crate) ours: Side,
    /// Messages/s of ours by the floor's, the median over the rounds.
    pub(crate) rate_ratio: f64,
    /// The median latency of ours by the floor's, the median over the rounds.
    pub(crate) p50_ratio: f64,
}

/// One of both.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Side {
    /// Messages/s, the median over the rounds.
    pub(crate) per_second: f64,
    /// Of all rounds together, in microseconds.
    pub(crate) latency: Percentiles,
    /// Processor time of both ends for a message, in microseconds; the median over the rounds.
    pub(crate) cpu_us: f64,
    /// Messages in all; each was checked.
    pub(crate) texts: u64,
}

/// Measures at one size and number of senders.
pub(crate) async fn compare(
    world: &mut World,
    sender: &Sender,
    (size, senders): (usize, usize),
    effort: Effort,
) -> Result<Comparison, Failure> {
    let sessions = sender.connect_many(senders).await?;
    let mut ours: Vec<_> = sessions.iter().map(|session| Line::session(sender, *session)).collect();
    let mut floor = Vec::new();
    for _ in 0..senders {
        floor.push(Line::floor(world).await?);
    }
    let (mut of_floor, mut of_ours) = (Rounds::default(), Rounds::default());
    // The first round warms up and is not counted.
    for round in 0..=effort.rounds {
        let before = world.cpu_with_floor().await?;
        let (lines, sent) = send_for(floor, size, effort.slice).await?;
        world.sent_to_floor += sent.texts;
        let cpu = world.cpu_with_floor().await? - before;
        if round > 0 {
            of_floor.add(&sent, cpu);
        }
        floor = lines;
        let before = world.cpu_with_peer().await?;
        let (lines, sent) = send_for(ours, size, effort.slice).await?;
        world.sent_to_peer += sent.texts;
        let cpu = world.cpu_with_peer().await? - before;
        if round > 0 {
            of_ours.add(&sent, cpu);
        }
        ours = lines;
    }
    sender.close(&sessions).await?;
    let ratio = |ours: &[f64], floor: &[f64]| {
        median(&ours.iter().zip(floor).map(|(ours, floor)| ours / floor).collect::<Vec<_>>())
    };
    Ok(Comparison {
        size,
        senders,
        rate_ratio: ratio(&of_ours.rates, &of_floor.rates),
        p50_ratio: ratio(&of_ours.p50s, &of_floor.p50s),
        floor: of_floor.side(),
        ours: of_ours.side(),
    })
}

#[derive(Default)]
struct Rounds {
    rates: Vec<f64>,
    p50s: Vec<f64>,
    cpu_us: Vec<f64>,
    latencies: Latencies,
    texts: u64,
}

impl Rounds {
    fn add(&mut self, sent: &Sent, cpu_us: f64) {
        self.rates.push(as_f64(sent.texts) / sent.took.as_secs_f64());
        self.p50s.push(sent.latencies.percentiles().p50);
        self.cpu_us.push(cpu_us / as_f64(sent.texts.max(1)));
        self.latencies.add(&sent.latencies);
        self.texts += sent.texts;
    }

    fn side(&self) -> Side {
        Side {
            per_second: median(&self.rates),
            latency: self.latencies.percentiles(),
            cpu_us: median(&self.cpu_us),
            texts: self.texts,
        }
    }
}
