//! A peer with a valid certificate that keeps to no rule: built directly on the protocol's parts.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::verify::{VerifiedCertificate, Verifier};
use a2a_core::crypto::kx::{InitiatorKeys, Suite};
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::{self, Signature, SignatureLabel};
use a2a_core::handshake::initiator::{self, Accepted, Answer, AwaitReply, AwaitResponse, Wish};
use a2a_core::handshake::messages::{
    Acceptance, DecidedBy, Decision, Established, KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply,
    Request, Response,
};
use a2a_core::handshake::transcript::Transcript;
use a2a_core::handshake::{Credential, Step, best_common_suite};
use a2a_core::session::{RekeyPolicy, Session};
use a2a_core::wire::Hex;
use a2a_node::clock::Clock;
use serde::Serialize;
use uuid::Uuid;

use crate::agent::Agent;
use crate::man::Man;
use crate::raw::{JSON, Raw, Reply};
use crate::world::{Certified, World};

/// See the module.
#[derive(Debug, Clone)]
pub struct Mallory {
    /// A certificate of the world's controller, and its key.
    pub credential: Credential,
    /// Her server.
    pub server: Man,
    /// Her client.
    pub raw: Raw,
    /// What she verifies with, when she does.
    pub verifier: Verifier,
    clock: Clock,
}

/// Whom she goes for.
pub trait Target {
    /// Where it listens.
    fn socket(&self) -> SocketAddr;
    /// Its certificate.
    fn verified(&self, world: &World) -> VerifiedCertificate;
}

impl Target for Agent {
    fn socket(&self) -> SocketAddr {
        self.local_addr()
    }

    fn verified(&self, world: &World) -> VerifiedCertificate {
        self.certificate(world)
    }
}

/// M1 and M2, and what may come of them.
#[derive(Debug)]
pub struct Agreed {
    /// Her M1.
    pub request: Request,
    /// The peer's M2.
    pub response: Response,
    /// Her state.
    pub accepted: Accepted,
}

impl Mallory {
    /// Mallory, certified under her own name.
    pub async fn join(world: &World) -> Self {
        Self::join_as(world, "mallory", "mallory").await
    }

    /// Mallory under `name` (`mallory` for `mallory_agent_001`), with the key of `key_name`.
    pub async fn join_as(world: &World, name: &str, key_name: &str) -> Self {
        let server = Man::start().await;
        let agent_id: AgentId = format!("{name}_agent_001").parse().unwrap();
        let credential = world.certify(&Certified {
            agent_id: &agent_id,
            key_name,
            address: &server.address,
            tls_spki_sha256: server.tls_key.spki_sha256(),
            suites: &Suite::ALL,
            life: Duration::from_hours(24),
        });
        let clock = world.clock.clone();
        Self { credential, server, raw: Raw::default(), verifier: world.verifier(), clock }
    }

    /// Posts JSON to an agent.
    pub fn post<A: Target, T: Serialize>(
        &self,
        agent: &A,
        path: &str,
        body: &T,
    ) -> impl Future<Output = Reply> + use<A, T> {
        let (raw, to, path) = (self.raw.clone(), agent.socket(), path.to_owned());
        let body = serde_json::to_vec(body).unwrap();
        async move { raw.post_bytes(to, &path, JSON, body).await }
    }

    /// A good M1 for `peer`.
    pub fn request(&self, peer: &VerifiedCertificate) -> Step<AwaitResponse, Request> {
        let lifetime = initiator::REQUEST_LIFETIME;
        let wish = Wish { purpose: "harm".parse().unwrap(), suites: Suite::ALL.to_vec(), lifetime };
        initiator::request(self.credential.clone(), peer.clone(), wish, self.clock.now()).unwrap()
    }

    /// M1 for `peer` with something changed, and signed all the same.
    pub fn request_with(&self, peer: &VerifiedCertificate, change: impl FnOnce(&mut Request)) -> Request {
        let mut request = self.request(peer).message;
        change(&mut request);
        let mut transcript = Transcript::new();
        transcript.absorb_message(&request);
        request.signature = self.sign(SignatureLabel::Request, &transcript);
        request
    }

    /// Gets an agent that accepts by policy to agree to a session.
    pub async fn agree(&self, world: &World, agent: &impl Target) -> Agreed {
        let Step { next, message: request } = self.request(&agent.verified(world));
        let response: Response = self.post(agent, REQUEST, &request).await.read_as();
        let answer = next.receive(&response, &self.verifier, self.clock.now()).unwrap();
        let Answer::Accepted(accepted) = answer else { panic!("rejected") };
        Agreed { request, response, accepted: *accepted }
    }

