//! How often one source may ask for a challenge or a certificate: generous for agents, dear for a flood.

use std::net::IpAddr;
use std::num::NonZeroU32;

use a2a_node::http::ApiError;
use axum::http::StatusCode;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// One allowance a source address.
#[derive(Debug)]
pub(crate) struct SourceLimit(DefaultKeyedRateLimiter<IpAddr>);

impl Default for SourceLimit {
    fn default() -> Self {
        Self(RateLimiter::keyed(Quota::per_second(A_SECOND).allow_burst(AT_ONCE)))
    }
}

impl SourceLimit {
    /// Counts a request.
    pub(crate) fn check(&self, source: IpAddr) -> Result<(), ApiError> {
        if self.0.len() > MAX_SOURCES {
            self.0.retain_recent();
        }
        self.0.check_key(&source).map_err(|_| {
            ApiError::new(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limited",
                "too many requests from this address",
                "wait a second, then try again",
            )
        })
    }
}

const A_SECOND: NonZeroU32 = NonZeroU32::new(20).expect("20 is not zero");
const AT_ONCE: NonZeroU32 = NonZeroU32::new(100).expect("100 is not zero");
/// From so many sources on, those that have their whole allowance again are forgotten.
const MAX_SOURCES: usize = 4096;
