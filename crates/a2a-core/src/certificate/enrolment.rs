//! The bodies of enrolment: what an agent and the controller say to each other.
//!
//! The controller's decisions are in `authority`, its register of agents and challenges outside this crate.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::card::{AgentCard, AgentCertificate};
use super::succession::{self, Succession};
use super::token::JoinSecret;
use super::verify::{CertificateError, StructureFlaw, TrustAnchor};
use crate::agent_id::AgentId;
use crate::crypto::CryptoError;
use crate::crypto::provider::Provider;
use crate::crypto::signature::{self, KeyId, PublicKey, Signature, SignatureLabel, Signer};
use crate::time::{UnixTime, ValidityError};
use crate::wire::{self, Hex, WireError};

/// The answer of `GET /controller/info`: who the controller is and which TLS root its agents' servers chain
/// to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ControllerInfo {
    /// What the controller is called.
    pub controller_id: AgentId,
    /// The key that certifies agents.
    pub public_key: PublicKey,
    /// The TLS root certificate, PEM; bounded by the body's limit.
    pub tls_root: String,
    /// How the controller came to this key, the oldest step first; at most
    /// [`MAX_SUCCESSIONS`](super::succession::MAX_SUCCESSIONS). Each proves itself.
    pub successions: Vec<Succession>,
    /// `SIG(ControllerInfo, JCS(all the fields above))` by that key.
    pub signature: Signature,
}

impl ControllerInfo {
    /// States and signs.
    pub fn sign(
        controller_id: AgentId,
        tls_root: String,
        successions: Vec<Succession>,
        key: &dyn Signer,
    ) -> Result<Self, EnrolmentError> {
        let public_key = key.public_key().clone();
        let mut info =
            Self { controller_id, public_key, tls_root, successions, signature: Signature::none() };
        info.signature = signature::sign(key, SignatureLabel::ControllerInfo, &info.signed_message()?)?;
        Ok(info)
    }

    /// Checks that whoever holds the stated key also stated the rest, and takes over the former keys that it vouches
    /// for. That it is the right key, only comparing its [fingerprint](Self::fingerprint) with a known one, or
    /// [following](TrustAnchor::follow) it from there, can tell: do that before trusting the result.
    pub fn verify(&self, provider: Provider) -> Result<TrustAnchor, CertificateError> {
        let message = self.signed_message().map_err(StructureFlaw::from)?;
        let (key, label) = (&self.public_key, SignatureLabel::ControllerInfo);
        signature::verify(provider, key, label, &message, &self.signature)
            .map_err(|_| CertificateError::ControllerSignature)?;
        let (controller_id, public_key) = (self.controller_id.clone(), self.public_key.clone());
        let former = succession::former_keys(provider, &controller_id, &public_key, &self.successions)?;
        Ok(TrustAnchor { controller_id, public_key, former })
    }

    /// SHA-256 of the controller's DER `SubjectPublicKeyInfo`: what people compare.
    pub fn fingerprint(&self) -> KeyId {
        self.public_key.key_id()
    }

    fn signed_message(&self) -> Result<Vec<u8>, WireError> {
        wire::canonical_json_without(self, &["signature"])
    }
}

/// The body of `POST /controller/challenge`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChallengeRequest {
    /// Who wants to enrol.
    pub agent_id: AgentId,
}

/// Its answer: good for one enrolment of that agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Challenge {
    /// To be signed together with the card.
    pub nonce: Hex<32>,
    /// When the controller forgets it.
    pub expires_at: UnixTime,
    /// The longest life that the controller grants a card, in seconds.
    #[serde(deserialize_with = "wire::safe_u64")]
    pub certificate_life: u64,
}

/// The body of `POST /controller/register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentRequest {
    /// What the agent says of itself.
    pub agent_card: AgentCard,
    /// `SIG(Enrolment, JCS({"agent_card", "nonce"}))` by the card's key.
    pub agent_signature: Signature,
    /// The controller's challenge.
    pub nonce: Hex<32>,
    /// PKCS#10 request, PEM, for the TLS key that the card pins; bounded by the body's limit.
    pub tls_csr: String,
    /// The join token's secret, where the controller wants one.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "wire::present")]
    pub join_token: Option<JoinSecret>,
}

impl EnrolmentRequest {
    /// Signs `agent_card` for this challenge. `key` must be the card's.
    pub fn new(
        agent_card: AgentCard,
        nonce: Hex<32>,
        tls_csr: String,
        key: &dyn Signer,
    ) -> Result<Self, EnrolmentError> {
        if agent_card.public_key != *key.public_key() {
            return Err(EnrolmentError::NotTheCardsKey);
        }
        let message = agent_card.enrolment_message(&nonce)?;
        let agent_signature = signature::sign(key, SignatureLabel::Enrolment, &message)?;
        Ok(Self { agent_card, agent_signature, nonce, tls_csr, join_token: None })
    }

    /// Checks that the sender holds the card's key and used it on this card and this challenge.
    pub fn verify_possession(&self, provider: Provider) -> Result<(), EnrolmentError> {
        let message = self.agent_card.enrolment_message(&self.nonce)?;
        let (key, label) = (&self.agent_card.public_key, SignatureLabel::Enrolment);
        signature::verify(provider, key, label, &message, &self.agent_signature)
            .map_err(|_| EnrolmentError::Possession)
    }
}

