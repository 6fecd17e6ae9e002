//! The present time, from the system or, in tests, from a hand that sets it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use a2a_core::time::UnixTime;

/// Where the present time comes from. Cheap to clone; clones share the hand that sets it.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The operating system's wall clock.
    #[default]
    System,
    /// Seconds set by hand.
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// A clock that stands at `now` until it is moved.
    pub fn manual(now: UnixTime) -> Self {
        Self::Manual(Arc::new(AtomicU64::new(now.as_secs())))
    }

    /// The present time in whole seconds.
    #[expect(clippy::disallowed_methods, reason = "this is the one clock")]
    pub fn now(&self) -> UnixTime {
        match self {
            Self::System => {
                let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
                UnixTime::from_secs(elapsed.as_secs())
            }
            Self::Manual(seconds) => UnixTime::from_secs(seconds.load(Ordering::SeqCst)),
        }
    }

    /// Moves a manual clock forward; the system's clock is nobody's to move, so there it does nothing.
    pub fn advance(&self, by: Duration) {
        if let Self::Manual(seconds) = self {
            seconds.fetch_add(by.as_secs(), Ordering::SeqCst);
        }
    }
}
