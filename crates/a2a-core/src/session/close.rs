//! The end of a session, said under its keys: what is not sealed is not a close.

use serde::{Deserialize, Serialize};

use crate::wire;

/// The payload of a close frame, canonical JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// Why.
    pub reason: CloseReason,
    /// How many frames the closing side has sent before this one.
    #[serde(deserialize_with = "wire::safe_u64")]
    pub sent: u64,
    /// How many frames the closing side has received.
    #[serde(deserialize_with = "wire::safe_u64")]
    pub received: u64,
}

/// Why a session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// A person or program is done.
    Done,
    /// Nothing was said for too long.
    Idle,
    /// The session has reached its absolute age, or a certificate its end.
    Expired,
    /// The program stops.
    Shutdown,
    /// One of the two certificates has been revoked.
    Revoked,
}
