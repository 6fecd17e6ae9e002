//! The asking side: fetch the peer's certificate, ask, exchange keys.

use std::sync::Arc;
use std::time::{Duration, Instant};

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::verify::{CertificateError, VerifiedCertificate};
use a2a_core::handshake::initiator::{self, Accepted, Answer, REQUEST_LIFETIME, Wish};
use a2a_core::handshake::messages::{DecidedBy, Established, KeyExchangeReply, Request, Response};
use a2a_core::handshake::{HandshakeError, Step};
use a2a_core::session::Session;
use a2a_core::wire::{self, MAX_CERTIFICATE, MAX_HANDSHAKE_BODY};
use axum::body::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::AgentNode;
use super::report::{CloseCause, OnProgress, Progress, SessionReport};
use super::sessions::{Entry, Stage};
use super::table::NotAdded;
use crate::client::{ClientError, JSON};
use crate::error::{NodeError, SETUP_THERE};
use crate::metrics::{Outcome, Role};

impl AgentNode {
    /// Fetches a peer's certificate and verifies it offline against the pinned controller. Whoever answers is
    /// believed as far as the controller's signature goes, and no further.
    pub async fn fetch_peer_certificate(
        &self,
        address: &AgentAddress,
        expected: &AgentId,
    ) -> Result<VerifiedCertificate, NodeError> {
        let now = self.state.clock.now();
        // Without papers of its own it need not look at anybody's.
        self.state.identity.credential(now)?;
        let certificate = self.certificate_at(address).await.map_err(|error| fetch_failed(error, address))?;
        let found = certificate.agent_card.agent_id.clone();
        self.learn_issuer(&certificate).await;
        let (credential, verifier) = self.state.identity.credential(now)?;
        let verified = verifier
            .verify(credential.provider(), certificate, None, now)
            .map_err(|error| NodeError::peer_certificate(address.to_string(), &error))?;
        if &found != expected {
            let (address, expected) = (address.to_string(), expected.clone());
            return Err(NodeError::WrongPeer { address, expected, found });
        }
        Ok(verified)
    }

    /// What the agent at this address shows: over a kept connection, if it is one that has been met there before.
    async fn certificate_at(&self, address: &AgentAddress) -> Result<AgentCertificate, ClientError> {
        let peers = &self.state.peers;
        if let Some(client) = peers.last_at(address) {
            match client.get_json(CERTIFICATE, MAX_CERTIFICATE, FETCH_TIMEOUT).await {
                // Another TLS key: another agent's, or a renewed one.
                Err(ClientError::Tls(_)) => {}
                fetched => return fetched,
            }
        }
        peers.strangers().get_json(&address.join(CERTIFICATE), MAX_CERTIFICATE, FETCH_TIMEOUT).await
    }

    /// Fetches and verifies a peer's certificate, asks for a session, and waits for the answer. Dropping the
    /// future gives up.
    pub async fn request(
        &self,
        address: &AgentAddress,
        agent_id: &AgentId,
        purpose: &str,
        progress: OnProgress<'_>,
    ) -> Result<SessionReport, NodeError> {
        let purpose = purpose.parse().map_err(|_| NodeError::TooLong { found: purpose.len(), limit: 256 })?;
        if agent_id == self.agent_id() {
            return Err(NodeError::SelfPeer);
        }
        let peer = self.fetch_peer_certificate(address, agent_id).await?;
        progress(Progress::PeerVerified);
        let suites = self.state.config.suites.clone();
        let wish = Wish { purpose, suites, lifetime: REQUEST_LIFETIME };
        let accepted = match self.ask(&peer, wish.clone(), progress).await {
            // The peer has just started, and takes nothing from before: ask anew, once.
            Err(NodeError::PeerRefused { code, .. }) if code == "stale_request" => {
                tokio::time::sleep(STALE_WAIT).await;
                self.ask(&peer, wish, &|_| {}).await?
            }
            other => other?,
        };
        let (now, session_id) = (self.state.clock.now(), accepted.session_id());
        let identity = (session_id, accepted.suite(), accepted.peer().clone());
        let times = (now, accepted.expires());
        let entry = Entry::new(identity, true, Stage::Accepted(Box::new(accepted)), times);
        self.add_session(&entry).map_err(|reason| match reason {
            NotAdded::TooMany => NodeError::WrongStage("there are too many sessions with this peer".into()),
            NotAdded::Taken => NodeError::Handshake {
                peer: agent_id.clone(),
                reason: "the peer names a session that there is already".into(),
            },
        })?;
        // A list that came before the session was in the table has not ended it.
        if self.end_if_revoked(&entry) {
            let address = peer.address().to_string();
            return Err(NodeError::peer_certificate(address, &CertificateError::Revoked));
        }
        progress(Progress::RequestAccepted { session_id });
        Ok(entry.report())
    }