/// The body of `POST /controller/renew`: an agent that is enrolled asks for a new certificate, with its key or with a
/// new one. Answered as an enrolment is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewalRequest {
    /// What the agent says of itself, with the key that it wants certified.
    pub agent_card: AgentCard,
    /// `SIG(Enrolment, JCS({"agent_card", "nonce"}))` by the card's key.
    pub agent_signature: Signature,
    /// If the card's key is new: `SIG(Rekey, the same)` by the key that the controller knows.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "wire::present")]
    pub former_signature: Option<Signature>,
    /// The controller's challenge.
    pub nonce: Hex<32>,
    /// PKCS#10 request, PEM, for the TLS key that the card pins; bounded by the body's limit.
    pub tls_csr: String,
}

impl RenewalRequest {
    /// Signs `agent_card` for this challenge with `key`, which must be the card's, and with the `former` key, if the
    /// card's takes its place.
    pub fn new(
        agent_card: AgentCard,
        nonce: Hex<32>,
        tls_csr: String,
        key: &dyn Signer,
        former: Option<&dyn Signer>,
    ) -> Result<Self, EnrolmentError> {
        let message = agent_card.enrolment_message(&nonce)?;
        let former = former.map(|former| signature::sign(former, SignatureLabel::Rekey, &message));
        let former_signature = former.transpose()?;
        let EnrolmentRequest { agent_card, agent_signature, nonce, tls_csr, .. } =
            EnrolmentRequest::new(agent_card, nonce, tls_csr, key)?;
        Ok(Self { agent_card, agent_signature, former_signature, nonce, tls_csr })
    }

    /// Checks that the key that the controller `known`s for this agent is the card's, or agreed to the card's.
    pub fn verify_continuity(&self, provider: Provider, known: &PublicKey) -> Result<(), EnrolmentError> {
        if self.agent_card.public_key == *known {
            return Ok(());
        }
        let signature = self.former_signature.as_ref().ok_or(EnrolmentError::Continuity)?;
        let message = self.agent_card.enrolment_message(&self.nonce)?;
        signature::verify(provider, known, SignatureLabel::Rekey, &message, signature)
            .map_err(|_| EnrolmentError::Continuity)
    }
}

/// What is left of a renewal once its continuity has been verified.
impl From<RenewalRequest> for EnrolmentRequest {
    fn from(request: RenewalRequest) -> Self {
        let RenewalRequest { agent_card, agent_signature, nonce, tls_csr, .. } = request;
        Self { agent_card, agent_signature, nonce, tls_csr, join_token: None }
    }
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnrolmentResponse {
    /// The agent's certificate.
    pub certificate: AgentCertificate,
    /// The TLS certificate for the request's key and those above it, PEM.
    pub tls_chain: String,
}

/// The answer of `GET /controller/agents`: who is certified now. Each certificate is verified by whoever reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// The certificates, by agent id; together at most [`MAX_DIRECTORY`] bytes of JSON.
    pub agents: Vec<AgentCertificate>,
}

/// Why a request to enrol is refused, one variant a reason.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum EnrolmentError {
    /// The card contradicts itself or the protocol.
    #[error("card is malformed: {0}")]
    Card(#[from] StructureFlaw),
    /// The name for people has control, bidi or invisible characters: choose another.
    #[error("the name {0} has characters that cannot be shown safely; choose another")]
    Name(String),
    /// The card does not hold now, within the skew. Compare the agent's clock with the controller's.
    #[error("the card is not valid now: {0}")]
    Validity(#[from] ValidityError),
    /// The card begins too long ago, in seconds: make it anew, or set the clocks.
    #[error("the card was issued {0} s ago; make it anew, and compare the clocks of agent and controller")]
    Stale(u64),
    /// The card asks for a longer life than the controller grants, both in seconds.
    #[error("the card lasts {asked} s, and the controller grants {granted} s; ask for less")]
    TooLong {
        /// What the card says.
        asked: u64,
        /// The most there is.
        granted: u64,
    },
    /// The card holds the controller's own key: the agent must have a key of its own.
    #[error("the card holds the controller's own key; the agent needs a key of its own")]
    ControllersKey,
    /// The agent does not hold the card's key, or signed another card or challenge.
    #[error("the signature does not prove possession of the card's key; ask for a new challenge")]
    Possession,
    /// The key that is known for the agent is not the card's, and has not agreed to it.
    #[error("the key that is enrolled for this agent did not sign the new one")]
    Continuity,
    /// The key is one that others can factor.
    #[error("the card's key is weak: {0}; make another")]
    WeakKey(&'static str),
    /// Our misuse: signing with a key other than the card's.
    #[error("the signing key is not the card's")]
    NotTheCardsKey,
    /// Signing or the generator of random numbers failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// Something has no canonical JSON.
    #[error(transparent)]
    Encoding(#[from] WireError),
}

/// Limit of a [`Directory`] as JSON, in bytes: 16 MiB, which holds 1024 certificates of the largest size.
pub const MAX_DIRECTORY: usize = 1024 * wire::MAX_CERTIFICATE;
