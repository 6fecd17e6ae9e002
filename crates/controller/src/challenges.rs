//! Challenges that have been handed out and not yet used: in memory, bounded, each good for one attempt.

use std::collections::HashMap;
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;

/// The table. A restart empties it: agents then ask again.
#[derive(Debug, Default)]
pub(crate) struct Challenges(HashMap<Hex<32>, Issued>);

#[derive(Debug)]
struct Issued {
    agent_id: AgentId,
    expires_at: UnixTime,
    order: u64,
}

/// The table is full of challenges that are still good.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooMany;

impl Challenges {
    /// Hands out `nonce` to an agent, and says until when it is good. Over [`PER_AGENT`], the agent's oldest challenge
    /// goes: asking over and over for somebody else's id then cannot lock that agent out.
    pub(crate) fn issue(
        &mut self,
        agent_id: AgentId,
        nonce: Hex<32>,
        now: UnixTime,
    ) -> Result<UnixTime, TooMany> {
        self.0.retain(|_, issued| now < issued.expires_at);
        let own = || self.0.iter().filter(|(_, issued)| issued.agent_id == agent_id);
        let oldest = own().min_by_key(|(_, issued)| issued.order).map(|(nonce, _)| *nonce);
        match oldest {
            Some(oldest) if own().count() >= PER_AGENT => drop(self.0.remove(&oldest)),
            _ if self.0.len() >= IN_ALL => return Err(TooMany),
            _ => {}
        }
        let expires_at = now.saturating_add(LIFE);
        let order = self.0.values().map(|issued| issued.order).max().map_or(0, |last| last + 1);
        self.0.insert(nonce, Issued { agent_id, expires_at, order });
        Ok(expires_at)
    }

    /// Uses up a challenge, and says whether it was good: handed out, to this agent, not long ago, not used before.
    pub(crate) fn take(&mut self, agent_id: &AgentId, nonce: &Hex<32>, now: UnixTime) -> bool {
        self.0.remove(nonce).is_some_and(|issued| issued.agent_id == *agent_id && now < issued.expires_at)
    }
}

/// How long a challenge is good.
const LIFE: Duration = Duration::from_mins(2);
const PER_AGENT: usize = 8;
const IN_ALL: usize = 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn agent(id: &str) -> AgentId {
        id.parse().unwrap()
    }

    fn nonce(number: usize) -> Hex<32> {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Hex::from_bytes(bytes)
    }

    const NOW: UnixTime = UnixTime::from_secs(1000);

    #[test]
    fn good_once_for_its_agent_and_for_two_minutes() {
        let mut table = Challenges::default();
        let end = table.issue(agent("a"), nonce(1), NOW).unwrap();
        assert!(table.take(&agent("a"), &nonce(1), UnixTime::from_secs(end.as_secs() - 1)));
        assert!(!table.take(&agent("a"), &nonce(1), NOW), "used");
        table.issue(agent("a"), nonce(2), NOW).unwrap();
        assert!(!table.take(&agent("a"), &nonce(2), end), "expired");
        table.issue(agent("a"), nonce(3), NOW).unwrap();
        assert!(!table.take(&agent("b"), &nonce(3), NOW), "another agent's");
        assert!(!table.take(&agent("a"), &nonce(3), NOW), "an attempt uses it up");
        assert!(!table.take(&agent("a"), &nonce(4), NOW), "never handed out");
    }

    #[test]
    fn an_agent_has_a_few_and_the_oldest_goes() {
        let mut table = Challenges::default();
        for number in 0..=PER_AGENT {
            table.issue(agent("a"), nonce(number), NOW).unwrap();
        }
        assert_eq!(table.0.len(), PER_AGENT);
        assert!(!table.take(&agent("a"), &nonce(0), NOW));
        assert!(table.take(&agent("a"), &nonce(1), NOW));
    }

    #[test]
    fn all_together_are_bounded_until_they_expire() {
        let mut table = Challenges::default();
        for number in 0..IN_ALL {
            table.issue(agent(&format!("a{number}")), nonce(number), NOW).unwrap();
        }
        assert_eq!(table.issue(agent("b"), nonce(IN_ALL), NOW), Err(TooMany));
        let later = NOW.saturating_add(LIFE);
        assert!(table.issue(agent("b"), nonce(IN_ALL), later).is_ok());
        assert_eq!(table.0.len(), 1);
    }
}
