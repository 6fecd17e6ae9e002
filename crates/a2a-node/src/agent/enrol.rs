//! Enrolment: the card, its certificate, and a person who may have to be asked on the other side.
//!
//! Whom to trust is decided in `trust`; how a certificate is replaced in good time, in `renewal`.

use std::sync::Arc;
use std::time::Duration;

use a2a_core::certificate::card::{AgentCard, AgentCertificate, MethodName};
use a2a_core::certificate::enrolment::{Challenge, ChallengeRequest, EnrolmentRequest, EnrolmentResponse};
use a2a_core::certificate::token::JoinSecret;
use a2a_core::certificate::verify::{CertificateError, VerifiedCertificate};
use a2a_core::crypto::signature::{KeyId, SigningKey};
use a2a_core::handshake::Credential;
use a2a_core::wire::{self, MAX_HANDSHAKE_BODY};
use a2a_core::{PROTOCOL_VERSION, time::UnixTime};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::AgentNode;
use super::report::{OnProgress, Progress, SetupReport};
use super::trust::TIMEOUT;
use crate::client::{Answer, ClientError, HttpsClient};
use crate::error::NodeError;

/// A challenge, and what is to be certified in answer to it.
pub(super) struct Application {
    pub(super) card: AgentCard,
    pub(super) challenge: Challenge,
    pub(super) tls_csr: String,
}

impl AgentNode {
    /// Pins the controller, enrols, and stores the certificate. `confirmed` is a fingerprint that a person
    /// has just said yes to; without it, a controller that nothing vouches for is
    /// [`NodeError::ControllerUnconfirmed`]. Where an operator has to approve, this waits. Dropping the future gives up.
    pub async fn setup(
        &self,
        confirmed: Option<KeyId>,
        progress: OnProgress<'_>,
    ) -> Result<SetupReport, NodeError> {
        let _one = self.state.enrolling.lock().await;
        self.trust_controller(confirmed).await?;
        progress(Progress::TrustEstablished);
        let identity = &self.state.identity;
        // A change of keys that was begun may be complete on the controller's side: then only the new one is known there.
        let (response, key) = match identity.next_key() {
            Some(_) => self.apply_for_renewal(false).await?,
            None => (self.register(progress).await?, identity.key()),
        };
        self.fetch_revocations(None, TIMEOUT).await?;
        progress(Progress::Registered);
        let certificate = self.take_issued(response, key).await?;
        progress(Progress::CertificateStored);
        let trust = identity.trust().ok_or(NodeError::NotEnrolled)?;
        Ok(SetupReport {
            agent_id: certificate.agent_id().clone(),
            controller_id: trust.anchor.controller_id.clone(),
            controller_fingerprint: trust.anchor.fingerprint(),
            serial: certificate.certificate().serial.to_string(),
            expires_at: certificate.expires_at(),
        })
    }

    async fn register(&self, progress: OnProgress<'_>) -> Result<EnrolmentResponse, NodeError> {
        let controller = self.controller()?;
        let key = self.state.identity.key();
        let Application { card, challenge, tls_csr } = self.application(&controller, key.as_ref()).await?;
        let mut request = EnrolmentRequest::new(card, challenge.nonce, tls_csr, key.as_ref())
            .map_err(|error| NodeError::Environment(error.to_string()))?;
        request.join_token = self.join_secret()?;
        let url = self.state.config.controller.join("/controller/register");
        let body = json(&request)?;
        let answer = Patience::default().post(&controller, &url, body, progress).await;
        let answer = match answer.map_err(|error| self.controller_failed(error)) {
            Ok(answer) => answer,
            Err(error) => {
                self.take_refusal(&error, false).await?;
                return Err(error);
            }
        };
        wire::from_json(&answer.body, MAX_HANDSHAKE_BODY)
            .map_err(|error| NodeError::ControllerMisbehaved { what: "answer", reason: error.to_string() })
    }

    /// Who vouches for the controller at first contact has been read by now. Later a file that has done its work may be
    /// gone: the controller knows the key.
    fn join_secret(&self) -> Result<Option<JoinSecret>, NodeError> {
        match self.state.config.join_token() {
            Err(NodeError::Environment(reason)) => {
                tracing::info!(%reason, "no join token");
                Ok(None)
            }
            token => Ok(token?.map(|token| token.secret)),
        }
    }

    /// Asks for a challenge and makes what is to be certified: the card with `key`, and the TLS request.
    pub(super) async fn application(
        &self,
        controller: &HttpsClient,
        key: &dyn SigningKey,
    ) -> Result<Application, NodeError> {
        let url = self.state.config.controller.join("/controller/challenge");
        let wish = ChallengeRequest { agent_id: self.agent_id().clone() };
        let challenge: Challenge = controller
            .post_json(&url, &wish, MAX_HANDSHAKE_BODY, TIMEOUT)
            .await
            .map_err(|error| self.controller_failed(error))?;
        let life = Duration::from_secs(challenge.certificate_life);
        let card = self.card(key, self.state.clock.now(), life)?;
        let names = [card.address.host().trim_matches(['[', ']']).to_owned()];
        let tls_csr = self.state.identity.tls_key.csr_pem(&names)?;
        Ok(Application { card, challenge, tls_csr })
    }

