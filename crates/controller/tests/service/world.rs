//! Controllers, an operator's commands, and agents that hold nothing but their keys.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::card::AgentCard;
use a2a_core::certificate::enrolment::{
    Challenge, ChallengeRequest, ControllerInfo, Directory, EnrolmentRequest, EnrolmentResponse,
    MAX_DIRECTORY, RenewalRequest,
};
use a2a_core::certificate::revocation::{MAX_REVOCATIONS, RevocationList, Revocations};
use a2a_core::certificate::token::JoinToken;
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::SigningKey;
use a2a_core::time::UnixTime;
use a2a_core::wire::{Hex, MAX_HANDSHAKE_BODY};
use a2a_node::args::ControllerConfig;
use a2a_node::client::{ClientError, HttpsClient};
use a2a_node::clock::Clock;
use a2a_node::http::MetricsReach;
use a2a_node::tls::{TlsKey, client};
use controller::{ControllerNode, Enrolled};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;

pub(crate) const TIMEOUT: Duration = Duration::from_secs(40);

pub(crate) fn provider() -> Provider {
    available()[0]
}

pub(crate) fn config(dir: &Path) -> ControllerConfig {
    ControllerConfig {
        passphrase: None,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        data_dir: dir.join("data"),
        ca_file: dir.join("certs/ca.pem"),
        metrics: MetricsReach::Loopback,
        controller_id: "controller_001".parse().unwrap(),
        certificate_life: Duration::from_hours(24),
        revocation_life: Duration::from_hours(6),
        enrolment: None,
        database: None,
        key_dir: dir.join("data"),
        held_requests: 1024,
        // The clock stands, so that what is spent does not come back.
        source_rate: NonZeroU32::new(1000).unwrap(),
        tls_names: Vec::new(),
    }
}

/// A controller and somebody who talks to it over the root that it has published.
pub(crate) struct World {
    pub(crate) dir: Arc<TempDir>,
    pub(crate) config: ControllerConfig,
    pub(crate) clock: Clock,
    pub(crate) node: ControllerNode,
    pub(crate) notices: mpsc::Receiver<Enrolled>,
    pub(crate) client: HttpsClient,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A controller that is told something else.
    pub(crate) async fn with(change: impl FnOnce(&mut ControllerConfig)) -> Self {
        let dir = TempDir::new().unwrap();
        let mut config = config(dir.path());
        change(&mut config);
        Self::start_in(dir.into(), config, Clock::manual(Clock::System.now())).await
    }

    pub(crate) async fn start_in(dir: Arc<TempDir>, config: ControllerConfig, clock: Clock) -> Self {
        let started = ControllerNode::start(config.clone(), clock.clone(), provider()).await;
        let (node, notices) = started.unwrap();
        let ca = fs::read_to_string(&config.ca_file).unwrap();
        let client = HttpsClient::new(client::rooted(&ca).unwrap()).unwrap();
        Self { dir, config, clock, node, notices, client }
    }

    /// Another controller on the same database, with the same keys.
    pub(crate) async fn second(&self) -> Self {
        let mut config = self.config.clone();
        config.data_dir = self.dir.path().join("second");
        Self::start_in(self.dir.clone(), config, self.clock.clone()).await
    }

    pub(crate) async fn restart(self) -> Self {
        let Self { dir, config, clock, node, .. } = self;
        node.shutdown().await.unwrap();
        Self::start_in(dir, config, clock).await
    }

    /// What an operator types.
    pub(crate) async fn command(&self, line: &str) -> Value {
        self.node.command(line).await.unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// How a command is refused.
    pub(crate) async fn command_refused(&self, line: &str) -> &'static str {
        self.node.command(line).await.unwrap_err().code()
    }

    /// The events that the audit holds about an agent, in their order.
    pub(crate) async fn events(&self, agent: &str) -> Vec<String> {
        let entries = self.command(&format!("audit --agent {agent}")).await;
        let event = |entry: &Value| entry["event"].as_str().unwrap().to_owned();
        entries.as_array().unwrap().iter().map(event).collect()
    }

