//! Where whoever sends waits until all that was sent has been acknowledged, or some of it cannot be.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;

/// For one message or for many; one waits, any number acknowledge.
#[derive(Debug, Default)]
pub(crate) struct Receipt {
    acknowledged: AtomicU64,
    last_seq: AtomicU64,
    failure: OnceLock<Undelivered>,
    told: Notify,
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

    /// So many more messages have arrived, the last of them with this number. They arrive in their order.
    pub(crate) fn acknowledge(&self, count: u64, last_seq: u64) {
        self.last_seq.store(last_seq, Ordering::SeqCst);
        self.acknowledged.fetch_add(count, Ordering::SeqCst);
        self.told.notify_one();
    }

    /// The first failure is what counts.
    pub(crate) fn fail(&self, reason: Undelivered) {
        self.failure.get_or_init(|| reason);
        self.told.notify_one();
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.failure.get().is_some()
    }

    /// Whether there is nothing to wait for any more, of `sent` messages.
    pub(crate) fn is_settled(&self, sent: u64) -> bool {
        self.acknowledged.load(Ordering::SeqCst) >= sent || self.has_failed()
    }

    /// Waits until all of `sent` messages have been acknowledged, or one has failed. Says the last one's sequence number.
    pub(crate) async fn outcome(&self, sent: u64) -> Result<u64, Undelivered> {
        while !self.is_settled(sent) {
            // Told in between, it does not wait.
            self.told.notified().await;
        }
        match self.failure.get() {
            Some(reason) => Err(reason.clone()),
            None => Ok(self.last_seq.load(Ordering::SeqCst)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_have_to_be_acknowledged() {
        let receipt = Receipt::new();
        let waiting = tokio::spawn({
            let receipt = receipt.clone();
            async move { receipt.outcome(6).await }
        });
        for seq in [7, 9] {
            receipt.acknowledge(2, seq);
            tokio::task::yield_now().await;
            assert!(!waiting.is_finished());
        }
        receipt.acknowledge(2, 11);
        assert_eq!(waiting.await.ok(), Some(Ok(11)));
    }

    #[tokio::test]
    async fn one_failure_is_enough_and_the_first_one_is_told() {
        let receipt = Receipt::new();
        receipt.acknowledge(1, 0);
        receipt.fail(Undelivered::Unreachable("away".into()));
        receipt.fail(Undelivered::Ended);
        assert_eq!(receipt.outcome(2).await, Err(Undelivered::Unreachable("away".into())));
    }
}