    fn card(&self, key: &dyn SigningKey, now: UnixTime, life: Duration) -> Result<AgentCard, NodeError> {
        let state = &self.state;
        let methods = state.profile.methods.iter().map(|method| method.parse::<MethodName>());
        Ok(AgentCard {
            agent_id: state.config.agent_id.clone(),
            name: state.config.name.clone(),
            public_key: key.public_key().clone(),
            methods: methods
                .collect::<Result<_, _>>()
                .map_err(|error| NodeError::Environment(format!("a method's name: {error}")))?,
            address: state.address.clone(),
            tls_spki_sha256: state.identity.tls_key.spki_sha256(),
            suites: state.config.suites.clone(),
            issued_at: now,
            expires_at: now.saturating_add(life),
            protocol_version: PROTOCOL_VERSION,
        })
    }

    /// Takes what the controller has issued for `key`, once it has verified: on disk first, then for TLS, then for all.
    pub(super) async fn take_issued(
        &self,
        response: EnrolmentResponse,
        key: Arc<dyn SigningKey>,
    ) -> Result<VerifiedCertificate, NodeError> {
        let EnrolmentResponse { certificate, tls_chain } = response;
        let identity = &self.state.identity;
        let verified = match self.verify_issued(certificate.clone())? {
            // The controller has rotated its key since it was last asked.
            Err(CertificateError::WrongController { .. }) if self.follow_controller().await? => {
                self.verify_issued(certificate)?
            }
            verified => verified,
        };
        let certificate = verified.map_err(|error| refused(error.to_string()))?;
        let credential = Credential::new(identity.provider, key, certificate.clone())
            .map_err(|error| refused(error.to_string()))?;
        self.state.server_tls.replace(&identity.tls_key, &tls_chain)?;
        identity.take(credential, tls_chain)?;
        self.state.renewal.plan_for(&certificate, identity.provider);
        self.state.asked.notify_one();
        self.on_renewed(&certificate).await;
        Ok(certificate)
    }

    fn verify_issued(
        &self,
        certificate: AgentCertificate,
    ) -> Result<Result<VerifiedCertificate, CertificateError>, NodeError> {
        let (identity, now) = (&self.state.identity, self.state.clock.now());
        let trust = identity.trust().ok_or(NodeError::NotEnrolled)?;
        Ok(trust.anchor.verify(identity.provider, certificate, Some(self.agent_id()), now))
    }
}

/// How long an answer is awaited while an operator decides. The same bytes go on waiting where the others stopped.
struct Patience {
    since: Instant,
    is_pending: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self { since: Instant::now(), is_pending: false }
    }
}

impl Patience {
    async fn post(
        mut self,
        controller: &HttpsClient,
        url: &str,
        body: Vec<u8>,
        progress: OnProgress<'_>,
    ) -> Result<Answer, ClientError> {
        loop {
            let asked = Instant::now();
            let answer =
                controller.post_bytes(url, JSON, body.clone(), MAX_HANDSHAKE_BODY, HELD_TIMEOUT).await;
            match answer {
                Ok(answer) if answer.status != 202 => return Ok(answer),
                Ok(_) => {
                    if !self.is_pending {
                        progress(Progress::AwaitingApproval);
                    }
                    self.is_pending = true;
                }
                // The line may break while a person thinks.
                Err(ClientError::Unreachable(_) | ClientError::Timeout)
                    if self.is_pending && self.since.elapsed() < APPROVAL_LIFE => {}
                Err(error) => return Err(error),
            }
            // A controller that holds too many requests does not hold this one.
            if asked.elapsed() < SHORT_ANSWER {
                sleep(SHORT_ANSWER).await;
            }
        }
    }
}

pub(super) fn json(body: &impl Serialize) -> Result<Vec<u8>, NodeError> {
    serde_json::to_vec(body).map_err(|error| NodeError::Environment(error.to_string()))
}

fn refused(reason: String) -> NodeError {
    NodeError::ControllerMisbehaved { what: "certificate", reason }
}

const JSON: &str = "application/json";
/// Longer than the controller holds a request before it says `pending`.
const HELD_TIMEOUT: Duration = Duration::from_secs(29);
/// How long the controller keeps the question to its operator.
const APPROVAL_LIFE: Duration = Duration::from_mins(10);
const SHORT_ANSWER: Duration = Duration::from_secs(2);
