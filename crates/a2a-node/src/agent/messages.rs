//! Sending, receiving and ending, as a person or program means it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use a2a_core::session::{CloseReason, Session};
use a2a_core::wire::MAX_PLAINTEXT;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::AgentNode;
use super::channel::Channel;
use super::delivery;
use super::outbox::{Outgoing, Turn};
use super::receipt::{Receipt, Undelivered};
use super::report::{CloseCause, ClosedReport, DeliveryReport};
use super::sessions::Entry;
use super::table::NotAdded;
use crate::error::NodeError;
use crate::event::{Event, ReceivedMessage};
use crate::metrics::{Direction, Outcome, Role};

impl AgentNode {
    /// Sends a text and waits for the peer's authenticated acknowledgement.
    pub async fn send(&self, session_id: Uuid, text: impl Into<String>) -> Result<DeliveryReport, NodeError> {
        let entry = self.session(session_id)?;
        let receipt = Receipt::new();
        if let Some(turn) = self.queue(&entry, text.into(), &receipt).await? {
            delivery::run_for(self, &entry, turn, &receipt).await;
        }
        let seq = self.outcome(&entry, &receipt, 1).await?;
        Ok(DeliveryReport { session_id, to: entry.peer.agent_id().clone(), seq })
    }

    /// Sends texts in their order, taking one after the other as there is room, and waits until the peer has acknowledged
    /// all of them. Says how many they were. On an error, some may have arrived.
    pub async fn send_all(
        &self,
        session_id: Uuid,
        texts: impl IntoIterator<Item = String, IntoIter: Send> + Send,
    ) -> Result<u64, NodeError> {
        let entry = self.session(session_id)?;
        let (mut texts, mut under_way, mut sent) = (texts.into_iter(), VecDeque::new(), 0);
        while let Some(first) = texts.next() {
            let (receipt, mut count) = (Receipt::new(), 0);
            for text in std::iter::once(first).chain(texts.by_ref().take(TEXTS_BY_RECEIPT - 1)) {
                if let Some(turn) = self.queue(&entry, text, &receipt).await? {
                    turn.spawn(self, &entry);
                }
                count += 1;
                if receipt.has_failed() {
                    break;
                }
            }
            under_way.push_back((receipt, count));
            while let Some((receipt, count)) =
                under_way.pop_front_if(|(receipt, count)| receipt.is_settled(*count))
            {
                self.outcome(&entry, &receipt, count).await?;
                sent += count;
            }
        }
        for (receipt, count) in under_way {
            self.outcome(&entry, &receipt, count).await?;
            sent += count;
        }
        Ok(sent)
    }

    /// Puts a text into the queue as soon as there is room.
    async fn queue(
        &self,
        entry: &Entry,
        text: String,
        receipt: &Arc<Receipt>,
    ) -> Result<Option<Turn>, NodeError> {
        if text.len() > MAX_PLAINTEXT {
            return Err(NodeError::TooLong { found: text.len(), limit: MAX_PLAINTEXT });
        }
        let no_keys = || NodeError::NoKeys { peer: entry.peer.agent_id().clone() };
        let channel = entry.channel.get().ok_or_else(no_keys)?;
        Ok(channel.outbox.push(Outgoing { receipt: Some(receipt.clone()), ..Outgoing::text(text) }).await)
    }

    async fn outcome(&self, entry: &Entry, receipt: &Receipt, sent: u64) -> Result<u64, NodeError> {
        let peer = entry.peer.agent_id().clone();
        match receipt.outcome(sent).await {
            Ok(last_seq) => {
                self.state.messages_sent.fetch_add(sent, Ordering::Relaxed);
                Ok(last_seq)
            }
            Err(Undelivered::Ended) => Err(NodeError::SessionEnded { peer }),
            Err(Undelivered::Unreachable(reason)) => Err(NodeError::Unacknowledged { peer, reason }),
            Err(Undelivered::NotSent(reason)) => {
                let address = entry.newest_peer().address().to_string();
                Err(NodeError::PeerUnreachable { address, reason })
            }
        }
    }