    async fn ask(
        &self,
        peer: &VerifiedCertificate,
        wish: Wish,
        progress: OnProgress<'_>,
    ) -> Result<Accepted, NodeError> {
        let now = self.state.clock.now();
        let (credential, _) = self.state.identity.credential(now)?;
        let failed = |error| handshake_failed(peer, error);
        let asked = peer.clone();
        let made = self.state.pool.run(move || initiator::request(credential, asked, wish, now)).await?;
        let Step { next, message } = made.map_err(failed)?;
        progress(Progress::RequestSent);
        let response = self.await_answer(peer, &message).await?;
        // A person may have taken minutes: what is revoked by now counts.
        let now = self.state.clock.now();
        let (_, verifier) = self.state.identity.credential(now)?;
        match next.receive(&response, &verifier, now).map_err(failed)? {
            Answer::Accepted(accepted) => Ok(*accepted),
            Answer::Rejected(decision) if decision.by == DecidedBy::PolicyTimeout => {
                Err(NodeError::RequestExpired { peer: peer.agent_id().clone() })
            }
            Answer::Rejected(_) => Err(NodeError::Rejected { peer: peer.agent_id().clone() }),
        }
    }

    /// Sends M1 until it is answered. While a person thinks, the peer answers `pending`, and the same bytes
    /// go on waiting.
    async fn await_answer(
        &self,
        peer: &VerifiedCertificate,
        request: &Request,
    ) -> Result<Response, NodeError> {
        let client = self.state.peers.client(peer)?;
        let body = serde_json::to_vec(request).map_err(|error| NodeError::Environment(error.to_string()))?;
        let body = Bytes::from(body);
        let started = tokio::time::Instant::now();
        while started.elapsed() < REQUEST_LIFETIME + GRACE {
            let answer = client
                .post(REQUEST, JSON, body.clone(), MAX_HANDSHAKE_BODY, ANSWER_TIMEOUT)
                .await
                .map_err(|error| call_failed(error, peer))?;
            if answer.status != 202 {
                return wire::from_json(&answer.body, MAX_HANDSHAKE_BODY)
                    .map_err(|error| unintelligible(peer, &error));
            }
        }
        Err(NodeError::RequestExpired { peer: peer.agent_id().clone() })
    }

    /// Exchanges keys for a session that this agent has asked for and the peer has agreed to. If it fails, or
    /// the future is dropped, the session is over: what has been sent cannot be taken back.
    pub async fn key_exchange(
        &self,
        session_id: Uuid,
        progress: OnProgress<'_>,
    ) -> Result<SessionReport, NodeError> {
        let entry = self.session(session_id)?;
        let peer = entry.peer.agent_id();
        let under_way = || NodeError::WrongStage(format!("a key exchange with {peer} is under way"));
        let mut stage = entry.stage.try_lock().map_err(|_| under_way())?;
        let accepted = match std::mem::replace(&mut *stage, Stage::Spent) {
            Stage::Accepted(accepted) => accepted,
            other => {
                let reason = match &other {
                    Stage::Established { .. } => format!("the session with {peer} has its keys already"),
                    Stage::Spent => return Err(under_way()),
                    _ => format!("{peer} asked for this session, so the key exchange is theirs to begin"),
                };
                *stage = other;
                return Err(NodeError::WrongStage(reason));
            }
        };
        let began = Instant::now();
        let mut given_up = GivenUp(Some((self.clone(), entry.clone())));
        let exchanged = tokio::select! {
            exchanged = self.exchange(&entry, *accepted, progress) => exchanged,
            () = entry.ended() => Err(NodeError::SessionEnded { peer: peer.clone() }),
        };
        given_up.0 = None;
        match exchanged.and_then(|session| self.open_channel(&entry, session)) {
            Ok(()) => {
                *stage = Stage::Established { finish: None };
                drop(stage);
                self.count_handshake(&entry, Role::Initiator, Outcome::Done, began);
                self.state.ephemeral.initiator.refill(entry.suite, &self.state.pool);
                // It may have been closed meanwhile; whoever closed it clears the keys.
                self.session(session_id)?;
                progress(Progress::KeysEstablished);
                Ok(entry.report())
            }
            Err(error) => {
                drop(stage);
                let refused = matches!(error, NodeError::PeerRefused { .. });
                let outcome = if refused { Outcome::Refused } else { Outcome::Failed };
                self.count_handshake(&entry, Role::Initiator, outcome, began);
                self.end(&entry, CloseCause::Lost, 0).await;
                Err(error)
            }
        }
    }

