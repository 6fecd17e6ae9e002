//! Enrolment that an operator approves or rejects.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use a2a_core::certificate::enrolment::{Challenge, ChallengeRequest, EnrolmentRequest, EnrolmentResponse};
use a2a_core::wire::MAX_HANDSHAKE_BODY;
use a2a_node::args::EnrolmentMode;
use a2a_node::client::{ClientError, HttpsClient};
use a2a_node::clock::Clock;
use a2a_node::tls::client;
use serde_json::Value;
use tempfile::TempDir;

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
    assert!(answer.status == 200 || *answer.body == *br#"{"status":"pending"}"#);
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

/// The program itself, whose script answers the question that is put on its screen.
#[tokio::test]
async fn a_script_waits_for_the_question_and_answers_it() {
    let yes = ("y; wait enrolled; y", "nothing_to_answer", None);
    // The answer needs a moment to get there before the program ends.
    let no = ("n; wait enrolment --timeout 1s", "timeout", Some("approval_rejected"));
    for (answers, end, outcome) in [yes, no] {
        let dir = TempDir::new().unwrap();
        let mut program = Command::new(env!("CARGO_BIN_EXE_controller"))
            .env_clear()
            .current_dir(dir.path())
            .args(["--listen", "127.0.0.1:0", "--enrolment", "approve", "--json", "--exec"])
            .arg(format!("wait enrolment; {answers}"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
        let address = next()["detail"]["address"].as_str().unwrap().to_owned();
        let ca = fs::read_to_string(dir.path().join("certs/ca.pem")).unwrap();
        let client = HttpsClient::new(client::rooted(&ca).unwrap()).unwrap();
        let agent = Agent::new("helper");
        let body = ChallengeRequest { agent_id: agent.id.clone() };
        let url = |path: &str| format!("{address}{path}");
        let challenge: Challenge = client
            .post_json(&url("/controller/challenge"), &body, MAX_HANDSHAKE_BODY, TIMEOUT)
            .await
            .unwrap();
        let request = agent.request(challenge.nonce, Clock::System.now());
        let register = url("/controller/register");
        let certified = client.post_json(&register, &request, MAX_HANDSHAKE_BODY, TIMEOUT).await;
        let certified: Result<EnrolmentResponse, ClientError> = certified;
        match outcome {
            None => assert_eq!(certified.unwrap().certificate.agent_card.agent_id, agent.id),
            Some(expected) => assert_eq!(code(certified), expected),
        }
        let rest: Vec<Value> = std::iter::from_fn(|| lines.next())
            .map(|line| serde_json::from_str(&line.unwrap()).unwrap())
            .collect();
        let key_id = agent.key.public_key().key_id().to_string();
        assert!(rest.iter().any(|line| line["event"] == "enrolment" && line["detail"]["key_id"] == key_id));
        assert_eq!(rest.iter().any(|line| line["event"] == "enrolled"), outcome.is_none());
        let last = rest.last().unwrap();
        assert_eq!(last["error"]["code"], end, "one question, one answer: {rest:?}");
        assert_eq!(program.wait().unwrap().code(), Some(1));
    }
}
