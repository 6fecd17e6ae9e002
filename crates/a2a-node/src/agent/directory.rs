//! The controller's directory, as far as it verifies.

use a2a_core::certificate::enrolment::{Directory, MAX_DIRECTORY};
use a2a_core::certificate::revocation::Standing;
use a2a_core::certificate::verify::VerifiedCertificate;

use super::AgentNode;
use super::report::AgentEntry;
use super::trust::TIMEOUT;
use crate::error::NodeError;

impl AgentNode {
    /// The controller's directory without what does not verify, in the order of ids.
    pub async fn agents(&self) -> Result<Vec<AgentEntry>, NodeError> {
        let url = self.state.config.controller.join("/controller/agents");
        let directory: Directory = self
            .controller()?
            .get_json(&url, MAX_DIRECTORY, TIMEOUT)
            .await
            .map_err(|error| self.controller_failed(error))?;
        let (identity, now) = (&self.state.identity, self.state.clock.now());
        let trust = identity.trust().ok_or(NodeError::NotEnrolled)?;
        let is_revoked = |certificate: &VerifiedCertificate| {
            let standing = identity.revocations().map(|list| list.standing(certificate.certificate()));
            standing == Some(Standing::Revoked)
        };
        let mut entries: Vec<AgentEntry> = directory
            .agents
            .into_iter()
            .filter_map(|certificate| {
                let verified = trust.anchor.verify(identity.provider, certificate, None, now);
                verified.inspect_err(|reason| tracing::warn!(%reason, "a directory entry is left out")).ok()
            })
            .filter(|certificate| !is_revoked(certificate))
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
}
