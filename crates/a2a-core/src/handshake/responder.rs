//! The responder's side: checks a request before anyone is asked, and exchanges keys only once someone has said yes.

use std::time::Duration;

use uuid::Uuid;

use super::exchange::{self, Exchange, Parties};
use super::initiator::REQUEST_LIFETIME;
use super::key_schedule::Role;
use super::messages::{
    Acceptance, DecidedBy, Decision, Established, EstablishedStatus, KeyExchangeFinish, KeyExchangeInit,
    KeyExchangeReply, Rejection, Request, Response,
};
use super::transcript::Transcript;
use super::{Credential, HandshakeError, Step, best_common_suite};
use crate::PROTOCOL_VERSION;
use crate::certificate::verify::{VerifiedCertificate, Verifier};
use crate::crypto::kx::{ResponderKeys, Suite};
use crate::crypto::signature::{self, Signature, SignatureLabel};
use crate::session::{FrameType, RekeyPolicy, Session, SessionError};
use crate::time::{CLOCK_SKEW, UnixTime};
use crate::wire::{Base64, Hex};

pub use exchange::{FinishAuthenticated, InitAuthenticated};

/// M1, verified: worth asking a person about.
#[derive(Debug)]
pub struct PendingRequest {
    local: Credential,
    peer: VerifiedCertificate,
    request: Request,
    suite: Suite,
    transcript: Transcript,
}

impl PendingRequest {
    /// Checks M1 from the cheapest test to the dearest: version, recipient, freshness, offer, certificate, signature.
    ///
    /// What needs memory is the caller's to check: that the nonce is new, and that the peer does not ask too often.
    pub fn verify(
        local: Credential,
        verifier: &Verifier,
        request: Request,
        now: UnixTime,
    ) -> Result<Self, HandshakeError> {
        let own = local.certificate();
        if request.protocol_version != PROTOCOL_VERSION {
            return Err(HandshakeError::Version(request.protocol_version));
        }
        if &request.peer_agent_id != own.agent_id() || request.peer_key_id != own.key_id() {
            return Err(HandshakeError::WrongRecipient);
        }
        if &request.agent_id == own.agent_id() {
            return Err(HandshakeError::SelfPeer);
        }
        check_freshness(request.timestamp, request.expires, now)?;
        let suite = choose_suite(&request.suites, &own.certificate().agent_card.suites)?;
        let certificate = request.certificate.clone();
        let peer = verifier.verify(local.provider(), certificate, Some(&request.agent_id), now)?;
        if peer.key_id() == own.key_id() {
            return Err(HandshakeError::SelfPeer);
        }
        if &request.address != peer.address() {
            return Err(HandshakeError::Mismatch("address"));
        }
        let mut transcript = Transcript::new();
        transcript.absorb_message(&request);
        signature::verify(
            local.provider(),
            peer.public_key(),
            SignatureLabel::Request,
            transcript.hash(),
            &request.signature,
        )?;
        transcript.absorb_signature(&request.signature);
        Ok(Self { local, peer, request, suite, transcript })
    }

    /// Who asks.
    pub fn peer(&self) -> &VerifiedCertificate {
        &self.peer
    }

    /// What was asked.
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Makes M2 with a yes. M3 is awaited for `patience`.
    pub fn accept(
        self,
        by: DecidedBy,
        patience: Duration,
        now: UnixTime,
    ) -> Result<Step<AwaitInit, Response>, HandshakeError> {
        let Self { local, peer, request, suite, mut transcript } = self;
        let mut random = [0; 16];
        local.provider().fill_random(&mut random)?;
        let session_id = uuid::Builder::from_random_bytes(random).into_uuid();
        let expires = now.saturating_add(patience);
        let mut acceptance = Acceptance {
            request_id: request.request_id,
            session_id,
            agent_id: local.certificate().agent_id().clone(),
            suite,
            certificate: local.certificate().certificate().clone(),
            nonce: Hex::random(local.provider())?,
            decision: Decision { by, at: now },
            expires,
            signature: unsigned(),
        };
        transcript.absorb_message(&Response::Accepted(Box::new(acceptance.clone())));
        acceptance.signature =
            signature::sign(local.key().as_ref(), SignatureLabel::Accept, transcript.hash())?;
        transcript.absorb_signature(&acceptance.signature);
        let parties = Parties { local, peer, session_id, suite };
        let inner = exchange::AwaitInit::new(Exchange { parties, transcript, rekey: None });
        let next = AwaitInit { inner, session_id, suite, expires };
        Ok(Step { next, message: Response::Accepted(Box::new(acceptance)) })
    }

