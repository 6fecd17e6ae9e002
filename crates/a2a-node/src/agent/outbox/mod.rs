//! What waits to be sent over a session: one request in flight, and everything that gathers meanwhile goes
//! with the next one, so throughput grows with the load while a single message leaves at once. `delivery` sends it.
//!
//! A frame is sealed once, straight into the body that carries it. Until it is acknowledged the same bytes are sent again,
//! first by a few retries, then before whatever is sent next. What was sealed and never acknowledged ends with the session.
//!
//! Whoever puts something in takes the lock of `waiting` alone, and never waits while something is sealed. Where both locks
//! are taken, that of `sending` is first.

mod batch;
mod waiting;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2a_core::session::{Ack, CloseReason, FrameType, Sealer, SessionError};
use a2a_core::time::UnixTime;
use axum::body::Bytes;
use tokio::sync::{Notify, oneshot};
use uuid::Uuid;

use self::batch::{Batch, Filling, Run};
use self::waiting::{KEPT_CAPACITY, Waiting};
pub(crate) use self::waiting::{Outgoing, Turn};
use super::AgentNode;
use super::backlog::FramesWaiting;
use super::channel::Channel;
use super::delivery::{self, Failure};
use super::receipt::Undelivered;
use super::sessions::Entry;
use crate::client::peer::Parts;

/// The sending side of a channel.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    sending: Mutex<Sending>,
    /// Told when there may be room again.
    room: Notify,
    all: FramesWaiting,
}

#[derive(Debug)]
struct Sending {
    /// Gone once the close frame is sealed or the session has ended.
    sealer: Option<Sealer>,
    /// Sealed, sent, not acknowledged; in order.
    batches: VecDeque<Batch>,
    /// Texts that had not been acknowledged when the session ended.
    never_acknowledged: u64,
}

impl Outbox {
    pub(crate) fn new(sealer: Sealer, all: FramesWaiting) -> Self {
        let sending = Sending { sealer: Some(sealer), batches: VecDeque::new(), never_acknowledged: 0 };
        Self { waiting: Mutex::default(), sending: Mutex::new(sending), room: Notify::new(), all }
    }

    /// Puts something into the queue, when there is room. Whoever gets a turn has to see to it that it is used.
    pub(crate) async fn push(&self, mut outgoing: Outgoing) -> Option<Turn> {
        loop {
            match self.try_push(outgoing) {
                Ok(turn) => return turn,
                Err(refused) => outgoing = refused,
            }
            // Listens before it looks again: room that comes in between is not missed.
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            match self.try_push(outgoing) {
                Ok(turn) => return turn,
                Err(refused) => outgoing = refused,
            }
            room.await;
        }
    }

    /// The same for what does not wait for room: messages of a fresh exchange, and certificates.
    pub(crate) fn push_kept(&self, node: &AgentNode, entry: &Arc<Entry>, outgoing: Outgoing) {
        match self.try_push(outgoing) {
            Ok(None) => {}
            Ok(Some(turn)) => turn.spawn(node, entry),
            Err(outgoing) => {
                tracing::error!(frame_type = ?outgoing.frame_type, "something that is kept was left out");
            }
        }
    }

    fn try_push(&self, outgoing: Outgoing) -> Result<Option<Turn>, Outgoing> {
        let mut waiting = self.waiting();
        if waiting.is_over || waiting.close.is_some() {
            outgoing.fail(Undelivered::Ended);
            return Ok(None);
        }
        if waiting.is_full() && !outgoing.is_kept() {
            return Err(outgoing);
        }
        if outgoing.frame_type == FrameType::Certificate {
            self.all.subtract(waiting.drop_outdated_certificate());
        }
        waiting.bytes += outgoing.payload.len();
        waiting.queue.push_back(outgoing);
        self.all.add_one();
        Ok(waiting.turn())
    }

    /// Closes the session after everything before has been acknowledged. Says whether the peer has confirmed
    /// the end.
    pub(crate) fn close(
        &self,
        node: &AgentNode,
        entry: &Arc<Entry>,
        reason: CloseReason,
    ) -> Option<oneshot::Receiver<bool>> {
        let mut waiting = self.waiting();
        if waiting.is_over || waiting.close.is_some() {
            return None;
        }
        let (done, confirmed) = oneshot::channel();
        waiting.close = Some((reason, done));
        let turn = waiting.turn();
        drop(waiting);
        if let Some(turn) = turn {
            turn.spawn(node, entry);
        }
        self.room.notify_waiters();
        Some(confirmed)
    }

