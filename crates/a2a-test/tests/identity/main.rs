//! An agent's identity through its life: first contact, enrolment, renewal, another key, revocation, a successor.
//!
//! Most of it is played against a controller in the test's hands, which also lies; that sessions live on or end is in
//! `e2e`.

#![allow(clippy::unwrap_used)]

mod contact;
mod rekey;
mod renewal;
mod revocation;
mod scene;
mod succession;
mod with_controller;
