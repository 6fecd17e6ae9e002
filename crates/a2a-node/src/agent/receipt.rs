//! Where whoever sends waits until all that was sent has been acknowledged, or some of it cannot be.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

/// For one message or for many; one waits, any number acknowledge.
#[derive(Debug, Default)]
pub(crate) struct Receipt {
    /// Sent and not acknowledged.
    outstanding: AtomicU64,
    acknowledged: AtomicU64,
    last_seq: AtomicU64,
    failure: OnceLock<Undelivered>,
    told: Notify,
}

/// All has arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// How many messages.
    pub(crate) count: u64,
    /// The last one's sequence number.
    pub(crate) last_seq: u64,
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
}

impl Receipt {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Another message is on its way.
    pub(crate) fn expect_one(&self) {
        self.outstanding.fetch_add(1, Ordering::SeqCst);
    }

    /// The message with this number has arrived. They arrive in their order.
    pub(crate) fn acknowledge(&self, seq: u64) {
        self.last_seq.store(seq, Ordering::SeqCst);
        self.acknowledged.fetch_add(1, Ordering::SeqCst);
        if self.outstanding.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.told.notify_one();
        }
    }

    /// The first failure is what counts.
    pub(crate) fn fail(&self, reason: Undelivered) {
        self.failure.get_or_init(|| reason);
        self.told.notify_one();
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    /// Whether there is nothing to wait for any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.outstanding.load(Ordering::SeqCst) == 0 || self.has_failed()
    }

    /// Waits until nothing is on its way any more, or something has failed.
    pub(crate) async fn outcome(&self) -> Result<Acknowledged, Undelivered> {
        while !self.is_settled() {
            // Told in between, it does not wait.
            self.told.notified().await;
        }
        match self.failure.get() {
            Some(reason) => Err(reason.clone()),
            None => Ok(Acknowledged {
                count: self.acknowledged.load(Ordering::SeqCst),
                last_seq: self.last_seq.load(Ordering::SeqCst),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_have_to_be_acknowledged() {
        let receipt = Receipt::new();
        for _ in 0..3 {
            receipt.expect_one();
        }
        let waiting = tokio::spawn({
            let receipt = receipt.clone();
            async move { receipt.outcome().await }
        });
        for seq in [7, 8] {
            receipt.acknowledge(seq);
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
        }
        receipt.acknowledge(9);
        assert_eq!(waiting.await.ok(), Some(Ok(Acknowledged { count: 3, last_seq: 9 })));
    }

    #[tokio::test]
    async fn one_failure_is_enough_and_the_first_one_is_told() {
        let receipt = Receipt::new();
        receipt.expect_one();
        receipt.expect_one();
        receipt.acknowledge(0);
        receipt.fail(Undelivered::Unreachable("away".into()));
        receipt.fail(Undelivered::Ended);
        assert_eq!(receipt.outcome().await, Err(Undelivered::Unreachable("away".into())));
    }
}
