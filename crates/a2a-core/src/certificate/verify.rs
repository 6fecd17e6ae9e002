//! Offline verification against the controller's key.
//!
//! Nothing is fetched. What a peer shows goes through a [`Verifier`], which looks up revocation; a [`TrustAnchor`]
//! alone is for what the controller itself has just handed over.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::card::{AgentCard, AgentCertificate, MAX_METHODS};
use super::known::KnownCertificates;
use super::revocation::{RevocationError, Revocations, Standing};
use super::succession::{FormerKey, SuccessionError};
use crate::PROTOCOL_VERSION;
use crate::agent_id::{AgentAddress, AgentId};
use crate::crypto::provider::Provider;
use crate::crypto::signature::{self, KeyId, PublicKey, SignatureLabel};
use crate::text::FreeText;
use crate::time::{CLOCK_SKEW, UnixTime, Validity, ValidityError};
use crate::wire::{Hex, WireError};

/// The controller as an agent knows it after first contact: all that is needed to verify other agents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustAnchor {
    /// What the controller is called.
    pub controller_id: AgentId,
    /// The key that certifies agents.
    pub public_key: PublicKey,
    /// Keys that it has succeeded and under which certificates may still be good.
    #[serde(default)]
    pub former: Vec<FormerKey>,
}

/// How peers are verified: the controller, what it has revoked, and what need not be verified twice.
#[derive(Debug, Clone)]
pub struct Verifier {
    /// The controller.
    pub anchor: TrustAnchor,
    /// Its list.
    pub revocations: Revocations,
    /// Whose signatures need not be verified again.
    pub known: KnownCertificates,
}

impl Verifier {
    /// As [`TrustAnchor::verify`], and between validity and name: the list may be relied on at `now`, and does not
    /// say that the certificate is void or superseded.
    pub fn verify(
        &self,
        provider: Provider,
        certificate: AgentCertificate,
        expected: Option<&AgentId>,
        now: UnixTime,
    ) -> Result<VerifiedCertificate, CertificateError> {
        let verified = self.anchor.verify_for_anybody(provider, certificate, &self.known, now)?;
        self.revocations.check_fresh(now)?;
        match self.revocations.standing(verified.certificate()) {
            Standing::Good => {}
            Standing::Superseded => return Err(CertificateError::Superseded),
            Standing::Revoked => return Err(CertificateError::Revoked),
        }
        check_name(&verified, expected)?;
        Ok(verified)
    }

    /// Verifies what a peer sends in a live session in place of its `former` certificate, with the same key or with
    /// another: the same agent's, under the same controller, valid at `now`, not revoked and not an older one.
    ///
    /// As for the session itself, it does not matter whether the list is fresh or the certificate superseded: a revoked
    /// agent gets no new certificate.
    pub fn verify_renewal(
        &self,
        provider: Provider,
        certificate: AgentCertificate,
        former: &VerifiedCertificate,
        now: UnixTime,
    ) -> Result<VerifiedCertificate, CertificateError> {
        let verified = self.anchor.verify_for_anybody(provider, certificate, &self.known, now)?;
        check_name(&verified, Some(former.agent_id()))?;
        let certificate = verified.certificate();
        if self.revocations.standing(certificate) == Standing::Revoked {
            return Err(CertificateError::Revoked);
        }
        // Two controllers behind one address may differ by the skew.
        let (issued_at, known) = (certificate.issued_at, former.certificate().issued_at);
        if issued_at.saturating_add(CLOCK_SKEW) < known {
            return Err(CertificateError::Older { known, found: issued_at });
        }
        Ok(verified)
    }
}

impl TrustAnchor {
    /// SHA-256 of the controller's DER `SubjectPublicKeyInfo`: what people compare.
    pub fn fingerprint(&self) -> KeyId {
        self.public_key.key_id()
    }

    /// Verifies in this order: structure, controller key id, controller signature, agent signature, validity
    /// at `now`, and the name, if the caller expects one. Does not look up revocation: that is [`Verifier`]'s.
    pub fn verify(
        &self,
        provider: Provider,
        certificate: AgentCertificate,
        expected: Option<&AgentId>,
        now: UnixTime,
    ) -> Result<VerifiedCertificate, CertificateError> {
        let verified = self.verify_for_anybody(provider, certificate, &KnownCertificates::default(), now)?;
        check_name(&verified, expected)?;
        Ok(verified)
    }

    /// As [`TrustAnchor::verify`] for any name, but for signatures that are known to be good. They are good under the key
    /// with the id in the certificate, and which key that is does not change.
    fn verify_for_anybody(
        &self,
        provider: Provider,
        certificate: AgentCertificate,
        known: &KnownCertificates,
        now: UnixTime,
    ) -> Result<VerifiedCertificate, CertificateError> {
        let validity = self.check_structure(&certificate)?;
        let key = self.check_controller(&certificate, now)?;
        if let Some(verified) = known.find(&certificate) {
            validity.check(now)?;
            return Ok(verified);
        }
        check_signatures(provider, &certificate, key)?;
        validity.check(now)?;
        let key_id = certificate.agent_card.public_key.key_id();
        let verified = VerifiedCertificate(Arc::new(Verified { certificate, key_id, validity }));
        known.add(&verified);
        Ok(verified)
    }

