//! Who may open a session without a person being asked.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use a2a_core::agent_id::{AgentId, NameError};

/// How requests for a session are answered. Whichever it is, only certified agents come this far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accept {
    /// A person is asked.
    Ask,
    /// Every certified agent is accepted.
    All,
    /// Nobody is.
    None,
    /// These agents are accepted; all others are refused.
    Only(BTreeSet<AgentId>),
}

/// `ask`, `all`, `none`, or ids with commas between.
impl FromStr for Accept {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        match text {
            "ask" => Ok(Self::Ask),
            "all" => Ok(Self::All),
            "none" => Ok(Self::None),
            ids => ids.split(',').map(|id| id.trim().parse()).collect::<Result<_, _>>().map(Self::Only),
        }
    }
}

impl fmt::Display for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ask => f.write_str("ask"),
            Self::All => f.write_str("all"),
            Self::None => f.write_str("none"),
            Self::Only(ids) => {
                let ids: Vec<_> = ids.iter().map(AgentId::as_str).collect();
                f.write_str(&ids.join(","))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn words_and_lists_are_read_and_written() {
        for (text, shown) in [
            ("ask", "ask"),
            ("all", "all"),
            ("none", "none"),
            ("worker_agent_001", "worker_agent_001"),
            ("b, a,b", "a,b"),
        ] {
            assert_eq!(text.parse::<Accept>().unwrap().to_string(), shown);
        }
        assert!(matches!("b,a".parse::<Accept>().unwrap(), Accept::Only(ids) if ids.len() == 2));
    }

    #[test]
    fn what_is_no_word_and_no_id_is_refused() {
        for bad in ["", "All", "a,,b", "a b", "all,", "everyone!"] {
            assert!(bad.parse::<Accept>().is_err(), "{bad:?}");
        }
    }
}
