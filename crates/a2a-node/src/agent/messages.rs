//! Sending, receiving and ending, as a person or program means it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use a2a_core::session::{CloseReason, FrameType, Session};
use a2a_core::wire::MAX_PLAINTEXT;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::AgentNode;
use super::channel::Channel;
use super::outbox::{Outgoing, Undelivered};
use super::report::{CloseCause, ClosedReport, DeliveryReport};
use super::sessions::Entry;
use crate::error::NodeError;
use crate::event::{Event, ReceivedMessage};

impl AgentNode {
    /// Sends a text and waits for the peer's authenticated acknowledgement.
    pub async fn send(&self, session_id: Uuid, text: &str) -> Result<DeliveryReport, NodeError> {
        if text.len() > MAX_PLAINTEXT {
            return Err(NodeError::TooLong { found: text.len(), limit: MAX_PLAINTEXT });
        }
        let entry = self.session(session_id)?;
        let peer = entry.peer.agent_id().clone();
        let Some(channel) = entry.channel.get() else { return Err(NodeError::NoKeys { peer }) };
        let (done, delivered) = oneshot::channel();
        let outgoing = Outgoing { done: Some(done), ..Outgoing::new(FrameType::Text, text.into()) };
        channel.outbox.push(self, &entry, outgoing);
        match delivered.await.unwrap_or(Err(Undelivered::Ended)) {
            Ok(seq) => {
                self.state.messages_sent.fetch_add(1, Ordering::Relaxed);
                Ok(DeliveryReport { session_id, to: peer, seq })
            }
            Err(Undelivered::Ended) => Err(NodeError::SessionEnded { peer }),
            Err(Undelivered::Full) => Err(NodeError::QueueFull { peer }),
            Err(Undelivered::Unreachable(reason)) => Err(NodeError::Unacknowledged { peer, reason }),
        }
    }

    /// Closes a session on both sides and clears its keys. One without keys is just dropped. Once begun it is
    /// carried through, even if nobody waits for it any more.
    pub async fn close(&self, session_id: Uuid) -> Result<ClosedReport, NodeError> {
        let (node, entry) = (self.clone(), self.session(session_id)?);
        let closing = tokio::spawn(async move {
            let confirmed = node.say_goodbye(&entry, CloseReason::Done).await;
            if node.take_out(&entry).await.is_none() {
                return Err(NodeError::SessionEnded { peer: entry.peer.agent_id().clone() });
            }
            Ok(closed_report(&entry, CloseCause::ClosedHere, 0, confirmed))
        });
        closing.await.map_err(|error| NodeError::Environment(format!("close: {error}")))?
    }

    /// As [`AgentNode::close`], on the node's own account: the person hears of it.
    pub(super) async fn close_for(&self, entry: &Arc<Entry>, reason: CloseReason, cause: CloseCause) {
        let confirmed = self.say_goodbye(entry, reason).await;
        if self.take_out(entry).await.is_some() {
            self.tell(Event::SessionClosed(closed_report(entry, cause, 0, confirmed))).await;
        }
    }

    /// Ends a session without a word to the peer: it has closed it, or cannot be talked to.
    pub(super) async fn end(&self, entry: &Arc<Entry>, cause: CloseCause, missing: u64) {
        if self.take_out(entry).await.is_some() {
            let confirmed = cause != CloseCause::Lost;
            self.tell(Event::SessionClosed(closed_report(entry, cause, missing, confirmed))).await;
        }
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
        let channel = Channel::new(session, self.state.peers.client(&entry.peer)?, now);
        entry.touch(now);
        let peer = entry.peer.agent_id();
        tracing::info!(%peer, session = %entry.session_id, suite = %entry.suite, "session established");
        entry
            .channel
            .set(Arc::new(channel))
            .map_err(|_| NodeError::WrongStage("the session has its keys already".into()))
    }

    /// A message has been opened: tell the person's side, and let an agent that answers by itself do so. It answers only
    /// where the peer asked for the session, so that two such agents cannot answer each other without end.
    pub(super) async fn message_received(&self, entry: &Arc<Entry>, message: ReceivedMessage) {
        self.state.messages_received.fetch_add(1, Ordering::Relaxed);
        let answers = !entry.initiated;
        let reply = answers.then(|| self.state.agent.reply(&message.from, &message.text)).flatten();
        self.tell(Event::MessageReceived(message)).await;
        if let (Some(text), Some(channel)) = (reply, entry.channel.get()) {
            channel.outbox.push(self, entry, Outgoing::new(FrameType::Text, text.into_bytes()));
        }
    }

    async fn say_goodbye(&self, entry: &Arc<Entry>, reason: CloseReason) -> bool {
        let Some(channel) = entry.channel.get() else { return false };
        let Some(confirmed) = channel.outbox.close(self, entry, reason) else { return false };
        matches!(tokio::time::timeout(GOODBYE_TIMEOUT, confirmed).await, Ok(Ok(true)))
    }

    /// Takes a session out of the table and clears its keys; `None` if that has been done.
    async fn take_out(&self, entry: &Arc<Entry>) -> Option<()> {
        self.state.sessions.remove(entry.session_id)?;
        *entry.stage.lock().await = super::sessions::Stage::Spent;
        if let Some(channel) = entry.channel.get() {
            channel.clear_keys().await;
        }
        Some(())
    }
}

fn closed_report(entry: &Entry, cause: CloseCause, missing: u64, confirmed: bool) -> ClosedReport {
    ClosedReport {
        session_id: entry.session_id,
        peer_agent_id: entry.peer.agent_id().clone(),
        cause,
        missing,
        confirmed,
    }
}

/// How long the peer may take to confirm the end.
const GOODBYE_TIMEOUT: Duration = Duration::from_secs(4);
