//! A queue of messages over one session, which its frames leave in batches of their own making, beside the floor: one POST
//! a message, and the same bytes in the same batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::Effort;
use super::line::{Line, send_for};
use super::primitives::Bench;
use crate::failure::{Failure, OrFail};
use crate::floor::Connection;
use crate::stats::{as_f64, divided, median};
use crate::text::{self, line_of};
use crate::world::{Sender, World};

/// Ours and the floor, one sender each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Queue {
    /// Bytes of a text.
    pub(crate) size: usize,
    /// Texts in a body of ours, on average; the floor's bodies have as many.
    pub(crate) batch: usize,
    /// Ours, in messages/s.
    pub(crate) ours: f64,
    /// The floor in batches.
    pub(crate) floor_batched: f64,
    /// The floor with one POST a message.
    pub(crate) floor_single: f64,
    /// Ours by the floor in batches, the median over the rounds; and so on.
    pub(crate) batched_ratio: f64,
    /// Ours by the floor with one POST a message.
    pub(crate) single_ratio: f64,
    /// Processor time of both ends for a message, in microseconds.
    pub(crate) cpu_us: f64,
    /// The floor's, in batches.
    pub(crate) floor_cpu_us: f64,
    /// Sealing and opening such a text with AES-256-GCM alone, in microseconds.
    pub(crate) aead_us: f64,
    /// Ours by that, the median over the rounds.
    pub(crate) aead_ratio: f64,
    /// Messages of ours in all; each was acknowledged and checked.
    pub(crate) texts: u64,
}

/// Measures at one size.
pub(crate) async fn measure(
    world: &mut World,
    sender: &Sender,
    size: usize,
    bench: &Bench,
    effort: Effort,
) -> Result<Queue, Failure> {
    let session = sender.connect().await?;
    let ours = Ours { sender, session, place: Arc::default(), size };
    let mut floor = Batches {
        connection: Connection::open(&world.floor_at).await?,
        line: world.next_line(),
        place: 0,
        size,
    };
    let mut single = vec![Line::floor(world).await?];
    let requests = world.requests_at_peer().await?;
    let warm = ours.send_for(world, effort).await?;
    let requests = world.requests_at_peer().await? - requests;
    let batch =
        usize::try_from(divided(warm.texts, requests)).unwrap_or(usize::MAX).clamp(1, MAX_BODY / size);
    floor.send_for(world, batch, effort).await?;
    let mut rounds = Vec::new();
    for _ in 0..effort.rounds {
        let of_ours = ours.send_for(world, effort).await?;
        let of_floor = floor.send_for(world, batch, effort).await?;
        let (lines, sent) = send_for(single, size, effort.slice / 2).await?;
        single = lines;
        world.sent_to_floor += sent.texts;
        let aead_us = bench.seal_and_open(size)?;
        let single = as_f64(sent.texts) / sent.took.as_secs_f64();
        rounds.push(Round { ours: of_ours, floor: of_floor, single, aead_us });
    }
    world.check().await?;
    sender.close(&[session]).await?;
    let of = |pick: fn(&Round) -> f64| median(&rounds.iter().map(pick).collect::<Vec<_>>());
    Ok(Queue {
        size,
        batch,
        ours: of(|round| round.ours.per_second),
        floor_batched: of(|round| round.floor.per_second),
        floor_single: of(|round| round.single),
        batched_ratio: of(|round| round.ours.per_second / round.floor.per_second),
        single_ratio: of(|round| round.ours.per_second / round.single),
        cpu_us: of(|round| round.ours.cpu_us),
        floor_cpu_us: of(|round| round.floor.cpu_us),
        aead_us: of(|round| round.aead_us),
        aead_ratio: of(|round| round.ours.cpu_us / round.aead_us),
        texts: rounds.iter().map(|round| round.ours.texts).sum(),
    })
}

struct Round {
    ours: Sent,
    floor: Sent,
    single: f64,
    aead_us: f64,
}

struct Sent {
    texts: u64,
    per_second: f64,
    cpu_us: f64,
}

/// A session of ours, and how many texts have gone over it.
struct Ours<'a> {
    sender: &'a Sender,
    session: uuid::Uuid,
    place: Arc<AtomicU32>,
    size: usize,
}

impl Ours<'_> {
    /// Texts for a while, taken one after the other as there is room; until all are acknowledged.
    async fn send_for(&self, world: &mut World, effort: Effort) -> Result<Sent, Failure> {
        let (line, size, place) = (line_of(self.session), self.size, Arc::clone(&self.place));
        let before = world.cpu_with_peer().await?;
        let began = Instant::now();
        let texts = std::iter::from_fn(move || {
            // Reading the clock for every text would be a part of what is measured.
            let is_time = !place.load(Ordering::Relaxed).is_multiple_of(64) || began.elapsed() < effort.slice;
            is_time.then(|| text::make(line, place.fetch_add(1, Ordering::Relaxed), size))
        });
        let sent = self.sender.node.send_all(self.session, texts).await;
        let texts = sent.or_fail(|| "a queue has not been delivered".into())?;
        let took = began.elapsed();
        world.sent_to_peer += texts;
        let cpu = world.cpu_with_peer().await? - before;
        Ok(Sent { texts, per_second: as_f64(texts) / took.as_secs_f64(), cpu_us: cpu / as_f64(texts.max(1)) })
    }
}

/// A connection to the floor, and how many texts have gone over it.
struct Batches {
    connection: Connection,
    line: u32,
    place: u32,
    size: usize,
}

impl Batches {
    /// Bodies of `batch` texts for a while, one after the other.
    async fn send_for(&mut self, world: &mut World, batch: usize, effort: Effort) -> Result<Sent, Failure> {
        let before = world.cpu_with_floor().await?;
        let (began, mut texts) = (Instant::now(), 0);
        while began.elapsed() < effort.slice {
            let mut body = String::with_capacity(batch * self.size);
            for _ in 0..batch {
                text::append(&mut body, self.line, self.place, self.size);
                self.place = self.place.wrapping_add(1);
            }
            self.connection.send(body, Some(self.size)).await?;
            texts += batch as u64;
        }
        let took = began.elapsed();
        world.sent_to_floor += texts;
        let cpu = world.cpu_with_floor().await? - before;
        Ok(Sent { texts, per_second: as_f64(texts) / took.as_secs_f64(), cpu_us: cpu / as_f64(texts.max(1)) })
    }
}

/// What the floor takes in one body.
const MAX_BODY: usize = a2a_core::wire::MAX_SEND_BODY;