    /// Closes a session on both sides and clears its keys. One without keys is just dropped. Once begun it is
    /// carried through, even if nobody waits for it any more.
    pub async fn close(&self, session_id: Uuid) -> Result<ClosedReport, NodeError> {
        let (node, entry) = (self.clone(), self.session(session_id)?);
        let closing = tokio::spawn(async move {
            let confirmed = node.say_goodbye(&entry, CloseReason::Done).await;
            let Some(unacknowledged) = node.take_out(&entry).await else {
                return Err(NodeError::SessionEnded { peer: entry.peer.agent_id().clone() });
            };
            let ended = Ended { cause: CloseCause::ClosedHere, missing: 0, unacknowledged, confirmed };
            Ok(ended.report(&entry))
        });
        closing.await.map_err(|error| NodeError::Environment(format!("close: {error}")))?
    }

    /// As [`AgentNode::close`], on the node's own account: the person hears of it.
    pub(super) async fn close_for(&self, entry: &Arc<Entry>, reason: CloseReason, cause: CloseCause) {
        let confirmed = self.say_goodbye(entry, reason).await;
        if let Some(unacknowledged) = self.take_out(entry).await {
            self.tell_closed(entry, Ended { cause, missing: 0, unacknowledged, confirmed }).await;
        }
    }

    /// Ends a session without a word to the peer: it has closed it, or cannot be talked to.
    pub(super) async fn end(&self, entry: &Arc<Entry>, cause: CloseCause, missing: u64) {
        if let Some(unacknowledged) = self.take_out(entry).await {
            let confirmed = cause != CloseCause::Lost;
            self.tell_closed(entry, Ended { cause, missing, unacknowledged, confirmed }).await;
        }
    }

    /// Ends a session that rests on a revoked certificate: when this returns, nothing more is taken or sent but the
    /// close frame, which is tried in the background.
    pub(super) fn revoke(&self, entry: &Arc<Entry>) {
        if self.state.sessions.remove(entry.session_id).is_none() {
            return;
        }
        let (session, peer) = (entry.session_id, entry.peer.agent_id());
        tracing::warn!(%session, %peer, "session ended: a certificate has been revoked");
        if let Some(channel) = entry.channel.get() {
            channel.outbox.cut(self, entry, CloseReason::Revoked);
        }
        self.clear_and_tell(entry.clone(), CloseCause::Revoked);
    }

    /// Adds a session without keys. An older one of the same peer may have to give way to it, and the person hears of that.
    pub(super) fn add_session(&self, entry: &Arc<Entry>) -> Result<(), NotAdded> {
        if let Some(gone) = self.state.sessions.insert(entry.clone())? {
            tracing::info!(session = %gone.session_id, "session without keys ended: its peer wants a new one");
            self.clear_and_tell(gone, CloseCause::Expired);
        }
        Ok(())
    }

    /// For a session that is out of the table. A key exchange that is under way may hold this up: nobody waits for it.
    fn clear_and_tell(&self, entry: Arc<Entry>, cause: CloseCause) {
        let node = self.clone();
        tokio::spawn(async move {
            let unacknowledged = clear(&entry).await;
            node.tell_closed(&entry, Ended { cause, missing: 0, unacknowledged, confirmed: false }).await;
        });
    }

    /// Says goodbye on all sessions, for the end of the program.
    pub(super) async fn close_all(&self) {
        let closing = self.state.sessions.all().into_iter().map(|entry| {
            let node = self.clone();
            tokio::spawn(async move {
                node.say_goodbye(&entry, CloseReason::Shutdown).await;
                node.take_out(&entry).await;
            })
        });
        for closed in closing.collect::<Vec<_>>() {
            if let Err(error) = closed.await {
                tracing::debug!(%error, "a session was not closed");
            }
        }
    }

    pub(super) fn session(&self, session_id: Uuid) -> Result<Arc<Entry>, NodeError> {
        let entry = self.state.sessions.get(session_id);
        entry.ok_or_else(|| NodeError::UnknownSession(session_id.to_string()))
    }

