//! What live sessions do when this agent's certificate is renewed, and when the controller's list changes.
//!
//! Neither fetches anything: `renewal` and `watch` do, and call these once what they have got is verified and on disk.

use a2a_core::certificate::revocation::Revocations;
use a2a_core::certificate::verify::VerifiedCertificate;

use super::AgentNode;

impl AgentNode {
    /// A list with a new number has been taken; it is in the present verifier already. Called for the list that is on
    /// disk at the start as well, and never while a lock is held. Must not wait for a peer.
    #[expect(clippy::unused_async, reason = "what it does to sessions waits for their locks")]
    pub(crate) async fn on_revocations(&self, revocations: &Revocations) {
        tracing::debug!(number = revocations.number(), agent = %self.agent_id(), "revocation list taken");
    }

    /// This agent has a new certificate, perhaps for a new key; the credential is in place already. Must not wait for a
    /// peer.
    #[expect(clippy::unused_async, reason = "what it does to sessions waits for their locks")]
    pub(crate) async fn on_renewed(&self, certificate: &VerifiedCertificate) {
        tracing::debug!(serial = %certificate.certificate().serial, agent = %self.agent_id(), "certificate renewed");
    }
}
