//! What a man inside TLS does who wants to confuse two agents that talk: he holds calls back until others have passed them,
//! lets calls go twice, and loses answers.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fastrand::Rng;

use crate::mallory::SEND;
use crate::man::{Call, Man};
use crate::raw::{Raw, Reply};

/// What he has done.
#[derive(Debug, Default)]
pub struct Deeds {
    /// Calls that arrived after later ones.
    pub held: AtomicUsize,
    /// Calls that arrived twice.
    pub doubled: AtomicUsize,
    /// Answers that did not.
    pub lost: AtomicUsize,
}

struct Mischief {
    behind: SocketAddr,
    raw: Raw,
    deeds: Arc<Deeds>,
    state: Mutex<State>,
}

struct State {
    chance: Rng,
    /// How many calls go first, and the one that waits for them.
    held: Vec<(u64, Call)>,
    /// How many answers in a row are still to be lost.
    silent_for: u64,
}

/// What becomes of a call.
enum Deed {
    Pass,
    Hold,
    Double,
    Lose,
}

/// From now on he makes mischief before whoever listens there.
pub fn make(man: &Man, behind: SocketAddr, chance: Rng) -> Arc<Deeds> {
    let deeds = Arc::<Deeds>::default();
    let state = Mutex::new(State { chance, held: Vec::new(), silent_for: 0 });
    let mischief = Arc::new(Mischief { behind, raw: Raw::default(), deeds: deeds.clone(), state });
    man.relay(move |call| {
        let mischief = mischief.clone();
        async move { mischief.relay(call).await }
    });
    deeds
}

impl Mischief {
    async fn relay(&self, call: Call) -> Reply {
        let (deed, no_answer, overtaken) = self.lock().decide(&call);
        let reply = match deed {
            Deed::Pass => self.forward(&call).await,
            Deed::Hold => {
                self.deeds.held.fetch_add(1, Ordering::Relaxed);
                no_answer
            }
            Deed::Double => {
                self.deeds.doubled.fetch_add(1, Ordering::Relaxed);
                let (_, second) = tokio::join!(self.forward(&call), self.forward(&call));
                second
            }
            Deed::Lose => {
                self.deeds.lost.fetch_add(1, Ordering::Relaxed);
                self.forward(&call).await;
                no_answer
            }
        };
        for call in overtaken {
            self.forward(&call).await;
        }
        reply
    }

    async fn forward(&self, call: &Call) -> Reply {
        let body = (call.method == "POST").then(|| call.body.clone());
        let reply = self.raw.attempt(self.behind, &call.path, &call.content_type, body).await;
        reply.unwrap_or_else(Reply::cut)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// What becomes of this call, what is answered if not the truth, and which calls go after it.
    fn decide(&mut self, call: &Call) -> (Deed, Reply, Vec<Call>) {
        for (first, _) in &mut self.held {
            *first -= 1;
        }
        let overtaken = self.held.extract_if(.., |(first, _)| *first == 0).map(|(_, call)| call).collect();
        let deed = self.deed(call);
        if let Deed::Hold = deed {
            self.held.push((1 + self.chance.u64(..LONGEST_HOLD), call.clone()));
        }
        let no_answer = if self.chance.bool() { Reply::cut() } else { Reply::lost() };
        (deed, no_answer, overtaken)
    }

    fn deed(&mut self, call: &Call) -> Deed {
        if self.silent_for > 0 {
            self.silent_for -= 1;
            return Deed::Lose;
        }
        // A set-up consists of several calls, and mostly comes to its end.
        let odds = if call.path == SEND { 4 } else { 16 };
        if call.method != "POST" || self.chance.u64(..odds) != 0 {
            return Deed::Pass;
        }
        match self.chance.u64(..10) {
            0..3 => Deed::Hold,
            3..6 => Deed::Double,
            6..9 => Deed::Lose,
            _ => {
                self.silent_for = SILENCE;
                Deed::Lose
            }
        }
    }
}

/// Calls that may go before one that is held.
const LONGEST_HOLD: u64 = 4;
/// More answers than an agent tries to get before it gives up.
const SILENCE: u64 = 5;
