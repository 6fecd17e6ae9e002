//! A controller in a directory of its own, and a clock that everybody in the test shares.

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use a2a_core::PROTOCOL_VERSION;
use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::authority::Authority;
use a2a_core::certificate::card::{AgentCard, AgentCertificate};
use a2a_core::certificate::enrolment::EnrolmentRequest;
use a2a_core::certificate::known::KnownCertificates;
use a2a_core::certificate::revocation::RevocationContent;
use a2a_core::certificate::verify::{TrustAnchor, Verifier};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::{self, SignatureLabel, SigningKey};
use a2a_core::handshake::Credential;
use a2a_core::wire::Hex;
use a2a_node::args::ControllerConfig;
use a2a_node::clock::Clock;
use a2a_node::error::NodeError;
use a2a_node::http::MetricsReach;
use controller::ControllerNode;
use tempfile::TempDir;

use crate::agent::{Agent, Settings};
use crate::keys;

/// Where a test takes place.
#[derive(Debug)]
pub struct World {
    dir: Arc<TempDir>,
    /// Everybody's time.
    pub clock: Clock,
    controller: Option<ControllerNode>,
    config: ControllerConfig,
    /// The name of the key that certifies.
    key_name: &'static str,
}

impl World {
    /// A world whose clock stands at the present until it is moved.
    pub async fn start() -> Self {
        Self::with_clock(Clock::manual(Clock::System.now())).await
    }

    /// A world with another clock.
    pub async fn with_clock(clock: Clock) -> Self {
        Self::with_config(clock, |_| {}).await
    }

    /// A world with another clock, whose controller is told something else.
    pub async fn with_config(clock: Clock, change: impl FnOnce(&mut ControllerConfig)) -> Self {
        Self::new("controller", clock, change).await
    }

    /// Another controller, with another key, at the same time.
    pub async fn other(&self) -> Self {
        Self::new("other controller", self.clock.clone(), |_| {}).await
    }

    async fn new(key_name: &'static str, clock: Clock, change: impl FnOnce(&mut ControllerConfig)) -> Self {
        let mut world = Self::without_controller(key_name, clock, change);
        world.start_controller().await;
        world
    }

    /// A world in which a program is the controller, with the key that is put there for it.
    pub fn of_programs() -> Self {
        Self::without_controller("controller", Clock::System, |_| {})
    }

    fn without_controller(
        key_name: &'static str,
        clock: Clock,
        change: impl FnOnce(&mut ControllerConfig),
    ) -> Self {
        let dir = Arc::new(TempDir::new().unwrap());
        let mut config = ControllerConfig {
            passphrase: None,
            metrics: MetricsReach::Off,
            listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: dir.path().join("controller"),
            ca_file: dir.path().join("certs/ca.pem"),
            controller_id: "controller_001".parse().unwrap(),
            certificate_life: Duration::from_hours(24),
            // So that tests may move the clock.
            revocation_life: Duration::from_hours(30 * 24),
            enrolment: None,
            database: None,
            key_dir: dir.path().join("controller"),
            held_requests: 1024,
            source_rate: NonZeroU32::new(20).unwrap(),
            tls_names: Vec::new(),
        };
        change(&mut config);
        keys::put_secret(&config.data_dir, "controller.key", &keys::pkcs8(key_name));
        Self { dir, clock, controller: None, config, key_name }
    }

    /// Starts the controller, at its old address if it has run before.
    pub async fn start_controller(&mut self) {
        self.try_start_controller().await.unwrap();
    }

    /// As [`World::start_controller`], when it may be refused.
    pub async fn try_start_controller(&mut self) -> Result<(), NodeError> {
        let started = ControllerNode::start(self.config.clone(), self.clock.clone(), available()[0]).await;
        let (controller, _) = started?;
        self.config.listen.set_port(controller.address().port());
        self.controller = Some(controller);
        Ok(())
    }

    /// Stops the controller.
    pub async fn stop_controller(&mut self) {
        self.controller.take().unwrap().shutdown().await.unwrap();
    }

    /// The controller, which must be running.
    pub fn controller(&self) -> &ControllerNode {
        self.controller.as_ref().unwrap()
    }

    /// The world's directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Moves everybody's clock.
    pub fn pass(&self, time: Duration) {
        self.clock.advance(time);
    }

