//! Tokens and key files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::token::{JoinSecret, JoinToken};
use a2a_core::crypto::provider::available;
use a2a_node::client::ClientError;
use a2a_test::arena::Arena;
use a2a_test::enrollee::Enrollee;
use tokio::task::JoinSet;

/// Status and code.
fn refusal<T>(outcome: Result<T, ClientError>) -> (u16, String) {
    match outcome {
        Err(ClientError::Api { status, code, .. }) => (status, code),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a certificate was given"),
    }
}

/// A controller that certifies for a token, somebody who knows it, and a token of `honest_agent_001`.
async fn token_of_honest() -> (Arena, Enrollee, AgentId, JoinSecret) {
    let arena = Arena::start_with(&["--enrolment", "token"]).await;
    let made = arena.program.done(&["token", "honest_agent_001"]).await;
    let token: JoinToken = made["token"].as_str().unwrap().parse().unwrap();
    let enrollee = Enrollee::new(&arena.controller.address, &arena.program.tls_root());
    (arena, enrollee, token.agent_id, token.secret)
}

/// A token is needed, and is for one agent and for one certificate.
#[tokio::test]
async fn t30_a_token_is_good_once_and_for_its_agent() {
    let (_arena, enrollee, honest, secret) = token_of_honest().await;
    let other = "other_agent_001".parse().unwrap();
    let secret = || Some(secret.clone());
    let refused = |code: &str| (403, code.to_owned());
    assert_eq!(refusal(enrollee.enrol(&honest, None).await), refused("token_required"));
    assert_eq!(refusal(enrollee.enrol(&other, secret()).await), refused("token_for_another_agent"));
    enrollee.enrol(&honest, secret()).await.unwrap();
    let (late, another) = (enrollee.with_new_key(), enrollee.with_new_key());
    assert_eq!(refusal(late.enrol(&honest, secret()).await), refused("token_spent"));
    assert_eq!(refusal(another.enrol(&other, secret()).await), refused("token_for_another_agent"));
}

/// Whoever has guessed five times is not heard, not even with the right token.
#[tokio::test]
async fn t30_a_token_is_not_guessed() {
    let (_arena, enrollee, honest, secret) = token_of_honest().await;
    for _ in 0..5 {
        let guess = JoinSecret::random(available()[0]).unwrap();
        assert_eq!(refusal(enrollee.enrol(&honest, Some(guess)).await), (403, "bad_token".into()));
    }
    assert_eq!(refusal(enrollee.enrol(&honest, Some(secret)).await), (429, "locked_out".into()));
}

/// Eight who have got hold of one token, each with a key of its own.
#[tokio::test]
async fn t30_of_many_with_one_token_at_once_one_is_certified() {
    let (_arena, enrollee, honest, secret) = token_of_honest().await;
    let mut racers = JoinSet::new();
    for _ in 0..8 {
        let (racer, honest, secret) = (enrollee.with_new_key(), honest.clone(), Some(secret.clone()));
        racers.spawn(async move { racer.enrol(&honest, secret).await });
    }
    let (won, lost): (Vec<_>, Vec<_>) = racers.join_all().await.into_iter().partition(Result::is_ok);
    assert_eq!(won.len(), 1);
    for loser in lost {
        assert_eq!(refusal(loser), (403, "token_spent".into()));
    }
}

/// An agent with a key that others can read does not start.
#[tokio::test]
async fn t35_a_key_that_others_may_read_is_refused() {
    let arena = Arena::start().await;
    let mut helper = arena.agent("helper", &[]).await;
    helper.kill().await;
    let key = helper.data_dir.join("identity.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    let refused = arena.refused("helper", &[]).await;
    assert!(refused.contains("identity.key") && refused.contains("chmod 600"), "{refused}");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    arena.stranger("helper", &[]).await;
}
