//! A controller, an impostor and two agents, their keys and good papers to spoil.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::{
    AgentCard, AgentCertificate, Authority, CertificateError, EnrolmentRequest, KnownCertificates,
    RevocationContent, RevocationList, TrustAnchor, VerifiedCertificate, Verifier,
};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::{self, SignatureLabel, SigningKey};
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;

pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_739_577_600);
pub(crate) const DAY: Duration = Duration::from_hours(24);
pub(crate) const HOUR: Duration = Duration::from_hours(1);

pub(crate) fn after(secs: u64) -> UnixTime {
    NOW.saturating_add(Duration::from_secs(secs))
}

pub(crate) fn before(secs: u64) -> UnixTime {
    NOW.saturating_sub(Duration::from_secs(secs))
}

/// Everybody's keys under one provider. They are made once, by the first provider, and loaded by each.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) provider: Provider,
    pub(crate) controller: Arc<dyn SigningKey>,
    pub(crate) impostor: Arc<dyn SigningKey>,
    pub(crate) agent: Arc<dyn SigningKey>,
    pub(crate) other: Arc<dyn SigningKey>,
}

pub(crate) fn worlds() -> impl Iterator<Item = World> {
    static KEYS: LazyLock<[Vec<u8>; 4]> = LazyLock::new(|| {
        std::array::from_fn(|_| {
            let key = available()[0].generate_signing_key().unwrap();
            key.to_pkcs8_der().unwrap().to_vec()
        })
    });
    assert!(!available().is_empty());
    available().iter().map(|provider| {
        let [controller, impostor, agent, other] =
            KEYS.each_ref().map(|der| Arc::from(provider.load_signing_key(der).unwrap()));
        World { provider: *provider, controller, impostor, agent, other }
    })
}

pub(crate) fn id(name: &str) -> AgentId {
    name.parse().unwrap()
}

impl World {
    pub(crate) fn authority(&self) -> Authority {
        Authority::new(id("controller"), self.controller.clone(), self.provider)
    }

    pub(crate) fn anchor(&self) -> TrustAnchor {
        self.authority().anchor()
    }

    pub(crate) fn card(&self) -> AgentCard {
        AgentCard {
            agent_id: id("traveller_agent_001"),
            name: "Traveller Agent".parse().unwrap(),
            public_key: self.agent.public_key().clone(),
            methods: vec!["send_request".parse().unwrap(), "receive_response".parse().unwrap()],
            address: "https://localhost:5002".parse().unwrap(),
            tls_spki_sha256: Hex::from_bytes([7; 32]),
            suites: Suite::ALL.to_vec(),
            issued_at: NOW,
            expires_at: NOW.saturating_add(DAY),
            protocol_version: 1,
        }
    }

    pub(crate) fn request(&self, card: AgentCard) -> EnrolmentRequest {
        EnrolmentRequest::new(card, Hex::from_bytes([9; 32]), "csr".into(), &*self.agent).unwrap()
    }

    pub(crate) fn certificate(&self) -> AgentCertificate {
        self.authority().issue(&self.request(self.card()), DAY, NOW).unwrap()
    }

    /// Signs what the agent states anew, after a change.
    pub(crate) fn resign_agent(&self, certificate: &mut AgentCertificate) {
        let message = certificate.agent_card.enrolment_message(&certificate.nonce).unwrap();
        certificate.agent_signature =
            signature::sign(&*self.agent, SignatureLabel::Enrolment, &message).unwrap();
    }

    /// Certifies anew, after a change.
    pub(crate) fn resign_controller(&self, certificate: &mut AgentCertificate) {
        certify(certificate, &*self.controller, SignatureLabel::Certificate);
    }

    pub(crate) fn verify(
        &self,
        certificate: &AgentCertificate,
        now: UnixTime,
    ) -> Result<(), CertificateError> {
        let expected = id("traveller_agent_001");
        self.anchor().verify(self.provider, certificate.clone(), Some(&expected), now).map(|_| ())
    }

    /// The controller's list as of [`NOW`], good for an hour.
    pub(crate) fn list(&self, content: RevocationContent) -> RevocationList {
        self.authority().revocations(content, HOUR, NOW).unwrap()
    }

    /// What agents verify with, knowing that list.
    pub(crate) fn verifier(&self, content: RevocationContent) -> Verifier {
        let anchor = self.anchor();
        let revocations = self.list(content).verify(self.provider, &anchor, NOW).unwrap();
        Verifier { anchor, revocations, known: KnownCertificates::default() }
    }

    /// A certificate as verified when it was made.
    pub(crate) fn verified(&self, certificate: &AgentCertificate) -> VerifiedCertificate {
        self.anchor().verify(self.provider, certificate.clone(), None, certificate.issued_at).unwrap()
    }

    /// What verification says of a certificate with one change, properly signed again by both.
    pub(crate) fn signed_with(
        &self,
        change: impl FnOnce(&mut AgentCertificate),
    ) -> Result<(), CertificateError> {
        let mut certificate = self.certificate();
        change(&mut certificate);
        self.resign_agent(&mut certificate);
        self.resign_controller(&mut certificate);
        self.verify(&certificate, NOW)
    }
}

pub(crate) fn certify(certificate: &mut AgentCertificate, key: &dyn SigningKey, label: SignatureLabel) {
    let message = certificate.certified_message().unwrap();
    certificate.controller_signature = signature::sign(key, label, &message).unwrap();
}
