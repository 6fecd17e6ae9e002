//! T01: identity misbinding. The traveller talks to Mallory, and Mallory passes the traveller's shares to the
//! helper as her own, so that both would hold one key and each would think of somebody else.

use std::sync::{Arc, Mutex};

use a2a_core::crypto::signature::{Signature, SignatureLabel};
use a2a_core::handshake::messages::{
    FinishPhase, KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply, Request,
};
use a2a_core::handshake::transcript::Transcript;
use a2a_node::agent::report::CloseCause;
use a2a_node::error::NodeError;
use a2a_test::agent::Agent;
use a2a_test::mallory::{Agreed, KEY_EXCHANGE, Mallory, REQUEST};
use a2a_test::man::Call;
use a2a_test::raw::Reply;
use a2a_test::world::World;

/// What Mallory signs anew on the way, and what she leaves as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relay {
    /// She passes on signatures and all.
    AsItIs,
    /// She signs both shares as her own.
    SignedAnew,
}

struct Relayed {
    traveller: Agent,
    helper: Agent,
    mallory: Mallory,
    /// What the helper said to the traveller's share.
    helper_said: Reply,
    /// What came of it for the traveller.
    error: NodeError,
    /// The transcript that Mallory has with the helper after M4.
    with_helper: Transcript,
}

async fn relay(how: Relay) -> Relayed {
    let world = World::start().await;
    let mut traveller = world.agent("traveller").await;
    let mut helper = world.agent_with("helper", super::willing).await;
    let mallory = Mallory::join(&world).await;
    let agreed = mallory.agree(&world, &helper).await;
    helper.created().await;

    let said = Arc::new(Mutex::new(None));
    let with_helper = Arc::new(Mutex::new(agreed.transcript()));
    let between = Arc::new(Between {
        helper: helper.local_addr(),
        mallory: mallory.clone(),
        agreed,
        how,
        with_traveller: Mutex::new(None),
        with_helper: with_helper.clone(),
        said: said.clone(),
    });
    mallory.server.relay(move |call| between.clone().pass(call));
    let id = mallory.credential.certificate().agent_id().clone();
    let asked = traveller.ask_at(mallory.server.address.clone(), id).await.unwrap();
    let error = traveller.exchange(asked.session_id).await.unwrap_err();
    assert_eq!(traveller.closed().await.cause, CloseCause::Lost);
    let (helper_said, with_helper) =
        (said.lock().unwrap().take().unwrap(), with_helper.lock().unwrap().clone());
    Relayed { traveller, helper, mallory, helper_said, error, with_helper }
}

struct Between {
    helper: std::net::SocketAddr,
    mallory: Mallory,
    agreed: Agreed,
    how: Relay,
    with_traveller: Mutex<Option<Transcript>>,
    with_helper: Arc<Mutex<Transcript>>,
    said: Arc<Mutex<Option<Reply>>>,
}

impl Between {
    async fn pass(self: Arc<Self>, call: Call) -> Reply {
        match call.path.as_str() {
            REQUEST => {
                let request: Request = serde_json::from_slice(&call.body).unwrap();
                let suite = self.agreed.accepted.suite();
                let (response, transcript) =
                    self.mallory.accept_with(&request, |acceptance| acceptance.suite = suite);
                *self.with_traveller.lock().unwrap() = Some(transcript);
                Reply::json(200, &response)
            }
            KEY_EXCHANGE => self.pass_shares(serde_json::from_slice(&call.body).unwrap()).await,
            _ => Reply::json(200, self.mallory.credential.certificate().certificate()),
        }
    }

    async fn pass_shares(&self, theirs: KeyExchangeInit) -> Reply {
        let mut with_traveller = self.with_traveller.lock().unwrap().clone().unwrap();
        with_traveller.absorb_message(&theirs);
        with_traveller.absorb_signature(&theirs.signature);

        let mut hers = KeyExchangeInit { session_id: self.agreed.accepted.session_id(), ..theirs.clone() };
        if self.how == Relay::SignedAnew {
            self.mallory.sign_init(&self.agreed.transcript(), &mut hers);
        }
        let said = self.mallory.raw.post(self.helper, KEY_EXCHANGE, &hers).await;
        *self.said.lock().unwrap() = Some(said.clone());
        if said.status != 200 {
            return said;
        }
        let reply: KeyExchangeReply = said.read_as();
        {
            let mut with_helper = self.with_helper.lock().unwrap();
            with_helper.absorb_message(&hers);
            with_helper.absorb_signature(&hers.signature);
            with_helper.absorb_message(&reply);
            with_helper.absorb_signature(&reply.signature);
            with_helper.absorb(reply.confirm.as_bytes());
        }
        let mut passed = KeyExchangeReply { session_id: theirs.session_id, ..reply };
        with_traveller.absorb_message(&passed);
        passed.signature = self.mallory.sign(SignatureLabel::KeyExchangeReply, &with_traveller);
        Reply::json(200, &passed)
    }
}

#[tokio::test]
async fn a_share_passed_on_with_its_signature_is_refused() {
    let relayed = relay(Relay::AsItIs).await;
    assert_eq!(relayed.helper_said.refusal(), (401, "handshake_failed".into()));
    assert!(matches!(&relayed.error, NodeError::PeerRefused { .. }), "{:?}", relayed.error);
    assert!(relayed.traveller.node.sessions().is_empty());
}

/// Signed anew, the shares pass: she may say what she likes in her own name. But the traveller sees that the
/// other side derived another key, and she cannot confirm one to the helper.
#[tokio::test]
async fn shares_signed_anew_give_no_session_on_either_side() {
    let Relayed { traveller, mut helper, mallory, helper_said, error, mut with_helper } =
        relay(Relay::SignedAnew).await;
    assert_eq!(helper_said.status, 200);
    assert!(error.code() == "handshake_failed", "{error:?}");
    assert!(traveller.node.sessions().is_empty());

    let mut finish = KeyExchangeFinish {
        session_id: helper_said.read_as::<KeyExchangeReply>().session_id,
        phase: FinishPhase::Finish,
        signature: Signature(Vec::new().into()),
        confirm: vec![7; 32].into(),
    };
    with_helper.absorb_message(&finish);
    finish.signature = mallory.sign(SignatureLabel::KeyExchangeFinish, &with_helper);
    let refused = mallory.post(&helper, KEY_EXCHANGE, &finish).await;
    assert_eq!(refused.refusal(), (401, "handshake_failed".into()));
    // Her signature was good, so this was her one attempt.
    assert_eq!(helper.closed().await.cause, CloseCause::Lost);
    assert!(helper.node.sessions().is_empty());
}
