//! The real binaries in real pseudo-terminals, pipes and signals: what a person types and sees, what a script gets.
//!
//! A screen is compared as a person sees it, after a terminal emulator has drawn it. Nothing here reaches into a
//! program: keys, ports, files and exit codes are all there is. Time-outs are a safety net; no test waits by the clock.

#![allow(clippy::unwrap_used)]

mod place;
mod program;
mod terminal;

mod seed;

mod keys;
mod leaving;
mod refusals;
mod restart;
mod typing;
mod unattended;
