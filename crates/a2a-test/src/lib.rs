//! What the end-to-end and adversarial tests stand on: a world with a controller, agents whose events are
//! expected one by one, a scripted peer with a valid certificate, and a man in the middle.
//!
//! Everything is real (TLS, ports, files, both crypto libraries) but the clock, which stands until a test
//! moves it, and the RSA keys, which are made once a process. In the [`arena`] even these are real: there the
//! programs themselves run. Time-outs here are only a safety net: a test that needs one has failed.

#![allow(clippy::unwrap_used)]

pub mod keys;

pub mod agent;
pub mod talk;
pub mod world;

pub mod mallory;
pub mod man;
pub mod puppet;
pub mod raw;
pub mod relay;
pub mod rsa_by_hand;
pub mod thief;

pub mod arena;
pub mod binaries;
pub mod der;
pub mod enrollee;
pub mod faketime;
pub mod postgres;
pub mod program;

pub mod ledger;
pub mod mischief;
pub mod pair;
pub mod rough;

pub mod sabotage;

use std::future::Future;
use std::sync::LazyLock;
use std::time::Duration;

/// Gives up on what should have happened long ago.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let outcome = tokio::time::timeout(*PATIENCE, future).await;
    outcome.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// `A2A_PATIENCE`, in seconds, is for whoever expects tests to fail.
static PATIENCE: LazyLock<Duration> = LazyLock::new(|| {
    let told = std::env::var_os("A2A_PATIENCE").and_then(|seconds| seconds.to_str()?.parse().ok());
    told.map_or(Duration::from_mins(1), Duration::from_secs)
});
