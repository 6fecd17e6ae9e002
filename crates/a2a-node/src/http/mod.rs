//! The HTTPS server that every program has: how it is bound and ended, what it refuses, and how it says so.
//!
//! Which routes there are and what they do, an agent and the controller decide. This module knows neither.

mod error;
mod extract;
mod limits;
mod server;

pub use error::{ApiError, ErrorBody};
pub use extract::{WireJson, read_body};
pub use limits::limits;
pub use server::{BoundServer, Server};
