//! The session through its public interface: what arrives, what is refused, and that a refusal changes nothing.

#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod order;

mod acks;
mod bodies;
mod close;
mod limits;
mod tamper;
mod wire;
