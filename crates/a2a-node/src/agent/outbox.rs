//! What waits to be sent over a session: one request in flight, and everything that gathers meanwhile goes
//! with the next one, so throughput grows with the load while a single message leaves at once. `delivery` sends it.
//!
//! A frame is sealed once. Until it is acknowledged the same bytes are sent again, first by a few retries,
//! then before whatever is sent next. What was sealed and never acknowledged ends with the session.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2a_core::session::frame::encoded_len;
use a2a_core::session::{Ack, CloseReason, DirectionKeys, Frame, FrameType, Sealer, SessionError};
use a2a_core::time::UnixTime;
use a2a_core::wire::MAX_SEND_BODY;
use tokio::sync::oneshot;

use super::AgentNode;
use super::channel::Channel;
use super::delivery::{self, Failure};
use super::sessions::Entry;
use crate::metrics::Direction;

/// The sending side of a channel.
#[derive(Debug)]
pub(crate) struct Outbox(Mutex<Queue>);

#[derive(Debug)]
struct Queue {
    /// Gone once the close frame is sealed or the session has ended.
    sealer: Option<Sealer>,
    waiting: VecDeque<Outgoing>,
    /// Sealed, sent, not acknowledged; in order.
    unacknowledged: VecDeque<Sealed>,
    /// Asked for: seal the close frame once everything before it has been acknowledged.
    close: Option<(CloseReason, oneshot::Sender<bool>)>,
    running: bool,
    /// When the peer last gave no answer.
    rested_at: UnixTime,
    /// Texts that had not been acknowledged when the session ended.
    never_acknowledged: u64,
}

/// Something to be sealed.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame_type: FrameType,
    pub(crate) payload: Vec<u8>,
    /// Keys for all that comes after this frame.
    pub(crate) switch: Option<DirectionKeys>,
    /// Who wants to know what became of it.
    pub(crate) done: Option<oneshot::Sender<Result<u64, Undelivered>>>,
}

#[derive(Debug)]
struct Sealed {
    frame: Frame,
    done: Option<oneshot::Sender<Result<u64, Undelivered>>>,
}

/// What became of a message that was not delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Undelivered {
    /// The peer gives no answer. The message has been sealed: it is kept, and sent again before the next one.
    Unreachable(String),
    /// The peer gives no answer to what was sent before. The message has not been sealed, and is dropped.
    NotSent(String),
    /// The session has ended.
    Ended,
    /// The queue is full.
    Full,
}

impl Outgoing {
    pub(crate) fn new(frame_type: FrameType, payload: Vec<u8>) -> Self {
        Self { frame_type, payload, switch: None, done: None }
    }

    /// Nobody would make it again, so it is neither refused for want of room nor dropped.
    fn is_kept(&self) -> bool {
        matches!(self.frame_type, FrameType::Rekey | FrameType::Certificate)
    }

    fn fail(self, reason: Undelivered) {
        if let Some(done) = self.done {
            // Nobody may be waiting any more.
            let _ = done.send(Err(reason));
        }
    }
}

impl Outbox {
    pub(crate) fn new(sealer: Sealer) -> Self {
        Self(Mutex::new(Queue {
            sealer: Some(sealer),
            waiting: VecDeque::new(),
            unacknowledged: VecDeque::new(),
            close: None,
            running: false,
            rested_at: UnixTime::from_secs(0),
            never_acknowledged: 0,
        }))
    }

    /// Puts something into the queue and sees to it that the queue is being emptied.
    pub(crate) fn push(&self, node: &AgentNode, entry: &Arc<Entry>, outgoing: Outgoing) {
        let mut queue = self.lock();
        if queue.sealer.is_none() || queue.close.is_some() {
            return outgoing.fail(Undelivered::Ended);
        }
        if queue.waiting.len() >= MAX_WAITING && !outgoing.is_kept() {
            return outgoing.fail(Undelivered::Full);
        }
        if outgoing.frame_type == FrameType::Certificate {
            queue.drop_outdated_certificate();
        }
        queue.waiting.push_back(outgoing);
        queue.run(node, entry);
    }

    /// Closes the session after everything before has been acknowledged. Says whether the peer has confirmed
    /// the end.
    pub(crate) fn close(
        &self,
        node: &AgentNode,
        entry: &Arc<Entry>,
        reason: CloseReason,
    ) -> Option<oneshot::Receiver<bool>> {
        let mut queue = self.lock();
        if queue.sealer.is_none() || queue.close.is_some() {
            return None;
        }
        let (done, confirmed) = oneshot::channel();
        queue.close = Some((reason, done));
        queue.run(node, entry);
        Some(confirmed)
    }

