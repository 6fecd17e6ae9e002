//! An established session: what is sent and what is received, each behind its own lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use a2a_core::handshake::key_schedule::Role;
use a2a_core::session::{
    Ack, Close, Frame, FrameType, Opened, Opener, Rekey, RekeyStep, Session, SessionError, SessionInfo,
};
use a2a_core::time::UnixTime;
use tokio::sync::Mutex;

use super::AgentNode;
use super::outbox::{Outbox, Outgoing};
use super::sessions::Entry;
use crate::client::HttpsClient;
use crate::error::NodeError;
use crate::event::ReceivedMessage;

/// An established session.
#[derive(Debug)]
pub(crate) struct Channel {
    pub(crate) info: SessionInfo,
    pub(crate) counts: Counts,
    /// Reaches the peer, and nobody else: its TLS key is pinned.
    pub(crate) client: HttpsClient,
    pub(crate) outbox: Outbox,
    /// Gone once the session has ended.
    opener: Mutex<Option<Opener>>,
    rekey: Arc<std::sync::Mutex<Rekey>>,
    keys_made_at: AtomicU64,
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

    pub(crate) fn count_sent(&self) {
        self.messages_sent.fetch_add(1, Ordering::Relaxed);
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
    pub(crate) fn new(session: Session, client: HttpsClient, now: UnixTime) -> Self {
        let Session { info, sealer, opener, rekey } = session;
        let counts = Counts::default();
        counts.frames_received.store(opener.received(), Ordering::Relaxed);
        Self {
            info,
            counts,
            client,
            outbox: Outbox::new(sealer),
            opener: Mutex::new(Some(opener)),
            rekey: Arc::new(std::sync::Mutex::new(rekey)),
            keys_made_at: AtomicU64::new(now.as_secs()),
        }
    }

    /// Opens frames in their order and delivers what they carry, then says how far it has come. Whoever calls
    /// this must let it run to its end: a frame that has been opened is never delivered a second time.
    pub(crate) async fn receive(
        &self,
        node: &AgentNode,
        entry: &Arc<Entry>,
        frames: Vec<Frame>,
    ) -> Result<Received, SessionError> {
        let mut guard = self.opener.lock().await;
        let opener = guard.as_mut().ok_or(SessionError::BadFrame)?;
        let mut progress = false;
        for frame in frames {
            let now = node.state.clock.now();
            match opener.open(frame, now) {
                Ok(Opened::Duplicate) => {}
                Ok(Opened::New { frame_type, seq, payload }) => {
                    self.counts.frames_received.store(opener.received(), Ordering::Relaxed);
                    entry.touch(now);
                    self.deliver(node, entry, opener, (frame_type, seq, payload)).await?;
                }
                Ok(Opened::Closed { close, missing }) => {
                    let ack = opener.acknowledge();
                    *guard = None;
                    return Ok(Received::Closed { ack, close, missing });
                }
                Err(error) if progress && !error.is_fatal() => {
                    let session = self.info.session_id;
                    tracing::debug!(%error, %session, "the rest of a body is not taken");
                    break;
                }
                Err(error) => return Err(error),
            }
            progress = true;
        }
        Ok(Received::Acknowledged(opener.acknowledge()))
    }

    async fn deliver(
        &self,
        node: &AgentNode,
        entry: &Arc<Entry>,
        opener: &mut Opener,
        (frame_type, seq, payload): (FrameType, u64, Vec<u8>),
    ) -> Result<(), SessionError> {
        match frame_type {
            FrameType::Text => {
                let text = String::from_utf8(payload).map_err(|_| SessionError::BadContent("text"))?;
                self.counts.messages_received.fetch_add(1, Ordering::Relaxed);
                let from = self.info.peer.agent_id().clone();
                let received_at = node.state.clock.now();
                node.message_received(
                    entry,
                    ReceivedMessage { session_id: self.info.session_id, from, seq, text, received_at },
                )
                .await;
                Ok(())
            }
            FrameType::Rekey => self.rekey_received(node, entry, opener, payload).await,
            FrameType::Data | FrameType::Confirm | FrameType::Close | FrameType::Certificate => {
                Err(SessionError::BadContent("no use for this type here"))
            }
        }
    }

    async fn rekey_received(
        &self,
        node: &AgentNode,
        entry: &Arc<Entry>,
        opener: &mut Opener,
        payload: Vec<u8>,
    ) -> Result<(), SessionError> {
        let rekey = self.rekey.clone();
        let step = node.state.pool.run(move || locked(&rekey).receive(&payload)).await;
        let RekeyStep { opener: receive_with, reply, sealer: send_with, complete } =
            step.map_err(|_| SessionError::BadContent("rekey"))??;
        let now = node.state.clock.now();
        if let Some(keys) = receive_with {
            opener.switch(keys, now)?;
        }
        if let Some(payload) = reply {
            let outgoing = Outgoing { switch: send_with, ..Outgoing::new(FrameType::Rekey, payload) };
            self.outbox.push(node, entry, outgoing);
        }
        if complete {
            self.keys_made_at.store(now.as_secs(), Ordering::Relaxed);
            tracing::info!(session = %self.info.session_id, "fresh keys");
        }
        Ok(())
    }

    /// Begins a fresh exchange if this side is the one to begin it and the keys are old enough.
    pub(crate) async fn rekey_if_due(&self, node: &AgentNode, entry: &Arc<Entry>) -> Result<(), NodeError> {
        let now = node.state.clock.now();
        let made_at = UnixTime::from_secs(self.keys_made_at.load(Ordering::Relaxed));
        let due = now.since(made_at) >= node.state.rekey_policy.exchange_age;
        if self.info.role != Role::Initiator || !due || locked(&self.rekey).is_under_way() {
            return Ok(());
        }
        let rekey = self.rekey.clone();
        let begun = node.state.pool.run(move || locked(&rekey).begin()).await?;
        let failed = |error: SessionError| NodeError::Environment(error.to_string());
        if let Some(payload) = begun.map_err(failed)? {
            self.outbox.push(node, entry, Outgoing::new(FrameType::Rekey, payload));
        }
        Ok(())
    }

    /// Whether the keys have served twice as long as they should, because the initiator has not made fresh
    /// ones.
    pub(crate) fn keys_are_overdue(&self, exchange_age: std::time::Duration, now: UnixTime) -> bool {
        let made_at = UnixTime::from_secs(self.keys_made_at.load(Ordering::Relaxed));
        now.since(made_at) >= exchange_age.saturating_mul(2)
    }

    /// Drops the keys of both directions and fails whatever still waits to be sent.
    pub(crate) async fn clear_keys(&self) {
        self.outbox.end();
        *self.opener.lock().await = None;
    }
}

fn locked(rekey: &std::sync::Mutex<Rekey>) -> std::sync::MutexGuard<'_, Rekey> {
    rekey.lock().unwrap_or_else(PoisonError::into_inner)
}
