//! Identity misbinding (T01): an agent talks to Mallory, and she passes its shares on to another as her own, so that both would
//! hold one key and each would think of somebody else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::messages::{KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply, Request};
use a2a_core::handshake::transcript::Transcript;

use crate::mallory::{Agreed, KEY_EXCHANGE, Mallory, REQUEST, Target};
use crate::man::Call;
use crate::raw::Reply;
use crate::world::World;

/// What Mallory signs anew on the way, and what she leaves as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// She passes on signatures and all.
    AsItIs,
    /// She signs what she passes on as her own.
    SignedAnew,
}

/// Mallory between two agents: whoever comes to her server is passed on to the other. Both sessions have one id.
#[derive(Debug)]
pub struct Relay {
    to: SocketAddr,
    mallory: Mallory,
    agreed: Agreed,
    manner: Manner,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    with_caller: Transcript,
    with_other: Transcript,
    said: Option<Reply>,
}

impl Relay {
    /// Agrees with `other`, and waits for somebody to come.
    pub async fn start(world: &World, mallory: &Mallory, other: &impl Target, manner: Manner) -> Arc<Self> {
        let agreed = mallory.agree(world, other).await;
        let state = State { with_caller: Transcript::new(), with_other: agreed.transcript(), said: None };
        let (to, mallory) = (other.socket(), mallory.clone());
        let relay = Arc::new(Self { to, mallory, agreed, manner, state: Mutex::new(state) });
        let rule = relay.clone();
        relay.mallory.server.relay(move |call| rule.clone().pass(call));
        relay
    }

    /// What the other said to the share that was passed on.
    pub fn said(&self) -> Reply {
        self.state().said.clone().unwrap()
    }

    /// The transcript that Mallory has with the other after M4.
    pub fn transcript(&self) -> Transcript {
        self.state().with_other.clone()
    }

    async fn pass(self: Arc<Self>, call: Call) -> Reply {
        match call.path.as_str() {
            REQUEST => {
                let request: Request = serde_json::from_slice(&call.body).unwrap();
                let (response, transcript) = self.mallory.accept_with(&request, |acceptance| {
                    acceptance.suite = self.agreed.accepted.suite();
                    acceptance.session_id = self.agreed.accepted.session_id();
                });
                self.state().with_caller = transcript;
                Reply::json(200, &response)
            }
            KEY_EXCHANGE => match serde_json::from_slice(&call.body) {
                Ok(init) => self.pass_shares(init).await,
                Err(_) => self.pass_finish(serde_json::from_slice(&call.body).unwrap()).await,
            },
            _ => Reply::json(200, self.mallory.credential.certificate().certificate()),
        }
    }

    async fn pass_shares(&self, theirs: KeyExchangeInit) -> Reply {
        let mut hers = theirs.clone();
        if self.manner == Manner::SignedAnew {
            self.mallory.sign_init(&self.agreed.transcript(), &mut hers);
        }
        let said = self.mallory.raw.post(self.to, KEY_EXCHANGE, &hers).await;
        let mut state = self.state();
        state.said = Some(said.clone());
        if said.status != 200 {
            return said;
        }
        let mut reply: KeyExchangeReply = said.read_as();
        state.with_other.absorb_message(&hers);
        state.with_other.absorb_signature(&hers.signature);
        state.with_other.absorb_message(&reply);
        state.with_other.absorb_signature(&reply.signature);
        state.with_other.absorb(reply.confirm.as_bytes());
        state.with_caller.absorb_message(&theirs);
        state.with_caller.absorb_signature(&theirs.signature);
        state.with_caller.absorb_message(&reply);
        reply.signature = self.mallory.sign(SignatureLabel::KeyExchangeReply, &state.with_caller);
        Reply::json(200, &reply)
    }

    /// As if she were the traveller. It comes this far only if M4 was believed.
    async fn pass_finish(&self, mut finish: KeyExchangeFinish) -> Reply {
        let mut transcript = self.transcript();
        transcript.absorb_message(&finish);
        finish.signature = self.mallory.sign(SignatureLabel::KeyExchangeFinish, &transcript);
        self.mallory.raw.post(self.to, KEY_EXCHANGE, &finish).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
