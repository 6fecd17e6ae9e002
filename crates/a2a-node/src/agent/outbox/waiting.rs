//! What is to be sent over a session and is not sealed yet.

use std::collections::VecDeque;
use std::sync::Arc;

use a2a_core::session::frame::FRAME_OVERHEAD;
use a2a_core::session::{CloseReason, DirectionKeys, FrameType};
use a2a_core::time::UnixTime;
use tokio::sync::oneshot;

use crate::agent::AgentNode;
use crate::agent::delivery;
use crate::agent::receipt::{Receipt, Undelivered};
use crate::agent::sessions::Entry;

/// Not sealed yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pub(super) queue: VecDeque<Outgoing>,
    /// Of all payloads in the queue.
    pub(super) bytes: usize,
    /// Asked for: seal the close frame once everything before it has been acknowledged.
    pub(super) close: Option<(CloseReason, oneshot::Sender<bool>)>,
    /// Nothing more is taken: the session has ended.
    pub(super) is_over: bool,
    pub(super) running: bool,
    /// When the peer last gave no answer.
    pub(super) rested_at: Option<UnixTime>,
}

/// Something to be sealed.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) frame_type: FrameType,
    pub(crate) payload: Vec<u8>,
    /// Keys for all that comes after this frame.
    pub(crate) switch: Option<Box<DirectionKeys>>,
    /// Who wants to know what became of it.
    pub(crate) receipt: Option<Arc<Receipt>>,
}

impl Outgoing {
    pub(crate) fn new(frame_type: FrameType, payload: Vec<u8>) -> Self {
        Self { frame_type, payload, switch: None, receipt: None }
    }

    pub(crate) fn text(text: String) -> Self {
        Self::new(FrameType::Text, text.into_bytes())
    }

    /// Nobody would make it again, so it neither waits for room nor is dropped.
    pub(super) fn is_kept(&self) -> bool {
        matches!(self.frame_type, FrameType::Rekey | FrameType::Certificate)
    }

    pub(super) fn fail(self, reason: Undelivered) {
        if let Some(receipt) = self.receipt {
            receipt.fail(reason);
        }
    }
}

/// Whoever holds it empties the queue, and nobody else does. See [`delivery::run`].
#[must_use]
#[derive(Debug)]
pub(crate) struct Turn(());

impl Turn {
    /// Empties the queue in a task of its own.
    pub(crate) fn spawn(self, node: &AgentNode, entry: &Arc<Entry>) {
        tokio::spawn(delivery::run(node.clone(), entry.clone(), self));
    }
}

impl Waiting {
    pub(super) fn turn(&mut self) -> Option<Turn> {
        (!std::mem::replace(&mut self.running, true)).then_some(Turn(()))
    }

    /// Whether it is worth waking who waits for room: not for every batch anew.
    pub(super) fn is_half_empty(&self) -> bool {
        self.queue.len() <= MAX_WAITING / 2 && self.bytes <= MAX_WAITING_BYTES / 2
    }

    /// Whether there is no room for one more message.
    pub(super) fn is_full(&self) -> bool {
        self.queue.len() >= MAX_WAITING || self.bytes >= MAX_WAITING_BYTES
    }

    pub(super) fn texts(&self) -> u64 {
        self.queue.iter().filter(|outgoing| outgoing.frame_type == FrameType::Text).count() as u64
    }

    pub(super) fn has_whole_batch(&self) -> bool {
        self.bytes >= MAX_BATCH
    }

    /// Takes out what goes into the next batch, and says how many bytes it will have.
    pub(super) fn take_batch(&mut self) -> (VecDeque<Outgoing>, usize) {
        let (mut count, mut payloads, mut size) = (0, 0, 0);
        for outgoing in &self.queue {
            let after = size + outgoing.payload.len() + FRAME_OVERHEAD;
            if count > 0 && after > MAX_BATCH {
                break;
            }
            (count, payloads, size) = (count + 1, payloads + outgoing.payload.len(), after);
        }
        self.bytes -= payloads;
        (self.queue.drain(..count).collect(), size)
    }

