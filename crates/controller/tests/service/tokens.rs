//! Join tokens: what they buy, whom, how often and how long, and that the secret stands nowhere.

use std::fs;
use std::time::Duration;

use a2a_core::certificate::token::JoinSecret;
use a2a_node::args::EnrolmentMode;

use crate::world::{Agent, World, code, provider};

async fn token_mode() -> World {
    World::with(|config| config.enrolment = Some(EnrolmentMode::Token)).await
}

#[tokio::test]
async fn a_token_buys_one_agent_its_id_once() {
    let world = token_mode().await;
    let (agent, other) = (Agent::new("helper"), Agent::new("other"));
    assert_eq!(code(world.enrol(&agent).await), "token_required");
    let token = world.token("helper").await;
    assert_eq!(token.fingerprint, world.node.fingerprint());
    assert_eq!(code(world.enrol_with(&other, &token).await), "token_for_another_agent");
    world.enrol_with(&agent, &token).await.unwrap();
    assert_eq!(world.agents().await, ["helper"]);
    let late = Agent::new("helper");
    assert_eq!(code(world.enrol_with(&late, &token).await), "token_spent", "another key, too late");
    // The key speaks from now on, with any token or none.
    world.enrol(&agent).await.unwrap();
    world.enrol_with(&agent, &token).await.unwrap();
    let tokens = world.command("tokens").await;
    assert_eq!((tokens.as_array().unwrap().len(), &tokens[0]["state"]), (1, &"spent".into()));
    let events = world.events("helper").await;
    assert_eq!(events[..4], ["refused", "token_made", "token_spent", "enrolled"], "{events:?}");
}

#[tokio::test]
async fn a_token_expires_and_an_unknown_one_is_a_guess() {
    let world = token_mode().await;
    let agent = Agent::new("helper");
    let token = world.token("helper").await;
    world.clock.advance(Duration::from_mins(10));
    assert_eq!(code(world.enrol_with(&agent, &token).await), "token_expired");
    let mut guess = token.clone();
    for _ in 0..4 {
        guess.secret = JoinSecret::random(provider()).unwrap();
        assert_eq!(code(world.enrol_with(&agent, &guess).await), "bad_token");
    }
    // A right token that is too late is no guess, however often.
    for _ in 0..6 {
        assert_eq!(code(world.enrol_with(&agent, &token).await), "token_expired");
    }
    assert_eq!(code(world.enrol_with(&agent, &guess).await), "bad_token");
    assert_eq!(code(world.enrol(&agent).await), "locked_out", "the fifth guess");
    world.clock.advance(Duration::from_mins(1));
    let token = world.token("helper").await;
    world.enrol_with(&agent, &token).await.unwrap();
}

#[tokio::test]
async fn a_token_is_needed_for_an_id_that_is_free_and_for_no_other() {
    let world = token_mode().await;
    let agent = Agent::new("helper");
    let token = world.token("helper").await;
    world.enrol_with(&agent, &token).await.unwrap();
    assert_eq!(world.command_refused("token helper").await, "id_taken");
    assert_eq!(world.command_refused("token controller_001").await, "id_taken");
    assert_eq!(world.command_refused("token other --life 25h").await, "usage");
    world.command("revoke helper").await;
    assert_eq!(world.command_refused("token helper").await, "agent_revoked");
}

#[tokio::test]
async fn a_token_works_where_enrolment_is_open_and_a_wrong_one_does_not() {
    let world = World::start().await;
    let token = world.token("helper").await;
    let mut wrong = token.clone();
    wrong.secret = JoinSecret::random(provider()).unwrap();
    assert_eq!(code(world.enrol_with(&Agent::new("helper"), &wrong).await), "bad_token");
    world.enrol_with(&Agent::new("helper"), &token).await.unwrap();
}

#[tokio::test]
async fn the_secret_stands_in_no_file() {
    let world = token_mode().await;
    let token = world.token("helper").await;
    let text = serde_json::to_string(&token.secret).unwrap();
    world.enrol_with(&Agent::new("helper"), &token).await.unwrap();
    let dir = world.dir.clone();
    world.node.shutdown().await.unwrap();
    let mut files = 0;
    for entry in fs::read_dir(dir.path().join("data")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let needle = text.trim_matches('"').as_bytes();
        assert!(!bytes.windows(needle.len()).any(|window| window == needle));
        files += 1;
    }
    assert!(files > 4);
}
