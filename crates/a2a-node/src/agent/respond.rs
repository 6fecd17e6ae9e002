//! The asked side: what the endpoints do. The routes translate; this decides.

use std::future::poll_fn;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use a2a_core::certificate::verify::CertificateError;
use a2a_core::crypto::kdf::sha256;
use a2a_core::handshake::Step;
use a2a_core::handshake::messages::{DecidedBy, KeyExchange, KeyExchangeFinish, KeyExchangeInit, Request};
use a2a_core::handshake::responder::{EstablishError, PendingRequest};
use a2a_core::session::{Ack, Close, CloseReason, Frame, FrameType, SessionError};
use axum::body::Bytes;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::task::JoinError;

use super::AgentNode;
use super::channel::Received;
use super::consent::{Admitted, Answer, Asked, InLine, Refusal};
use super::refusals::{
    bad_frame, busy, from_handshake, handshake_failed, looks_like_a_guess, not_ready, out_of_order, replayed,
    stale, unknown_session, wrong_state,
};
use super::report::CloseCause;
use super::sessions::{Entry, Replied, Stage};
use super::upkeep::check_still_good;
use crate::args::Accept;
use crate::event::{ConsentRequest, Event};
use crate::http::{ApiError, Rate};
use crate::metrics::{Outcome, Role};

impl AgentNode {
    /// M1: checked in full before anyone is asked. `None` means that the answer is still pending.
    pub(crate) async fn answer_request(
        &self,
        request: Request,
        body: &Bytes,
        source: IpAddr,
    ) -> Result<Option<Bytes>, ApiError> {
        if let Some(answer) = self.state.requests.known(body) {
            return held(answer).await;
        }
        self.state.limits.admit(source)?;
        self.learn_issuer(&request.certificate).await;
        let now = self.state.clock.now();
        let (credential, verifier) =
            self.state.identity.credential(now).map_err(|error| not_ready(&error))?;
        if request.timestamp < self.state.takes_requests_from {
            return Err(stale());
        }
        let pending = PendingRequest::verify(credential, &verifier, request, now).map_err(|error| {
            if looks_like_a_guess(&error) {
                self.state.limits.penalise(source);
            }
            from_handshake(&error)
        })?;
        let answer = self.admit(pending, body)?;
        held(answer).await
    }

    /// Takes note of a verified request and lets policy or a person decide, in a task of its own: an
    /// initiator that goes away and comes back finds its answer.
    fn admit(&self, pending: PendingRequest, body: &Bytes) -> Result<Answer, ApiError> {
        let policy = match &self.state.config.accept {
            Accept::Ask => None,
            Accept::All => Some((true, DecidedBy::PolicyAll)),
            Accept::None => Some((false, DecidedBy::PolicyNone)),
            Accept::Only(ids) => Some((ids.contains(pending.peer().agent_id()), DecidedBy::PolicyList)),
        };
        let admitted = self.state.requests.admit(body, Asked::from(&pending), policy.is_none());
        let (answer, promised, in_line) = match admitted {
            Ok(Admitted::New(answer, promised, in_line)) => (answer, promised, in_line),
            Ok(Admitted::Known(promised)) => return Ok(promised),
            Err(Refusal::Replayed) => return Err(replayed()),
            Err(Refusal::Busy) => return Err(busy()),
        };
        let (node, body_hash) = (self.clone(), sha256(&[body]));
        tokio::spawn(async move {
            let (yes, by) = match policy {
                Some(decided) => decided,
                None => node.ask_operator(&pending, in_line).await,
            };
            let outcome = node.decide(pending, &body_hash, yes, by).await;
            let certificate = node.certificate().and_then(|own| serde_json::to_vec(&own).ok());
            node.state.requests.answered(&body_hash, &outcome, &certificate.unwrap_or_default());
            answer.send_replace(Some(outcome));
        });
        Ok(promised)
    }