    /// Tries again to deliver a certificate, now and then: it has to arrive before the former one ends, whether anything
    /// is said or not. Says when to look again, if there is one to deliver.
    pub(crate) fn retry_certificate(&self, node: &AgentNode, entry: &Arc<Entry>) -> Option<UnixTime> {
        let (sending, mut waiting) = (self.sending(), self.waiting());
        let sealed = sending.batches.iter().flat_map(Batch::runs).map(|run| run.frame_type);
        let mut types = sealed.chain(waiting.queue.iter().map(|outgoing| outgoing.frame_type));
        if !types.any(|frame_type| frame_type == FrameType::Certificate) {
            return None;
        }
        let now = node.state.clock.now();
        if let Some(at) = waiting.rested_at.filter(|at| now.since(*at) < REST) {
            return Some(at.saturating_add(REST));
        }
        if let Some(turn) = waiting.turn() {
            turn.spawn(node, entry);
        }
        Some(now.saturating_add(REST))
    }

    /// Ends what is sent at once: whatever waits fails, and the close frame is the last to be sealed. Tries to deliver it
    /// in the background.
    pub(crate) fn cut(&self, node: &AgentNode, entry: &Arc<Entry>, reason: CloseReason) {
        let Some(sealer) = self.abandon() else { return };
        let (node, entry) = (node.clone(), entry.clone());
        tokio::spawn(async move {
            if let Some(channel) = entry.channel.get() {
                // The peer may be gone, and its confirmation is not waited for.
                delivery::close(&node, channel, sealer, reason).await;
            }
        });
    }

    /// The session has ended: the keys go, and whatever waits fails. Says how many texts were never acknowledged.
    pub(crate) fn end(&self) -> u64 {
        self.abandon();
        self.sending().never_acknowledged
    }

    /// What is to be done next.
    pub(super) fn next(&self, session_id: Uuid, now: UnixTime) -> Step {
        loop {
            let mut sending = self.sending();
            if let Some(batch) = sending.batches.front() {
                return Step::Send { body: batch.body(), is_single: batch.is_single() };
            }
            let mut waiting = self.waiting();
            if waiting.queue.is_empty() {
                if let Some((reason, done)) = waiting.close.take()
                    && let Some(sealer) = sending.sealer.take()
                {
                    waiting.is_over = true;
                    return Step::Close { sealer: Box::new(sealer), reason, done };
                }
                waiting.running = false;
                waiting.queue.shrink_to(KEPT_CAPACITY);
                return Step::Rest;
            }
            if waiting.bytes >= LARGE {
                return Step::Seal;
            }
            drop((sending, waiting));
            if let Err(error) = self.seal(session_id, now) {
                return Step::Fail(error);
            }
        }
    }

    /// Whether nothing waits.
    pub(super) fn is_done(&self) -> bool {
        let (sending, waiting) = (self.sending(), self.waiting());
        sending.batches.is_empty() && waiting.queue.is_empty() && waiting.close.is_none()
    }

    /// Whether there is a whole batch to be sealed, while another one is on its way.
    pub(super) fn has_whole_batch(&self) -> bool {
        self.waiting().has_whole_batch()
    }

    /// Seals what waits, as far as one batch holds it. For large batches this takes a while.
    pub(super) fn seal(&self, session_id: Uuid, now: UnixTime) -> Result<(), SessionError> {
        let mut sending = self.sending();
        let Sending { sealer, batches, .. } = &mut *sending;
        let sealer = sealer.as_mut().ok_or(SessionError::Exhausted)?;
        let mut waiting = self.waiting();
        let (mut fitting, size) = waiting.take_batch();
        let has_room = waiting.is_half_empty();
        drop(waiting);
        if has_room {
            self.room.notify_waiters();
        }
        let outcome = if size >= LARGE && fitting.len() == 1 {
            seal_in_place(sealer, batches, &mut fitting, now)
        } else {
            let mut batch = Filling::new(session_id, size);
            let outcome = seal_together(sealer, &mut batch, &mut fitting, now);
            batches.extend(batch.finish());
            outcome
        };
        if outcome.is_err() {
            // The session ends, and what is left is counted then.
            self.waiting().put_back(fitting);
        }
        outcome
    }