    /// Puts back what was taken out and not sealed.
    pub(super) fn put_back(&mut self, left: VecDeque<Outgoing>) {
        for outgoing in left.into_iter().rev() {
            self.bytes += outgoing.payload.len();
            self.queue.push_front(outgoing);
        }
    }

    /// Drops a certificate that waits behind an absent peer: a newer one makes it needless. One that a message of a fresh
    /// exchange stands behind is needed for that message's signature. Says how many it has dropped.
    pub(super) fn drop_outdated_certificate(&mut self) -> usize {
        let last = self.queue.iter().rposition(Outgoing::is_kept);
        let outdated = last.filter(|at| self.queue[*at].frame_type == FrameType::Certificate);
        let dropped = outdated.and_then(|at| self.queue.remove(at));
        self.bytes -= dropped.as_ref().map_or(0, |dropped| dropped.payload.len());
        usize::from(dropped.is_some())
    }

    /// Drops what waits, and tells whoever waits for it; but for certificates and the messages of a fresh exchange, which
    /// stay. Says how many it has dropped.
    pub(super) fn fail_all(&mut self, reason: &Undelivered) -> usize {
        let (kept, dropped): (VecDeque<_>, VecDeque<_>) = self.queue.drain(..).partition(Outgoing::is_kept);
        self.bytes = kept.iter().map(|outgoing| outgoing.payload.len()).sum();
        self.queue = kept;
        let count = dropped.len();
        for outgoing in dropped {
            outgoing.fail(reason.clone());
        }
        if let Some((_, done)) = self.close.take() {
            // Nobody may be waiting any more.
            let _ = done.send(false);
        }
        count
    }
}

/// Messages that may wait on one session; who sends more waits for room.
const MAX_WAITING: usize = 8192;
/// Bytes that may wait on one session, before the last message.
const MAX_WAITING_BYTES: usize = 4 * 1024 * 1024;
/// Bytes of a batch, unless a single frame has more.
const MAX_BATCH: usize = 1024 * 1024;
/// How many places a queue keeps that has been emptied.
pub(super) const KEPT_CAPACITY: usize = 4;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use FrameType::{Certificate, Rekey, Text};

    use super::*;

    fn waiting(types: &[FrameType]) -> Waiting {
        let queue = types.iter().map(|frame_type| Outgoing::new(*frame_type, vec![0; 10])).collect();
        Waiting { queue, bytes: types.len() * 10, ..Waiting::default() }
    }

    fn types(waiting: &Waiting) -> Vec<FrameType> {
        assert_eq!(waiting.bytes, waiting.queue.len() * 10);
        waiting.queue.iter().map(|outgoing| outgoing.frame_type).collect()
    }

    #[test]
    fn a_certificate_is_dropped_for_a_newer_one_unless_a_signature_needs_it() {
        for (before, left) in [
            (&[Text, Certificate, Text][..], &[Text, Text][..]),
            (&[Rekey, Certificate, Text], &[Rekey, Text]),
            (&[Certificate, Rekey], &[Certificate, Rekey]),
            (&[Certificate, Text, Rekey, Certificate], &[Certificate, Text, Rekey]),
            (&[Text], &[Text]),
            (&[], &[]),
        ] {
            let mut waiting = waiting(before);
            waiting.drop_outdated_certificate();
            assert_eq!(types(&waiting), left, "{before:?}");
        }
    }

    #[tokio::test]
    async fn an_absent_peer_costs_texts_and_nothing_that_nobody_would_make_again() {
        let mut waiting = waiting(&[Text, Certificate, Rekey, Text]);
        let receipt = Receipt::new();
        waiting.queue[0].receipt = Some(receipt.clone());
        waiting.fail_all(&Undelivered::NotSent("away".into()));
        assert_eq!(types(&waiting), [Certificate, Rekey]);
        assert_eq!(receipt.outcome(1).await, Err(Undelivered::NotSent("away".into())));
    }
}