    /// Asks the person, for as long as a question may stand and its request is good.
    async fn ask_operator(&self, pending: &PendingRequest, _in_line: Option<InLine>) -> (bool, DecidedBy) {
        let (peer, request) = (pending.peer(), pending.request());
        let now = self.state.clock.now();
        let patience = self.state.config.consent_timeout.min(request.expires.since(now));
        let (answer, answered) = oneshot::channel();
        let question = ConsentRequest {
            request_id: request.request_id,
            agent_id: peer.agent_id().clone(),
            name: peer.name().to_string(),
            address: peer.address().clone(),
            key_id: peer.key_id(),
            purpose: request.purpose.to_string(),
            expires_at: now.saturating_add(patience),
            answer,
        };
        self.tell(Event::ConsentWanted(question)).await;
        tokio::select! {
            answer = tokio::time::timeout(patience, answered) => {
                if let Ok(Ok(yes)) = answer {
                    return (yes, DecidedBy::Operator);
                }
            }
            () = self.revoked(peer) => {}
        }
        let (request_id, agent_id) = (request.request_id, peer.agent_id().clone());
        self.tell(Event::ConsentWithdrawn { request_id, agent_id }).await;
        (false, DecidedBy::PolicyTimeout)
    }

    /// Makes M2, and the session if the answer is yes.
    async fn decide(
        &self,
        pending: PendingRequest,
        body_hash: &[u8; 32],
        yes: bool,
        by: DecidedBy,
    ) -> Result<Bytes, ApiError> {
        let now = self.state.clock.now();
        let peer = pending.peer().clone();
        let (_, verifier) = self.state.identity.credential(now).map_err(|error| not_ready(&error))?;
        match check_still_good(&verifier, &peer, now) {
            Err(error) if yes || error == CertificateError::Revoked => {
                return Err(from_handshake(&error.into()));
            }
            _ => {}
        }
        tracing::info!(peer = %peer.agent_id(), accepted = yes, ?by, "request decided");
        if !yes {
            let rejected = self.state.pool.run(move || pending.reject(by, now)).await;
            return json(&rejected.map_err(ApiError::internal)?.map_err(ApiError::internal)?);
        }
        let accepted = self.state.pool.run(move || pending.accept(by, PENDING_PATIENCE, now)).await;
        let Step { next, message } = accepted.map_err(ApiError::internal)?.map_err(ApiError::internal)?;
        let identity = (next.session_id(), next.suite(), peer);
        let times = (now, next.expires());
        let stage = Stage::AwaitInit { state: Box::new(next), request: *body_hash };
        let entry = Entry::new(identity, false, stage, times);
        // Held until it is told: the person does not hear of its end before.
        let _untold = entry.stage.lock().await;
        self.add_session(&entry).map_err(|_| busy())?;
        if self.is_void(&[&entry.peer]) {
            // A list that came before the session was in the table has not ended it.
            self.state.sessions.remove(entry.session_id);
            return Err(handshake_failed());
        }
        self.tell(Event::SessionCreated(entry.report())).await;
        json(&message)
    }

    /// M3 or M5. The same bytes get the same answer; a message that is not due changes nothing. Runs to its
    /// end even if the sender goes away meanwhile, so that a broken connection cannot leave the set-up
    /// half-way.
    pub(crate) async fn answer_key_exchange(
        &self,
        message: KeyExchange,
        body: &Bytes,
    ) -> Result<Bytes, ApiError> {
        let session_id = match &message {
            KeyExchange::Init(init) => init.session_id,
            KeyExchange::Finish(finish) => finish.session_id,
        };
        let entry = self.state.sessions.get(session_id).ok_or_else(unknown_session)?;
        let (node, body_hash) = (self.clone(), sha256(&[body]));
        let answering = tokio::spawn(async move {
            match message {
                KeyExchange::Init(init) => node.answer_init(&entry, *init, body_hash).await,
                KeyExchange::Finish(finish) => node.answer_finish(&entry, *finish, body_hash).await,
            }
        });
        answering.await.map_err(ApiError::internal)?
    }

