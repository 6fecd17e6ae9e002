//! What is fuzzed: every reader of bytes from the network, a file or a keyboard, and two parties on a network of ill will.
//!
//! Each target is a function of bytes that returns if what it claims holds, and panics if not: more than "does not panic".
//! `fuzz/` wraps each for cargo-fuzz, which needs a nightly compiler; the tests of this crate run all of them on any, over
//! the seeds and over mutants of these.
//!
//! Reading order: the readers of messages (`messages`, `frames`, `json`), of keys and texts, of files and of command
//! lines; then `toy`, a crypto provider whose signatures cost nothing, and what stands on it: the handshake's states and
//! the session's.

mod commands;
mod files;
mod frames;
mod json;
mod keys;
mod messages;
mod texts;

mod toy;

mod cast;
mod choices;
mod handshake;
mod session;

/// A target: what it is called, and what it does with bytes.
pub type Target = (&'static str, fn(&[u8]));

/// Every target. `fuzz/fuzz_targets/` has a program for each, `fuzz/seeds/` a folder.
pub const TARGETS: [Target; 13] = [
    ("certificate", messages::certificate),
    ("handshake_messages", messages::handshake),
    ("controller_messages", messages::controller),
    ("enrolment", messages::enrolment),
    ("frames_json", frames::json),
    ("frames_binary", frames::binary),
    ("json", json::any),
    ("keys", keys::any),
    ("texts", texts::any),
    ("files", files::any),
    ("commands", commands::lines),
    ("handshake", handshake::play),
    ("session", session::play),
];

/// Runs the target of this name.
///
/// # Panics
/// If there is none, or if what it claims does not hold.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, body) = target.unwrap_or_else(|| panic!("there is no target {name}"));
    body(bytes);
}