    async fn exchange(
        &self,
        entry: &Entry,
        accepted: Accepted,
        progress: OnProgress<'_>,
    ) -> Result<Session, NodeError> {
        let (pool, peer) = (&self.state.pool, &entry.peer);
        let failed = |error| handshake_failed(peer, error);
        progress(Progress::KeyExchangeStarted { suite: entry.suite });
        let keys = self.state.ephemeral.initiator.clone();
        let start = move || {
            let keys = keys.take(accepted.suite())?;
            accepted.start(keys)
        };
        let Step { next, message } = pool.run(start).await?.map_err(failed)?;
        progress(Progress::SharesGenerated { suite: entry.suite });
        progress(Progress::ShareSent);
        let reply: KeyExchangeReply = self.exchange_call(peer, &message).await?;
        progress(Progress::ShareReceived);
        let Step { next, message } = pool.run(move || next.finish(&reply)).await?.map_err(failed)?;
        progress(Progress::SignatureVerified);
        let established: Established = self.exchange_call(peer, &message).await?;
        let (policy, now) = (self.state.rekey_policy, self.state.clock.now());
        next.establish(established, policy, now).map_err(|error| NodeError::Handshake {
            peer: peer.agent_id().clone(),
            reason: error.to_string(),
        })
    }

    /// Sends M3 or M5; on silence, the same bytes once more.
    async fn exchange_call<T: DeserializeOwned + Serialize>(
        &self,
        peer: &VerifiedCertificate,
        message: &(impl Serialize + Sync),
    ) -> Result<T, NodeError> {
        let client = self.state.peers.client(peer)?;
        match client.post_json(KEY_EXCHANGE, message, MAX_HANDSHAKE_BODY, EXCHANGE_TIMEOUT).await {
            Err(ClientError::Unreachable(_) | ClientError::Timeout) => {
                client.post_json(KEY_EXCHANGE, message, MAX_HANDSHAKE_BODY, EXCHANGE_TIMEOUT).await
            }
            other => other,
        }
        .map_err(|error| call_failed(error, peer))
    }
}

/// Ends a session whose key exchange is given up half-way.
struct GivenUp(Option<(AgentNode, Arc<Entry>)>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        if let (Some((node, entry)), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { node.end(&entry, CloseCause::Lost, 0).await });
        }
    }
}

fn fetch_failed(error: ClientError, address: &AgentAddress) -> NodeError {
    let address = address.to_string();
    match error {
        ClientError::Api { code, .. } if code == "certificate_not_issued" => {
            NodeError::PeerNotEnrolled { address }
        }
        ClientError::BadAnswer(reason) => NodeError::PeerCertificate { address, reason, next: SETUP_THERE },
        other => NodeError::PeerUnreachable { address, reason: other.to_string() },
    }
}

fn call_failed(error: ClientError, peer: &VerifiedCertificate) -> NodeError {
    let (address, peer) = (peer.address().to_string(), peer.agent_id().clone());
    match error {
        ClientError::Api { code, error, message, .. } => {
            NodeError::PeerRefused { peer, code, message: format!("{error}; {message}") }
        }
        ClientError::BadAnswer(reason) => NodeError::Handshake { peer, reason },
        other => NodeError::PeerUnreachable { address, reason: other.to_string() },
    }
}

fn handshake_failed(peer: &VerifiedCertificate, error: HandshakeError) -> NodeError {
    match error {
        HandshakeError::SelfPeer => NodeError::SelfPeer,
        // It was good when it was fetched, and a person has taken a while.
        HandshakeError::Certificate(
            error @ (CertificateError::Revoked
            | CertificateError::Superseded
            | CertificateError::Revocations(_)),
        ) => NodeError::peer_certificate(peer.address().to_string(), &error),
        other => NodeError::Handshake { peer: peer.agent_id().clone(), reason: other.to_string() },
    }
}

fn unintelligible(peer: &VerifiedCertificate, error: &wire::WireError) -> NodeError {
    NodeError::Handshake { peer: peer.agent_id().clone(), reason: error.to_string() }
}

const CERTIFICATE: &str = "/agent/certificate";
const REQUEST: &str = "/agent/communicate/request";
const KEY_EXCHANGE: &str = "/agent/communicate/keyexchange";
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
const EXCHANGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than a peer holds a request before it says `pending`.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(29);
/// How long after a request's end the peer's last word is awaited.
const GRACE: Duration = Duration::from_secs(5);
/// Until the second is over in which the peer started.
const STALE_WAIT: Duration = Duration::from_millis(1100);
