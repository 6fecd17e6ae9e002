//! What every program has in common: an HTTPS server and client, storage, sessions, consent, and a REPL.
//!
//! `a2a-core` decides what is said and what is believed; this crate carries it. `http`, `repl` and `store` do not know
//! one another: what a person has to be told or asked travels as a closed [`event::Event`] over a bounded channel.
//!
//! Reading order: what a program is told (`args`), what it stands on (`clock`, `harden`, `store`, `passphrase`, `seal`,
//! `keys`, `tls`, `telemetry`, `metrics`), how it is reached and reaches others (`http`, `client`), what an agent does
//! (`agent`), and what a person types and sees (`event`, `console`, `command`, `repl`). `program` wires them together.

pub mod args;
pub mod clock;
pub mod harden;
pub mod identity_key;
pub mod keys;
pub mod metrics;
pub mod passphrase;
pub mod seal;
pub mod store;
pub mod telemetry;
pub mod tls;

pub mod client;
pub mod http;

pub mod agent;
pub mod error;
pub mod event;

pub mod command;
pub mod console;
pub mod repl;

pub mod program;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

/// Every program's allocator: a message costs some thirty allocations in TLS and HTTP, and the system's takes three times
/// as long for each.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
