//! Whose an id is, and so what a key that asks for it may have: pure decisions on what the store knows.
//!
//! An id belongs to the key that it was enrolled with. That key may certify again; another one takes its place only if
//! the present one signs for it, or once an operator has given the id free.

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;

use crate::refusal::Refusal;
use crate::store::{AgentRow, AgentStatus, Change, Store, StoreError};

/// What the store knows of an id and of the key that asks for it.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    agent_id: AgentId,
    key_id: KeyId,
    agent: Option<AgentRow>,
    /// Whether the key that asks is void for good, or until its agent is reinstated.
    is_void: bool,
    /// Whether the key that has the id is.
    holder_is_void: bool,
}

/// What is granted to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The id is free: whether the key gets it is for the mode of enrolment to say. Holds who had it before.
    New(Option<Box<AgentRow>>),
    /// The id is this key's.
    Again(Box<AgentRow>),
    /// The id is another key's, in whose place this one steps if that one has signed.
    Rekey(Box<AgentRow>),
}

impl Claim {
    /// As it was last committed.
    pub(crate) async fn read(store: &Store, agent_id: &AgentId, key_id: KeyId) -> Result<Self, StoreError> {
        let agent = store.agent(agent_id).await?;
        let is_void = store.revoked_key(key_id).await?.is_some();
        let holder_is_void = match &agent {
            Some(agent) => store.revoked_key(agent.key_id).await?.is_some(),
            None => false,
        };
        Ok(Self { agent_id: agent_id.clone(), key_id, agent, is_void, holder_is_void })
    }

    /// As it is while nobody else writes.
    pub(crate) async fn read_in(
        change: &mut Change,
        agent_id: &AgentId,
        key_id: KeyId,
    ) -> Result<Self, StoreError> {
        let agent = change.agent(agent_id).await?;
        let is_void = change.revoked_key(key_id).await?.is_some();
        let holder_is_void = match &agent {
            Some(agent) => change.revoked_key(agent.key_id).await?.is_some(),
            None => false,
        };
        Ok(Self { agent_id: agent_id.clone(), key_id, agent, is_void, holder_is_void })
    }

    /// For a request to enrol.
    pub(crate) fn enrolment(self) -> Result<Admission, Refusal> {
        self.check_standing()?;
        let Some(agent) = self.agent else { return Ok(Admission::New(None)) };
        match agent.key_id {
            _ if self.holder_is_void => Ok(Admission::New(Some(agent.into()))),
            holder if holder == self.key_id => Ok(Admission::Again(agent.into())),
            _ => Err(Refusal::IdTaken(self.agent_id)),
        }
    }

    /// For a request to renew. Whether the present key has signed for another is still to be verified.
    pub(crate) fn renewal(self) -> Result<Admission, Refusal> {
        self.check_standing()?;
        match self.agent {
            Some(_) if self.holder_is_void => Err(Refusal::NotEnrolled(self.agent_id)),
            Some(agent) if agent.key_id == self.key_id => Ok(Admission::Again(agent.into())),
            Some(agent) => Ok(Admission::Rekey(agent.into())),
            None => Err(Refusal::NotEnrolled(self.agent_id)),
        }
    }

    /// The agent's standing says more than its key's, so it comes first.
    fn check_standing(&self) -> Result<(), Refusal> {
        match &self.agent {
            Some(agent) if agent.status != AgentStatus::Active => {
                Err(Refusal::Agent(self.agent_id.clone(), agent.status))
            }
            _ if self.is_void => Err(Refusal::KeyRevoked),
            _ => Ok(()),
        }
    }
}

impl Admission {
    /// The earliest issue time that is good for the agent from then on, if any is too early.
    pub(crate) fn not_before(&self, now: UnixTime) -> Option<UnixTime> {
        match self {
            Self::New(former) => former.as_ref().and_then(|former| former.not_before),
            Self::Again(agent) => agent.not_before,
            Self::Rekey(agent) => Some(after(agent, now)),
        }
    }

    /// Who has, or had, the id.
    pub(crate) fn agent(&self) -> Option<&AgentRow> {
        match self {
            Self::New(former) => former.as_deref(),
            Self::Again(agent) | Self::Rekey(agent) => Some(agent),
        }
    }
}

