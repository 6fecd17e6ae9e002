//! An established session: what is sent and what is received, each behind its own lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use std::vec::IntoIter;

use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::verify::VerifiedCertificate;
use a2a_core::handshake::Credential;
use a2a_core::handshake::key_schedule::Role;
use a2a_core::session::{
    Ack, Close, Frame, FrameType, Opened, Opener, Rekey, RekeyStep, Session, SessionError, SessionInfo,
};
use a2a_core::time::UnixTime;
use a2a_core::wire::{self, MAX_CERTIFICATE};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::AgentNode;
use super::backlog::FramesWaiting;
use super::outbox::{Outbox, Outgoing};
use super::sessions::Entry;
use crate::client::peer::PeerClient;
use crate::error::NodeError;
use crate::event::ReceivedMessage;

/// An established session.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) info: SessionInfo,
    pub(crate) counts: Counts,
    pub(crate) outbox: Outbox,
    peer: RwLock<Peer>,
    /// Gone once the session has ended.
    opener: Mutex<Option<Opener>>,
    /// Held until what it has made is in the outbox: certificates and the signatures under them keep their order.
    rekey: Arc<Mutex<Rekey>>,
    keys_made_at: AtomicU64,
}

/// The peer as it is known now.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The newest that it has shown.
    pub(crate) certificate: VerifiedCertificate,
    /// Reaches the peer, and nobody else: its TLS key is pinned.
    pub(crate) client: PeerClient,
}

/// How much has passed.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    messages_sent: AtomicU64,
    messages_received: AtomicU64,
    frames_received: AtomicU64,
}

impl Counts {
    pub(crate) fn sent(&self) -> u64 {
        self.messages_sent.load(Ordering::Relaxed)
    }

    pub(crate) fn received(&self) -> u64 {
        self.messages_received.load(Ordering::Relaxed)
    }

    pub(crate) fn frames_received(&self) -> u64 {
        self.frames_received.load(Ordering::Relaxed)
    }

    pub(crate) fn count_sent(&self, count: u64) {
        self.messages_sent.fetch_add(count, Ordering::Relaxed);
    }
}

/// What has become of a body of frames.
#[derive(Debug)]
pub(crate) enum Received {
    /// The session goes on.
    Acknowledged(Ack),
    /// The peer has closed it.
    Closed { ack: Ack, close: Close, missing: u64 },
}

impl Channel {
    pub(crate) fn new(session: Session, client: PeerClient, waiting: FramesWaiting, now: UnixTime) -> Self {
        let Session { info, sealer, opener, rekey } = session;
        let counts = Counts::default();
        counts.frames_received.store(opener.received(), Ordering::Relaxed);
        Self {
            peer: RwLock::new(Peer { certificate: info.peer.clone(), client }),
            info,
            counts,
            outbox: Outbox::new(sealer, waiting),
            opener: Mutex::new(Some(opener)),
            rekey: Arc::new(Mutex::new(rekey)),
            keys_made_at: AtomicU64::new(now.as_secs()),
        }
    }