    /// Makes M2 with a no.
    pub fn reject(self, by: DecidedBy, now: UnixTime) -> Result<Response, HandshakeError> {
        let Self { local, request, mut transcript, .. } = self;
        let mut rejection = Rejection {
            request_id: request.request_id,
            agent_id: local.certificate().agent_id().clone(),
            certificate: local.certificate().certificate().clone(),
            decision: Decision { by, at: now },
            signature: unsigned(),
        };
        transcript.absorb_message(&Response::Rejected(Box::new(rejection.clone())));
        rejection.signature =
            signature::sign(local.key().as_ref(), SignatureLabel::Reject, transcript.hash())?;
        Ok(Response::Rejected(Box::new(rejection)))
    }
}

fn check_freshness(timestamp: UnixTime, expires: UnixTime, now: UnixTime) -> Result<(), HandshakeError> {
    let in_order = timestamp < expires && expires.since(timestamp) <= REQUEST_LIFETIME;
    let begun = timestamp <= now.saturating_add(CLOCK_SKEW);
    let not_over = now <= expires.saturating_add(CLOCK_SKEW);
    if in_order && begun && not_over { Ok(()) } else { Err(HandshakeError::NotFresh) }
}

fn choose_suite(offer: &[Suite], supported: &[Suite]) -> Result<Suite, HandshakeError> {
    let repeated = offer.iter().enumerate().any(|(index, suite)| offer[..index].contains(suite));
    if repeated {
        return Err(HandshakeError::Mismatch("suites"));
    }
    best_common_suite(offer, supported).ok_or(HandshakeError::NoCommonSuite)
}

fn unsigned() -> Signature {
    Signature(Base64::default())
}

/// M2 has said yes; M3 is awaited.
#[derive(Debug)]
pub struct AwaitInit {
    inner: exchange::AwaitInit,
    session_id: Uuid,
    suite: Suite,
    expires: UnixTime,
}

impl AwaitInit {
    /// The session.
    pub fn session_id(&self) -> Uuid {
        self.session_id
    }

    /// The suite that both will use.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Until when M3 is awaited.
    pub fn expires(&self) -> UnixTime {
        self.expires
    }

    /// Verifies M3's signature (about 0.03 ms). It does not consume the state: a forgery costs the honest peer nothing.
    pub fn authenticate(&self, init: &KeyExchangeInit) -> Result<InitAuthenticated, HandshakeError> {
        self.inner.authenticate(init)
    }

    /// Exchanges keys and makes M4 (about 0.7 ms); keys of another suite are [`HandshakeError::KeysOfAnotherSuite`].
    pub fn reply(
        self,
        init: InitAuthenticated,
        keys: ResponderKeys,
    ) -> Result<Step<AwaitFinish, KeyExchangeReply>, HandshakeError> {
        let Step { next, message } = self.inner.reply(init, keys)?;
        Ok(Step { next: AwaitFinish(next), message })
    }
}

/// M4 has been sent; M5 is awaited.
#[derive(Debug)]
pub struct AwaitFinish(exchange::AwaitFinish);

impl AwaitFinish {
    /// Verifies M5's signature without consuming the state.
    pub fn authenticate(&self, finish: &KeyExchangeFinish) -> Result<FinishAuthenticated, HandshakeError> {
        self.0.authenticate(finish)
    }

    /// Verifies the key confirmation, opens the session and makes M6.
    pub fn establish(
        self,
        finish: FinishAuthenticated,
        policy: RekeyPolicy,
        now: UnixTime,
    ) -> Result<Step<Session, Established>, EstablishError> {
        let exchanged = self.0.establish(finish)?;
        let mut session = Session::new(Role::Responder, exchanged, policy, now)?;
        let frame = session.sealer.seal(FrameType::Confirm, Vec::new(), now)?;
        Ok(Step { next: session, message: Established { status: EstablishedStatus::Established, frame } })
    }
}

/// Why a session was not opened after all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EstablishError {
    /// The handshake's last check failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The session's first frame could not be made.
    #[error(transparent)]
    Session(#[from] SessionError),
}
