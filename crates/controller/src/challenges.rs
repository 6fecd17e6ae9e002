//! Challenges that need no memory: each says itself until when it is good, and proves that this controller made it.
//!
//! ```text
//! expiry, u64 big-endian 8 | random 8 | first 16 bytes of HMAC-SHA256(key, agent id || expiry || random)
//! ```
//!
//! That a challenge is good once follows from the store, in which each stands in one certificate at most.

use std::fmt::{self, Debug};
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::CryptoError;
use a2a_core::crypto::provider::Provider;
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Makes challenges, and knows its own. Controllers with the same key know one another's.
pub(crate) struct Challenges(Zeroizing<[u8; 32]>);

/// What is wrong with a challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChallengeFlaw {
    /// No controller made it, or for another agent.
    Forged,
    /// It is too old.
    Expired,
}

impl Challenges {
    /// Under this key.
    pub(crate) fn new(key: Zeroizing<[u8; 32]>) -> Self {
        Self(key)
    }

    /// A fresh challenge for an agent, and until when it is good.
    pub(crate) fn issue(
        &self,
        agent_id: &AgentId,
        now: UnixTime,
        provider: Provider,
    ) -> Result<(Hex<32>, UnixTime), CryptoError> {
        let expires_at = now.saturating_add(LIFE);
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&expires_at.as_secs().to_be_bytes());
        provider.fill_random(&mut nonce[8..BODY])?;
        let tag = self.mac(agent_id, &nonce[..BODY]).finalize().into_bytes();
        nonce[BODY..].copy_from_slice(&tag[..TAG]);
        Ok((Hex::from_bytes(nonce), expires_at))
    }

    /// Whether a challenge was made for this agent, and is still good.
    pub(crate) fn check(
        &self,
        agent_id: &AgentId,
        nonce: &Hex<32>,
        now: UnixTime,
    ) -> Result<(), ChallengeFlaw> {
        let (body, tag) = nonce.as_bytes().split_at(BODY);
        let mac = self.mac(agent_id, body);
        mac.verify_truncated_left(tag).map_err(|_| ChallengeFlaw::Forged)?;
        let mut expiry = [0; 8];
        expiry.copy_from_slice(&body[..8]);
        let expires_at = UnixTime::from_secs(u64::from_be_bytes(expiry));
        if now < expires_at { Ok(()) } else { Err(ChallengeFlaw::Expired) }
    }

    /// An id has no fixed length, but what follows it has.
    fn mac(&self, agent_id: &AgentId, body: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(self.0.as_slice()).expect("HMAC takes keys of every length");
        mac.update(agent_id.as_str().as_bytes());
        mac.update(body);
        mac
    }
}

impl Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges(..)")
    }
}

/// How long a challenge is good.
const LIFE: Duration = Duration::from_mins(2);
/// Bytes of expiry and random.
const BODY: usize = 16;
/// Bytes of the tag.
const TAG: usize = 16;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use a2a_core::crypto::provider::aws_lc::PROVIDER;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn challenges(key: u8) -> Challenges {
        Challenges::new(Zeroizing::new([key; 32]))
    }

    fn agent(id: &str) -> AgentId {
        id.parse().unwrap()
    }

    #[test]
    fn good_for_its_agent_and_for_two_minutes() {
        let challenges = challenges(1);
        let (nonce, end) = challenges.issue(&agent("a"), NOW, PROVIDER).unwrap();
        assert_eq!(end.since(NOW), LIFE);
        let last = UnixTime::from_secs(end.as_secs() - 1);
        assert_eq!(challenges.check(&agent("a"), &nonce, last), Ok(()));
        assert_eq!(challenges.check(&agent("a"), &nonce, end), Err(ChallengeFlaw::Expired));
        assert_eq!(challenges.check(&agent("b"), &nonce, NOW), Err(ChallengeFlaw::Forged));
        assert_ne!(challenges.issue(&agent("a"), NOW, PROVIDER).unwrap().0, nonce);
    }

    #[test]
    fn another_controller_of_the_same_key_knows_it_and_no_other_does() {
        let (nonce, _) = challenges(1).issue(&agent("a"), NOW, PROVIDER).unwrap();
        assert_eq!(challenges(1).check(&agent("a"), &nonce, NOW), Ok(()));
        assert_eq!(challenges(2).check(&agent("a"), &nonce, NOW), Err(ChallengeFlaw::Forged));
    }

    #[test]
    fn each_byte_counts() {
        let challenges = challenges(1);
        let (nonce, _) = challenges.issue(&agent("a"), NOW, PROVIDER).unwrap();
        for place in 0..32 {
            let mut changed = *nonce.as_bytes();
            changed[place] ^= 1;
            let changed = Hex::from_bytes(changed);
            assert_eq!(challenges.check(&agent("a"), &changed, NOW), Err(ChallengeFlaw::Forged), "{place}");
        }
    }

    /// What is moved from the id to what follows it, or back, makes another challenge.
    #[test]
    fn the_border_between_id_and_expiry_counts() {
        let challenges = challenges(1);
        let (nonce, _) = challenges.issue(&agent("ab"), NOW, PROVIDER).unwrap();
        assert_eq!(challenges.check(&agent("a"), &nonce, NOW), Err(ChallengeFlaw::Forged));
    }
}
