//! The handshake through its public interface: what goes well, and every flaw by its name.

#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod success;

mod exchange;
mod request;
mod response;

mod attacks;
mod json;
mod labels;
mod relay;
mod revocation;
