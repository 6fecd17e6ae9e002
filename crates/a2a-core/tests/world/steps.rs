//! The handshake, each step of it on its own.

use std::time::Duration;

use a2a_core::crypto::kx::{InitiatorKeys, ResponderKeys, Suite};
use a2a_core::crypto::provider::available;
use a2a_core::handshake::initiator::{
    self, Accepted, Answer, AwaitEstablished, AwaitReply, AwaitResponse, Wish,
};
use a2a_core::handshake::messages::{
    DecidedBy, Established, KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply, Request, Response,
};
use a2a_core::handshake::responder::{AwaitFinish, AwaitInit, InitAuthenticated, PendingRequest};
use a2a_core::handshake::transcript::Transcript;
use a2a_core::handshake::{Credential, HandshakeError, Step};
use a2a_core::session::{RekeyPolicy, Session};

use super::{NOW, helper, sent, traveller, verifier};

pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// Who talks to whom, offering what.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    pub(crate) initiator: Credential,
    pub(crate) responder: Credential,
    pub(crate) offer: Vec<Suite>,
    pub(crate) policy: RekeyPolicy,
}

/// Both sides' states, the message between them, and the transcript before that message.
#[derive(Debug)]
pub(crate) struct Stage<I, R, M> {
    pub(crate) initiator: I,
    pub(crate) responder: R,
    pub(crate) message: M,
    pub(crate) transcript: Transcript,
}

pub(crate) type Asked = Step<AwaitResponse, Request>;
/// M2 is on its way.
pub(crate) type Decided = Stage<AwaitResponse, AwaitInit, Response>;
/// M3 is on its way.
pub(crate) type Begun = Stage<AwaitReply, AwaitInit, KeyExchangeInit>;
/// M4 is on its way.
pub(crate) type Replied = Stage<AwaitReply, AwaitFinish, KeyExchangeReply>;
/// M5 is on its way.
pub(crate) type Finished = Stage<AwaitEstablished, AwaitFinish, KeyExchangeFinish>;
/// M6 is on its way.
pub(crate) type Opening = Stage<AwaitEstablished, Session, Established>;

/// Traveller and helper under the first provider, with one suite.
pub(crate) fn pair(suite: Suite) -> Pair {
    let provider = available()[0];
    Pair::new(traveller().credential(provider), helper().credential(provider), suite)
}

impl Pair {
    pub(crate) fn new(initiator: Credential, responder: Credential, suite: Suite) -> Self {
        Self { initiator, responder, offer: vec![suite], policy: RekeyPolicy::default() }
    }

    pub(crate) fn wish(&self) -> Wish {
        let suites = self.offer.clone();
        Wish { purpose: "weather".parse().unwrap(), suites, lifetime: Duration::from_mins(2) }
    }

    pub(crate) fn asked(&self) -> Asked {
        let peer = self.responder.certificate().clone();
        initiator::request(self.initiator.clone(), peer, self.wish(), NOW).unwrap()
    }

    /// What the responder says of an M1.
    pub(crate) fn verify(&self, request: &Request) -> Result<PendingRequest, HandshakeError> {
        PendingRequest::verify(self.responder.clone(), verifier(), sent(request), NOW)
    }

    pub(crate) fn decided(&self) -> Decided {
        let Step { next: initiator, message: request } = self.asked();
        let pending = self.verify(&request).unwrap();
        let Step { next: responder, message } = pending.accept(DecidedBy::Operator, PATIENCE, NOW).unwrap();
        let mut transcript = Transcript::new();
        transcript.absorb_message(&request);
        transcript.absorb_signature(&request.signature);
        Stage { initiator, responder, message: sent(&message), transcript }
    }

    pub(crate) fn accepted(&self) -> Stage<Accepted, AwaitInit, Response> {
        let Stage { initiator, responder, message, mut transcript } = self.decided();
        let initiator = accept(initiator, &message).unwrap();
        transcript.absorb_message(&message);
        let Response::Accepted(acceptance) = &message else { panic!("rejected") };
        transcript.absorb_signature(&acceptance.signature);
        Stage { initiator, responder, message, transcript }
    }

    pub(crate) fn begun(&self) -> Begun {
        let Stage { initiator, responder, transcript, .. } = self.accepted();
        let keys = InitiatorKeys::generate(initiator.suite(), self.initiator.provider()).unwrap();
        let Step { next: initiator, message } = initiator.start(keys).unwrap();
        Stage { initiator, responder, message: sent(&message), transcript }
    }

    pub(crate) fn replied(&self) -> Replied {
        let Stage { initiator, responder, message: init, mut transcript } = self.begun();
        let authenticated = responder.authenticate(&init).unwrap();
        let keys = ResponderKeys::generate(responder.suite(), self.responder.provider()).unwrap();
        let Step { next: responder, message } = responder.reply(authenticated, keys).unwrap();
        transcript.absorb_message(&init);
        transcript.absorb_signature(&init.signature);
        Stage { initiator, responder, message: sent(&message), transcript }
    }

    pub(crate) fn finished(&self) -> Finished {
        let Stage { initiator, responder, message: reply, mut transcript } = self.replied();
        let Step { next: initiator, message } = initiator.finish(&reply).unwrap();
        transcript.absorb_message(&reply);
        transcript.absorb_signature(&reply.signature);
        transcript.absorb(reply.confirm.as_bytes());
        Stage { initiator, responder, message: sent(&message), transcript }
    }

    pub(crate) fn opening(&self) -> Opening {
        let Stage { initiator, responder, message: finish, mut transcript } = self.finished();
        let authenticated = responder.authenticate(&finish).unwrap();
        let Step { next: responder, message } = responder.establish(authenticated, self.policy, NOW).unwrap();
        transcript.absorb_message(&finish);
        transcript.absorb_signature(&finish.signature);
        transcript.absorb(finish.confirm.as_bytes());
        Stage { initiator, responder, message: sent(&message), transcript }
    }

    /// The initiator's and the responder's session.
    pub(crate) fn established(&self) -> (Session, Session) {
        self.established_under(self.policy)
    }

    /// The same, the initiator having a policy of its own.
    pub(crate) fn established_under(&self, initiators: RekeyPolicy) -> (Session, Session) {
        let Stage { initiator, responder, message, .. } = self.opening();
        (initiator.establish(message, initiators, NOW).unwrap(), responder)
    }
}

/// M3 with fresh keys.
pub(crate) fn start(accepted: Accepted) -> Step<AwaitReply, KeyExchangeInit> {
    let keys = InitiatorKeys::generate(accepted.suite(), available()[0]).unwrap();
    accepted.start(keys).unwrap()
}

/// M4 with fresh keys.
pub(crate) fn reply(
    responder: AwaitInit,
    proof: InitAuthenticated,
) -> Result<Step<AwaitFinish, KeyExchangeReply>, HandshakeError> {
    let keys = ResponderKeys::generate(responder.suite(), available()[0]).unwrap();
    responder.reply(proof, keys)
}

/// The initiator's view of an M2 that says yes.
pub(crate) fn accept(state: AwaitResponse, response: &Response) -> Result<Accepted, HandshakeError> {
    match state.receive(response, verifier(), NOW)? {
        Answer::Accepted(accepted) => Ok(*accepted),
        Answer::Rejected(decision) => panic!("rejected: {decision:?}"),
    }
}

/// Traveller's and helper's session under the first provider.
pub(crate) fn sessions() -> (Session, Session) {
    pair(Suite::X25519MlKem768).established()
}
