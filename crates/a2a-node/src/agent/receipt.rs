//! Where whoever sends waits until all that was sent has been acknowledged, or some of it cannot be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// For one message or for many; one waits, any number acknowledge.
#[derive(Debug, Default)]
pub(crate) struct Receipt {
    tally: Mutex<Tally>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Tally {
    outstanding: u64,
    acknowledged: u64,
    last_seq: u64,
    failure: Option<Undelivered>,
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
        self.tally().outstanding += 1;
    }

    pub(crate) fn acknowledge(&self, seq: u64) {
        let mut tally = self.tally();
        tally.outstanding -= 1;
        (tally.acknowledged, tally.last_seq) = (tally.acknowledged + 1, seq);
        if tally.outstanding == 0 {
            drop(tally);
            self.told.notify_one();
        }
    }

    /// The first failure is what counts.
    pub(crate) fn fail(&self, reason: Undelivered) {
        self.tally().failure.get_or_insert(reason);
        self.told.notify_one();
    }

    /// Whether there is nothing to wait for any more.
    pub(crate) fn is_settled(&self) -> bool {
        let tally = self.tally();
        tally.outstanding == 0 || tally.failure.is_some()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.tally().failure.is_some()
    }

    /// Waits until nothing is on its way any more, or something has failed.
    pub(crate) async fn outcome(&self) -> Result<Acknowledged, Undelivered> {
        loop {
            {
                let tally = self.tally();
                if let Some(reason) = &tally.failure {
                    return Err(reason.clone());
                }
                if tally.outstanding == 0 {
                    return Ok(Acknowledged { count: tally.acknowledged, last_seq: tally.last_seq });
                }
            }
            // Told in between, it does not wait.
            self.told.notified().await;
        }
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
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
