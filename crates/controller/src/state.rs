//! What the handlers share: the controller's keys, its register, its challenges and its clock.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::authority::Authority;
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::enrolment::{Challenge, ControllerInfo, EnrolmentRequest, EnrolmentResponse};
use a2a_core::certificate::revocation::{RevocationContent, RevocationList};
use a2a_core::crypto::provider::Provider;
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;
use a2a_node::args::ControllerConfig;
use a2a_node::clock::Clock;
use a2a_node::error::NodeError;
use a2a_node::http::ApiError;
use a2a_node::identity_key;
use a2a_node::keys::KeyDir;
use a2a_node::store::DataDir;
use a2a_node::tls::{ServerTls, TlsKey};
use axum::http::StatusCode;
use tokio::sync::mpsc;

use crate::challenges::Challenges;
use crate::enrolment::Enroller;
use crate::rate::SourceLimit;
use crate::registry::{Enrolled, Registry};
use crate::tls_authority::{Term, TlsAuthority};

/// See the module.
#[derive(Debug)]
pub(crate) struct Controller {
    enroller: Arc<Enroller>,
    info: ControllerInfo,
    challenges: Mutex<Challenges>,
    limit: SourceLimit,
    clock: Clock,
    provider: Provider,
    started_at: UnixTime,
    issued: AtomicU64,
    notices: mpsc::Sender<Enrolled>,
}

impl Controller {
    /// Opens the data directory and makes what keys are missing; gives back what the server shows, too. Touches the
    /// disk and makes RSA keys: not for an async worker.
    pub(crate) fn open(
        config: &ControllerConfig,
        clock: Clock,
        provider: Provider,
        notices: mpsc::Sender<Enrolled>,
    ) -> Result<(Arc<Self>, ServerTls), NodeError> {
        let now = clock.now();
        let dir = DataDir::open(&config.data_dir)?;
        let keys = KeyDir::open(&config.data_dir, config.passphrase.clone())?;
        let key = identity_key::load_or_generate(&keys, KEY_FILE, provider)?;
        let tls = TlsAuthority::load_or_generate(&keys, &config.controller_id, now)?;
        let server_tls = server_tls(&keys, &tls, config, provider, now)?;
        let authority = Authority::new(config.controller_id.clone(), key, provider);
        let info = authority
            .info(tls.root_pem().to_owned(), Vec::new())
            .map_err(|error| NodeError::Environment(format!("the controller cannot sign: {error}")))?;
        let enroller = Enroller {
            controller_id: config.controller_id.clone(),
            authority,
            tls,
            registry: Registry::open(dir)?,
            certificate_life: config.certificate_life,
        };
        let controller = Self {
            enroller: Arc::new(enroller),
            info,
            challenges: Mutex::default(),
            limit: SourceLimit::default(),
            clock,
            provider,
            started_at: now,
            issued: AtomicU64::new(0),
            notices,
        };
        Ok((Arc::new(controller), server_tls))
    }

    /// What it says of itself.
    pub(crate) fn info(&self) -> &ControllerInfo {
        &self.info
    }

    /// Counts a request against its source.
    pub(crate) fn limit(&self, source: IpAddr) -> Result<(), ApiError> {
        self.limit.check(source)
    }

    /// The certificates that have not ended, by agent id.
    pub(crate) fn agents(&self) -> Vec<AgentCertificate> {
        self.enroller.registry.valid_at(self.clock.now())
    }

    /// Everything that `status` shows and only this knows: ids taken, certificates issued since the start, uptime.
    pub(crate) fn counts(&self) -> (usize, u64, Duration) {
        let uptime = self.clock.now().since(self.started_at);
        (self.enroller.registry.len(), self.issued.load(Ordering::Relaxed), uptime)
    }

    /// What has been revoked.
    pub(crate) fn revocations(&self) -> Result<RevocationList, ApiError> {
        let (content, now) = (RevocationContent::default(), self.clock.now());
        self.enroller.authority.revocations(content, REVOCATION_LIFE, now).map_err(ApiError::internal)
    }

    /// Hands out a challenge.
    pub(crate) fn challenge(&self, agent_id: AgentId) -> Result<Challenge, ApiError> {
        let nonce = Hex::random(self.provider).map_err(ApiError::internal)?;
        let issued = self.challenges().issue(agent_id, nonce, self.clock.now());
        let expires_at = issued.map_err(|_| {
            ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "too many agents enrol at once",
                "wait two minutes, then try again",
            )
        })?;
        let certificate_life = self.enroller.certificate_life.as_secs();
        Ok(Challenge { nonce, expires_at, certificate_life })
    }

    /// Uses up the challenge, certifies, enters and tells.
    pub(crate) async fn register(&self, request: EnrolmentRequest) -> Result<EnrolmentResponse, ApiError> {
        let now = self.clock.now();
        if !self.challenges().take(&request.agent_card.agent_id, &request.nonce, now) {
            return Err(ApiError::new(
                StatusCode::FORBIDDEN,
                "bad_challenge",
                "the challenge is unknown, expired or used",
                "ask for a new challenge; it is good for two minutes and one attempt",
            ));
        }
        let enroller = self.enroller.clone();
        let outcome = tokio::task::spawn_blocking(move || enroller.enrol(&request, now)).await;
        let (response, notice) = outcome.map_err(ApiError::internal)??;
        self.issued.fetch_add(1, Ordering::Relaxed);
        tracing::info!(agent_id = %notice.agent_id, key_id = %notice.key_id, "agent enrolled");
        // A queue that is full means that nobody reads: then nobody misses it.
        let _ = self.notices.try_send(notice);
        Ok(response)
    }

    fn challenges(&self) -> MutexGuard<'_, Challenges> {
        self.challenges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn server_tls(
    keys: &KeyDir,
    authority: &TlsAuthority,
    config: &ControllerConfig,
    provider: Provider,
    now: UnixTime,
) -> Result<ServerTls, NodeError> {
    let key = TlsKey::load_or_generate(keys, TLS_KEY_FILE)?;
    let serial = Hex::random(provider).map_err(|error| NodeError::Environment(error.to_string()))?;
    let term = Term { issued_at: now, expires_at: now.saturating_add(TLS_LIFE), serial };
    let mut names = config.tls_names.clone();
    names.push(config.listen.ip().to_string());
    let chain = authority.issue_for_controller(&key, &config.controller_id, &names, term)?;
    Ok(ServerTls::new(&key, &chain)?)
}

const KEY_FILE: &str = "controller.key";
const TLS_KEY_FILE: &str = "tls.key";
const REVOCATION_LIFE: Duration = Duration::from_hours(30 * 24);
/// The controller's own server certificate is made anew at every start: a year.
const TLS_LIFE: Duration = Duration::from_hours(365 * 24);
