//! The controller as this agent knows it: first contact, its successors, and the way to it.
//!
//! Its statement proves itself, so it is fetched from whoever answers; believed it is only if something vouches for the
//! fingerprint. Nothing here sends a secret before that.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use a2a_core::certificate::enrolment::ControllerInfo;
use a2a_core::certificate::verify::TrustAnchor;
use a2a_core::crypto::signature::KeyId;
use a2a_core::wire::MAX_HANDSHAKE_BODY;
use tokio::time::Instant;

use super::AgentNode;
use super::identity::Trust;
use super::report::SuccessionReport;
use crate::client::{ClientError, HttpsClient};
use crate::error::NodeError;
use crate::event::Event;
use crate::tls::client as trust_in;

impl AgentNode {
    /// The controller's present statement, if an earlier pin, the command line, a join token, a person or `certs/ca.pem`
    /// vouches for it; pinned when this returns.
    pub(super) async fn trust_controller(&self, confirmed: Option<KeyId>) -> Result<Trust, NodeError> {
        let info = self.controller_info(&HttpsClient::new(trust_in::unauthenticated()?)?).await?;
        let trust = match self.state.identity.trust() {
            Some(pinned) => self.succeed(&pinned, info)?,
            None => self.first_contact(info, confirmed).await?,
        };
        self.pin(trust.clone()).await?;
        Ok(trust)
    }

    /// Sees whether the pinned controller has a new key or TLS root, and follows it; says whether it has.
    pub(super) async fn follow_controller(&self) -> Result<bool, NodeError> {
        let Some(pinned) = self.state.identity.trust() else { return Err(NodeError::NotEnrolled) };
        let info = self.controller_info(&HttpsClient::new(trust_in::unauthenticated()?)?).await?;
        let trust = self.succeed(&pinned, info)?;
        let is_new = trust != pinned;
        self.pin(trust).await?;
        Ok(is_new)
    }

    /// As [`AgentNode::follow_controller`], when a peer shows something under a key that is not known. Anybody can do
    /// that, so the controller is asked every now and then only.
    pub(crate) async fn follow_unknown_key(&self) -> bool {
        if !self.state.link.may_follow() {
            return false;
        }
        let followed = self.follow_controller().await;
        followed
            .inspect_err(|error| tracing::info!(%error, "no successor of the controller's key"))
            .is_ok_and(|is_new| is_new)
    }

    /// Reaches the pinned controller, and nobody else. Connections are kept.
    pub(super) fn controller(&self) -> Result<HttpsClient, NodeError> {
        let trust = self.state.identity.trust().ok_or(NodeError::NotEnrolled)?;
        self.state.link.client(trust.tls_root)
    }

    pub(super) fn controller_failed(&self, error: ClientError) -> NodeError {
        let url = self.state.config.controller.to_string();
        match error {
            ClientError::Api { code, error, message, .. } => {
                NodeError::ControllerRefused { code, message: error, next: message }
            }
            ClientError::Tls(reason) => NodeError::ControllerNotTrusted { url, reason },
            other => NodeError::ControllerUnreachable { url, reason: other.to_string() },
        }
    }

    /// Nobody is known yet: somebody else has to vouch.
    async fn first_contact(
        &self,
        info: ControllerInfo,
        confirmed: Option<KeyId>,
    ) -> Result<Trust, NodeError> {
        let presented = info.fingerprint();
        let config = &self.state.config;
        let token = config.join_token()?.map(|token| token.fingerprint);
        let vouchers = [token, config.controller_fingerprint, confirmed];
        if let Some(expected) = vouchers.into_iter().flatten().find(|expected| *expected != presented) {
            return Err(NodeError::ControllerMismatch { expected, presented });
        }
        if vouchers.iter().any(Option::is_some) {
            return Ok(Trust { anchor: self.stated(&info)?, tls_root: info.tls_root });
        }
        match self.info_vouched_for_by_ca_file().await? {
            Some(info) => Ok(Trust { anchor: self.stated(&info)?, tls_root: info.tls_root }),
            None => Err(NodeError::ControllerUnconfirmed { fingerprint: presented }),
        }
    }

