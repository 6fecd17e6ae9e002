//! Session set-up: six messages from a stranger's request to keys that both sides have confirmed.
//!
//! ```text
//!   initiator                                            responder
//!   Initiator::request      -- M1 request -->            PendingRequest::verify
//!                                                        (a person or a policy decides)
//!   AwaitResponse::receive  <-- M2 response --           PendingRequest::accept / reject
//!   Accepted::start         -- M3 ke-init -->            AwaitInit::authenticate, reply
//!   AwaitReply::finish      <-- M4 ke-resp --
//!                           -- M5 ke-fin -->             AwaitFinish::establish
//!   AwaitEstablished        <-- M6 established --        Session
//! ```
//!
//! Each step takes `self` and gives the next state with the message to send, so no step can be left out, repeated or
//! taken out of order; an error drops the state. Every signature covers the running transcript: both certificates,
//! both nonces, the offer and the choice, the human decision and both shares.
//!
//! What this module does not do: it keeps no replay cache, holds no time-outs and retries nothing. Whoever drives it does.

pub mod messages;
pub mod transcript;

pub(crate) mod exchange;
pub mod initiator;
pub mod key_schedule;
pub mod responder;

use std::sync::Arc;

use thiserror::Error;

use crate::certificate::verify::{CertificateError, VerifiedCertificate};
use crate::crypto::CryptoError;
use crate::crypto::kx::Suite;
use crate::crypto::provider::Provider;
use crate::crypto::signature::SigningKey;

/// What an agent acts with: its certificate and the private key that belongs to it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Credential {
    provider: Provider,
    key: Arc<dyn SigningKey>,
    certificate: VerifiedCertificate,
}

impl Credential {
    /// Joins a certificate and its key; [`HandshakeError::KeyMismatch`] if they do not belong together.
    pub fn new(
        provider: Provider,
        key: Arc<dyn SigningKey>,
        certificate: VerifiedCertificate,
    ) -> Result<Self, HandshakeError> {
        if key.public_key() != certificate.public_key() {
            return Err(HandshakeError::KeyMismatch);
        }
        Ok(Self { provider, key, certificate })
    }

    /// The certificate.
    pub fn certificate(&self) -> &VerifiedCertificate {
        &self.certificate
    }

    /// The private key.
    pub fn key(&self) -> &Arc<dyn SigningKey> {
        &self.key
    }

    /// The crypto library that this agent runs on.
    pub fn provider(&self) -> Provider {
        self.provider
    }
}

/// A state and the message that goes with reaching it.
#[derive(Debug)]
pub struct Step<State, Message> {
    /// Where this side stands now.
    pub next: State,
    /// What to send.
    pub message: Message,
}

/// Why a handshake cannot go on. A peer learns one code for all the cryptographic reasons; the log holds the rest.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Peer incompatible: another protocol version.
    #[error("protocol version {0} is not spoken here")]
    Version(u32),
    /// Peer incompatible: no suite that both accept.
    #[error("no common key exchange suite")]
    NoCommonSuite,
    /// Peer misbehaved: its certificate is not acceptable.
    #[error("peer's certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// Peer misbehaved: a signature, confirmation or share is not acceptable.
    #[error("peer's cryptography: {0}")]
    Crypto(#[from] CryptoError),
    /// Peer misbehaved: a field does not say what it must.
    #[error("field `{0}` does not match")]
    Mismatch(&'static str),
    /// Peer misbehaved or relayed: the request is meant for somebody else.
    #[error("the request is for another agent")]
    WrongRecipient,
    /// The peer is this agent, or holds its key.
    #[error("the peer is this agent itself")]
    SelfPeer,
    /// Peer misbehaved, or a clock is wrong: the message is from the past or the future, or lives too long.
    #[error("the message is not fresh")]
    NotFresh,
    /// Peer misbehaved: it took a suite other than the best that both certificates and the offer allow.
    #[error("the peer chose {chosen} where {best} was due")]
    Downgrade {
        /// What the peer chose.
        chosen: Suite,
        /// What it had to choose.
        best: Suite,
    },
    /// Our misuse: the private key is not the one that the certificate names.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// Our misuse: ephemeral keys that were made for another suite than the one agreed on.
    #[error("the ephemeral keys are of another suite")]
    KeysOfAnotherSuite,
}

/// The best suite in both lists, by the protocol's order of preference.
pub fn best_common_suite(offer: &[Suite], supported: &[Suite]) -> Option<Suite> {
    Suite::ALL.into_iter().find(|suite| offer.contains(suite) && supported.contains(suite))
}