    /// Tries again to deliver a certificate, now and then: it has to arrive before the former one ends, whether anything
    /// is said or not.
    pub(crate) fn retry_certificate(&self, node: &AgentNode, entry: &Arc<Entry>) {
        let mut queue = self.lock();
        let sealed = queue.unacknowledged.iter().map(|sealed| sealed.frame.frame_type);
        let mut types = sealed.chain(queue.waiting.iter().map(|outgoing| outgoing.frame_type));
        let is_due = types.any(|frame_type| frame_type == FrameType::Certificate)
            && node.state.clock.now().since(queue.rested_at) >= REST;
        if is_due {
            queue.run(node, entry);
        }
    }

    /// Ends what is sent at once: whatever waits fails, and the close frame is the last to be sealed. Tries to deliver it
    /// in the background.
    pub(crate) fn cut(&self, node: &AgentNode, entry: &Arc<Entry>, reason: CloseReason) {
        let mut queue = self.lock();
        let Some(sealer) = queue.sealer.take() else { return };
        queue.abandon();
        drop(queue);
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
        let mut queue = self.lock();
        queue.sealer = None;
        queue.abandon();
        queue.never_acknowledged
    }

    /// What is to be done next.
    pub(super) fn next(&self, node: &AgentNode) -> Step {
        let mut queue = self.lock();
        match queue.seal_next(node) {
            Ok(frames) if !frames.is_empty() => Step::Send(frames),
            Ok(_) => {
                if let Some((reason, done)) = queue.close.take()
                    && let Some(sealer) = queue.sealer.take()
                {
                    return Step::Close { sealer: Box::new(sealer), reason, done };
                }
                queue.running = false;
                Step::Rest
            }
            Err(error) => Step::Fail(error),
        }
    }

    /// The peer gives no answer for now.
    pub(super) fn rest(&self, reason: String, now: UnixTime) {
        let mut queue = self.lock();
        queue.fail_all(&Undelivered::Unreachable(reason));
        (queue.running, queue.rested_at) = (false, now);
    }

    /// Takes what has been acknowledged off the queue.
    pub(super) fn acknowledge(&self, ack: &Ack, node: &AgentNode, channel: &Channel) -> Result<(), Failure> {
        self.lock().acknowledge(ack, node, channel)
    }

