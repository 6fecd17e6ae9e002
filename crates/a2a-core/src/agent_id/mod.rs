//! Names: what an agent is called and where it listens.
//!
//! No look-up happens here, neither in a directory nor in the DNS.

mod address;

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use address::{AgentAddress, MAX_ADDRESS};

/// What an agent is called: 1 to 63 of `a-z`, `0-9`, `_` and `-`. So few that no two names look alike by
/// case, script or invisible characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AgentId(String);

impl AgentId {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for AgentId {
    type Error = NameError;

    fn try_from(name: String) -> Result<Self, NameError> {
        if name.is_empty() || name.len() > MAX_AGENT_ID {
            return Err(NameError::AgentIdLength(name.len()));
        }
        if !name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-')) {
            return Err(NameError::AgentIdCharacter);
        }
        Ok(Self(name))
    }
}

impl FromStr for AgentId {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        name.to_owned().try_into()
    }
}

impl AsRef<str> for AgentId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Why a name or an address is not one. The text says what would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NameError {
    /// An agent id that is empty or too long, with its length in bytes.
    #[error("an agent id has 1 to {MAX_AGENT_ID} characters, not {0}")]
    AgentIdLength(usize),
    /// An agent id with a character that none has.
    #[error("an agent id consists of a-z, 0-9, _ and - alone, such as helper_agent_001")]
    AgentIdCharacter,
    /// An address that is too long, with its length in bytes.
    #[error("an address has at most {MAX_ADDRESS} bytes, not {0}")]
    AddressLength(usize),
    /// An address with another scheme, or none.
    #[error("an address begins with https://, such as https://localhost:5001")]
    NotHttps,
    /// An address with a path, query, fragment, user name, or an unusual spelling of the host.
    #[error("an address is https://HOST:PORT and nothing more, such as https://localhost:5001")]
    NotAnOrigin,
    /// A host that is neither a DNS name nor an IP address that can be called.
    #[error("the host is a DNS name, an IPv4 address or an IPv6 address in brackets")]
    Host,
    /// Port 0.
    #[error("the port is 1 to 65535")]
    Port,
    /// An address that a person may type, but that may not stand in a message.
    #[error(
        "the address is not in its canonical form: lower case, with its port, without a slash at the end"
    )]
    NotCanonical,
}

/// Longest agent id, in bytes.
pub const MAX_AGENT_ID: usize = 63;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn agent_ids() {
        for good in ["a", "traveller_agent_001", "-", &"x".repeat(63)] {
            assert_eq!(good.parse::<AgentId>().unwrap().as_str(), good);
        }
        for (bad, length) in [("", 0), (&*"x".repeat(64), 64)] {
            assert_eq!(bad.parse::<AgentId>(), Err(NameError::AgentIdLength(length)));
        }
        for bad in [
            "Helper",
            "helper agent",
            "helper.",
            "h\u{435}lper",
            "a\0",
            "a\n",
            "a\u{202e}",
            "\u{1b}[2J",
            "a/b",
        ] {
            assert_eq!(bad.parse::<AgentId>(), Err(NameError::AgentIdCharacter), "{bad:?}");
            assert!(serde_json::from_value::<AgentId>(bad.into()).is_err());
        }
    }

    proptest! {
        #[test]
        fn agent_id_round_trip(name in "[a-z0-9_-]{1,63}") {
            let id: AgentId = name.parse().unwrap();
            prop_assert_eq!(id.to_string(), name);
            let json = serde_json::to_string(&id).unwrap();
            prop_assert_eq!(serde_json::from_str::<AgentId>(&json).unwrap(), id);
        }
    }
}
