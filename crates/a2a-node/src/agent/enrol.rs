//! First contact with the controller, enrolment, and the directory.

use std::time::Duration;

use a2a_core::certificate::card::{AgentCard, MethodName};
use a2a_core::certificate::enrolment::{
    Challenge, ChallengeRequest, ControllerInfo, Directory, EnrolmentRequest, EnrolmentResponse,
    MAX_DIRECTORY,
};
use a2a_core::certificate::revocation::{MAX_REVOCATIONS, RevocationList};
use a2a_core::certificate::verify::VerifiedCertificate;
use a2a_core::crypto::signature::KeyId;
use a2a_core::handshake::Credential;
use a2a_core::wire::MAX_HANDSHAKE_BODY;
use a2a_core::{PROTOCOL_VERSION, time::UnixTime};

use super::AgentNode;
use super::identity::Trust;
use super::report::{AgentEntry, OnProgress, Progress, SetupReport};
use crate::client::{ClientError, HttpsClient};
use crate::error::NodeError;
use crate::tls::client as trust_in;

impl AgentNode {
    /// Pins the controller, enrols, and stores the certificate. `confirmed` is a fingerprint that a person
    /// has just said yes to; without it, a controller that nothing vouches for is
    /// [`NodeError::ControllerUnconfirmed`].
    pub async fn setup(
        &self,
        confirmed: Option<KeyId>,
        progress: OnProgress<'_>,
    ) -> Result<SetupReport, NodeError> {
        let trust = self.trusted_controller(confirmed).await?;
        self.state.identity.pin(trust.clone())?;
        progress(Progress::TrustEstablished);

        let controller = HttpsClient::new(trust_in::rooted(&trust.tls_root)?)?;
        let response = self.enrol(&controller).await?;
        self.fetch_revocations(&trust, &controller).await?;
        progress(Progress::Registered);

        let certificate = self.check_issued(&trust, &response)?;
        let report = SetupReport {
            agent_id: certificate.agent_id().clone(),
            controller_id: trust.anchor.controller_id.clone(),
            controller_fingerprint: trust.anchor.fingerprint(),
            serial: certificate.certificate().serial.to_string(),
            expires_at: certificate.expires_at(),
        };
        let identity = &self.state.identity;
        let credential = Credential::new(identity.provider, identity.key.clone(), certificate.clone())
            .map_err(|error| NodeError::Environment(error.to_string()))?;
        self.state.server_tls.replace(&identity.tls_key, &response.tls_chain)?;
        identity.take(credential, response.tls_chain)?;
        self.on_renewed(&certificate).await;
        progress(Progress::CertificateStored);
        Ok(report)
    }

    /// The controller's directory without what does not verify, in the order of ids.
    pub async fn agents(&self) -> Result<Vec<AgentEntry>, NodeError> {
        let now = self.state.clock.now();
        let trust = self.state.identity.trust().ok_or(NodeError::NotEnrolled)?;
        let controller = HttpsClient::new(trust_in::rooted(&trust.tls_root)?)?;
        let url = self.state.config.controller.join("/controller/agents");
        let directory: Directory = controller
            .get_json(&url, MAX_DIRECTORY, TIMEOUT)
            .await
            .map_err(|error| self.controller_failed(error))?;
        let mut entries: Vec<AgentEntry> = directory
            .agents
            .into_iter()
            .filter_map(|certificate| {
                let verified = trust.anchor.verify(self.state.identity.provider, certificate, None, now);
                verified.inspect_err(|reason| tracing::warn!(%reason, "a directory entry is left out")).ok()
            })
            .map(|certificate| self.entry(&certificate))
            .collect();
        entries.sort_by(|one, other| one.agent_id.cmp(&other.agent_id));
        Ok(entries)
    }

    fn entry(&self, certificate: &VerifiedCertificate) -> AgentEntry {
        AgentEntry {
            agent_id: certificate.agent_id().clone(),
            name: certificate.name().to_string(),
            address: certificate.address().clone(),
            key_id: certificate.key_id(),
            expires_at: certificate.expires_at(),
            is_self: certificate.agent_id() == self.agent_id(),
        }
    }

    /// The controller's statement proves itself by its fingerprint, so it is fetched from whoever answers and
    /// believed only if something vouches for the fingerprint: an earlier pin, the command line, a person, or
    /// `certs/ca.pem`.
    async fn trusted_controller(&self, confirmed: Option<KeyId>) -> Result<Trust, NodeError> {
        let info = self.controller_info(&HttpsClient::new(trust_in::unauthenticated()?)?).await?;
        let presented = info.fingerprint();
        if let Some(trust) = self.state.identity.trust() {
            let pinned = trust.anchor.fingerprint();
            if pinned != presented {
                return Err(NodeError::ControllerChanged { pinned, presented });
            }
            return self.trust(info);
        }
        match self.state.config.controller_fingerprint.or(confirmed) {
            Some(expected) if expected == presented => self.trust(info),
            Some(expected) => Err(NodeError::ControllerMismatch { expected, presented }),
            None => match self.info_vouched_for_by_ca_file().await? {
                Some(info) => self.trust(info),
                None => Err(NodeError::ControllerUnconfirmed { fingerprint: presented }),
            },
        }
    }