    async fn answer_init(
        &self,
        entry: &Arc<Entry>,
        init: KeyExchangeInit,
        body_hash: [u8; 32],
    ) -> Result<Bytes, ApiError> {
        let mut stage = entry.stage.lock().await;
        let (state, request) = match std::mem::replace(&mut *stage, Stage::Spent) {
            Stage::AwaitInit { state, request } => (state, request),
            Stage::AwaitFinish { init, state, began } if init.body_hash == body_hash => {
                let reply = init.reply.clone();
                *stage = Stage::AwaitFinish { init, state, began };
                return Ok(reply);
            }
            other => {
                *stage = other;
                return Err(wrong_state());
            }
        };
        let began = Instant::now();
        let authenticated = match state.authenticate(&init) {
            Ok(authenticated) => authenticated,
            Err(error) => {
                // A forgery costs the honest peer nothing: the state stays.
                *stage = Stage::AwaitInit { state, request };
                return Err(from_handshake(&error));
            }
        };
        let keys = self.state.ephemeral.responder.clone();
        let reply = move || {
            let suite = state.suite();
            // No keys for one that they cannot be used with.
            authenticated.check_share(suite)?;
            state.reply(authenticated, keys.take(suite)?)
        };
        let replied = self.state.pool.run(reply).await;
        match replied.map_err(ApiError::internal)? {
            Ok(Step { next, message }) => {
                let reply = json(&message)?;
                let init = Replied { body_hash, reply: reply.clone() };
                self.state.requests.used(&request);
                *stage = Stage::AwaitFinish { state: Box::new(next), init, began };
                Ok(reply)
            }
            Err(error) => {
                drop(stage);
                self.count_handshake(entry, Role::Responder, Outcome::Failed, began);
                self.end(entry, CloseCause::Lost, 0).await;
                Err(from_handshake(&error))
            }
        }
    }

    async fn answer_finish(
        &self,
        entry: &Arc<Entry>,
        finish: KeyExchangeFinish,
        body_hash: [u8; 32],
    ) -> Result<Bytes, ApiError> {
        let mut stage = entry.stage.lock().await;
        let (state, init, began) = match std::mem::replace(&mut *stage, Stage::Spent) {
            Stage::AwaitFinish { state, init, began } => (state, init, began),
            Stage::Established { finish: Some(finish) } if finish.body_hash == body_hash => {
                let reply = finish.reply.clone();
                *stage = Stage::Established { finish: Some(finish) };
                return Ok(reply);
            }
            other => {
                *stage = other;
                return Err(wrong_state());
            }
        };
        let authenticated = match state.authenticate(&finish) {
            Ok(authenticated) => authenticated,
            Err(error) => {
                *stage = Stage::AwaitFinish { state, init, began };
                return Err(from_handshake(&error));
            }
        };
        let (policy, now) = (self.state.rekey_policy, self.state.clock.now());
        match state.establish(authenticated, policy, now) {
            Ok(Step { next: session, message }) => {
                let reply = json(&message)?;
                if entry.is_over() {
                    return Err(unknown_session());
                }
                let finish = Some(Replied { body_hash, reply: reply.clone() });
                self.open_channel(entry, session).map_err(ApiError::internal)?;
                *stage = Stage::Established { finish };
                self.count_handshake(entry, Role::Responder, Outcome::Done, began);
                self.state.ephemeral.responder.refill(entry.suite, &self.state.pool);
                // The stage is held until this is told: the person does not hear of the end before.
                self.tell(Event::SessionEstablished(entry.report())).await;
                Ok(reply)
            }
            Err(error) => {
                drop(stage);
                self.count_handshake(entry, Role::Responder, Outcome::Failed, began);
                self.end(entry, CloseCause::Lost, 0).await;
                Err(match error {
                    EstablishError::Handshake(error) => from_handshake(&error),
                    EstablishError::Session(_) => handshake_failed(),
                })
            }
        }
    }