    /// A token for an agent.
    pub(crate) async fn token(&self, agent: &str) -> JoinToken {
        let made = self.command(&format!("token {agent}")).await;
        made["token"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.node.address().join(path)
    }

    pub(crate) async fn info(&self) -> ControllerInfo {
        self.client.get_json(&self.url("/controller/info"), MAX_HANDSHAKE_BODY, TIMEOUT).await.unwrap()
    }

    pub(crate) async fn challenge(&self, id: &AgentId) -> Result<Challenge, ClientError> {
        let body = ChallengeRequest { agent_id: id.clone() };
        self.client.post_json(&self.url("/controller/challenge"), &body, MAX_HANDSHAKE_BODY, TIMEOUT).await
    }

    pub(crate) async fn nonce(&self, id: &AgentId) -> Hex<32> {
        self.challenge(id).await.unwrap().nonce
    }

    pub(crate) async fn register(
        &self,
        request: &EnrolmentRequest,
    ) -> Result<EnrolmentResponse, ClientError> {
        self.client.post_json(&self.url("/controller/register"), request, MAX_HANDSHAKE_BODY, TIMEOUT).await
    }

    pub(crate) async fn agents(&self) -> Vec<String> {
        let url = self.url("/controller/agents");
        let directory: Directory = self.client.get_json(&url, MAX_DIRECTORY, TIMEOUT).await.unwrap();
        directory.agents.iter().map(|agent| agent.agent_card.agent_id.to_string()).collect()
    }

    /// The list, asked for with `after=N` or without.
    pub(crate) async fn list(&self, after: Option<u64>) -> RevocationList {
        let query = after.map(|after| format!("?after={after}")).unwrap_or_default();
        let url = self.url(&format!("/controller/revocations{query}"));
        self.client.get_json(&url, MAX_REVOCATIONS, TIMEOUT).await.unwrap()
    }

    /// The list as an agent takes it.
    pub(crate) async fn revocations(&self) -> Revocations {
        let anchor = self.info().await.verify(provider()).unwrap();
        self.list(None).await.verify(provider(), &anchor, self.clock.now()).unwrap()
    }

    /// The whole way, for an agent that does it right.
    pub(crate) async fn enrol(&self, agent: &Agent) -> Result<EnrolmentResponse, ClientError> {
        let nonce = self.challenge(&agent.id).await?.nonce;
        self.register(&agent.request(nonce, self.clock.now())).await
    }

    /// The same with a token.
    pub(crate) async fn enrol_with(
        &self,
        agent: &Agent,
        token: &JoinToken,
    ) -> Result<EnrolmentResponse, ClientError> {
        let nonce = self.challenge(&agent.id).await?.nonce;
        let mut request = agent.request(nonce, self.clock.now());
        request.join_token = Some(token.secret.clone());
        self.register(&request).await
    }

    pub(crate) async fn renew(&self, agent: &Agent) -> Result<EnrolmentResponse, ClientError> {
        self.renew_from(agent, None).await
    }

    /// Renews with the agent's key in place of a `former` one, which signs for it.
    pub(crate) async fn renew_from(
        &self,
        agent: &Agent,
        former: Option<&Agent>,
    ) -> Result<EnrolmentResponse, ClientError> {
        let now = self.clock.now();
        let (card, nonce) = (agent.card(now), self.nonce(&agent.id).await);
        let csr = agent.tls.csr_pem(&[]).unwrap();
        let former = former.map(|former| &*former.key as &dyn a2a_core::crypto::signature::Signer);
        let request = RenewalRequest::new(card, nonce, csr, &*agent.key, former).unwrap();
        self.client.post_json(&self.url("/controller/renew"), &request, MAX_HANDSHAKE_BODY, TIMEOUT).await
    }

    /// What the controller says to a request that has one flaw, and that it entered nothing.
    pub(crate) async fn refusal(&self, request: &EnrolmentRequest) -> (u16, String) {
        let refused = self.register(request).await.unwrap_err();
        assert!(self.agents().await.is_empty());
        status_and_code(&refused)
    }
}

pub(crate) fn status_and_code(refused: &ClientError) -> (u16, String) {
    let ClientError::Api { status, code, .. } = refused else { panic!("no error of the API: {refused:?}") };
    (*status, code.clone())
}

/// The word for programs.
pub(crate) fn code<T: std::fmt::Debug>(refused: Result<T, ClientError>) -> String {
    status_and_code(&refused.unwrap_err()).1
}

/// An agent's keys.
pub(crate) struct Agent {
    pub(crate) id: AgentId,
    pub(crate) key: Box<dyn SigningKey>,
    pub(crate) tls: TlsKey,
}

impl Agent {
    pub(crate) fn new(id: &str) -> Self {
        let key = provider().generate_signing_key().unwrap();
        Self { id: id.parse().unwrap(), key, tls: TlsKey::generate().unwrap() }
    }

    pub(crate) fn card(&self, now: UnixTime) -> AgentCard {
        AgentCard {
            agent_id: self.id.clone(),
            name: "Testing Agent".parse().unwrap(),
            public_key: self.key.public_key().clone(),
            methods: Vec::new(),
            address: "https://localhost:5001".parse().unwrap(),
            tls_spki_sha256: self.tls.spki_sha256(),
            suites: a2a_core::crypto::kx::Suite::ALL.to_vec(),
            issued_at: now,
            expires_at: now.saturating_add(Duration::from_hours(24)),
            protocol_version: a2a_core::PROTOCOL_VERSION,
        }
    }

    pub(crate) fn request(&self, nonce: Hex<32>, now: UnixTime) -> EnrolmentRequest {
        self.request_with(self.card(now), nonce, &self.tls)
    }

    pub(crate) fn request_with(&self, card: AgentCard, nonce: Hex<32>, csr_key: &TlsKey) -> EnrolmentRequest {
        let csr = csr_key.csr_pem(&["elsewhere.example".into()]).unwrap();
        EnrolmentRequest::new(card, nonce, csr, &*self.key).unwrap()
    }
}
