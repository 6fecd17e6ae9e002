//! The controller's side: issuing certificates.
//!
//! Not here: whether a challenge is fresh and whose it is, which ids are taken, and whether the TLS request
//! is for the key that the card pins. These need the controller's state or X.509.

use std::sync::Arc;
use std::time::Duration;

use super::card::AgentCertificate;
use super::enrolment::{ControllerInfo, EnrolmentError, EnrolmentRequest};
use super::revocation::{RevocationContent, RevocationError, RevocationList};
use super::succession::{Succession, SuccessionError};
use super::verify::{TrustAnchor, check_card};
use crate::agent_id::AgentId;
use crate::crypto::provider::Provider;
use crate::crypto::signature::{self, Signature, SignatureLabel, Signer};
use crate::time::{CLOCK_SKEW, UnixTime, Validity};
use crate::wire::Hex;

/// The controller's identity: the key that certifies agents.
#[derive(Debug, Clone)]
pub struct Authority {
    controller_id: AgentId,
    key: Arc<dyn Signer>,
    provider: Provider,
}

impl Authority {
    /// An authority under this name and key.
    pub fn new(controller_id: AgentId, key: Arc<dyn Signer>, provider: Provider) -> Self {
        Self { controller_id, key, provider }
    }

    /// What agents need to verify this authority's certificates.
    pub fn anchor(&self) -> TrustAnchor {
        let (controller_id, public_key) = (self.controller_id.clone(), self.key.public_key().clone());
        TrustAnchor { controller_id, public_key, former: Vec::new() }
    }

    /// The signed statement of this authority, of the TLS root (PEM) beside it and of the keys before this one.
    pub fn info(
        &self,
        tls_root: String,
        successions: Vec<Succession>,
    ) -> Result<ControllerInfo, EnrolmentError> {
        ControllerInfo::sign(self.controller_id.clone(), tls_root, successions, &*self.key)
    }

    /// The signed list of what is revoked, good for `life` from `now`.
    pub fn revocations(
        &self,
        content: RevocationContent,
        life: Duration,
        now: UnixTime,
    ) -> Result<RevocationList, RevocationError> {
        let validity = Validity::new(now, now.saturating_add(life))?;
        RevocationList::sign(self.controller_id.clone(), content, validity, &*self.key)
    }

    /// Names `successor`, which signs too. Certificates that this authority has issued stay good until `until`.
    pub fn succession(
        &self,
        successor: &dyn Signer,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<Succession, SuccessionError> {
        Succession::sign(self.controller_id.clone(), &*self.key, successor, now, until)
    }

    /// Certifies the card as far as `grant` goes and not beyond the card's own end, if the request satisfies all that
    /// can be told without the controller's state. The card itself may not ask for more than the granted life. The
    /// caller has found the challenge fresh and issued for this agent.
    pub fn issue(
        &self,
        request: &EnrolmentRequest,
        grant: impl Into<Grant>,
        now: UnixTime,
    ) -> Result<AgentCertificate, EnrolmentError> {
        let Grant { life, not_before } = grant.into();
        self.check(request, life, now)?;
        let issued_at = now.max(not_before);
        let expires_at = issued_at.saturating_add(life).min(request.agent_card.expires_at);
        Validity::new(issued_at, expires_at)?;
        let mut certificate = AgentCertificate {
            agent_card: request.agent_card.clone(),
            agent_signature: request.agent_signature.clone(),
            controller_id: self.controller_id.clone(),
            controller_key_id: self.key.public_key().key_id(),
            issued_at,
            expires_at,
            nonce: request.nonce,
            serial: Hex::random(self.provider)?,
            controller_signature: Signature::none(),
        };
        let message = certificate.certified_message()?;
        certificate.controller_signature =
            signature::sign(&*self.key, SignatureLabel::Certificate, &message)?;
        Ok(certificate)
    }

    /// The key and its signature come last: they are the dearest to check.
    fn check(
        &self,
        request: &EnrolmentRequest,
        lifetime: Duration,
        now: UnixTime,
    ) -> Result<(), EnrolmentError> {
        let card = &request.agent_card;
        let validity = check_card(card)?;
        if !card.name.is_plain() {
            return Err(EnrolmentError::Name(card.name.to_string()));
        }
        if card.public_key == *self.key.public_key() {
            return Err(EnrolmentError::ControllersKey);
        }
        validity.check(now)?;
        // The skew forgives a card that has just ended; a certificate could only be empty.
        Validity::new(now, validity.expires_at())?;
        let age = now.since(card.issued_at);
        if age > CLOCK_SKEW {
            return Err(EnrolmentError::Stale(age.as_secs()));
        }
        if validity.lifetime() > lifetime {
            let (asked, granted) = (validity.lifetime().as_secs(), lifetime.as_secs());
            return Err(EnrolmentError::TooLong { asked, granted });
        }
        card.public_key.check_strength().map_err(EnrolmentError::WeakKey)?;
        request.verify_possession(self.provider)
    }
}

/// How far a certificate may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// The longest life; 24 hours by default.
    pub life: Duration,
    /// The earliest issue time that is still good for this agent; the epoch if any is.
    pub not_before: UnixTime,
}

/// A life, and no earliest issue time.
impl From<Duration> for Grant {
    fn from(life: Duration) -> Self {
        Self { life, not_before: UnixTime::from_secs(0) }
    }
}