    /// From now on messages pass.
    pub(super) fn open_channel(&self, entry: &Entry, session: Session) -> Result<(), NodeError> {
        let now = self.state.clock.now();
        let client = self.state.peers.client(&entry.peer)?;
        let channel = Channel::new(session, client, self.state.frames_waiting.clone(), now);
        entry.touch(now);
        let peer = entry.peer.agent_id();
        tracing::info!(%peer, session = %entry.session_id, suite = %entry.suite, "session established");
        entry
            .channel
            .set(Arc::new(channel))
            .map_err(|_| NodeError::WrongStage("the session has its keys already".into()))?;
        self.state.sessions.established(entry.session_id, now);
        Ok(())
    }

    /// Messages have been opened: tell the person's side, and let an agent that answers by itself do so. It answers only
    /// where the peer asked for the session, so that two such agents cannot answer each other without end.
    pub(super) async fn messages_received(&self, entry: &Arc<Entry>, messages: Vec<ReceivedMessage>) {
        let count = messages.len() as u64;
        self.state.messages_received.fetch_add(count, Ordering::Relaxed);
        self.state.metrics.messages(Direction::Received, count);
        let answering = if entry.initiated { &[][..] } else { &messages[..] };
        let reply = |message: &ReceivedMessage| self.state.agent.reply(&message.from, &message.text);
        let replies: Vec<_> = answering.iter().filter_map(reply).collect();
        self.tell(Event::MessagesReceived(messages)).await;
        if self.state.told_first {
            let (told, is_told) = oneshot::channel();
            self.tell(Event::Told(told)).await;
            // It is dropped, not answered.
            let _ = is_told.await;
        }
        let Some(channel) = entry.channel.get() else { return };
        for text in replies {
            if let Some(turn) = channel.outbox.push(Outgoing::text(text)).await {
                turn.spawn(self, entry);
            }
        }
    }

    /// An exchange of keys has ended.
    pub(super) fn count_handshake(&self, entry: &Entry, role: Role, outcome: Outcome, began: Instant) {
        self.state.metrics.handshake(entry.suite, role, outcome, began.elapsed());
    }

    async fn say_goodbye(&self, entry: &Arc<Entry>, reason: CloseReason) -> bool {
        let Some(channel) = entry.channel.get() else { return false };
        let Some(confirmed) = channel.outbox.close(self, entry, reason) else { return false };
        matches!(tokio::time::timeout(GOODBYE_TIMEOUT, confirmed).await, Ok(Ok(true)))
    }

    /// Takes a session out of the table and clears its keys; `None` if that has been done. Says how many messages the
    /// peer has never acknowledged.
    async fn take_out(&self, entry: &Arc<Entry>) -> Option<u64> {
        self.state.sessions.remove(entry.session_id)?;
        Some(clear(entry).await)
    }

    async fn tell_closed(&self, entry: &Entry, ended: Ended) {
        self.tell(Event::SessionClosed(ended.report(entry))).await;
    }
}

async fn clear(entry: &Entry) -> u64 {
    *entry.stage.lock().await = super::sessions::Stage::Spent;
    match entry.channel.get() {
        Some(channel) => channel.clear_keys().await,
        None => 0,
    }
}

/// How a session has ended.
struct Ended {
    cause: CloseCause,
    missing: u64,
    unacknowledged: u64,
    confirmed: bool,
}

impl Ended {
    fn report(self, entry: &Entry) -> ClosedReport {
        let Self { cause, missing, unacknowledged, confirmed } = self;
        let peer_agent_id = entry.peer.agent_id().clone();
        ClosedReport {
            session_id: entry.session_id,
            peer_agent_id,
            cause,
            missing,
            unacknowledged,
            confirmed,
        }
    }
}

/// Texts that share a receipt. Its holders are counted by the core that queues and by the one that seals, which must not be
/// the same count at the same time.
const TEXTS_BY_RECEIPT: usize = 256;
/// How long the peer may take to confirm the end.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(4);
