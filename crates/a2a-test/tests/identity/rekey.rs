//! Another key in the present one's place, and every point at which that can be cut short.

use std::fs;
use std::path::PathBuf;

use a2a_core::certificate::enrolment::RenewalRequest;
use a2a_core::crypto::signature::PublicKey;
use a2a_test::agent::Agent;
use a2a_test::keys;

use crate::scene::{Scene, certificate, in_time};

fn file(agent: &Agent, name: &str) -> PathBuf {
    agent.data_dir().join(name)
}

fn key(agent: &Agent) -> PublicKey {
    certificate(agent).agent_card.public_key
}

const KEY: &str = "identity.key";
const NEXT: &str = "identity.next.key";

#[tokio::test]
async fn a_new_key_takes_the_old_ones_place_signed_by_both() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    let (before, file_before) = (key(&agent), fs::read(file(&agent, KEY)).unwrap());
    let report = agent.node.renew(true).await.unwrap();
    assert!(report.new_key && report.key_id == key(&agent).key_id());
    assert_ne!(key(&agent), before);
    assert_ne!(fs::read(file(&agent, KEY)).unwrap(), file_before);
    assert!(!file(&agent, NEXT).exists());
    let request: RenewalRequest =
        serde_json::from_slice(&scene.puppet.bodies("/controller/renew").pop().unwrap()).unwrap();
    assert!(request.former_signature.is_some());
    // It holds over a restart, and the next renewal needs one signature.
    let agent = agent.restart().await;
    assert_eq!(key(&agent).key_id(), report.key_id);
    assert!(!agent.node.renew(false).await.unwrap().new_key);
    assert_eq!(key(&agent).key_id(), report.key_id);
}

#[tokio::test]
async fn a_request_that_never_arrived_is_made_again_with_the_same_new_key() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    let before = key(&agent);
    scene.puppet.script(|script| script.away = true);
    agent.node.renew(true).await.unwrap_err();
    assert_eq!(key(&agent), before);
    let next = fs::read(file(&agent, NEXT)).unwrap();
    let mut agent = agent.restart().await;
    assert_eq!(key(&agent), before);
    scene.puppet.script(|script| script.away = false);
    in_time(&scene, &agent, "a renewal", || scene.puppet.times_called("/controller/renew") > 0).await;
    assert!(agent.renewed().await.new_key);
    assert_eq!(fs::read(file(&agent, KEY)).unwrap(), next);
}

#[tokio::test]
async fn an_answer_that_got_lost_leaves_the_agent_with_the_key_that_the_controller_knows() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    let before = key(&agent);
    scene.puppet.script(|script| script.loses_answers = true);
    agent.node.renew(true).await.unwrap_err();
    let known = scene.puppet.look(|script| script.known[agent.id()].clone());
    assert_ne!(known, before);
    let mut agent = agent.restart().await;
    scene.puppet.script(|script| script.loses_answers = false);
    in_time(&scene, &agent, "a renewal", || scene.puppet.times_called("/controller/renew") > 1).await;
    assert!(agent.renewed().await.new_key);
    assert_eq!(key(&agent), known);
}

#[tokio::test]
async fn so_does_setup() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    scene.puppet.script(|script| script.loses_answers = true);
    agent.node.renew(true).await.unwrap_err();
    scene.puppet.script(|script| script.loses_answers = false);
    agent.setup().await.unwrap();
    assert_eq!(key(&agent), scene.puppet.look(|script| script.known[agent.id()].clone()));
}

#[tokio::test]
async fn a_crash_before_the_promotion_is_made_good_at_the_next_start() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    agent.node.renew(true).await.unwrap();
    let certified = key(&agent);
    let (new, now) = (file(&agent, NEXT), file(&agent, KEY));
    let (name, settings) = agent.stop().await;
    // As it lies there when the certificate is on disk, and the key's name is not changed yet.
    fs::rename(&now, &new).unwrap();
    keys::put_secret(now.parent().unwrap(), KEY, &keys::pkcs8(name));
    let agent = Agent::start(name, settings).await.unwrap();
    assert_eq!(key(&agent), certified);
    assert!(!new.exists());
    assert!(!agent.node.renew(false).await.unwrap().new_key);
    assert_eq!(key(&agent), certified);
}

#[tokio::test]
async fn a_weak_new_key_is_given_up() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    let before = key(&agent);
    scene.puppet.script(|script| script.refusal = Some("weak_key"));
    assert_eq!(agent.node.renew(true).await.unwrap_err().code(), "controller_refused");
    assert!(!file(&agent, NEXT).exists());
    scene.puppet.script(|script| script.refusal = None);
    assert!(!agent.node.renew(false).await.unwrap().new_key);
    assert_eq!(key(&agent), before);
}

#[tokio::test]
async fn a_refusal_that_leaves_open_what_the_controller_knows_gives_up_no_key() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    scene.puppet.script(|script| script.refusal = Some("busy"));
    agent.node.renew(true).await.unwrap_err();
    assert!(file(&agent, NEXT).exists());
}
