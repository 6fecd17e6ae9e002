//! The controller: it enrols agents, certifies their cards, lists who is certified and says what is revoked.
//!
//! It takes no part in what agents say to each other and holds none of their secrets: certificates are verified
//! offline, so a controller that is down stops enrolments and renewals, and sessions only once its last list is too old.
//!
//! Reading order: what it stands on (`secret`, `keys`, `tls_authority`, `ca_file`), what it remembers (`store`,
//! `challenges`), what serving controllers and commands share (`controller`), what is decided about whoever asks (`claim`,
//! `refusal`, `enrolment`, `approvals`), what an operator does (`operator`), how it is reached (`held`, `revocations`,
//! `directory`, `serving`, `routes`, `readiness`), what it does by itself (`own_tls`, `tick`), and what holds all of that
//! together (`node`). `commands` is what a person types, and `program` the whole from start to exit code. `import` takes
//! over what the former version kept.

mod ca_file;
mod keys;
mod secret;
mod tls_authority;

mod challenges;
mod store;

mod controller;
mod import;

mod approvals;
mod claim;
mod enrolment;
mod refusal;

mod operator;

mod directory;
mod held;
mod readiness;
mod revocations;
mod routes;
mod serving;

mod own_tls;
mod tick;

mod node;

mod commands;
mod program;

#[cfg(test)]
mod samples;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

pub use enrolment::Enrolled;
pub use node::{ControllerNode, ControllerStatus, ServingStatus};
pub use program::run;