    /// What can be told without a signature; yields when both card and certificate hold.
    fn check_structure(&self, certificate: &AgentCertificate) -> Result<Validity, StructureFlaw> {
        let card = &certificate.agent_card;
        check_card(card)?;
        if certificate.expires_at > card.expires_at {
            return Err(StructureFlaw::OutlivesCard);
        }
        let mut keys = self.former.iter().map(|former| &former.public_key).chain([&self.public_key]);
        if keys.any(|key| card.public_key == *key) {
            return Err(StructureFlaw::ControllersKey);
        }
        let certified = Validity::new(certificate.issued_at, certificate.expires_at)?;
        let begins = certified.issued_at().max(card.issued_at);
        Ok(Validity::new(begins, certified.expires_at())?)
    }

    /// Finds the key that has to have certified: the present one, or one whose time as a former one is not over.
    fn check_controller(
        &self,
        certificate: &AgentCertificate,
        now: UnixTime,
    ) -> Result<&PublicKey, CertificateError> {
        let (expected, found) = (self.fingerprint(), certificate.controller_key_id);
        let former = || self.former.iter().find(|former| former.public_key.key_id() == found);
        let key = match former() {
            _ if found == expected => &self.public_key,
            Some(former) if now < former.until => &former.public_key,
            _ => return Err(CertificateError::WrongController { expected, found }),
        };
        if certificate.controller_id != self.controller_id {
            return Err(CertificateError::WrongControllerName {
                expected: self.controller_id.clone(),
                found: certificate.controller_id.clone(),
            });
        }
        Ok(key)
    }
}

fn check_signatures(
    provider: Provider,
    certificate: &AgentCertificate,
    controller: &PublicKey,
) -> Result<(), CertificateError> {
    let certified = certificate.certified_message().map_err(StructureFlaw::from)?;
    let signature = &certificate.controller_signature;
    signature::verify(provider, controller, SignatureLabel::Certificate, &certified, signature)
        .map_err(|_| CertificateError::ControllerSignature)?;

    let card = &certificate.agent_card;
    let stated = card.enrolment_message(&certificate.nonce).map_err(StructureFlaw::from)?;
    let signature = &certificate.agent_signature;
    signature::verify(provider, &card.public_key, SignatureLabel::Enrolment, &stated, signature)
        .map_err(|_| CertificateError::AgentSignature)
}

fn check_name(certificate: &VerifiedCertificate, expected: Option<&AgentId>) -> Result<(), CertificateError> {
    let found = certificate.agent_id();
    match expected {
        Some(expected) if expected != found => {
            Err(CertificateError::WrongName { expected: expected.clone(), found: found.clone() })
        }
        _ => Ok(()),
    }
}

/// What every card must satisfy, signed or not; yields when it holds.
pub(super) fn check_card(card: &AgentCard) -> Result<Validity, StructureFlaw> {
    if card.protocol_version != PROTOCOL_VERSION {
        return Err(StructureFlaw::ProtocolVersion(card.protocol_version));
    }
    if card.methods.len() > MAX_METHODS {
        return Err(StructureFlaw::TooManyMethods(card.methods.len()));
    }
    let suites = &card.suites;
    let repeated = suites.iter().enumerate().any(|(index, suite)| suites[..index].contains(suite));
    if suites.is_empty() || repeated {
        return Err(StructureFlaw::Suites);
    }
    Ok(Validity::new(card.issued_at, card.expires_at)?)
}

/// A certificate that [`TrustAnchor::verify`] has found good. Cheap to clone.
#[derive(Debug, Clone)]
pub struct VerifiedCertificate(Arc<Verified>);

#[derive(Debug)]
struct Verified {
    certificate: AgentCertificate,
    key_id: KeyId,
    validity: Validity,
}

impl VerifiedCertificate {
    /// The certificate as it goes over the wire.
    pub fn certificate(&self) -> &AgentCertificate {
        &self.0.certificate
    }

    /// The agent's name in the protocol.
    pub fn agent_id(&self) -> &AgentId {
        &self.card().agent_id
    }

    /// Its name for people.
    pub fn name(&self) -> &FreeText<64> {
        &self.card().name
    }

    /// Its identity key.
    pub fn public_key(&self) -> &PublicKey {
        &self.card().public_key
    }

    /// The fingerprint of its identity key.
    pub fn key_id(&self) -> KeyId {
        self.0.key_id
    }

    /// Where it listens.
    pub fn address(&self) -> &AgentAddress {
        &self.card().address
    }