    /// An agent that has enrolled; `name` is `helper` for `helper_agent_001`. A person decides on requests.
    pub async fn agent(&self, name: &'static str) -> Agent {
        self.agent_with(name, |_| {}).await
    }

    /// As [`World::agent`], with other settings.
    pub async fn agent_with(&self, name: &'static str, change: impl FnOnce(&mut Settings)) -> Agent {
        let agent = self.stranger(name, change).await;
        agent.setup().await.unwrap();
        agent
    }

    /// An agent that runs and has not enrolled.
    pub async fn stranger(&self, name: &'static str, change: impl FnOnce(&mut Settings)) -> Agent {
        let mut settings = Settings::new(self, name);
        change(&mut settings);
        let agent = Agent::start(name, settings).await.unwrap();
        // An agent takes no requests from the second in which it started.
        self.pass(Duration::from_secs(1));
        agent
    }

    /// What agents of this world verify with.
    pub fn anchor(&self) -> TrustAnchor {
        self.authority(available()[0]).anchor()
    }

    /// As [`World::anchor`], for what a peer shows: with a list that revokes nothing.
    pub fn verifier(&self) -> Verifier {
        let (now, anchor) = (self.clock.now(), self.anchor());
        let authority = self.authority(available()[0]);
        let list = authority.revocations(RevocationContent::default(), Duration::from_hours(30 * 24), now);
        let revocations = list.unwrap().verify(available()[0], &anchor, now).unwrap();
        Verifier { anchor, revocations, known: KnownCertificates::default() }
    }

    /// A credential that the controller's key has signed behind the controller's back: with it, a test can be
    /// anybody.
    pub fn certify(&self, wish: &Certified<'_>) -> Credential {
        let provider = available()[0];
        let (key, now) = (keys::signing_key(wish.key_name, provider), self.clock.now());
        let card = AgentCard {
            agent_id: wish.agent_id.clone(),
            name: "Somebody".parse().unwrap(),
            public_key: key.public_key().clone(),
            methods: Vec::new(),
            address: wish.address.clone(),
            tls_spki_sha256: wish.tls_spki_sha256,
            suites: wish.suites.to_vec(),
            issued_at: now,
            expires_at: now.saturating_add(wish.life),
            protocol_version: PROTOCOL_VERSION,
        };
        let nonce = Hex::random(provider).unwrap();
        let request = EnrolmentRequest::new(card, nonce, String::new(), key.as_ref()).unwrap();
        let certificate = self.authority(provider).issue(&request, wish.life, now).unwrap();
        let verified = self.anchor().verify(provider, certificate, None, now).unwrap();
        Credential::new(provider, key, verified).unwrap()
    }

    /// Signs a certificate anew in which something has been changed: as `owner`, and as a controller that does not look.
    pub fn certify_anew(&self, certificate: &mut AgentCertificate, owner: &dyn SigningKey) {
        let controller = keys::signing_key(self.key_name, available()[0]);
        let card = certificate.agent_card.enrolment_message(&certificate.nonce).unwrap();
        certificate.agent_signature = signature::sign(owner, SignatureLabel::Enrolment, &card).unwrap();
        let certified = certificate.certified_message().unwrap();
        certificate.controller_signature =
            signature::sign(controller.as_ref(), SignatureLabel::Certificate, &certified).unwrap();
    }

    fn authority(&self, provider: Provider) -> Authority {
        let key = keys::signing_key(self.key_name, provider);
        Authority::new(self.config.controller_id.clone(), key, provider)
    }

    /// Keeps the directory for as long as it lives.
    pub(crate) fn home(&self) -> Arc<TempDir> {
        self.dir.clone()
    }

    pub(crate) fn ca_file(&self) -> &Path {
        &self.config.ca_file
    }
}

/// Whom [`World::certify`] makes.
#[derive(Debug, Clone)]
pub struct Certified<'a> {
    /// The id.
    pub agent_id: &'a AgentId,
    /// Which of [`keys`].
    pub key_name: &'a str,
    /// The address in the card.
    pub address: &'a AgentAddress,
    /// The pin in the card.
    pub tls_spki_sha256: Hex<32>,
    /// The suites in the card.
    pub suites: &'a [Suite],
    /// How long it lasts.
    pub life: Duration,
}