/// The time from which on certificates of an agent are told from those that it has now: later than the present one,
/// whatever the clock says.
pub(crate) fn after(agent: &AgentRow, now: UnixTime) -> UnixTime {
    let present = agent.certificate.issued_at.max(agent.not_before.unwrap_or(UnixTime::from_secs(0)));
    now.max(UnixTime::from_secs(present.as_secs() + 1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use a2a_core::wire::Hex;

    use super::*;
    use crate::samples;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// Somebody else's key.
    fn other() -> KeyId {
        Hex::from_bytes([9; 32])
    }

    fn row(status: AgentStatus) -> AgentRow {
        AgentRow { status, ..samples::agent("helper", NOW) }
    }

    fn claim(agent: Option<AgentRow>, key_id: KeyId, is_void: bool, holder_is_void: bool) -> Claim {
        Claim { agent_id: "helper".parse().unwrap(), key_id, agent, is_void, holder_is_void }
    }

    fn code(refused: Result<Admission, Refusal>) -> &'static str {
        refused.unwrap_err().code()
    }

    #[test]
    fn a_free_id_is_for_the_mode_to_give() {
        assert_eq!(claim(None, other(), false, false).enrolment().unwrap(), Admission::New(None));
        assert_eq!(code(claim(None, other(), false, false).renewal()), "not_enrolled");
        assert_eq!(code(claim(None, other(), true, false).enrolment()), "key_revoked");
    }

    #[test]
    fn an_id_belongs_to_its_key() {
        let agent = row(AgentStatus::Active);
        let holder = agent.key_id;
        let again = || Admission::Again(agent.clone().into());
        assert_eq!(claim(Some(agent.clone()), holder, false, false).enrolment().unwrap(), again());
        assert_eq!(claim(Some(agent.clone()), holder, false, false).renewal().unwrap(), again());
        assert_eq!(code(claim(Some(agent.clone()), other(), false, false).enrolment()), "id_taken");
        let rekey = claim(Some(agent.clone()), other(), false, false).renewal().unwrap();
        assert_eq!(rekey, Admission::Rekey(agent.into()));
    }

    #[test]
    fn whoever_is_revoked_gets_nothing_with_any_key() {
        for status in [AgentStatus::Revoked, AgentStatus::Banned, AgentStatus::Held] {
            let agent = row(status);
            for key_id in [agent.key_id, other()] {
                for claim in [true, false].map(|void| claim(Some(agent.clone()), key_id, void, true)) {
                    assert_eq!(code(claim.clone().enrolment()), "agent_revoked");
                    assert_eq!(code(claim.renewal()), "agent_revoked");
                }
            }
        }
    }

    #[test]
    fn an_id_that_was_given_free_is_for_any_key_but_the_void_one() {
        let agent = row(AgentStatus::Active);
        let freed = |key_id, void| claim(Some(agent.clone()), key_id, void, true);
        let new = Admission::New(Some(agent.clone().into()));
        assert_eq!(freed(other(), false).enrolment().unwrap(), new);
        assert_eq!(code(freed(agent.key_id, true).enrolment()), "key_revoked");
        assert_eq!(code(freed(agent.key_id, true).renewal()), "key_revoked");
        assert_eq!(code(freed(other(), false).renewal()), "not_enrolled");
        assert_eq!(code(claim(Some(agent.clone()), other(), true, false).renewal()), "key_revoked");
    }

    #[test]
    fn a_rekey_is_later_than_what_it_takes_the_place_of() {
        let agent = row(AgentStatus::Active);
        assert_eq!(Admission::Again(agent.clone().into()).not_before(NOW), None);
        let rekey = Admission::Rekey(agent.clone().into());
        assert_eq!(rekey.not_before(NOW), Some(UnixTime::from_secs(NOW.as_secs() + 1)), "in the same second");
        let later = UnixTime::from_secs(NOW.as_secs() + 100);
        assert_eq!(rekey.not_before(later), Some(later));
        let early = UnixTime::from_secs(NOW.as_secs() - 100);
        assert_eq!(rekey.not_before(early), Some(UnixTime::from_secs(NOW.as_secs() + 1)), "a clock set back");
        let again = AgentRow { not_before: Some(later), ..agent };
        assert_eq!(after(&again, NOW), UnixTime::from_secs(later.as_secs() + 1));
    }
}
