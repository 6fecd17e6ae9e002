//! T01: identity misbinding. The traveller talks to Mallory, and Mallory passes the traveller's shares to the
//! helper as her own.

use std::sync::Arc;

use a2a_core::crypto::signature::{Signature, SignatureLabel};
use a2a_core::handshake::messages::{FinishPhase, KeyExchangeFinish, KeyExchangeReply};
use a2a_node::agent::report::CloseCause;
use a2a_node::error::NodeError;
use a2a_test::agent::Agent;
use a2a_test::mallory::{KEY_EXCHANGE, Mallory};
use a2a_test::relay::{Manner, Relay};
use a2a_test::world::World;

struct Relayed {
    traveller: Agent,
    helper: Agent,
    mallory: Mallory,
    relay: Arc<Relay>,
    /// What came of it for the traveller.
    error: NodeError,
}

async fn relay(manner: Manner) -> Relayed {
    let world = World::start().await;
    let mut traveller = world.agent("traveller").await;
    let mut helper = world.agent_with("helper", super::willing).await;
    let mallory = Mallory::join(&world).await;
    let relay = Relay::start(&world, &mallory, &helper, manner).await;
    helper.created().await;
    let id = mallory.credential.certificate().agent_id().clone();
    let asked = traveller.ask_at(mallory.server.address.clone(), id).await.unwrap();
    let error = traveller.exchange(asked.session_id).await.unwrap_err();
    assert_eq!(traveller.closed().await.cause, CloseCause::Lost);
    Relayed { traveller, helper, mallory, relay, error }
}

#[tokio::test]
async fn a_share_passed_on_with_its_signature_is_refused() {
    let relayed = relay(Manner::AsItIs).await;
    assert_eq!(relayed.relay.said().refusal(), (401, "handshake_failed".into()));
    assert!(matches!(&relayed.error, NodeError::PeerRefused { .. }), "{:?}", relayed.error);
    assert!(relayed.traveller.node.sessions().is_empty());
}

/// Signed anew, the shares pass: she may say what she likes in her own name. But the traveller sees that the
/// other side derived another key, and she cannot confirm one to the helper.
#[tokio::test]
async fn shares_signed_anew_give_no_session_on_either_side() {
    let Relayed { traveller, mut helper, mallory, relay, error } = relay(Manner::SignedAnew).await;
    assert!(error.code() == "handshake_failed", "{error:?}");
    assert!(traveller.node.sessions().is_empty());

    let mut finish = KeyExchangeFinish {
        session_id: relay.said().read_as::<KeyExchangeReply>().session_id,
        phase: FinishPhase::Finish,
        signature: Signature(Vec::new().into()),
        confirm: vec![7; 32].into(),
    };
    let mut transcript = relay.transcript();
    transcript.absorb_message(&finish);
    finish.signature = mallory.sign(SignatureLabel::KeyExchangeFinish, &transcript);
    let refused = mallory.post(&helper, KEY_EXCHANGE, &finish).await;
    assert_eq!(refused.refusal(), (401, "handshake_failed".into()));
    // Her signature was good, so this was her one attempt.
    assert_eq!(helper.closed().await.cause, CloseCause::Lost);
    assert!(helper.node.sessions().is_empty());
}
