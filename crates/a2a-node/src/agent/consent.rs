//! Requests that have come in: who has asked before, who waits for an answer, and what the answer was.
//!
//! A request's answer is kept by the hash of its bytes, so that the same bytes get the same answer for as long as the
//! request is good; other bytes with a nonce that has been seen are a replay.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::kdf::sha256;
use a2a_core::crypto::signature::KeyId;
use a2a_core::handshake::messages::Request;
use a2a_core::time::{CLOCK_SKEW, UnixTime};
use a2a_core::wire::Hex;
use axum::body::Bytes;
use tokio::sync::watch;

use crate::http::ApiError;

/// What a request has led to: M2 as JSON, or the error that kept it from being made.
pub(crate) type Outcome = Result<Bytes, ApiError>;
/// The outcome, once there is one.
pub(crate) type Answer = watch::Receiver<Option<Outcome>>;

/// All requests of the last minutes.
#[derive(Debug, Default)]
pub(crate) struct Requests(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    by_body: HashMap<[u8; 32], Entry>,
    nonces: HashMap<(KeyId, Hex<32>), UnixTime>,
    /// Who waits for a person.
    waiting: Vec<AgentId>,
}

#[derive(Debug)]
struct Entry {
    answer: Answer,
    forget_at: UnixTime,
}

/// Why a request is not even considered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its nonce has been used.
    Replayed,
    /// The peer has a request waiting, or too many peers have.
    Busy,
}

impl Requests {
    /// The answer (or the promise of one) to the request with this body, if it has come before.
    pub(crate) fn known(&self, body: &[u8]) -> Option<Answer> {
        self.lock().by_body.get(&sha256(&[body])).map(|entry| entry.answer.clone())
    }

    /// Takes note of a verified request, and gives the place where its answer is to be put.
    pub(crate) fn admit(
        &self,
        body: &[u8],
        key_id: KeyId,
        request: &Request,
        keep: Duration,
    ) -> Result<watch::Sender<Option<Outcome>>, Refusal> {
        let mut table = self.lock();
        let forget_at = request.expires.saturating_add(CLOCK_SKEW);
        if table.nonces.len() >= MAX_REQUESTS {
            return Err(Refusal::Busy);
        }
        if table.nonces.insert((key_id, request.nonce), forget_at).is_some() {
            return Err(Refusal::Replayed);
        }
        let (sender, answer) = watch::channel(None);
        let forget_at = forget_at.saturating_add(keep);
        table.by_body.insert(sha256(&[body]), Entry { answer, forget_at });
        Ok(sender)
    }

    /// Counts a peer as waiting for a person, for as long as the returned value lives: one request a peer, a few in all.
    pub(crate) fn wait_in_line(self: &Arc<Self>, peer: &AgentId) -> Result<InLine, Refusal> {
        let mut table = self.lock();
        if table.waiting.len() >= MAX_WAITING || table.waiting.contains(peer) {
            return Err(Refusal::Busy);
        }
        table.waiting.push(peer.clone());
        Ok(InLine { requests: self.clone(), peer: peer.clone() })
    }

    /// How many peers wait for a person.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Forgets what can no longer come again.
    pub(crate) fn sweep(&self, now: UnixTime) {
        let mut table = self.lock();
        table.nonces.retain(|_, forget_at| now <= *forget_at);
        table.by_body.retain(|_, entry| now <= entry.forget_at);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the line before a person.
#[derive(Debug)]
pub(crate) struct InLine {
    requests: Arc<Requests>,
    peer: AgentId,
}

impl Drop for InLine {
    fn drop(&mut self) {
        self.requests.lock().waiting.retain(|waiting| waiting != &self.peer);
    }
}

/// Requests that may wait for a person at the same time.
const MAX_WAITING: usize = 5;
/// Requests that are remembered: far more than an honest neighbourhood makes in three minutes.
const MAX_REQUESTS: usize = 100_000;