    /// SHA-256 of the DER `SubjectPublicKeyInfo` of its TLS key.
    pub fn tls_spki_sha256(&self) -> &Hex<32> {
        &self.card().tls_spki_sha256
    }

    /// When the first of card and certificate ends.
    pub fn expires_at(&self) -> UnixTime {
        self.0.validity.expires_at()
    }

    /// How long it still holds after `now`, without the skew.
    pub fn remaining(&self, now: UnixTime) -> Duration {
        self.expires_at().since(now)
    }

    /// Whether it holds at `now`, for as long as it is kept.
    pub fn check_validity(&self, now: UnixTime) -> Result<(), CertificateError> {
        Ok(self.0.validity.check(now)?)
    }

    fn card(&self) -> &AgentCard {
        &self.0.certificate.agent_card
    }
}

/// Why a certificate is not good, one variant a reason. For the log and for the person whose agent verifies;
/// a peer learns one code for all of them.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// It contradicts itself or the protocol. The peer's agent or its controller is at fault, or of another
    /// version: have it updated and enrolled again.
    #[error("certificate is malformed: {0}")]
    Structure(#[from] StructureFlaw),
    /// Another controller's key certified it. Either the two agents belong to different controllers, or the
    /// controller has changed its key: compare both fingerprints with what the controller shows under `info`.
    #[error(
        "certified under controller key {found}, but the trusted one is {expected}; compare the fingerprints"
    )]
    WrongController {
        /// The trusted key's fingerprint.
        expected: KeyId,
        /// What the certificate says.
        found: KeyId,
    },
    /// The trusted key, under another controller's name. Run `setup` again on the agent that was enrolled
    /// first.
    #[error("certified by controller {found}, but the trusted one is called {expected}")]
    WrongControllerName {
        /// The trusted controller's name.
        expected: AgentId,
        /// What the certificate says.
        found: AgentId,
    },
    /// The trusted controller did not sign this. It was altered or forged: do not go on; fetch it anew from
    /// the peer, and tell its operator if that does not help.
    #[error("the controller's signature does not verify: the certificate was altered or forged")]
    ControllerSignature,
    /// The holder of the card's key did not sign this card for this enrolment. The controller issued it
    /// wrongly: tell the controller's operator.
    #[error("the agent's own signature does not verify: possession of the key is not proved")]
    AgentSignature,
    /// It does not hold now. Expired: the peer's operator runs `setup` again. Not yet valid: one of the
    /// clocks is wrong.
    #[error("certificate is not valid now: {0}")]
    Validity(#[from] ValidityError),
    /// The controller has taken it back. Nothing to be done from this side; the peer's operator asks the controller's.
    #[error("the certificate has been revoked")]
    Revoked,
    /// The agent has a newer one: this one is a left-over, or somebody's who found it. Fetch it anew from the peer.
    #[error("the certificate has been superseded: the agent has a newer one")]
    Superseded,
    /// Sent as a renewal, and issued before the one that is known. The peer misbehaves.
    #[error("issued at {found}, before the one at {known} that it shall renew")]
    Older {
        /// When the known one was issued.
        known: UnixTime,
        /// When the one that came was issued.
        found: UnixTime,
    },
    /// Whether it has been revoked cannot be told: the list is too old, or the clock is wrong. Have the controller
    /// reached, then try again.
    #[error("whether it has been revoked cannot be told: {0}")]
    Revocations(#[from] RevocationError),
    /// What the controller tells of its former keys does not hold. Compare its fingerprint.
    #[error("the controller's former keys: {0}")]
    Succession(#[from] SuccessionError),
    /// Good, but another agent's. Check the address and the id that were asked for.
    #[error("the certificate belongs to {found}, not to {expected}; check address and agent id")]
    WrongName {
        /// Whom the caller meant.
        expected: AgentId,
        /// Whose it is.
        found: AgentId,
    },
}

/// How a card or a certificate contradicts itself or the protocol.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StructureFlaw {
    /// No suite, or one twice.
    #[error("suites must be at least one, and none twice")]
    Suites,
    /// Written for another protocol version.
    #[error("protocol version {0}, while this agent speaks {PROTOCOL_VERSION}")]
    ProtocolVersion(u32),
    /// More than [`MAX_METHODS`].
    #[error("{0} methods, where {MAX_METHODS} are allowed")]
    TooManyMethods(usize),
    /// The card, the certificate, or the time that both hold, ends before it begins.
    #[error(transparent)]
    Validity(#[from] ValidityError),
    /// Certified for longer than the agent signed for.
    #[error("the certificate outlives its card")]
    OutlivesCard,
    /// The card's key is the controller's own, which certifies and does nothing else.
    #[error("the card holds the controller's own key")]
    ControllersKey,
    /// It has no canonical JSON.
    #[error(transparent)]
    Encoding(#[from] WireError),
}
