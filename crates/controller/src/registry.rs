//! The register: which id belongs to which key, and each agent's present certificate. Survives a restart.
//!
//! An id belongs to the first key that claims it, for good: certificates end, names do not change hands.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use a2a_node::store::{DataDir, StoreError};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The register, in memory and on disk. Readers never wait for the disk.
#[derive(Debug)]
pub(crate) struct Registry {
    dir: DataDir,
    agents: RwLock<Arc<Agents>>,
    /// Held from reading the register to having written it.
    writing: Mutex<()>,
}

type Agents = BTreeMap<AgentId, Entry>;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    /// The key that the id belongs to.
    key_id: KeyId,
    enrolled_at: UnixTime,
    certificate: AgentCertificate,
}

/// An agent has been certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Enrolled {
    /// Who.
    pub agent_id: AgentId,
    /// Where it says that it listens.
    pub address: AgentAddress,
    /// Its key's fingerprint.
    pub key_id: KeyId,
    /// When the certificate ends.
    pub expires_at: UnixTime,
    /// Whether the id was new to the controller.
    pub first: bool,
}

impl Registry {
    /// Reads the register from the data directory, which it then keeps.
    pub(crate) fn open(dir: DataDir) -> Result<Self, StoreError> {
        let agents: Agents = dir.read_json(FILE)?.unwrap_or_default();
        Ok(Self { dir, agents: RwLock::new(Arc::new(agents)), writing: Mutex::default() })
    }

    /// Whether this key may have this id: nobody has it, or this very key.
    pub(crate) fn check_claim(&self, agent_id: &AgentId, key_id: KeyId) -> Result<(), RegistryError> {
        let agents = self.agents();
        match agents.get(agent_id) {
            Some(entry) if entry.key_id != key_id => Err(RegistryError::Taken),
            None if agents.len() >= MAX_AGENTS => Err(RegistryError::Full),
            _ => Ok(()),
        }
    }

    /// Enters a certificate. On disk before it returns; until then, and on an error, the register is as it was.
    pub(crate) fn record(
        &self,
        certificate: &AgentCertificate,
        now: UnixTime,
    ) -> Result<Enrolled, RegistryError> {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let card = &certificate.agent_card;
        let key_id = card.public_key.key_id();
        self.check_claim(&card.agent_id, key_id)?;
        let mut agents = Agents::clone(&self.agents());
        let known = agents.get(&card.agent_id).map(|entry| entry.enrolled_at);
        let enrolled_at = known.unwrap_or(now);
        let entry = Entry { key_id, enrolled_at, certificate: certificate.clone() };
        agents.insert(card.agent_id.clone(), entry);
        self.dir.write_json(FILE, &agents)?;
        *self.agents.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(agents);
        Ok(Enrolled {
            agent_id: card.agent_id.clone(),
            address: card.address.clone(),
            key_id,
            expires_at: certificate.expires_at,
            first: known.is_none(),
        })
    }

    /// The certificates that have not ended, by agent id.
    pub(crate) fn valid_at(&self, now: UnixTime) -> Vec<AgentCertificate> {
        let agents = self.agents();
        let valid = agents
            .values()
            .map(|entry| &entry.certificate)
            .filter(|certificate| now < certificate.expires_at && now < certificate.agent_card.expires_at);
        valid.cloned().collect()
    }

    /// How many ids are taken.
    pub(crate) fn len(&self) -> usize {
        self.agents().len()
    }

    fn agents(&self) -> Arc<Agents> {
        self.agents.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Why a certificate is not entered.
#[derive(Debug, Error)]
pub(crate) enum RegistryError {
    /// The id belongs to another key.
    #[error("the id belongs to another key")]
    Taken,
    /// There is no room.
    #[error("the register is full")]
    Full,
    /// The disk.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const FILE: &str = "registry.json";
/// Enrolment is open, so what anybody can fill is bounded. At 16 KiB a certificate, the directory stays within
/// [`MAX_DIRECTORY`](a2a_core::certificate::enrolment::MAX_DIRECTORY).
const MAX_AGENTS: usize = 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use a2a_core::certificate::authority::Authority;
    use a2a_core::certificate::card::AgentCard;
    use a2a_core::certificate::enrolment::EnrolmentRequest;
    use a2a_core::crypto::kx::Suite;
    use a2a_core::crypto::provider::aws_lc::PROVIDER;
    use a2a_core::crypto::signature::SigningKey;
    use a2a_core::wire::Hex;
    use a2a_node::tls::TlsKey;

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn certificate() -> AgentCertificate {
        let key = || PROVIDER.generate_signing_key().unwrap();
        let (agent, controller) = (key(), key());
        let card = AgentCard {
            agent_id: "agent".parse().unwrap(),
            name: "Agent".parse().unwrap(),
            public_key: agent.public_key().clone(),
            methods: Vec::new(),
            address: "https://localhost:5001".parse().unwrap(),
            tls_spki_sha256: TlsKey::generate().unwrap().spki_sha256(),
            suites: Suite::ALL.to_vec(),
            issued_at: NOW,
            expires_at: NOW.saturating_add(Duration::from_hours(1)),
            protocol_version: a2a_core::PROTOCOL_VERSION,
        };
        let nonce = Hex::random(PROVIDER).unwrap();
        let request = EnrolmentRequest::new(card, nonce, String::new(), &*agent).unwrap();
        let controller: Arc<dyn SigningKey> = controller.into();
        let authority = Authority::new("controller".parse().unwrap(), controller, PROVIDER);
        authority.issue(&request, Duration::from_hours(1), NOW).unwrap()
    }

    fn with_id(certificate: &AgentCertificate, id: &str) -> AgentCertificate {
        let mut certificate = certificate.clone();
        certificate.agent_card.agent_id = id.parse().unwrap();
        certificate
    }

    #[test]
    fn it_is_bounded_and_still_renews() {
        let parent = tempfile::tempdir().unwrap();
        let certificate = certificate();
        let entry = Entry {
            key_id: certificate.agent_card.public_key.key_id(),
            enrolled_at: NOW,
            certificate: certificate.clone(),
        };
        let agents: Agents =
            (0..MAX_AGENTS).map(|number| (format!("a{number}").parse().unwrap(), entry.clone())).collect();
        let dir = DataDir::open(parent.path()).unwrap();
        dir.write_json(FILE, &agents).unwrap();
        let registry = Registry::open(dir).unwrap();
        let refused = registry.record(&with_id(&certificate, "one_more"), NOW);
        assert!(matches!(refused, Err(RegistryError::Full)));
        assert!(!registry.record(&with_id(&certificate, "a7"), NOW).unwrap().first);
    }

    #[test]
    fn what_cannot_be_written_is_not_entered() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let registry = Registry::open(DataDir::open(&path).unwrap()).unwrap();
        fs::remove_dir_all(&path).unwrap();
        assert!(matches!(registry.record(&certificate(), NOW), Err(RegistryError::Store(_))));
        assert_eq!((registry.len(), registry.valid_at(NOW)), (0, Vec::new()));
    }
}
