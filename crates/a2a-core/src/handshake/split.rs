//! The two costly parts of making M4 and M5, which do not need each other: the signature covers the shares, not what they
//! lead to. Two cores can do them at once.
//!
//! ```text
//! AwaitInit::begin_reply   --+-- SigningJob::run ----+-- Replying::join   --> M4
//! AwaitReply::begin_finish --+-- AgreementJob::run --+-- Finishing::join  --> M5
//! ```
//!
//! No thread is started here. Both jobs are `Send` and own what they need; whoever drives the handshake runs them where
//! it likes and joins the results, before which there is nothing to send. `AwaitInit::reply` and `AwaitReply::finish` do
//! one after the other, the signature last. Results of another handshake than the state's lead to a message that the
//! peer refuses.

use std::fmt;
use std::sync::Arc;

use super::HandshakeError;
use super::exchange::PeerAuthenticated;
use super::messages::KeyExchangeReply;
use crate::crypto::kdf::HASH_LEN;
use crate::crypto::kx::{InitiatorSecrets, ResponderSecrets, ResponderShare, SharedSecret};
use crate::crypto::signature::{self, Signature, SignatureLabel, SigningKey};

/// A step in two halves.
#[derive(Debug)]
pub struct Split<State> {
    /// Waits for both results.
    pub next: State,
    /// One half (0.2 ms).
    pub signing: SigningJob,
    /// The other (0.4 ms in MODP, much less with X25519).
    pub agreement: AgreementJob,
}

impl<State> Split<State> {
    /// Another state around the same jobs.
    pub(super) fn map<Next>(self, wrap: impl FnOnce(State) -> Next) -> Split<Next> {
        Split { next: wrap(self.next), signing: self.signing, agreement: self.agreement }
    }
}

/// A signature to be made over a transcript.
#[derive(Debug)]
pub struct SigningJob {
    pub(super) key: Arc<dyn SigningKey>,
    pub(super) label: SignatureLabel,
    pub(super) hash: [u8; HASH_LEN],
}

impl SigningJob {
    /// Signs.
    pub fn run(self) -> Result<Signed, HandshakeError> {
        Ok(Signed(signature::sign(self.key.as_ref(), self.label, &self.hash)?))
    }
}

/// What [`SigningJob::run`] has made.
#[derive(Debug)]
pub struct Signed(pub(super) Signature);

/// A shared secret to be worked out from a share that the peer has signed.
pub struct AgreementJob(pub(super) Agreement);

pub(super) enum Agreement {
    Initiator(Box<InitiatorSecrets>, ResponderShare),
    Responder(ResponderSecrets),
}

impl AgreementJob {
    pub(super) fn as_initiator(
        secrets: InitiatorSecrets,
        reply: &KeyExchangeReply,
        _authenticated: &PeerAuthenticated,
    ) -> Self {
        let share = ResponderShare {
            dh_public_key: reply.dh_public_key.as_bytes().to_vec(),
            kem_ciphertext: reply.kem_ciphertext.as_ref().map(|bytes| bytes.as_bytes().to_vec()),
        };
        Self(Agreement::Initiator(Box::new(secrets), share))
    }

    /// Decapsulates (the initiator) and agrees.
    pub fn run(self) -> Result<Agreed, HandshakeError> {
        Ok(Agreed(match self.0 {
            Agreement::Initiator(secrets, share) => secrets.agree(&share)?,
            Agreement::Responder(secrets) => secrets.agree()?,
        }))
    }
}

impl fmt::Debug for AgreementJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgreementJob(..)")
    }
}

/// What [`AgreementJob::run`] has worked out.
#[derive(Debug)]
pub struct Agreed(pub(super) SharedSecret);