    /// The peer gives no answer for now.
    pub(super) fn rest(&self, reason: &str, now: UnixTime) {
        let sending = self.sending();
        for run in sending.batches.iter().flat_map(Batch::runs) {
            if let Some(receipt) = &run.receipt {
                receipt.fail(Undelivered::Unreachable(reason.to_owned()));
            }
        }
        let mut waiting = self.waiting();
        self.all.subtract(waiting.fail_all(&Undelivered::NotSent(reason.to_owned())));
        (waiting.running, waiting.rested_at) = (false, Some(now));
        drop(waiting);
        self.room.notify_waiters();
    }

    /// Takes what has been acknowledged off the queue.
    pub(super) fn acknowledge(&self, ack: &Ack, node: &AgentNode, channel: &Channel) -> Result<(), Failure> {
        let mut sending = self.sending();
        let received = sending.sealer.as_mut().ok_or(SessionError::BadAck)?.accept(ack)?;
        let mut acknowledged = 0;
        while let Some(batch) = sending.batches.front_mut() {
            acknowledged += batch.acknowledge(received, node, channel);
            if !batch.is_done() {
                break;
            }
            sending.batches.pop_front();
        }
        self.all.subtract(acknowledged);
        if acknowledged == 0 {
            // Sending the same at once would be a loop without end.
            return Err(Failure::Unreachable("the peer takes nothing of what is sent".into()));
        }
        Ok(())
    }

    /// Gives up all that is under way, and counts it. Nothing is taken any more.
    fn abandon(&self) -> Option<Sealer> {
        let (mut sending, mut waiting) = (self.sending(), self.waiting());
        let (mut frames, mut texts) = (waiting.queue.len(), waiting.texts());
        for run in sending.batches.iter().flat_map(Batch::runs) {
            let count = usize::try_from(run.count).unwrap_or(usize::MAX);
            frames += count;
            texts += if run.frame_type == FrameType::Text { run.count } else { 0 };
            if let Some(receipt) = &run.receipt {
                receipt.fail(Undelivered::Ended);
            }
        }
        sending.batches = VecDeque::new();
        sending.never_acknowledged += texts;
        self.all.subtract(frames);
        waiting.fail_all(&Undelivered::Ended);
        waiting.queue = VecDeque::new();
        (waiting.bytes, waiting.is_over) = (0, true);
        let sealer = sending.sealer.take();
        drop((sending, waiting));
        self.room.notify_waiters();
        sealer
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.sending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seals what `fitting` holds, one after the other, into one body.
fn seal_together(
    sealer: &mut Sealer,
    batch: &mut Filling,
    fitting: &mut VecDeque<Outgoing>,
    now: UnixTime,
) -> Result<(), SessionError> {
    while let Some(next) = fitting.front() {
        let seq = sealer.seal_into(&mut batch.body, next.frame_type, &next.payload, now)?;
        let Some(Outgoing { frame_type, switch, receipt, .. }) = fitting.pop_front() else { break };
        batch.note(seq, frame_type, receipt);
        switch.map_or(Ok(()), |keys| sealer.switch(*keys, now))?;
    }
    Ok(())
}

/// Seals the one payload that `fitting` holds where it stands: a copy of a large one takes as long as sealing it.
fn seal_in_place(
    sealer: &mut Sealer,
    batches: &mut VecDeque<Batch>,
    fitting: &mut VecDeque<Outgoing>,
    now: UnixTime,
) -> Result<(), SessionError> {
    let Some(large) = fitting.front_mut() else { return Ok(()) };
    let (seq, head, tag) = sealer.seal_in_place(large.frame_type, &mut large.payload, now)?;
    let Some(Outgoing { frame_type, payload, switch, receipt }) = fitting.pop_front() else { return Ok(()) };
    let body = Parts { head: head.into(), middle: payload.into(), tail: Bytes::copy_from_slice(&tag) };
    batches.push_back(Batch::of_one(body, seq, Run { count: 1, frame_type, receipt }));
    switch.map_or(Ok(()), |keys| sealer.switch(*keys, now))
}

/// What the one that sends does next.
pub(super) enum Step {
    /// This body, again or for the first time.
    Send { body: Parts, is_single: bool },
    /// Seal a batch that takes a while, elsewhere.
    Seal,
    /// The last frame.
    Close { sealer: Box<Sealer>, reason: CloseReason, done: oneshot::Sender<bool> },
    /// Nothing waits.
    Rest,
    /// The session cannot go on.
    Fail(SessionError),
}

/// From so many bytes on, sealing takes long enough to hold up an async worker.
const LARGE: usize = 128 * 1024;
/// How long a certificate waits after an attempt in vain.
const REST: Duration = Duration::from_secs(5);