    fn trust(&self, info: ControllerInfo) -> Result<Trust, NodeError> {
        let anchor = info.verify(self.state.identity.provider).map_err(|error| {
            NodeError::ControllerRefused { code: "bad_info".into(), message: error.to_string() }
        })?;
        Ok(Trust { anchor, tls_root: info.tls_root })
    }

    /// The statement as a TLS server under the root in `certs/ca.pem` makes it; `None` if there is no such
    /// file. A server that does not chain to a root that is there is refused: no person is asked to overrule it.
    async fn info_vouched_for_by_ca_file(&self) -> Result<Option<ControllerInfo>, NodeError> {
        let path = &self.state.config.ca_file;
        let pem = match tokio::fs::read_to_string(path).await {
            Ok(pem) => pem,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(NodeError::Environment(format!("{}: {error}", path.display()))),
        };
        let url = self.state.config.controller.join("/controller/info");
        let client = HttpsClient::new(trust_in::rooted(&pem)?)?;
        match client.get_json(&url, MAX_HANDSHAKE_BODY, TIMEOUT).await {
            Ok(info) => Ok(Some(info)),
            Err(ClientError::Tls(reason)) => {
                tracing::warn!(%reason, file = %path.display(), "the controller does not chain to this root");
                let (url, file) = (self.state.config.controller.to_string(), path.display().to_string());
                Err(NodeError::ControllerNotOfRoot { url, file })
            }
            Err(error) => Err(self.controller_failed(error)),
        }
    }

    async fn controller_info(&self, client: &HttpsClient) -> Result<ControllerInfo, NodeError> {
        let url = self.state.config.controller.join("/controller/info");
        let info = client.get_json(&url, MAX_HANDSHAKE_BODY, TIMEOUT).await;
        info.map_err(|error| self.controller_failed(error))
    }

    async fn enrol(&self, controller: &HttpsClient) -> Result<EnrolmentResponse, NodeError> {
        let base = &self.state.config.controller;
        let wish = ChallengeRequest { agent_id: self.agent_id().clone() };
        let challenge: Challenge = controller
            .post_json(&base.join("/controller/challenge"), &wish, MAX_HANDSHAKE_BODY, TIMEOUT)
            .await
            .map_err(|error| self.controller_failed(error))?;
        let identity = &self.state.identity;
        let card = self.card(self.state.clock.now(), Duration::from_secs(challenge.certificate_life))?;
        let names = [card.address.host().trim_matches(['[', ']']).to_owned()];
        let csr = identity.tls_key.csr_pem(&names)?;
        let request = EnrolmentRequest::new(card, challenge.nonce, csr, identity.key.as_ref())
            .map_err(|error| NodeError::Environment(error.to_string()))?;
        controller
            .post_json(&base.join("/controller/register"), &request, MAX_HANDSHAKE_BODY, TIMEOUT)
            .await
            .map_err(|error| self.controller_failed(error))
    }

    async fn fetch_revocations(&self, trust: &Trust, controller: &HttpsClient) -> Result<(), NodeError> {
        let url = self.state.config.controller.join("/controller/revocations");
        let list: RevocationList = controller
            .get_json(&url, MAX_REVOCATIONS, TIMEOUT)
            .await
            .map_err(|error| self.controller_failed(error))?;
        let identity = &self.state.identity;
        let list =
            list.verify(identity.provider, &trust.anchor, self.state.clock.now()).map_err(|error| {
                NodeError::ControllerRefused { code: "bad_revocations".into(), message: error.to_string() }
            })?;
        identity.take_revocations(list.clone())?;
        self.on_revocations(&list).await;
        Ok(())
    }

    fn card(&self, now: UnixTime, life: Duration) -> Result<AgentCard, NodeError> {
        let state = &self.state;
        let methods = state.profile.methods.iter().map(|method| method.parse::<MethodName>());
        Ok(AgentCard {
            agent_id: state.config.agent_id.clone(),
            name: state.config.name.clone(),
            public_key: state.identity.key.public_key().clone(),
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

    /// The certificate must verify, and be the one that was asked for.
    fn check_issued(
        &self,
        trust: &Trust,
        response: &EnrolmentResponse,
    ) -> Result<VerifiedCertificate, NodeError> {
        let identity = &self.state.identity;
        let certificate = response.certificate.clone();
        let refused =
            |message: String| NodeError::ControllerRefused { code: "bad_certificate".into(), message };
        let now = self.state.clock.now();
        let verified = trust
            .anchor
            .verify(identity.provider, certificate, Some(self.agent_id()), now)
            .map_err(|error| refused(error.to_string()))?;
        if verified.public_key() != identity.key.public_key() {
            return Err(refused("the certificate is for another key".into()));
        }
        Ok(verified)
    }

    fn controller_failed(&self, error: ClientError) -> NodeError {
        match error {
            ClientError::Api { code, error, message, .. } => {
                NodeError::ControllerRefused { code, message: format!("{error}; {message}") }
            }
            other => NodeError::ControllerUnreachable {
                url: self.state.config.controller.to_string(),
                reason: other.to_string(),
            },
        }
    }
}

/// How long the controller may take to answer.
const TIMEOUT: Duration = Duration::from_secs(10);
