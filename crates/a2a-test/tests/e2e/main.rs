//! Real nodes talking: what people do with them, what goes wrong in honest life, and what the clock does.
//!
//! What attackers do stands in `attacks`.

#![allow(clippy::unwrap_used)]

mod consent;
mod conversation;
mod delivery;
mod metrics;
mod restarts;
mod revocation_ends_sessions;
mod secrets;
mod sessions_outlive_certificates;
mod time;
mod trust;
mod wrong_uses;