    /// Frames of one session, in their order. Runs to its end even if the sender goes away meanwhile.
    pub(crate) async fn answer_frames(&self, frames: Vec<Frame>) -> Result<Ack, ApiError> {
        let Some(last) = frames.last() else { return Err(bad_frame()) };
        if last.frame_type == FrameType::Close
            && let Some(ack) = self.state.closed.repeated(last.session_id, last)
        {
            return Ok(ack);
        }
        let entry = self.state.sessions.get(last.session_id).ok_or_else(unknown_session)?;
        let node = self.clone();
        carried_through(async move { node.receive(&entry, frames).await })
            .await
            .map_err(ApiError::internal)?
    }

    async fn receive(&self, entry: &Arc<Entry>, frames: Vec<Frame>) -> Result<Ack, ApiError> {
        let channel = entry.channel.get().ok_or_else(wrong_state)?;
        let last = frames.last().filter(|frame| frame.frame_type == FrameType::Close).cloned();
        match channel.receive(self, entry, frames).await {
            Ok(Received::Acknowledged(ack)) => Ok(ack),
            Ok(Received::Closed { ack, close, missing }) => {
                let now = self.state.clock.now();
                self.state.closed.remember(entry.session_id, last, ack.clone(), now);
                self.end(entry, cause_of(close), missing).await;
                Ok(ack)
            }
            Err(error) => {
                tracing::debug!(%error, session = %entry.session_id, "frame not taken");
                if error.is_fatal() {
                    self.end(entry, CloseCause::Lost, 0).await;
                }
                Err(match error {
                    SessionError::OutOfOrder { .. } => out_of_order(),
                    _ => bad_frame(),
                })
            }
        }
    }
}

/// Runs a future to its end even if whoever asked for it goes away meanwhile. It takes a task of its own only if it has to
/// wait, which most do not.
async fn carried_through<T: Send + 'static>(
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, JoinError> {
    let mut future = Box::pin(future);
    match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
        Poll::Ready(done) => Ok(done),
        Poll::Pending => tokio::spawn(future).await,
    }
}

fn cause_of(close: Close) -> CloseCause {
    match close.reason {
        CloseReason::Done | CloseReason::Shutdown => CloseCause::ClosedByPeer,
        CloseReason::Revoked => CloseCause::Revoked,
        CloseReason::Idle => CloseCause::Idle,
        CloseReason::Expired => CloseCause::Expired,
    }
}

/// Waits for an answer as long as a request may be held; `None` means that it is still pending.
async fn held(mut answer: Answer) -> Result<Option<Bytes>, ApiError> {
    match tokio::time::timeout(HOLD, answer.wait_for(Option::is_some)).await {
        Ok(Ok(outcome)) => outcome.clone().transpose(),
        Ok(Err(closed)) => Err(ApiError::internal(closed)),
        Err(_) => Ok(None),
    }
}

/// Answers are kept for retries, so they take no more room than they need.
fn json(message: &impl Serialize) -> Result<Bytes, ApiError> {
    let json = serde_json::to_vec(message).map_err(ApiError::internal)?;
    Ok(json.into_boxed_slice().into())
}

/// What one source may ask for: a request costs a fraction of a millisecond, and behind one address may be many agents.
pub(super) const REQUEST_RATE: Rate = Rate {
    per_second: NonZeroU32::new(1000).expect("1000 is not zero"),
    burst: NonZeroU32::new(5000).expect("5000 is not zero"),
};
/// How long the request for consent is held before it answers `pending`.
const HOLD: Duration = Duration::from_secs(25);
/// How long an accepted session waits for its key exchange.
const PENDING_PATIENCE: Duration = Duration::from_mins(10);
