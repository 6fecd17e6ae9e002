//! Requests that have come in: who has asked before, who waits for an answer, and what the answer was.
//!
//! A request's answer is kept by the hash of its bytes, so that the same bytes get the same answer for as
//! long as the request is good and has led to no key exchange; other bytes with a nonce that has been seen are a replay. What one peer can
//! fill is bounded, so that it takes no room from the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::kdf::sha256;
use a2a_core::crypto::signature::KeyId;
use a2a_core::handshake::responder::PendingRequest;
use a2a_core::time::{CLOCK_SKEW, UnixTime};
use a2a_core::wire::Hex;
use axum::body::Bytes;
use tokio::sync::watch;

use super::refusals::replayed;
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
    /// Of each peer, and until when.
    nonces: HashMap<KeyId, HashMap<Hex<32>, UnixTime>>,
    /// Who waits for a person.
    waiting: Vec<AgentId>,
    /// This agent's certificate as JSON, the last that was in an answer.
    certificate: Bytes,
}

#[derive(Debug)]
struct Entry {
    answer: Kept,
    forget_at: UnixTime,
}

/// The answer to a request, kept for its repetition.
#[derive(Debug)]
enum Kept {
    Promised(Answer),
    Given(Box<Result<Parts, ApiError>>),
    /// The initiator has it, and has gone on: the same bytes are a replay.
    Used,
}

/// M2 with this agent's certificate cut out, which is most of it and the same in all of them.
#[derive(Debug)]
struct Parts {
    rest: Box<[u8]>,
    /// Where in the rest it belongs.
    at: usize,
    certificate: Bytes,
}

/// A verified request, as far as it matters here.
#[derive(Debug)]
pub(crate) struct Asked {
    peer: AgentId,
    key_id: KeyId,
    nonce: Hex<32>,
    /// From then on it is too old to come again.
    forget_at: UnixTime,
}

impl From<&PendingRequest> for Asked {
    fn from(pending: &PendingRequest) -> Self {
        let (peer, request) = (pending.peer(), pending.request());
        Self {
            peer: peer.agent_id().clone(),
            key_id: peer.key_id(),
            nonce: request.nonce,
            forget_at: request.expires.saturating_add(CLOCK_SKEW),
        }
    }
}

/// A verified request's way on.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// It has to be decided, and the answer put here.
    New(watch::Sender<Option<Outcome>>, Answer, Option<InLine>),
    /// It came at the same time as the same bytes: their answer is its answer.
    Known(Answer),
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
        self.lock().by_body.get(&sha256(&[body])).map(|entry| entry.answer.get())
    }

    /// Takes note of a verified request. If a person is to be asked, the peer is counted as waiting for as
    /// long as the [`InLine`] lives: one request a peer, a few in all.
    pub(crate) fn admit(
        self: &Arc<Self>,
        body: &[u8],
        Asked { peer, key_id, nonce, forget_at }: Asked,
        ask: bool,
    ) -> Result<Admitted, Refusal> {
        let body_hash = sha256(&[body]);
        let mut table = self.lock();
        if let Some(entry) = table.by_body.get(&body_hash) {
            return Ok(Admitted::Known(entry.answer.get()));
        }
        if table.by_body.len() >= MAX_REQUESTS || table.line_is_closed_to(&peer, ask) {
            return Err(Refusal::Busy);
        }
        let nonces = table.nonces.entry(key_id).or_default();
        if nonces.contains_key(&nonce) {
            return Err(Refusal::Replayed);
        }
        if nonces.len() >= MAX_REQUESTS_OF_PEER {
            return Err(Refusal::Busy);
        }
        nonces.insert(nonce, forget_at);
        let (sender, answer) = watch::channel(None);
        table.by_body.insert(body_hash, Entry { answer: Kept::Promised(answer.clone()), forget_at });
        let in_line = ask.then(|| {
            table.waiting.push(peer.clone());
            InLine { requests: self.clone(), peer }
        });
        Ok(Admitted::New(sender, answer, in_line))
    }

    /// The request with this body has got its answer, which is kept in little room. `certificate` is this agent's as JSON,
    /// as it is in an M2.
    pub(crate) fn answered(&self, body_hash: &[u8; 32], outcome: &Outcome, certificate: &[u8]) {
        let mut table = self.lock();
        if table.certificate != certificate {
            table.certificate = Bytes::copy_from_slice(certificate);
        }
        let shared = table.certificate.clone();
        if let Some(entry) = table.by_body.get_mut(body_hash) {
            let kept = outcome.as_ref().map(|answer| Parts::new(answer, shared)).map_err(ApiError::clone);
            entry.answer = Kept::Given(Box::new(kept));
        }
    }

    /// The key exchange that the answer to this request has led to has begun: nobody has to repeat the request any more.
    pub(crate) fn used(&self, body_hash: &[u8; 32]) {
        if let Some(entry) = self.lock().by_body.get_mut(body_hash) {
            entry.answer = Kept::Used;
        }
    }

    /// How many peers wait for a person.
    pub(crate) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// Forgets what can no longer come again.
    pub(crate) fn sweep(&self, now: UnixTime) {
        let mut table = self.lock();
        table.nonces.retain(|_, nonces| {
            nonces.retain(|_, forget_at| now <= *forget_at);
            !nonces.is_empty()
        });
        table.by_body.retain(|_, entry| now <= entry.forget_at);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn line_is_closed_to(&self, peer: &AgentId, ask: bool) -> bool {
        ask && (self.waiting.len() >= MAX_WAITING || self.waiting.contains(peer))
    }
}

