//! Tokens and key files.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use a2a_core::certificate::token::JoinToken;
use a2a_node::client::ClientError;
use a2a_test::arena::Arena;
use a2a_test::enrollee::Enrollee;

fn refusal<T>(outcome: Result<T, ClientError>) -> String {
    match outcome {
        Err(ClientError::Api { code, .. }) => code,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("a certificate was given"),
    }
}

/// A token is for one agent and for one certificate.
#[tokio::test]
async fn t30_a_token_is_good_once_and_for_its_agent() {
    let arena = Arena::start_with(&["--enrolment", "token"]).await;
    let made = arena.program.done(&["token", "honest_agent_001"]).await;
    let token: JoinToken = made["token"].as_str().unwrap().parse().unwrap();
    let (honest, other) = ("honest_agent_001".parse().unwrap(), "other_agent_001".parse().unwrap());
    let enrollee = Enrollee::new(&arena.controller.address, &arena.program.tls_root());
    let secret = || Some(token.secret.clone());
    assert_eq!(refusal(enrollee.enrol(&other, secret()).await), "token_for_another_agent");
    enrollee.enrol(&honest, secret()).await.unwrap();
    assert_eq!(refusal(enrollee.with_new_key().enrol(&honest, secret()).await), "token_spent");
    assert_eq!(refusal(enrollee.with_new_key().enrol(&other, secret()).await), "token_for_another_agent");
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