    pub(crate) fn peer(&self) -> Peer {
        self.peer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Opens frames in their order and delivers what they carry, then says how far it has come. Whoever calls
    /// this must let it run to its end: a frame that has been opened is never delivered a second time.
    pub(crate) async fn receive(
        &self,
        node: &AgentNode,
        entry: &Arc<Entry>,
        frames: Vec<Frame>,
    ) -> Result<Received, SessionError> {
        let is_large = frames.iter().map(|frame| frame.ciphertext.as_bytes().len()).sum::<usize>() >= LARGE;
        let mut frames = frames.into_iter();
        let mut guard = self.opener.lock().await;
        if entry.is_over() {
            return Err(SessionError::BadFrame);
        }
        let mut progress = false;
        loop {
            let now = node.state.clock.now();
            let (run, rest) = open_where_fit(node, &mut guard, frames, is_large, now).await?;
            frames = rest;
            let opener = guard.as_mut().ok_or(SessionError::BadFrame)?;
            if run.progress {
                if self.counts.frames_received() == 0 {
                    entry.forget_finish();
                }
                progress = true;
                self.counts.frames_received.store(opener.received(), Ordering::Relaxed);
                entry.touch(now);
            }
            tokio::select! {
                biased;
                () = self.deliver(node, entry, run.texts, now) => {}
                // Nothing is told after the end.
                () = entry.ended() => {}
            }
            if entry.is_over() {
                return Err(SessionError::BadFrame);
            }
            match run.stop {
                None => return Ok(Received::Acknowledged(opener.acknowledge())),
                Some(Ok(Opened::Closed { close, missing })) => {
                    let ack = opener.acknowledge();
                    *guard = None;
                    return Ok(Received::Closed { ack, close, missing });
                }
                Some(Ok(Opened::New { frame_type: FrameType::Rekey, payload, .. })) => {
                    self.rekey_received(node, entry, opener, payload).await?;
                }
                Some(Ok(Opened::New { frame_type: FrameType::Certificate, payload, .. })) => {
                    self.certificate_received(node, entry, &payload).await?;
                }
                Some(Ok(_)) => return Err(SessionError::BadContent("no use for this type here")),
                Some(Err(error)) if progress && !error.is_fatal() => {
                    let session = self.info.session_id;
                    tracing::debug!(%error, %session, "the rest of a body is not taken");
                    return Ok(Received::Acknowledged(opener.acknowledge()));
                }
                Some(Err(error)) => return Err(error),
            }
        }
    }

    async fn deliver(
        &self,
        node: &AgentNode,
        entry: &Arc<Entry>,
        texts: Vec<(u64, String)>,
        received_at: UnixTime,
    ) {
        if texts.is_empty() {
            return;
        }
        self.counts.messages_received.fetch_add(texts.len() as u64, Ordering::Relaxed);
        let (session_id, from) = (self.info.session_id, self.info.peer.agent_id());
        let message =
            |(seq, text)| ReceivedMessage { session_id, from: from.clone(), seq, text, received_at };
        node.messages_received(entry, texts.into_iter().map(message).collect()).await;
    }

    async fn rekey_received(
        &self,
        node: &AgentNode,
        entry: &Arc<Entry>,
        opener: &mut Opener,
        payload: Vec<u8>,
    ) -> Result<(), SessionError> {
        let rekey = self.rekey.clone().lock_owned().await;
        let received = with_rekey(node, rekey, move |rekey| rekey.receive(&payload)).await;
        let (step, _in_order) = received.map_err(|_| SessionError::BadContent("rekey"))?;
        let RekeyStep { opener: receive_with, reply, sealer: send_with, complete } = step?;
        let now = node.state.clock.now();
        if let Some(keys) = receive_with {
            opener.switch(keys, now)?;
        }
        if let Some(payload) = reply {
            let switch = send_with.map(Box::new);
            let outgoing = Outgoing { switch, ..Outgoing::new(FrameType::Rekey, payload) };
            self.outbox.push_kept(node, entry, outgoing);
        }
        if complete {
            self.keys_made_at.store(now.as_secs(), Ordering::Relaxed);
            tracing::info!(session = %self.info.session_id, "fresh keys");
        }
        Ok(())
    }

    /// The peer has renewed its certificate. Being sealed, the frame is the peer's own: one that is not good ends the
    /// session.
    async fn certificate_received(
        &self,
        node: &AgentNode,
        entry: &Arc<Entry>,
        payload: &[u8],
    ) -> Result<(), SessionError> {
        let refused = SessionError::BadContent("certificate");
        let certificate: AgentCertificate =
            wire::from_json(payload, MAX_CERTIFICATE).map_err(|_| refused.clone())?;
        let (session, agent) = (self.info.session_id, self.info.peer.agent_id());
        let renewed = node.verify_renewal(certificate, self.peer().certificate).await.map_err(|error| {
            tracing::warn!(%error, %session, peer = %agent, "a certificate that the peer has sent is not good");
            refused.clone()
        })?;
        let client = node.state.peers.client(&renewed).map_err(|_| refused)?;
        self.rekey.lock().await.renew_peer(renewed.clone());
        tracing::info!(%session, peer = %agent, expires = renewed.expires_at().as_secs(), "the peer's certificate is renewed");
        *self.peer.write().unwrap_or_else(PoisonError::into_inner) = Peer { certificate: renewed, client };
        // It may end before the former one.
        node.state.sessions.look_at(entry.session_id, node.state.clock.now());
        // A list may have come while it was being verified.
        node.end_if_revoked(entry);
        Ok(())
    }

    /// Sends the peer this agent's newest certificate, unless it has been sent already.
    pub(crate) async fn announce(&self, node: &AgentNode, entry: &Arc<Entry>, newest: &Credential) {
        let mut rekey = self.rekey.lock().await;
        let certificate = newest.certificate().certificate();
        if rekey.local().certificate().serial == certificate.serial {
            return;
        }
        match wire::canonical_json(certificate) {
            Ok(payload) => {
                rekey.renew_local(newest.clone());
                self.outbox.push_kept(node, entry, Outgoing::new(FrameType::Certificate, payload));
            }
            Err(error) => tracing::warn!(%error, "this agent's certificate cannot be sent"),
        }
    }

    /// Begins a fresh exchange if this side is the one to begin it and the keys are old enough. Says when to look again, if
    /// this side is.
    pub(crate) async fn rekey_if_due(
        &self,
        node: &AgentNode,
        entry: &Arc<Entry>,
    ) -> Result<Option<UnixTime>, NodeError> {
        if self.info.role != Role::Initiator {
            return Ok(None);
        }
        let (now, due) = (node.state.clock.now(), self.keys_due(node.state.rekey_policy.exchange_age));
        if now < due {
            return Ok(Some(due));
        }
        // Somebody else's step may wait for a core: nobody else's time-out waits for that.
        let Ok(rekey) = self.rekey.clone().try_lock_owned() else {
            return Ok(Some(now.saturating_add(SOON)));
        };
        // One that is under way ends by itself, or with the session when the keys are overdue.
        if rekey.is_under_way() {
            return Ok(None);
        }
        let (begun, _in_order) = with_rekey(node, rekey, Rekey::begin).await?;
        let failed = |error: SessionError| NodeError::Environment(error.to_string());
        if let Some(payload) = begun.map_err(failed)? {
            self.outbox.push_kept(node, entry, Outgoing::new(FrameType::Rekey, payload));
        }
        Ok(None)
    }

    /// When the keys have served as long as they should.
    fn keys_due(&self, exchange_age: Duration) -> UnixTime {
        UnixTime::from_secs(self.keys_made_at.load(Ordering::Relaxed)).saturating_add(exchange_age)
    }

    /// When the keys will have served twice as long as they should, because the initiator has not made fresh ones.
    pub(crate) fn keys_end(&self, exchange_age: Duration) -> UnixTime {
        self.keys_due(exchange_age).saturating_add(exchange_age)
    }

    /// Drops the keys of both directions and fails whatever still waits to be sent. Says how many messages the peer has
    /// never acknowledged.
    pub(crate) async fn clear_keys(&self) -> u64 {
        let unacknowledged = self.outbox.end();
        *self.opener.lock().await = None;
        unacknowledged
    }
}

/// A run of texts out of a body.
struct Run {
    texts: Vec<(u64, String)>,
    /// Whether a frame was taken, or had been before.
    progress: bool,
    /// What ended the run, unless the body did: a frame of another type, or why one was not taken.
    stop: Option<Result<Opened, SessionError>>,
}

/// Opens a run of a small body here, and of a large one where a core is free.
async fn open_where_fit(
    node: &AgentNode,
    keys: &mut Option<Opener>,
    mut frames: IntoIter<Frame>,
    is_large: bool,
    now: UnixTime,
) -> Result<(Run, IntoIter<Frame>), SessionError> {
    if !is_large {
        let opener = keys.as_mut().ok_or(SessionError::BadFrame)?;
        return Ok((open_run(opener, &mut frames, now), frames));
    }
    let mut opener = keys.take().ok_or(SessionError::BadFrame)?;
    let opening = move || {
        let run = open_run(&mut opener, &mut frames, now);
        (opener, run, frames)
    };
    let opened = node.state.pool.run(opening).await;
    let (opener, run, frames) = opened.map_err(|_| SessionError::BadContent("opening was given up"))?;
    *keys = Some(opener);
    Ok((run, frames))
}

/// Opens frames up to the first that is no text.
fn open_run(opener: &mut Opener, frames: &mut IntoIter<Frame>, now: UnixTime) -> Run {
    let mut run = Run { texts: Vec::with_capacity(frames.len()), progress: false, stop: None };
    for frame in frames {
        let opened = opener.open(frame, now);
        run.progress |= opened.is_ok();
        match opened {
            Ok(Opened::Duplicate) => {}
            Ok(Opened::New { frame_type: FrameType::Text, seq, payload }) => match String::from_utf8(payload)
            {
                Ok(text) => run.texts.push((seq, text)),
                Err(_) => run.stop = Some(Err(SessionError::BadContent("text"))),
            },
            other => run.stop = Some(other),
        }
        if run.stop.is_some() {
            break;
        }
    }
    run
}

/// Works on the exchange where a core is free, and gives the lock back with what has come of it.
async fn with_rekey<T: Send + 'static>(
    node: &AgentNode,
    mut rekey: OwnedMutexGuard<Rekey>,
    work: impl FnOnce(&mut Rekey) -> T + Send + 'static,
) -> Result<(T, OwnedMutexGuard<Rekey>), NodeError> {
    node.state.pool.run(move || (work(&mut rekey), rekey)).await
}

/// When to look again for a step of the exchange that was being made.
const SOON: Duration = Duration::from_secs(1);
/// From so many bytes on, opening a body takes long enough to hold up an async worker.
const LARGE: usize = 128 * 1024;
