//! Certificates under every provider: what is good is accepted, and each single flaw gives its own error.
#![allow(clippy::unwrap_used)]

mod enrolment;
mod known;
mod labels;
mod renewal;
mod revocation;
mod succession;
mod token;
mod verification;
mod weak_keys;
mod world;
