//! The fresh exchange inside a live session: frames cross it in both directions, and nothing else gets through.

#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod flaws;
mod live;
mod renewal;
mod running;
