//! The initiator's side: asks, and begins the exchange once the peer has consented.

use std::time::Duration;

use uuid::Uuid;

use super::exchange::{self, Exchange, Exchanged, Parties};
use super::key_schedule::Role;
use super::messages::{
    Acceptance, Decision, Established, KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply, Request,
    Response,
};
use super::transcript::Transcript;
use super::{Credential, HandshakeError, Step, best_common_suite};
use crate::PROTOCOL_VERSION;
use crate::certificate::verify::{VerifiedCertificate, Verifier};
use crate::crypto::kx::{InitiatorKeys, Suite};
use crate::crypto::signature::{self, Signature, SignatureLabel};
use crate::session::{FrameType, Opened, RekeyPolicy, Session, SessionError};
use crate::text::FreeText;
use crate::time::UnixTime;
use crate::wire::{Base64, Hex};

/// What an initiator wants.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Why, for the person who decides.
    pub purpose: FreeText<256>,
    /// The suites it accepts.
    pub suites: Vec<Suite>,
    /// How long the request is good for: at most [`REQUEST_LIFETIME`].
    pub lifetime: Duration,
}

/// M1 has been sent.
#[derive(Debug)]
pub struct AwaitResponse {
    local: Credential,
    peer: VerifiedCertificate,
    request_id: Uuid,
    offer: Vec<Suite>,
    transcript: Transcript,
}

/// Makes M1 for `peer`, whose certificate has been fetched and verified.
pub fn request(
    local: Credential,
    peer: VerifiedCertificate,
    wish: Wish,
    now: UnixTime,
) -> Result<Step<AwaitResponse, Request>, HandshakeError> {
    let own = local.certificate();
    if peer.key_id() == own.key_id() || peer.agent_id() == own.agent_id() {
        return Err(HandshakeError::SelfPeer);
    }
    if best_common_suite(&wish.suites, &peer.certificate().agent_card.suites).is_none() {
        return Err(HandshakeError::NoCommonSuite);
    }
    let mut message = Request {
        protocol_version: PROTOCOL_VERSION,
        request_id: random_uuid(&local)?,
        agent_id: own.agent_id().clone(),
        address: own.address().clone(),
        peer_agent_id: peer.agent_id().clone(),
        peer_key_id: peer.key_id(),
        certificate: own.certificate().clone(),
        purpose: wish.purpose,
        suites: wish.suites,
        nonce: Hex::random(local.provider())?,
        timestamp: now,
        expires: now.saturating_add(wish.lifetime.min(REQUEST_LIFETIME)),
        signature: Signature(Base64::default()),
    };
    let mut transcript = Transcript::new();
    transcript.absorb_message(&message);
    message.signature = signature::sign(local.key().as_ref(), SignatureLabel::Request, transcript.hash())?;
    transcript.absorb_signature(&message.signature);
    let (request_id, offer) = (message.request_id, message.suites.clone());
    Ok(Step { next: AwaitResponse { local, peer, request_id, offer, transcript }, message })
}

/// What M2 says, verified.
#[derive(Debug)]
pub enum Answer {
    /// Yes.
    Accepted(Box<Accepted>),
    /// No; who decided, and when.
    Rejected(Decision),
}

impl AwaitResponse {
    /// Verifies M2.
    pub fn receive(
        mut self,
        response: &Response,
        verifier: &Verifier,
        now: UnixTime,
    ) -> Result<Answer, HandshakeError> {
        self.verify(response, verifier, now)?;
        match response {
            Response::Accepted(acceptance) => self.accepted(acceptance, now),
            Response::Rejected(rejection) => Ok(Answer::Rejected(rejection.decision.clone())),
        }
    }

