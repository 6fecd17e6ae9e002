//! Frames that are sealed and go in one body, until they are acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use a2a_core::session::FrameType;
use a2a_core::session::frame::{begin_frames, skip_frames};
use axum::body::Bytes;
use uuid::Uuid;

use crate::agent::AgentNode;
use crate::agent::channel::Channel;
use crate::agent::receipt::Receipt;
use crate::client::peer::Parts;
use crate::metrics::Direction;

/// Frames that go in one body.
#[derive(Debug)]
pub(super) struct Batch {
    /// In binary form.
    body: Parts,
    /// The first frame's sequence number.
    first: u64,
    runs: VecDeque<Run>,
}

/// Frames next to one another that are alike, so that a batch of many messages from one sender takes note of one.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) count: u64,
    pub(super) frame_type: FrameType,
    pub(super) receipt: Option<Arc<Receipt>>,
}

/// A batch to be.
pub(super) struct Filling {
    pub(super) body: Vec<u8>,
    first: Option<u64>,
    runs: VecDeque<Run>,
}

impl Filling {
    pub(super) fn new(session_id: Uuid, capacity: usize) -> Self {
        Self { body: begin_frames(session_id, capacity), first: None, runs: VecDeque::new() }
    }

    /// A frame has been sealed into the body.
    pub(super) fn note(&mut self, seq: u64, frame_type: FrameType, receipt: Option<Arc<Receipt>>) {
        self.first.get_or_insert(seq);
        let address = |receipt: &Option<Arc<Receipt>>| receipt.as_ref().map(Arc::as_ptr);
        match self.runs.back_mut() {
            Some(run) if run.frame_type == frame_type && address(&run.receipt) == address(&receipt) => {
                run.count += 1;
            }
            _ => self.runs.push_back(Run { count: 1, frame_type, receipt }),
        }
    }

    /// None if nothing was sealed.
    pub(super) fn finish(self) -> Option<Batch> {
        Some(Batch { body: Bytes::from(self.body).into(), first: self.first?, runs: self.runs })
    }
}

impl Batch {
    /// A frame by itself, with its sequence number.
    pub(super) fn of_one(body: Parts, first: u64, run: Run) -> Self {
        Self { body, first, runs: [run].into() }
    }

    pub(super) fn body(&self) -> Parts {
        self.body.clone()
    }

    pub(super) fn is_single(&self) -> bool {
        matches!(self.runs.front(), Some(Run { count: 1, .. }) if self.runs.len() == 1)
    }

    pub(super) fn is_done(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn runs(&self) -> impl Iterator<Item = &Run> {
        self.runs.iter()
    }

    /// Takes off the frames before `received`, and says how many.
    pub(super) fn acknowledge(&mut self, received: u64, node: &AgentNode, channel: &Channel) -> usize {
        let (mut taken, mut texts) = (0, 0);
        while let Some(run) = self.runs.front_mut() {
            let count = run.count.min(received.saturating_sub(self.first));
            if count == 0 {
                break;
            }
            (run.count, self.first, taken) = (run.count - count, self.first + count, taken + count);
            if run.frame_type == FrameType::Text {
                texts += count;
            }
            if let Some(receipt) = &run.receipt {
                receipt.acknowledge(count, self.first - 1);
            }
            self.runs.pop_front_if(|run| run.count == 0);
        }
        channel.counts.count_sent(texts);
        node.state.metrics.messages(Direction::Sent, texts);
        let taken = usize::try_from(taken).unwrap_or(usize::MAX);
        if taken > 0 && !self.is_done() {
            // More than one frame: they stand in one place.
            self.body = Bytes::from(skip_frames(&self.body.head, taken)).into();
        }
        taken
    }
}
