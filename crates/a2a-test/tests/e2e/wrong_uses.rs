//! What people get wrong, and what they are told.

use std::time::Duration;

use a2a_node::args::Accept;
use a2a_node::error::NodeError;
use a2a_test::mallory::{Mallory, REQUEST};
use a2a_test::raw::Raw;
use a2a_test::talk::agree;
use a2a_test::world::World;
use uuid::Uuid;

#[tokio::test]
async fn an_agent_without_certificate_says_so_in_the_seeds_words() {
    let world = World::start().await;
    let (traveller, helper) = (world.agent("traveller").await, world.stranger("helper", |_| {}).await);
    let reply = Raw::default().get(helper.local_addr(), "/agent/certificate").await;
    assert_eq!(reply.status, 404);
    let body: serde_json::Value = serde_json::from_slice(&reply.body).unwrap();
    let expected = serde_json::json!({
        "error": "Certificate not yet issued",
        "message": "Agent must register with controller first",
        "code": "certificate_not_issued",
    });
    assert_eq!(body, expected);
    assert_eq!(traveller.ask(&helper).await.unwrap_err().code(), "peer_not_enrolled");
    assert_eq!(helper.ask(&traveller).await.unwrap_err().code(), "not_enrolled");
    assert_eq!(helper.node.agents().await.unwrap_err().code(), "not_enrolled");
    helper.setup().await.unwrap();
    assert_eq!(helper.node.agents().await.unwrap().len(), 2);
}

#[tokio::test]
async fn setup_without_a_controller_names_the_address_and_works_later() {
    let mut world = World::start().await;
    let agent = world.stranger("helper", |_| {}).await;
    let address = world.controller().address().to_string();
    world.stop_controller().await;
    let error = agent.setup().await.unwrap_err();
    assert!(matches!(&error, NodeError::ControllerUnreachable { url, .. } if *url == address), "{error:?}");
    assert!(agent.node.certificate().is_none());
    world.start_controller().await;
    agent.setup().await.unwrap();
}

#[tokio::test]
async fn a_peer_that_is_down_is_named_with_its_address() {
    let world = World::start().await;
    let (traveller, helper) = (world.agent("traveller").await, world.agent("helper").await);
    let (address, id) = (helper.address().clone(), helper.id().clone());
    helper.stop().await;
    let error = traveller.ask_at(address.clone(), id).await.unwrap_err();
    assert!(
        matches!(&error, NodeError::PeerUnreachable { address: found, .. } if *found == address.to_string()),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_wrong_id_at_an_address_is_told_with_both_names_and_nobody_is_asked() {
    let world = World::start().await;
    let (traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let asked = traveller.ask_at(helper.address().clone(), "worker_agent_001".parse().unwrap()).await;
    let error = asked.unwrap_err();
    assert!(
        matches!(&error, NodeError::WrongPeer { found, expected, .. }
            if found == helper.id() && expected.as_str() == "worker_agent_001"),
        "{error:?}"
    );
    helper.hears_nothing();
}

#[tokio::test]
async fn steps_out_of_their_order_are_refused_with_the_reason() {
    let world = World::start().await;
    let (mut traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let unknown = Uuid::nil();
    for error in [
        traveller.node.send(unknown, "x").await.unwrap_err(),
        traveller.node.close(unknown).await.unwrap_err(),
        traveller.exchange(unknown).await.unwrap_err(),
    ] {
        assert_eq!(error.code(), "unknown_session");
    }
    let id = agree(&mut traveller, &mut helper).await;
    assert_eq!(traveller.node.send(id, "too early").await.unwrap_err().code(), "no_keys");
    assert_eq!(helper.node.send(id, "too early").await.unwrap_err().code(), "no_keys");
    let theirs = helper.exchange(id).await.unwrap_err();
    assert!(theirs.code() == "wrong_stage" && theirs.to_string().contains("theirs to begin"), "{theirs}");
    traveller.exchange(id).await.unwrap();
    helper.established().await;
    let twice = traveller.exchange(id).await.unwrap_err();
    assert!(twice.code() == "wrong_stage" && twice.to_string().contains("already"), "{twice}");
    let again = helper.exchange(id).await.unwrap_err();
    assert!(again.code() == "wrong_stage" && again.to_string().contains("already"), "{again}");
    traveller.say(id, "unharmed").await;
    helper.hears("unharmed").await;
}

#[tokio::test]
async fn an_agent_does_not_talk_to_itself_by_id_or_address() {
    let world = World::start().await;
    let mut helper = world.agent_with("helper", |settings| settings.config.accept = Accept::All).await;
    let by_id = helper.ask_at(helper.address().clone(), helper.id().clone()).await.unwrap_err();
    assert_eq!(by_id.code(), "self_peer");
    let by_address = helper.ask_at(helper.address().clone(), "other_agent".parse().unwrap()).await;
    assert_eq!(by_address.unwrap_err().code(), "wrong_peer");
    assert!(helper.node.sessions().is_empty());
    helper.hears_nothing();
}

/// T06: not even when the controller's key has certified the agent's own key under another name.
#[tokio::test]
async fn own_key_under_another_name_is_refused_in_both_roles() {
    let world = World::start().await;
    let mut helper = world.agent_with("helper", |settings| settings.config.accept = Accept::All).await;
    let twin = Mallory::join_as(&world, "twin", "helper").await;
    let certificate = twin.credential.certificate().certificate().clone();
    twin.server.on_call(move |_| Some(a2a_test::raw::Reply::json(200, &certificate)));
    let asked = helper.ask_at(twin.server.address.clone(), "twin_agent_001".parse().unwrap()).await;
    assert_eq!(asked.unwrap_err().code(), "self_peer");
    assert!(twin.server.passed_to(REQUEST).is_empty());

    let stranger = Mallory::join(&world).await;
    let request = stranger.request_with(&helper.certificate(&world), |request| {
        request.agent_id = "twin_agent_001".parse().unwrap();
        request.address = twin.server.address.clone();
        request.certificate = twin.credential.certificate().certificate().clone();
    });
    assert_eq!(stranger.post(&helper, REQUEST, &request).await.refusal(), (400, "self_peer".into()));
    let by_id = stranger.request_with(&helper.certificate(&world), |request| {
        request.agent_id = helper.id().clone();
    });
    assert_eq!(stranger.post(&helper, REQUEST, &by_id).await.refusal(), (400, "self_peer".into()));
    helper.hears_nothing();
}

#[tokio::test]
async fn an_expired_certificate_is_refused_on_both_sides_until_setup_renews_it() {
    let world = World::start().await;
    let (traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let old = traveller.node.certificate().unwrap();
    world.pass(Duration::from_hours(24) + Duration::from_mins(2));
    assert_eq!(traveller.ask(&helper).await.unwrap_err().code(), "certificate_expired");
    traveller.setup().await.unwrap();
    let error = traveller.ask(&helper).await.unwrap_err();
    assert!(
        matches!(&error, NodeError::PeerCertificate { reason, .. } if reason.contains("not valid now")),
        "{error:?}"
    );
    helper.setup().await.unwrap();
    let new = traveller.node.certificate().unwrap();
    assert_eq!(new.agent_card.public_key, old.agent_card.public_key);
    assert!(new.serial != old.serial && new.expires_at > old.expires_at);
    let (asked, ()) = tokio::join!(traveller.ask(&helper), helper.accepts());
    asked.unwrap();
}
