//! What is measured: each part takes turns with what it is compared to, so that both see the same machine.

pub(crate) mod growth;
pub(crate) mod messages;
pub(crate) mod others;
pub(crate) mod primitives;
pub(crate) mod queue;
pub(crate) mod setups;

mod line;

use std::time::Duration;

/// How thorough a run is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    /// How often each comparison is made.
    pub(crate) rounds: usize,
    /// How long each side of it takes.
    pub(crate) slice: Duration,
    /// Session set-ups in a round.
    pub(crate) setups: usize,
}

impl Effort {
    /// For numbers that are kept.
    pub(crate) const FULL: Self = Self { rounds: 7, slice: Duration::from_millis(700), setups: 60 };
    /// For a look.
    pub(crate) const QUICK: Self = Self { rounds: 3, slice: Duration::from_millis(400), setups: 30 };
}
