//! Frames that are sealed and go in one body, until they are acknowledged.

use std::collections::VecDeque;
use std::sync::Arc;

use a2a_core::session::FrameType;
use a2a_core::session::frame::skip_frames;
use axum::body::Bytes;

use crate::agent::AgentNode;
use crate::agent::channel::Channel;
use crate::agent::receipt::Receipt;
use crate::metrics::Direction;

/// Frames that go in one body.
#[derive(Debug)]
pub(super) struct Batch {
    /// In binary form.
    pub(super) body: Bytes,
    pub(super) frames: VecDeque<Sealed>,
}

#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) seq: u64,
    /// Where in the body it ends.
    pub(super) end: usize,
    pub(super) frame_type: FrameType,
    pub(super) receipt: Option<Arc<Receipt>>,
}

impl Batch {
    /// Takes off the frames before `received`, and says how many.
    pub(super) fn acknowledge(&mut self, received: u64, node: &AgentNode, channel: &Channel) -> usize {
        let (mut taken, mut texts, mut end) = (0, 0, 0);
        while let Some(sealed) = self.frames.pop_front_if(|sealed| sealed.seq < received) {
            texts += u64::from(sealed.frame_type == FrameType::Text);
            if let Some(receipt) = sealed.receipt {
                receipt.acknowledge(sealed.seq);
            }
            (taken, end) = (taken + 1, sealed.end);
        }
        channel.counts.count_sent(texts);
        node.state.metrics.messages(Direction::Sent, texts);
        if taken > 0 && !self.frames.is_empty() {
            let rest = skip_frames(&self.body, end);
            let cut = self.body.len() - rest.len();
            self.frames.iter_mut().for_each(|sealed| sealed.end -= cut);
            self.body = rest.into();
        }
        taken
    }
}
