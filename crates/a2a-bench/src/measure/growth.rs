//! From one live session to ten thousand: what each takes in memory, and whether a message costs more among many.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::Effort;
use super::line::Line;
use crate::failure::Failure;
use crate::stats::{as_f64, median};
use crate::world::{Sender, World, joined};

/// With so many live sessions at one agent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Level {
    pub(crate) sessions: usize,
    /// The agent's resident memory, in KiB.
    pub(crate) resident_kib: u64,
    /// What each session beyond those of the level before has added, in bytes; 0 at the first level. The first sessions
    /// bring connections, threads and caches with them, which the later ones share.
    pub(crate) bytes_by_session: f64,
    /// Processor time of both ends for a message of 1 KiB, over one session after the other, in microseconds.
    pub(crate) cpu_us: f64,
    /// The same at an agent that has one session and no other, in the same rounds.
    pub(crate) lone_cpu_us: f64,
    /// The former by the latter, the median over the rounds.
    pub(crate) cost_ratio: f64,
    /// Set-ups/s on the way here, several at a time.
    pub(crate) setups_per_second: f64,
}

/// Measures at each of these numbers of sessions, which grow. The worlds are to be fresh ones.
pub(crate) async fn measure(
    (world, lone): (&mut World, &mut World),
    counts: &[usize],
    effort: Effort,
    tell: &(dyn Fn(&str) + Sync),
) -> Result<Vec<Level>, Failure> {
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        senders.push(world.sender(Vec::new()).await?);
    }
    let mut grown = Lines { all: Vec::new(), world };
    let sender = lone.sender(Vec::new()).await?;
    let mut lone = Lines { all: vec![Line::session(&sender, sender.connect().await?)], world: lone };
    let mut levels: Vec<Level> = Vec::new();
    for count in counts {
        tell(&format!("{count} live sessions"));
        let setups_per_second = grown.grow(&senders, *count).await?;
        let (mut costs, mut lone_costs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        // The first round warms up and is not counted.
        for round in 0..=effort.rounds {
            let (one, among_all) = (lone.cost(effort.slice).await?, grown.cost(effort.slice).await?);
            if round > 0 {
                costs.push(among_all);
                lone_costs.push(one);
                ratios.push(among_all / one);
            }
        }
        let resident_kib = grown.world.peer.account(grown.world.sent_to_peer).await?.resident_kib;
        levels.push(Level {
            sessions: *count,
            resident_kib,
            bytes_by_session: levels.last().map_or(0.0, |before| before.bytes_each(*count, resident_kib)),
            cpu_us: median(&costs),
            lone_cpu_us: median(&lone_costs),
            cost_ratio: median(&ratios),
            setups_per_second,
        });
    }
    grown.world.check().await?;
    Ok(levels)
}

impl Level {
    /// What each session beyond these takes, in bytes, if so many have so much resident.
    fn bytes_each(&self, sessions: usize, resident_kib: u64) -> f64 {
        let more = sessions.saturating_sub(self.sessions).max(1);
        as_f64(resident_kib.saturating_sub(self.resident_kib)) * 1024.0 / as_f64(more as u64)
    }
}

/// Sessions with the agent of one world.
struct Lines<'a> {
    all: Vec<Line>,
    world: &'a mut World,
}

impl Lines<'_> {
    /// Sets up sessions until there are so many; at which rate.
    async fn grow(&mut self, senders: &[Sender], count: usize) -> Result<f64, Failure> {
        let missing = count.saturating_sub(self.all.len());
        let began = Instant::now();
        let mut connecting = JoinSet::new();
        for (index, sender) in senders.iter().cloned().enumerate() {
            let of_sender = missing / SENDERS + usize::from(index < missing % SENDERS);
            connecting.spawn(async move { Ok((sender.connect_many(of_sender).await?, sender)) });
        }
        while let Some(ended) = connecting.join_next().await {
            let (sessions, sender) = joined(Some(ended))?;
            self.all.extend(sessions.iter().map(|session| Line::session(&sender, *session)));
        }
        self.world.check().await?;
        Ok(as_f64(missing as u64) / began.elapsed().as_secs_f64())
    }

    /// What a message costs both ends, in microseconds: over one session after the other, for a while and at least once
    /// over each.
    async fn cost(&mut self, length: Duration) -> Result<f64, Failure> {
        let before = self.world.cpu_with_peer().await?;
        let (began, mut texts) = (Instant::now(), 0);
        while began.elapsed() < length {
            for line in &mut self.all {
                line.send(SIZE).await?;
            }
            texts += self.all.len() as u64;
        }
        self.world.sent_to_peer += texts;
        Ok((self.world.cpu_with_peer().await? - before) / as_f64(texts.max(1)))
    }
}

/// One agent may have 1024 sessions at another.
const SENDERS: usize = 12;
const SIZE: usize = 1024;
