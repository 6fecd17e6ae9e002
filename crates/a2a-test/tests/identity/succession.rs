//! A controller that has changed its key as planned, and one whose key has just changed.

use a2a_node::error::NodeError;
use a2a_test::talk::connect;

use crate::scene::{Scene, certificate, until};

#[tokio::test]
async fn a_list_under_the_successor_is_followed_and_the_person_is_told() {
    let scene = Scene::new().await;
    scene.puppet.script(|script| script.holds = true);
    let mut agent = scene.agent("helper").await;
    let former = scene.puppet.fingerprint();
    scene.puppet.rotate("successor");
    let report = agent.followed().await;
    assert_eq!((report.former, report.fingerprint), (former, scene.puppet.fingerprint()));
    until("the list", || agent.node.status().revocations_number == Some(2)).await;
    // It holds over a restart, in which the certificate under the former key is still good.
    let before = certificate(&agent);
    let agent = agent.restart().await;
    assert_eq!(agent.node.status().controller_fingerprint, Some(scene.puppet.fingerprint()));
    assert_eq!(certificate(&agent), before);
    assert_eq!(agent.node.status().revocations_number, Some(2));
}

#[tokio::test]
async fn two_steps_at_once_are_followed_too() {
    let scene = Scene::new().await;
    let (name, settings) = scene.agent("helper").await.stop().await;
    let former = scene.puppet.fingerprint();
    scene.puppet.rotate("successor");
    scene.puppet.rotate("second successor");
    let mut agent = a2a_test::agent::Agent::start(name, settings).await.unwrap();
    let report = agent.followed().await;
    assert_eq!((report.former, report.fingerprint), (former, scene.puppet.fingerprint()));
}

#[tokio::test]
async fn a_renewal_under_the_successor_is_followed() {
    let scene = Scene::new().await;
    let mut agent = scene.agent("helper").await;
    scene.puppet.rotate("successor");
    agent.node.renew(false).await.unwrap();
    assert_eq!(certificate(&agent).controller_key_id, scene.puppet.fingerprint());
    assert_eq!(agent.followed().await.fingerprint, scene.puppet.fingerprint());
}

#[tokio::test]
async fn so_is_a_peers_certificate_in_either_role() {
    let scene = Scene::new().await;
    let (traveller, helper) = (scene.agent("traveller").await, scene.agent("helper").await);
    scene.puppet.rotate("successor");
    // Neither has heard of it: the clock stands and no question is held. One of them enrols anew.
    helper.setup().await.unwrap();
    let (mut traveller, mut helper) = (traveller, helper);
    connect(&mut traveller, &mut helper).await;
    assert_eq!(traveller.followed().await.fingerprint, scene.puppet.fingerprint());
    let worker = scene.agent("worker").await;
    let mut worker = worker;
    connect(&mut worker, &mut helper).await;
}

#[tokio::test]
async fn setup_follows_and_a_stranger_takes_the_former_keys_along() {
    let scene = Scene::new().await;
    let mut helper = scene.agent("helper").await;
    scene.puppet.rotate("successor");
    let mut traveller = scene.agent("traveller").await;
    assert_eq!(traveller.node.status().controller_fingerprint, Some(scene.puppet.fingerprint()));
    traveller.hears_nothing_about_itself();
    // The helper's certificate is under the former key.
    assert_ne!(certificate(&helper).controller_key_id, scene.puppet.fingerprint());
    connect(&mut traveller, &mut helper).await;
}

#[tokio::test]
async fn a_key_that_nothing_leads_to_is_refused_with_both_fingerprints() {
    let scene = Scene::new().await;
    let mut agent = scene.agent("helper").await;
    let pinned = scene.puppet.fingerprint();
    scene.puppet.script(|script| script.key = "impostor");
    let presented = scene.puppet.fingerprint();
    let error = agent.setup().await.unwrap_err();
    assert!(matches!(error, NodeError::ControllerChanged { pinned: one, presented: another }
            if (one, another) == (pinned, presented)));
    let text = error.to_string();
    assert!(text.contains(&pinned.to_string()) && text.contains(&presented.to_string()), "{text}");
    agent.hears_nothing_about_itself();
    assert_eq!(agent.node.status().controller_fingerprint, Some(pinned));
}

#[tokio::test]
async fn a_succession_that_the_pinned_key_did_not_sign_is_refused() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    // The impostor names itself the successor of a key of its own.
    scene.puppet.script(|script| script.key = "impostor");
    scene.puppet.rotate("second impostor");
    let error = agent.setup().await.unwrap_err();
    assert!(matches!(error, NodeError::ControllerChanged { .. }), "{error:?}");
}