impl Kept {
    fn get(&self) -> Answer {
        match self {
            Self::Promised(answer) => answer.clone(),
            Self::Given(outcome) => {
                let whole = outcome.as_ref().as_ref().map(Parts::whole).map_err(ApiError::clone);
                watch::channel(Some(whole)).1
            }
            Self::Used => watch::channel(Some(Err(replayed()))).1,
        }
    }
}

impl Parts {
    fn new(answer: &[u8], certificate: Bytes) -> Self {
        let found = answer.windows(certificate.len().max(1)).position(|window| *window == *certificate);
        match found {
            Some(at) => {
                let rest = [&answer[..at], &answer[at + certificate.len()..]].concat().into();
                Self { rest, at, certificate }
            }
            // It has been renewed meanwhile.
            None => Self { rest: answer.into(), at: 0, certificate: Bytes::new() },
        }
    }

    fn whole(&self) -> Bytes {
        let (before, after) = self.rest.split_at(self.at);
        [before, &self.certificate, after].concat().into()
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
/// And of one peer.
const MAX_REQUESTS_OF_PEER: usize = 10_000;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// A request of its own for each number, of a peer with this key.
    fn take_note(requests: &Arc<Requests>, key: u8, number: u32) -> Result<Admitted, Refusal> {
        let mut nonce = [key; 32];
        nonce[..4].copy_from_slice(&number.to_be_bytes());
        let (peer, key_id) = ("peer".parse().unwrap(), KeyId::from([key; 32]));
        requests.admit(&nonce, Asked { peer, key_id, nonce: nonce.into(), forget_at: NOW }, false)
    }

    #[test]
    fn what_is_remembered_is_bounded_for_each_peer_and_in_all_until_it_is_forgotten() {
        let requests = Arc::new(Requests::default());
        for key in 0..10 {
            for number in 0..10_000 {
                assert!(matches!(take_note(&requests, key, number), Ok(Admitted::New(..))), "{key} {number}");
            }
            assert_eq!(take_note(&requests, key, 10_000).unwrap_err(), Refusal::Busy);
            if key == 0 {
                assert!(matches!(take_note(&requests, key, 7), Ok(Admitted::Known(_))));
            }
        }
        assert_eq!(take_note(&requests, 10, 0).unwrap_err(), Refusal::Busy);
        requests.sweep(NOW);
        assert_eq!(take_note(&requests, 10, 0).unwrap_err(), Refusal::Busy);
        requests.sweep(NOW.saturating_add(std::time::Duration::from_secs(1)));
        assert!(take_note(&requests, 10, 0).is_ok() && take_note(&requests, 0, 10_000).is_ok());
    }

    #[test]
    fn an_answer_is_the_same_when_it_is_put_together_again() {
        for certificate in ["{c}", "{other}", ""] {
            for answer in ["{\"a\":{c},\"b\":1}", "{c}", "", "{}"] {
                let certificate = Bytes::copy_from_slice(certificate.as_bytes());
                let parts = Parts::new(answer.as_bytes(), certificate.clone());
                assert_eq!(parts.whole(), answer);
                let is_cut = certificate == "{c}" && answer.contains("{c}");
                assert_eq!(parts.rest.len() < answer.len(), is_cut);
            }
        }
    }
}
