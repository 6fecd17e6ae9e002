//! A real controller on port 0 with its files in a directory of its own, agents that enrol, and an operator.

#![allow(clippy::unwrap_used)]

mod world;

mod approvals;
mod certifying;
mod keys;
mod life;
mod lists;
mod operations;
mod restoring;
mod stores;
mod tokens;
