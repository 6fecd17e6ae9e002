//! Enrolment that an operator approves or rejects.

use std::time::Duration;

use a2a_core::certificate::enrolment::{EnrolmentRequest, EnrolmentResponse};
use a2a_core::wire::MAX_HANDSHAKE_BODY;
use a2a_node::args::EnrolmentMode;
use a2a_node::client::ClientError;

use crate::world::{Agent, TIMEOUT, World, code};

/// A controller that answers at once when it would have to wait.
async fn hasty() -> World {
    World::with(|config| {
        config.enrolment = Some(EnrolmentMode::Approve);
        config.held_requests = 0;
    })
    .await
}

/// Whether the operator is still to decide.
async fn is_pending(world: &World, request: &EnrolmentRequest) -> bool {
    let body = serde_json::to_vec(request).unwrap();
    let url = world.url("/controller/register");
    let answer = world.client.post_bytes(&url, "application/json", body, MAX_HANDSHAKE_BODY, TIMEOUT).await;
    let answer = answer.unwrap();
    assert!(answer.status == 200 || answer.body == br#"{"status":"pending"}"#);
    answer.status == 202
}

async fn asking(world: &World, agent: &Agent) -> EnrolmentRequest {
    let request = agent.request(world.nonce(&agent.id).await, world.clock.now());
    assert!(is_pending(world, &request).await);
    request
}

#[tokio::test]
async fn the_same_request_goes_on_waiting_until_it_is_approved() {
    let world = hasty().await;
    let agent = Agent::new("helper");
    let request = asking(&world, &agent).await;
    let waiting = world.command("approvals").await;
    assert_eq!(waiting[0]["key_id"], agent.key.public_key().key_id().to_string());
    assert_eq!((&waiting[0]["agent_id"], waiting.as_array().unwrap().len()), (&"helper".into(), 1));
    // Longer than a challenge lasts, and a card is fresh.
    world.clock.advance(Duration::from_mins(9));
    assert!(is_pending(&world, &request).await);
    world.command("approve helper").await;
    let response = world.register(&request).await.unwrap();
    assert_eq!(response.certificate.issued_at, world.clock.now());
    assert_eq!(world.agents().await, ["helper"]);
    assert_eq!(code(world.register(&request).await), "bad_challenge", "an approval is used up");
    world.enrol(&agent).await.unwrap();
    assert_eq!(world.events("helper").await[..3], ["approval_asked", "approved", "enrolled"]);
}

#[tokio::test]
async fn a_rejected_key_does_not_ask_again_with_another_card() {
    let world = hasty().await;
    let agent = Agent::new("helper");
    let request = asking(&world, &agent).await;
    world.command("reject helper").await;
    assert_eq!(code(world.register(&request).await), "approval_rejected");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(code(world.enrol(&agent).await), "approval_rejected");
    assert_eq!(world.command_refused("approve helper").await, "unknown_approval");
    world.clock.advance(Duration::from_mins(10));
    asking(&world, &agent).await;
}

#[tokio::test]
async fn an_approval_is_for_one_key_and_one_card_and_lapses() {
    let world = hasty().await;
    let (agent, thief) = (Agent::new("helper"), Agent::new("helper"));
    asking(&world, &agent).await;
    let other = asking(&world, &thief).await;
    assert_eq!(world.command_refused("approve helper").await, "ambiguous");
    let digits = &agent.key.public_key().key_id().to_string()[..12];
    world.command(&format!("approve helper --key {digits}")).await;
    assert!(is_pending(&world, &other).await, "the other key still waits");
    world.clock.advance(Duration::from_secs(1));
    let moved = asking(&world, &agent).await;
    assert!(is_pending(&world, &moved).await, "another card of the approved key");
    world.clock.advance(Duration::from_mins(10));
    assert_eq!(code(world.register(&moved).await), "bad_challenge");
    assert_eq!(world.command_refused("approve helper").await, "unknown_approval");
    assert!(world.agents().await.is_empty());
}

#[tokio::test]
async fn only_a_good_request_puts_a_question_and_not_too_many() {
    let world = hasty().await;
    let agent = Agent::new("helper");
    let mut request = agent.request(world.nonce(&agent.id).await, world.clock.now());
    request.agent_card.address = "https://evil.example:443".parse().unwrap();
    assert_eq!(code(world.register(&request).await), "bad_possession");
    assert_eq!(world.command("approvals").await.as_array().unwrap().len(), 0);
    let mut codes = Vec::new();
    for number in 0..17 {
        let agent = Agent { id: format!("agent{number}").parse().unwrap(), ..Agent::new("x") };
        let request = agent.request(world.nonce(&agent.id).await, world.clock.now());
        if let Err(ClientError::Api { code, .. }) = world.register(&request).await {
            codes.push(code);
        }
    }
    assert_eq!(codes, ["rate_limited"]);
}

#[tokio::test]
async fn who_waits_is_let_in_at_once() {
    let world = World::with(|config| config.enrolment = Some(EnrolmentMode::Approve)).await;
    let agent = Agent::new("helper");
    let request = agent.request(world.nonce(&agent.id).await, world.clock.now());
    let (client, url) = (world.client.clone(), world.url("/controller/register"));
    let waiting = tokio::spawn(async move {
        client.post_json::<EnrolmentResponse>(&url, &request, MAX_HANDSHAKE_BODY, TIMEOUT).await
    });
    while world.node.command("approve helper").await.is_err() {
        tokio::task::yield_now().await;
    }
    let certificate = waiting.await.unwrap().unwrap().certificate;
    assert_eq!(certificate.agent_card.agent_id, agent.id);
}

#[tokio::test]
async fn a_token_saves_the_question() {
    let world = hasty().await;
    let token = world.token("helper").await;
    world.enrol_with(&Agent::new("helper"), &token).await.unwrap();
}
