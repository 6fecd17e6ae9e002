//! Time as the protocol has it: whole Unix seconds, handed in by the caller.
//!
//! No clock is read here.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use thiserror::Error;

use crate::wire::{self, MAX_SAFE_INTEGER};

/// Seconds since 1970-01-01T00:00:00Z, at most 2^53 - 1; a JSON integer on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct UnixTime(u64);

impl UnixTime {
    /// The latest time there is.
    pub const MAX: Self = Self(MAX_SAFE_INTEGER);

    /// `secs` after the epoch; what lies beyond [`UnixTime::MAX`] becomes it.
    pub const fn from_secs(secs: u64) -> Self {
        if secs > MAX_SAFE_INTEGER { Self::MAX } else { Self(secs) }
    }

    /// Seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// `duration` later, in whole seconds, at most [`UnixTime::MAX`].
    #[must_use]
    pub const fn saturating_add(self, duration: Duration) -> Self {
        Self::from_secs(self.0.saturating_add(duration.as_secs()))
    }

    /// `duration` earlier, in whole seconds, at least the epoch.
    #[must_use]
    pub const fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// How long ago `earlier` was; zero if it is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_secs(self.0.saturating_sub(earlier.0))
    }
}

/// Plain seconds, as in JSON; how a person reads times is the programs' affair.
impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for UnixTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        wire::safe_u64(deserializer).map(Self)
    }
}

/// From when until when something holds: the first second belongs to it, the last does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    issued_at: UnixTime,
    expires_at: UnixTime,
}

impl Validity {
    /// Refuses a span that ends before it has begun, or as it begins.
    pub fn new(issued_at: UnixTime, expires_at: UnixTime) -> Result<Self, ValidityError> {
        if issued_at < expires_at {
            Ok(Self { issued_at, expires_at })
        } else {
            Err(ValidityError::Empty { issued_at, expires_at })
        }
    }

    /// Whether it holds at `now`, clocks differing by up to [`CLOCK_SKEW`] either way.
    pub fn check(&self, now: UnixTime) -> Result<(), ValidityError> {
        if now.saturating_add(CLOCK_SKEW) < self.issued_at {
            return Err(ValidityError::NotYetValid { issued_at: self.issued_at, now });
        }
        if now >= self.expires_at.saturating_add(CLOCK_SKEW) {
            return Err(ValidityError::Expired { expires_at: self.expires_at, now });
        }
        Ok(())
    }

    /// The first second.
    pub const fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// The second after the last.
    pub const fn expires_at(&self) -> UnixTime {
        self.expires_at
    }

    /// How long it lasts.
    pub const fn lifetime(&self) -> Duration {
        self.expires_at.since(self.issued_at)
    }
}

/// Why something does not hold now. Both times are named: a wrong clock is the commonest cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ValidityError {
    /// It never holds.
    #[error("validity ends at {expires_at}, not after it begins at {issued_at}")]
    Empty {
        /// When it should begin.
        issued_at: UnixTime,
        /// When it should end.
        expires_at: UnixTime,
    },
    /// It begins more than [`CLOCK_SKEW`] from now: one of the two clocks is wrong.
    #[error("not valid before {issued_at}, and it is {now} (unix seconds); compare both clocks")]
    NotYetValid {
        /// When it begins.
        issued_at: UnixTime,
        /// The present time.
        now: UnixTime,
    },
    /// It ended at least [`CLOCK_SKEW`] ago.
    #[error("expired at {expires_at}, and it is {now} (unix seconds)")]
    Expired {
        /// When it ended.
        expires_at: UnixTime,
        /// The present time.
        now: UnixTime,
    },
}

/// By how much two honest clocks may differ.
pub const CLOCK_SKEW: Duration = Duration::from_mins(1);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const fn at(secs: u64) -> UnixTime {
        UnixTime::from_secs(secs)
    }

    #[test]
    fn arithmetic_stops_at_both_ends() {
        assert_eq!(at(u64::MAX), UnixTime::MAX);
        assert_eq!(UnixTime::MAX.saturating_add(Duration::MAX), UnixTime::MAX);
        assert_eq!(at(5).saturating_sub(Duration::from_secs(6)), at(0));
        assert_eq!(at(5).saturating_add(Duration::from_millis(1999)), at(6));
        assert_eq!(at(9).since(at(4)), Duration::from_secs(5));
        assert_eq!(at(4).since(at(9)), Duration::ZERO);
    }

    #[test]
    fn json_is_an_integer_in_range() {
        assert_eq!(serde_json::to_string(&at(1_739_577_600)).unwrap(), "1739577600");
        assert_eq!(serde_json::from_str::<UnixTime>("9007199254740991").unwrap(), UnixTime::MAX);
        for bad in ["9007199254740992", "-1", "1.0", "1e3", "\"1\"", "null", "[1]"] {
            assert!(serde_json::from_str::<UnixTime>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn validity_has_skew_at_both_ends() {
        let validity = Validity::new(at(1000), at(2000)).unwrap();
        assert_eq!(validity.lifetime(), Duration::from_secs(1000));
        for good in [940, 1000, 1999, 2059] {
            assert_eq!(validity.check(at(good)), Ok(()), "{good}");
        }
        assert_eq!(
            validity.check(at(939)),
            Err(ValidityError::NotYetValid { issued_at: at(1000), now: at(939) })
        );
        assert_eq!(
            validity.check(at(2060)),
            Err(ValidityError::Expired { expires_at: at(2000), now: at(2060) })
        );
    }

    #[test]
    fn an_empty_validity_is_refused() {
        for end in [999, 1000] {
            let refused = ValidityError::Empty { issued_at: at(1000), expires_at: at(end) };
            assert_eq!(Validity::new(at(1000), at(end)), Err(refused));
        }
    }
}
