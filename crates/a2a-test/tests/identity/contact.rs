//! First contact with a join token, and an operator who has to approve.

use std::sync::Mutex;

use a2a_core::certificate::enrolment::EnrolmentRequest;
use a2a_core::certificate::token::{JoinSecret, JoinToken};
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::KeyId;
use a2a_node::agent::report::Progress;
use a2a_node::args::JoinTokenSource;
use a2a_node::error::NodeError;
use a2a_test::agent::Settings;
use a2a_test::keys;

use crate::scene::Scene;

const REGISTER: &str = "/controller/register";

fn token(agent: &str, fingerprint: KeyId) -> JoinToken {
    let secret = JoinSecret::random(available()[0]).unwrap();
    JoinToken { agent_id: agent.parse().unwrap(), fingerprint, secret }
}

/// Nothing but the token tells whom to trust.
fn only(token: &JoinToken) -> impl FnOnce(&mut Settings) + use<> {
    let token = token.clone();
    move |settings| {
        settings.config.controller_fingerprint = None;
        settings.config.ca_file = settings.config.data_dir.join("no-such.pem");
        settings.config.join_token = Some(JoinTokenSource::Given(token));
    }
}

#[tokio::test]
async fn a_token_vouches_for_the_controller_and_is_shown_to_it() {
    let scene = Scene::new().await;
    let token = token("helper_agent_001", scene.puppet.fingerprint());
    let agent = scene.stranger("helper", only(&token)).await;
    agent.setup().await.unwrap();
    let sent: EnrolmentRequest = serde_json::from_slice(&scene.puppet.bodies(REGISTER)[0]).unwrap();
    assert!(sent.join_token == Some(token.secret));
}

#[tokio::test]
async fn a_token_in_a_file_is_read_when_it_is_needed_and_no_longer() {
    let scene = Scene::new().await;
    let token = token("helper_agent_001", scene.puppet.fingerprint());
    let agent = scene
        .stranger("helper", |settings| {
            only(&token)(settings);
            let path = settings.config.data_dir.join("token");
            settings.config.join_token = Some(JoinTokenSource::File(path));
        })
        .await;
    assert!(agent.setup().await.unwrap_err().to_string().contains("no such file"));
    keys::put_secret(agent.data_dir(), "token", token.to_string().as_bytes());
    agent.setup().await.unwrap();
    std::fs::remove_file(agent.data_dir().join("token")).unwrap();
    let agent = agent.restart().await;
    agent.node.renew(false).await.unwrap();
    // The key is known there by now.
    agent.setup().await.unwrap();
}

#[tokio::test]
async fn a_token_for_another_controller_is_not_shown_to_this_one() {
    let scene = Scene::new().await;
    let expected = KeyId::from_bytes([7; 32]);
    let agent = scene.stranger("helper", only(&token("helper_agent_001", expected))).await;
    let error = agent.setup().await.unwrap_err();
    assert!(matches!(error, NodeError::ControllerMismatch { expected: one, presented }
            if (one, presented) == (expected, scene.puppet.fingerprint())));
    assert_eq!(scene.puppet.times_called(REGISTER), 0);
}

#[tokio::test]
async fn a_token_for_another_agent_is_refused_before_anybody_is_asked() {
    let scene = Scene::new().await;
    let other = token("worker_agent_001", scene.puppet.fingerprint());
    let agent = scene.stranger("helper", only(&other)).await;
    assert_eq!(agent.setup().await.unwrap_err().code(), "token_for_another_agent");
    assert_eq!(scene.puppet.times_called(REGISTER), 0);
}

#[tokio::test]
async fn a_refusal_comes_with_the_controllers_word_and_what_to_do() {
    let scene = Scene::new().await;
    let agent = scene.stranger("helper", |_| {}).await;
    scene.puppet.script(|script| script.refusal = Some("token_spent"));
    let error = agent.setup().await.unwrap_err();
    assert!(
        matches!(&error, NodeError::ControllerRefused { code, .. } if code == "token_spent"),
        "{error:?}"
    );
    assert_eq!(error.next_step(), "ask whoever wrote the test");
}

#[tokio::test]
async fn setup_waits_for_the_operator_with_the_same_bytes() {
    let scene = Scene::new().await;
    let agent = scene.stranger("helper", |_| {}).await;
    scene.puppet.script(|script| script.pending = 2);
    let told = Mutex::new(Vec::new());
    agent.node.setup(None, &|step| told.lock().unwrap().push(step)).await.unwrap();
    let bodies = scene.puppet.bodies(REGISTER);
    assert!(bodies.len() == 3 && bodies.iter().all(|body| *body == bodies[0]));
    let expected = [
        Progress::TrustEstablished,
        Progress::AwaitingApproval,
        Progress::Registered,
        Progress::CertificateStored,
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_person_who_gives_up_waiting_can_begin_again() {
    let scene = Scene::new().await;
    let agent = scene.stranger("helper", |_| {}).await;
    scene.puppet.script(|script| script.pending = usize::MAX);
    tokio::select! {
        done = agent.setup() => panic!("{done:?}"),
        () = scene.puppet.called(REGISTER, 1) => {}
    }
    assert!(agent.node.certificate().is_none());
    scene.puppet.script(|script| script.pending = 0);
    agent.setup().await.unwrap();
}
