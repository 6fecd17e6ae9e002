//! A bounded place for work that keeps a core busy: RSA signatures, modular exponentiation, ML-KEM.
//!
//! It keeps such work off the async workers, so that a burst of handshakes does not delay messages.

use std::sync::Arc;
use std::thread::available_parallelism;

use tokio::sync::Semaphore;

use crate::error::NodeError;

/// As many jobs at a time as there are cores; the others wait in line.
#[derive(Debug, Clone)]
pub(crate) struct CryptoPool {
    free: Arc<Semaphore>,
    cores: usize,
}

impl CryptoPool {
    pub(crate) fn new() -> Self {
        let cores = available_parallelism().map_or(2, std::num::NonZero::get);
        Self { free: Arc::new(Semaphore::new(cores)), cores }
    }

    /// Whether no job runs or waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.free.available_permits() == self.cores
    }

    /// Runs `job` on a blocking thread. Once begun it runs to its end, even if nobody waits for it any more.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NodeError> {
        let stopped = |error: &dyn std::fmt::Display| NodeError::Environment(format!("crypto pool: {error}"));
        let permit = self.free.clone().acquire_owned().await.map_err(|error| stopped(&error))?;
        let running = tokio::task::spawn_blocking(move || {
            let done = job();
            drop(permit);
            done
        });
        running.await.map_err(|error| stopped(&error))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use a2a_core::crypto::kdf::sha256;

    use super::*;

    #[tokio::test]
    async fn no_more_jobs_run_at_a_time_than_there_are_cores() {
        let pool = CryptoPool::new();
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs = (0..16 * pool.cores).map(|_| {
            let (pool, running, most) = (pool.clone(), running.clone(), most.clone());
            tokio::spawn(async move {
                let job = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    sha256(&[&vec![0; 1 << 20]]);
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                pool.run(job).await.unwrap();
            })
        });
        for job in jobs.collect::<Vec<_>>() {
            job.await.unwrap();
        }
        assert!(pool.is_idle());
        assert!(most.load(Ordering::SeqCst) <= pool.cores);
    }
}