    /// What a yes and a no have in common. The certificate must hold the key that M1 named; a renewed certificate of
    /// the same key is fine.
    fn verify(
        &mut self,
        response: &Response,
        verifier: &Verifier,
        now: UnixTime,
    ) -> Result<(), HandshakeError> {
        let (label, request_id, agent_id, certificate, proof) = match response {
            Response::Accepted(yes) => {
                (SignatureLabel::Accept, yes.request_id, &yes.agent_id, &yes.certificate, &yes.signature)
            }
            Response::Rejected(no) => {
                (SignatureLabel::Reject, no.request_id, &no.agent_id, &no.certificate, &no.signature)
            }
        };
        if request_id != self.request_id {
            return Err(HandshakeError::Mismatch("request_id"));
        }
        if agent_id != self.peer.agent_id() {
            return Err(HandshakeError::Mismatch("agent_id"));
        }
        let provider = self.local.provider();
        let peer = verifier.verify(provider, certificate.clone(), Some(agent_id), now)?;
        if peer.key_id() != self.peer.key_id() {
            return Err(HandshakeError::Mismatch("certificate"));
        }
        self.transcript.absorb_message(response);
        signature::verify(provider, peer.public_key(), label, self.transcript.hash(), proof)?;
        self.transcript.absorb_signature(proof);
        self.peer = peer;
        Ok(())
    }

    fn accepted(self, acceptance: &Acceptance, now: UnixTime) -> Result<Answer, HandshakeError> {
        if acceptance.expires < now {
            return Err(HandshakeError::NotFresh);
        }
        let best = best_common_suite(&self.offer, &self.peer.certificate().agent_card.suites)
            .ok_or(HandshakeError::NoCommonSuite)?;
        if acceptance.suite != best {
            return Err(HandshakeError::Downgrade { chosen: acceptance.suite, best });
        }
        let Self { local, peer, transcript, .. } = self;
        let (session_id, suite, expires) = (acceptance.session_id, acceptance.suite, acceptance.expires);
        let parties = Parties { local, peer, session_id, suite };
        let exchange = Exchange { parties, transcript, rekey: None };
        Ok(Answer::Accepted(Box::new(Accepted { exchange, expires })))
    }
}

/// The peer has consented; no keys yet.
#[derive(Debug)]
pub struct Accepted {
    exchange: Exchange,
    expires: UnixTime,
}

impl Accepted {
    /// The responder's UUID for the session.
    pub fn session_id(&self) -> Uuid {
        self.exchange.parties.session_id
    }

    /// The suite that both will use.
    pub fn suite(&self) -> Suite {
        self.exchange.parties.suite
    }

    /// The other agent.
    pub fn peer(&self) -> &VerifiedCertificate {
        &self.exchange.parties.peer
    }

    /// Until when the peer waits for M3.
    pub fn expires(&self) -> UnixTime {
        self.expires
    }

    /// Makes M3 of `keys` (about 0.3 ms); keys of another suite are [`HandshakeError::KeysOfAnotherSuite`].
    pub fn start(self, keys: InitiatorKeys) -> Result<Step<AwaitReply, KeyExchangeInit>, HandshakeError> {
        let Step { next, message } = exchange::initiate(self.exchange, keys)?;
        Ok(Step { next: AwaitReply(next), message })
    }
}

/// M3 has been sent.
#[derive(Debug)]
pub struct AwaitReply(exchange::AwaitReply);

impl AwaitReply {
    /// Verifies M4 and makes M5 (about 1 ms).
    pub fn finish(
        self,
        reply: &KeyExchangeReply,
    ) -> Result<Step<AwaitEstablished, KeyExchangeFinish>, HandshakeError> {
        let Step { next, message } = self.0.finish(reply)?;
        Ok(Step { next: AwaitEstablished(next), message })
    }
}

/// M5 has been sent. The keys exist, and are used only once the peer has shown that it has them too.
#[derive(Debug)]
pub struct AwaitEstablished(Exchanged);

impl AwaitEstablished {
    /// Opens M6's frame.
    pub fn establish(
        self,
        established: Established,
        policy: RekeyPolicy,
        now: UnixTime,
    ) -> Result<Session, SessionError> {
        let mut session = Session::new(Role::Initiator, self.0, policy, now)?;
        match session.opener.open(established.frame, now)? {
            Opened::New { frame_type: FrameType::Confirm, payload, .. } if payload.is_empty() => Ok(session),
            _ => Err(SessionError::BadContent("confirm")),
        }
    }
}

fn random_uuid(local: &Credential) -> Result<Uuid, HandshakeError> {
    let mut bytes = [0; 16];
    local.provider().fill_random(&mut bytes)?;
    Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// The longest life of a request.
pub const REQUEST_LIFETIME: Duration = Duration::from_mins(2);
