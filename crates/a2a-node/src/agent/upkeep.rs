//! What live sessions do when this agent's certificate is renewed, when a peer's is, and when the controller's list changes.
//!
//! Neither fetches anything: `renewal` and `watch` do, and call these once what they have got is verified and on disk.

use std::sync::Arc;

use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::revocation::{Revocations, Standing};
use a2a_core::certificate::verify::{CertificateError, VerifiedCertificate, Verifier};
use a2a_core::time::UnixTime;

use super::AgentNode;
use super::sessions::Entry;
use crate::error::NodeError;

impl AgentNode {
    /// A list with a new number has been taken; it is in the present verifier already. Never called
    /// while a lock is held. Waits for nobody.
    pub(crate) fn on_revocations(&self, revocations: &Revocations) {
        tracing::debug!(number = revocations.number(), agent = %self.agent_id(), "revocation list taken");
        for entry in self.state.sessions.all() {
            self.end_if_revoked(&entry);
        }
    }

    /// This agent has a new certificate, perhaps for a new key; the credential is in place already. Does not wait for a
    /// peer.
    pub(crate) async fn on_renewed(&self, certificate: &VerifiedCertificate) {
        tracing::debug!(serial = %certificate.certificate().serial, agent = %self.agent_id(), "certificate renewed");
        let Some(newest) = self.state.identity.newest() else { return };
        for entry in self.state.sessions.all() {
            if let Some(channel) = entry.channel.get() {
                channel.announce(self, &entry, &newest).await;
                // It may have to be sent again, and it may end before the former one.
                self.state.sessions.look_at(entry.session_id, self.state.clock.now());
            }
        }
    }

    /// Ends a session if a certificate that it rests on is void: this agent's, the one that the peer began with, or the
    /// peer's newest. Says whether it is so.
    pub(super) fn end_if_revoked(&self, entry: &Arc<Entry>) -> bool {
        let is_void = self.is_void(&[&entry.peer, &entry.newest_peer()]);
        if is_void {
            self.revoke(entry);
        }
        is_void
    }

    /// Waits until a peer, or this agent itself, is revoked.
    pub(super) async fn revoked(&self, peer: &VerifiedCertificate) {
        let mut lists = self.state.identity.watch_verifier();
        while !self.is_void(&[peer]) {
            // The sender lives in the state.
            if lists.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether the list at hand says that this agent's certificate is void, or one of these.
    pub(super) fn is_void(&self, peers: &[&VerifiedCertificate]) -> bool {
        let identity = &self.state.identity;
        let Some(list) = identity.revocations() else { return false };
        let is_void = |peer: &&VerifiedCertificate| list.standing(peer.certificate()) == Standing::Revoked;
        identity.standing() == Some(Standing::Revoked) || peers.iter().any(is_void)
    }

    /// Verifies what a peer has sent over a live session in place of its `former` certificate.
    pub(super) async fn verify_renewal(
        &self,
        certificate: AgentCertificate,
        former: VerifiedCertificate,
    ) -> Result<VerifiedCertificate, NodeError> {
        self.learn_issuer(&certificate).await;
        let identity = &self.state.identity;
        let verifier = identity.watch_verifier().borrow().clone().ok_or(NodeError::NotEnrolled)?;
        let (provider, now) = (identity.provider, self.state.clock.now());
        let address = former.address().to_string();
        let verify = move || verifier.verify_renewal(provider, certificate, &former, now);
        let verified = self.state.pool.run(verify).await?;
        verified.map_err(|error| NodeError::peer_certificate(address, &error))
    }

    /// Asks for the successors of the controller's key, if `certificate` is under one that is not known.
    pub(super) async fn learn_issuer(&self, certificate: &AgentCertificate) {
        let issuer = certificate.controller_key_id;
        let knows = |verifier: &Arc<Verifier>| {
            let former = verifier.anchor.former.iter().map(|former| former.public_key.key_id());
            former.chain([verifier.anchor.fingerprint()]).any(|key| key == issuer)
        };
        let is_known = self.state.identity.watch_verifier().borrow().as_ref().is_none_or(knows);
        if !is_known {
            self.follow_unknown_key().await;
        }
    }
}

/// Whether a session may begin now with a peer that was verified a while ago.
pub(super) fn check_still_good(
    verifier: &Verifier,
    peer: &VerifiedCertificate,
    now: UnixTime,
) -> Result<(), CertificateError> {
    peer.check_validity(now)?;
    verifier.revocations.check_fresh(now)?;
    match verifier.revocations.standing(peer.certificate()) {
        Standing::Good => Ok(()),
        Standing::Superseded => Err(CertificateError::Superseded),
        Standing::Revoked => Err(CertificateError::Revoked),
    }
}
