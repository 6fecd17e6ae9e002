//! An agent reduced to its dealings with the controller: it enrols and renews, as often and as wrongly as a test wants.

use std::sync::Arc;
use std::time::Duration;

use a2a_core::PROTOCOL_VERSION;
use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::card::AgentCard;
use a2a_core::certificate::enrolment::{
    Challenge, ChallengeRequest, EnrolmentRequest, EnrolmentResponse, RenewalRequest,
};
use a2a_core::certificate::token::JoinSecret;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::SigningKey;
use a2a_core::wire::MAX_HANDSHAKE_BODY;
use a2a_node::client::{ClientError, HttpsClient};
use a2a_node::clock::Clock;
use a2a_node::tls::{TlsKey, client};
use serde::Serialize;

/// A key, and a way to the controller.
#[derive(Debug, Clone)]
pub struct Enrollee {
    /// The identity key.
    pub key: Arc<dyn SigningKey>,
    tls_key: Arc<TlsKey>,
    client: HttpsClient,
    controller: AgentAddress,
}

impl Enrollee {
    /// Somebody with a new key who knows the controller by its TLS root.
    pub fn new(controller: &AgentAddress, tls_root: &str) -> Self {
        Self {
            key: available()[0].generate_signing_key().unwrap().into(),
            tls_key: Arc::new(TlsKey::generate().unwrap()),
            client: HttpsClient::new(client::rooted(tls_root).unwrap()).unwrap(),
            controller: controller.clone(),
        }
    }

    /// Somebody else who knows the same controller.
    #[must_use]
    pub fn with_new_key(&self) -> Self {
        Self { key: available()[0].generate_signing_key().unwrap().into(), ..self.clone() }
    }

    /// Asks for the id, with a token if there is one.
    pub async fn enrol(
        &self,
        agent_id: &AgentId,
        token: Option<JoinSecret>,
    ) -> Result<EnrolmentResponse, ClientError> {
        let (card, challenge, csr) = self.wish(agent_id).await?;
        let request = EnrolmentRequest::new(card, challenge.nonce, csr, &*self.key).unwrap();
        self.post("/controller/register", &EnrolmentRequest { join_token: token, ..request }).await
    }

    /// Asks for a new certificate, after `former` has had one.
    pub async fn renew(
        &self,
        agent_id: &AgentId,
        former: Option<&Arc<dyn SigningKey>>,
    ) -> Result<EnrolmentResponse, ClientError> {
        let (card, challenge, csr) = self.wish(agent_id).await?;
        let former = former.map(|key| &**key as _);
        let request = RenewalRequest::new(card, challenge.nonce, csr, &*self.key, former).unwrap();
        self.post("/controller/renew", &request).await
    }

    async fn wish(&self, agent_id: &AgentId) -> Result<(AgentCard, Challenge, String), ClientError> {
        let ask = ChallengeRequest { agent_id: agent_id.clone() };
        let challenge: Challenge = self.post("/controller/challenge", &ask).await?;
        let now = Clock::System.now();
        let card = AgentCard {
            agent_id: agent_id.clone(),
            name: "Somebody".parse().unwrap(),
            public_key: self.key.public_key().clone(),
            methods: Vec::new(),
            address: "https://localhost:5001".parse().unwrap(),
            tls_spki_sha256: self.tls_key.spki_sha256(),
            suites: Suite::ALL.to_vec(),
            issued_at: now,
            expires_at: now.saturating_add(Duration::from_secs(challenge.certificate_life)),
            protocol_version: PROTOCOL_VERSION,
        };
        Ok((card, challenge, self.tls_key.csr_pem(&["localhost".to_owned()]).unwrap()))
    }

    async fn post<T>(&self, path: &str, body: &(impl Serialize + Sync)) -> Result<T, ClientError>
    where
        T: serde::de::DeserializeOwned + Serialize,
    {
        self.client.post_json(&self.controller.join(path), body, MAX_HANDSHAKE_BODY, PATIENCE).await
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