    /// How many frames wait to be acknowledged or sealed.
    pub(crate) fn len(&self) -> usize {
        let queue = self.lock();
        queue.unacknowledged.len() + queue.waiting.len()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn run(&mut self, node: &AgentNode, entry: &Arc<Entry>) {
        if !self.running {
            self.running = true;
            tokio::spawn(delivery::run(node.clone(), entry.clone()));
        }
    }

    /// Seals what waits, as far as one body holds it, behind what is not acknowledged yet.
    fn seal_next(&mut self, node: &AgentNode) -> Result<Vec<Frame>, SessionError> {
        let mut length: usize = self.unacknowledged.iter().map(|sealed| encoded_len(&sealed.frame)).sum();
        let sealer = self.sealer.as_mut().ok_or(SessionError::Exhausted)?;
        while let Some(next) = self.waiting.front() {
            length += next.payload.len() + FRAME_OVERHEAD;
            if !self.unacknowledged.is_empty() && length > MAX_SEND_BODY {
                break;
            }
            let Some(Outgoing { frame_type, payload, switch, done }) = self.waiting.pop_front() else {
                break;
            };
            let now = node.state.clock.now();
            let frame = sealer.seal(frame_type, payload, now)?;
            if let Some(keys) = switch {
                sealer.switch(keys, now)?;
            }
            self.unacknowledged.push_back(Sealed { frame, done });
        }
        Ok(self.unacknowledged.iter().map(|sealed| sealed.frame.clone()).collect())
    }

    fn acknowledge(&mut self, ack: &Ack, node: &AgentNode, channel: &Channel) -> Result<(), Failure> {
        let received = self.sealer.as_mut().ok_or(SessionError::BadAck)?.accept(ack)?;
        let waited = self.unacknowledged.len();
        while self.unacknowledged.front().is_some_and(|sealed| sealed.frame.seq < received) {
            let Some(Sealed { frame, done }) = self.unacknowledged.pop_front() else { break };
            if frame.frame_type == FrameType::Text {
                channel.counts.count_sent();
                node.state.metrics.message(Direction::Sent);
            }
            if let Some(done) = done {
                let _ = done.send(Ok(frame.seq));
            }
        }
        if self.unacknowledged.len() == waited {
            // Sending the same at once would be a loop without end.
            return Err(Failure::Unreachable("the peer takes nothing of what is sent".into()));
        }
        Ok(())
    }

    /// Drops a certificate that waits behind an absent peer: a newer one makes it needless. One that a message of a fresh
    /// exchange stands behind is needed for that message's signature.
    fn drop_outdated_certificate(&mut self) {
        let last = self.waiting.iter().rposition(Outgoing::is_kept);
        let outdated = last.filter(|at| self.waiting[*at].frame_type == FrameType::Certificate);
        if let Some(at) = outdated {
            self.waiting.remove(at);
        }
    }

    /// Gives up all that is under way, and counts it.
    fn abandon(&mut self) {
        let sealed = self.unacknowledged.iter().map(|sealed| sealed.frame.frame_type);
        let waiting = self.waiting.iter().map(|outgoing| outgoing.frame_type);
        let texts = sealed.chain(waiting).filter(|frame_type| *frame_type == FrameType::Text).count();
        self.never_acknowledged += texts as u64;
        self.fail_all(&Undelivered::Ended);
        self.waiting.clear();
        self.unacknowledged.clear();
    }

    /// Tells whoever waits. What has been sealed stays, to be sent again; what has not is dropped, but for
    /// certificates and the messages of a fresh exchange.
    fn fail_all(&mut self, reason: &Undelivered) {
        let (kept, rest): (VecDeque<_>, VecDeque<_>) = self.waiting.drain(..).partition(Outgoing::is_kept);
        self.waiting = kept;
        for outgoing in rest {
            outgoing.fail(match reason {
                Undelivered::Unreachable(reason) => Undelivered::NotSent(reason.clone()),
                other => other.clone(),
            });
        }
        for sealed in &mut self.unacknowledged {
            if let Some(done) = sealed.done.take() {
                let _ = done.send(Err(reason.clone()));
            }
        }
        if let Some((_, done)) = self.close.take() {
            let _ = done.send(false);
        }
    }
}

/// What the one that sends does next.
pub(super) enum Step {
    /// These frames, again or for the first time.
    Send(Vec<Frame>),
    /// The last frame.
    Close { sealer: Box<Sealer>, reason: CloseReason, done: oneshot::Sender<bool> },
    /// Nothing waits.
    Rest,
    /// The session cannot go on.
    Fail(SessionError),
}

/// Messages that may wait on one session.
const MAX_WAITING: usize = 1024;
/// What a frame adds to its payload in a binary body: header and tag.
const FRAME_OVERHEAD: usize = 33;
/// How long a certificate waits after an attempt in vain.
const REST: Duration = Duration::from_secs(5);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn outbox(waiting: &[FrameType]) -> Queue {
        let waiting = waiting.iter().map(|frame_type| Outgoing::new(*frame_type, Vec::new())).collect();
        Queue {
            sealer: None,
            waiting,
            unacknowledged: VecDeque::new(),
            close: None,
            running: false,
            rested_at: UnixTime::from_secs(0),
            never_acknowledged: 0,
        }
    }

    fn types(queue: &Queue) -> Vec<FrameType> {
        queue.waiting.iter().map(|outgoing| outgoing.frame_type).collect()
    }

    #[test]
    fn a_certificate_is_dropped_for_a_newer_one_unless_a_signature_needs_it() {
        use FrameType::{Certificate, Rekey, Text};
        for (waiting, left) in [
            (&[Text, Certificate, Text][..], &[Text, Text][..]),
            (&[Rekey, Certificate, Text], &[Rekey, Text]),
            (&[Certificate, Rekey], &[Certificate, Rekey]),
            (&[Certificate, Text, Rekey, Certificate], &[Certificate, Text, Rekey]),
            (&[Text], &[Text]),
            (&[], &[]),
        ] {
            let mut queue = outbox(waiting);
            queue.drop_outdated_certificate();
            assert_eq!(types(&queue), left, "{waiting:?}");
        }
    }

    #[test]
    fn an_absent_peer_costs_texts_and_nothing_that_nobody_would_make_again() {
        use FrameType::{Certificate, Rekey, Text};
        let mut queue = outbox(&[Text, Certificate, Rekey, Text]);
        let (done, mut outcome) = oneshot::channel();
        queue.waiting[0].done = Some(done);
        queue.fail_all(&Undelivered::Unreachable("away".into()));
        assert_eq!(types(&queue), [Certificate, Rekey]);
        assert_eq!(outcome.try_recv().unwrap(), Err(Undelivered::NotSent("away".into())));
    }

    #[test]
    fn only_texts_count_as_never_acknowledged() {
        use FrameType::{Certificate, Rekey, Text};
        let mut queue = outbox(&[Text, Certificate, Rekey, Text]);
        queue.abandon();
        queue.abandon();
        assert_eq!((queue.never_acknowledged, queue.waiting.len()), (2, 0));
    }
}
