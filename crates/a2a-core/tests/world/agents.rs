//! Who is there: a controller, an impostor of it, and agents with certificates from either.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::{
    AgentCard, AgentCertificate, Authority, EnrolmentRequest, KnownCertificates, RevocationContent,
    TrustAnchor, Verifier,
};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::SigningKey;
use a2a_core::handshake::Credential;
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_739_577_600);
pub(crate) const DAY: Duration = Duration::from_hours(24);

pub(crate) fn after(secs: u64) -> UnixTime {
    NOW.saturating_add(Duration::from_secs(secs))
}

pub(crate) fn before(secs: u64) -> UnixTime {
    NOW.saturating_sub(Duration::from_secs(secs))
}

pub(crate) fn id(name: &str) -> AgentId {
    name.parse().unwrap()
}

/// Every ordered pair of the providers compiled in.
pub(crate) fn pairs() -> impl Iterator<Item = (Provider, Provider)> {
    available().iter().flat_map(|a| available().iter().map(|b| (*a, *b)))
}

/// PKCS#8 of the keys in `tests/keys`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Controller,
    Impostor,
    Traveller,
    Helper,
    Mallory,
    Worker,
}

impl Key {
    /// One provider's view of it, read once.
    pub(crate) fn load(self, provider: Provider) -> Arc<dyn SigningKey> {
        type Loaded = BTreeMap<(Key, &'static str), Arc<dyn SigningKey>>;
        static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);
        let pkcs8: &[u8] = match self {
            Self::Controller => include_bytes!("../keys/controller.pk8"),
            Self::Impostor => include_bytes!("../keys/rsa2048.pk8"),
            Self::Traveller => include_bytes!("../keys/traveller.pk8"),
            Self::Helper => include_bytes!("../keys/helper.pk8"),
            Self::Mallory => include_bytes!("../keys/rsa3072.pk8"),
            Self::Worker => include_bytes!("../keys/rsa4096.pk8"),
        };
        let load = || Arc::from(provider.load_signing_key(pkcs8).unwrap());
        LOADED.lock().unwrap().entry((self, provider.name())).or_insert_with(load).clone()
    }
}

/// What an agent is to be certified as.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) controller: Key,
    pub(crate) agent_id: &'static str,
    pub(crate) key: Key,
    pub(crate) address: &'static str,
    pub(crate) suites: Vec<Suite>,
    pub(crate) issued_at: UnixTime,
}

pub(crate) fn traveller() -> Draft {
    draft("traveller_agent_001", Key::Traveller, "https://localhost:5002")
}

pub(crate) fn helper() -> Draft {
    draft("helper_agent_001", Key::Helper, "https://localhost:5001")
}

pub(crate) fn mallory() -> Draft {
    draft("mallory", Key::Mallory, "https://mallory.example:443")
}

fn draft(agent_id: &'static str, key: Key, address: &'static str) -> Draft {
    let suites = Suite::ALL.to_vec();
    Draft { controller: Key::Controller, agent_id, key, address, suites, issued_at: NOW }
}

impl Draft {
    pub(crate) fn card(&self) -> AgentCard {
        AgentCard {
            agent_id: id(self.agent_id),
            name: self.agent_id.parse().unwrap(),
            public_key: self.key.load(available()[0]).public_key().clone(),
            methods: vec!["send_request".parse().unwrap()],
            address: self.address.parse().unwrap(),
            tls_spki_sha256: Hex::from_bytes([7; 32]),
            suites: self.suites.clone(),
            issued_at: self.issued_at,
            expires_at: self.issued_at.saturating_add(DAY),
            protocol_version: 1,
        }
    }

    pub(crate) fn certificate(&self) -> AgentCertificate {
        let provider = available()[0];
        let (key, nonce) = (self.key.load(provider), Hex::from_bytes([9; 32]));
        let request = EnrolmentRequest::new(self.card(), nonce, "csr".into(), &*key).unwrap();
        authority(self.controller, provider).issue(&request, DAY, self.issued_at).unwrap()
    }

    /// With the certificate and the key, under `provider`.
    pub(crate) fn credential(&self, provider: Provider) -> Credential {
        let anchor = authority(self.controller, provider).anchor();
        let certificate = anchor.verify(provider, self.certificate(), None, self.issued_at).unwrap();
        Credential::new(provider, self.key.load(provider), certificate).unwrap()
    }
}

/// Whom everybody trusts.
pub(crate) fn anchor() -> TrustAnchor {
    authority(Key::Controller, available()[0]).anchor()
}

/// What everybody verifies with: nothing is revoked.
pub(crate) fn verifier() -> &'static Verifier {
    static VERIFIER: LazyLock<Verifier> = LazyLock::new(|| verifier_with(RevocationContent::default(), DAY));
    &VERIFIER
}

/// The same, the controller having revoked something [`NOW`].
pub(crate) fn verifier_with(content: RevocationContent, life: Duration) -> Verifier {
    let (provider, anchor) = (available()[0], anchor());
    let list = authority(Key::Controller, provider).revocations(content, life, NOW).unwrap();
    let revocations = list.verify(provider, &anchor, NOW).unwrap();
    Verifier { anchor, revocations, known: KnownCertificates::default() }
}

pub(crate) fn authority(key: Key, provider: Provider) -> Authority {
    Authority::new(id("controller"), key.load(provider), provider)
}