    /// From the pinned key to the one that is presented, if the controller's own steps lead there.
    fn succeed(&self, pinned: &Trust, info: ControllerInfo) -> Result<Trust, NodeError> {
        let stated = self.stated(&info)?;
        let (now, presented) = (self.state.clock.now(), stated.fingerprint());
        let followed = pinned.anchor.follow(self.state.identity.provider, &info.successions, presented, now);
        let anchor = followed.map_err(|reason| {
            let pinned = pinned.anchor.fingerprint();
            tracing::error!(%reason, %pinned, %presented, "the controller's key has changed");
            NodeError::ControllerChanged { pinned, presented }
        })?;
        let anchor = TrustAnchor { controller_id: stated.controller_id, ..anchor };
        Ok(Trust { anchor, tls_root: info.tls_root })
    }

    fn stated(&self, info: &ControllerInfo) -> Result<TrustAnchor, NodeError> {
        info.verify(self.state.identity.provider).map_err(|error| misbehaved(&error))
    }

    async fn pin(&self, trust: Trust) -> Result<(), NodeError> {
        let identity = &self.state.identity;
        let pinned = identity.trust();
        if pinned.as_ref() == Some(&trust) {
            return Ok(());
        }
        let fingerprint = trust.anchor.fingerprint();
        identity.pin(trust)?;
        if let Some(former) =
            pinned.map(|pinned| pinned.anchor.fingerprint()).filter(|pinned| *pinned != fingerprint)
        {
            tracing::warn!(%former, %fingerprint, "the controller's key has been succeeded: followed");
            self.tell(Event::ControllerFollowed(SuccessionReport { former, fingerprint })).await;
        }
        Ok(())
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
        match self.controller_info(&HttpsClient::new(trust_in::rooted(&pem)?)?).await {
            Ok(info) => Ok(Some(info)),
            Err(NodeError::ControllerNotTrusted { url, reason }) => {
                tracing::warn!(%reason, file = %path.display(), "the controller does not chain to this root");
                Err(NodeError::ControllerNotOfRoot { url, file: path.display().to_string() })
            }
            Err(error) => Err(error),
        }
    }

    async fn controller_info(&self, client: &HttpsClient) -> Result<ControllerInfo, NodeError> {
        let url = self.state.config.controller.join("/controller/info");
        let info = client.get_json(&url, MAX_HANDSHAKE_BODY, TIMEOUT).await;
        info.map_err(|error| self.controller_failed(error))
    }
}

/// The way to the controller.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// The client for a TLS root.
    client: Mutex<Option<(String, HttpsClient)>>,
    /// When a peer has last made this agent ask for successors.
    followed: Mutex<Option<Instant>>,
}

impl Link {
    fn client(&self, tls_root: String) -> Result<HttpsClient, NodeError> {
        let mut kept = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((root, client)) = &*kept
            && *root == tls_root
        {
            return Ok(client.clone());
        }
        let client = HttpsClient::new(trust_in::rooted(&tls_root)?)?;
        *kept = Some((tls_root, client.clone()));
        Ok(client)
    }

    fn may_follow(&self) -> bool {
        let mut followed = self.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let may = followed.is_none_or(|last| last.elapsed() >= FOLLOW_INTERVAL);
        if may {
            *followed = Some(Instant::now());
        }
        may
    }
}

fn misbehaved(error: &dyn std::fmt::Display) -> NodeError {
    NodeError::ControllerMisbehaved { what: "statement", reason: error.to_string() }
}

/// How long the controller may take to answer.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
const FOLLOW_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn strangers_make_the_agent_ask_its_controller_now_and_then_only() {
        let link = Link::default();
        assert!(link.may_follow());
        assert!((0..1000).all(|_| !link.may_follow()));
        *link.followed.lock().unwrap() = Instant::now().checked_sub(FOLLOW_INTERVAL);
        assert!(link.may_follow() && !link.may_follow());
    }
}
