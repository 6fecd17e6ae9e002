//! The controller: it enrols agents, certifies their cards and lists who is certified.
//!
//! It takes no part in what agents say to each other and holds none of their secrets: certificates are verified
//! offline, so a controller that is down stops new enrolments and nothing else.
//!
//! Reading order: what it stands on (`tls_authority`, `ca_file`), what it remembers (`challenges`,
//! `registry`), what it decides (`enrolment`), how it is reached (`routes`, `rate`), what its handlers share (`state`),
//! and what holds it together (`node`). `commands` is what a person types, and
//! `program` the whole from start to exit code.

mod ca_file;
mod tls_authority;

mod challenges;
mod registry;

// Nothing but its own tests uses all of it yet.
#[allow(dead_code, unused_imports, reason = "enrolment still goes by the register, the commands come with it")]
mod store;

mod enrolment;

mod rate;
mod routes;
mod state;

mod node;

mod commands;
mod program;

pub use node::{ControllerNode, ControllerStatus};
pub use program::run;
pub use registry::Enrolled;
