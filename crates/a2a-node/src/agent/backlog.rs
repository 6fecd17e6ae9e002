//! How much waits to be sent, over all sessions, for the metrics: counted as it comes and goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many frames wait to be acknowledged or sealed, over all sessions. Clones share the number.
#[derive(Debug, Clone, Default)]
pub(crate) struct FramesWaiting(Arc<AtomicUsize>);

impl FramesWaiting {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn add_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn subtract(&self, frames: usize) {
        self.0.fetch_sub(frames, Ordering::Relaxed);
    }
}