    /// Goes all the way to a session, as an honest peer would.
    pub async fn connect(&self, world: &World, agent: &impl Target) -> Session {
        let step = start(self.agree(world, agent).await.accepted);
        let reply: KeyExchangeReply = self.post(agent, KEY_EXCHANGE, &step.message).await.read_as();
        let step = step.next.finish(&reply).unwrap();
        let established: Established = self.post(agent, KEY_EXCHANGE, &step.message).await.read_as();
        step.next.establish(established, RekeyPolicy::default(), self.clock.now()).unwrap()
    }

    /// Her yes to a request, with something changed and signed all the same. The transcript is the one after
    /// it.
    pub fn accept_with(
        &self,
        request: &Request,
        change: impl FnOnce(&mut Acceptance),
    ) -> (Response, Transcript) {
        let provider = self.credential.provider();
        let now = self.clock.now();
        let own = self.credential.certificate();
        let mut acceptance = Acceptance {
            request_id: request.request_id,
            session_id: Uuid::new_v4(),
            agent_id: own.agent_id().clone(),
            suite: best_common_suite(&request.suites, &own.certificate().agent_card.suites).unwrap(),
            certificate: own.certificate().clone(),
            nonce: Hex::random(provider).unwrap(),
            decision: Decision { by: DecidedBy::Operator, at: now },
            expires: now.saturating_add(Duration::from_mins(10)),
            signature: Signature(Vec::new().into()),
        };
        change(&mut acceptance);
        let mut transcript = Transcript::new();
        transcript.absorb_message(request);
        transcript.absorb_signature(&request.signature);
        transcript.absorb_message(&Response::Accepted(Box::new(acceptance.clone())));
        acceptance.signature = self.sign(SignatureLabel::Accept, &transcript);
        transcript.absorb_signature(&acceptance.signature);
        (Response::Accepted(Box::new(acceptance)), transcript)
    }

    /// A signature over a transcript, with her key.
    pub fn sign(&self, label: SignatureLabel, transcript: &Transcript) -> Signature {
        signature::sign(self.credential.key().as_ref(), label, transcript.hash()).unwrap()
    }

    /// Signs an M3 that she has changed, for what was agreed.
    pub fn sign_init(&self, agreed: &Transcript, init: &mut KeyExchangeInit) {
        let mut transcript = agreed.clone();
        transcript.absorb_message(init);
        init.signature = self.sign(SignatureLabel::KeyExchangeInit, &transcript);
    }
}

impl Agreed {
    /// The transcript after M2.
    pub fn transcript(&self) -> Transcript {
        agreed(&self.request, &self.response)
    }
}

/// The transcript after an M2 that accepts.
pub fn agreed(request: &Request, response: &Response) -> Transcript {
    let mut transcript = Transcript::new();
    transcript.absorb_message(request);
    transcript.absorb_signature(&request.signature);
    transcript.absorb_message(response);
    let Response::Accepted(acceptance) = response else { panic!("rejected") };
    transcript.absorb_signature(&acceptance.signature);
    transcript
}

/// Begins the exchange as an honest peer would.
pub fn start(accepted: Accepted) -> Step<AwaitReply, KeyExchangeInit> {
    let keys = InitiatorKeys::generate(accepted.suite(), available()[0]).unwrap();
    accepted.start(keys).unwrap()
}

/// M5 with another signature: what somebody without the key can make.
pub fn forged_finish(finish: &KeyExchangeFinish) -> KeyExchangeFinish {
    KeyExchangeFinish { signature: flipped(&finish.signature), ..finish.clone() }
}

/// M3 with another signature.
pub fn forged_init(init: &KeyExchangeInit) -> KeyExchangeInit {
    KeyExchangeInit { signature: flipped(&init.signature), ..init.clone() }
}

fn flipped(signature: &Signature) -> Signature {
    let mut bytes = signature.0.as_bytes().to_vec();
    bytes[0] ^= 1;
    Signature(bytes.into())
}

/// Where M1 goes.
pub const REQUEST: &str = "/agent/communicate/request";
/// Where M3 and M5 go.
pub const KEY_EXCHANGE: &str = "/agent/communicate/keyexchange";
/// Where frames go.
pub const SEND: &str = "/agent/communicate/send";
/// Where a session's last frame goes.
pub const CLOSE: &str = "/agent/communicate/close";
