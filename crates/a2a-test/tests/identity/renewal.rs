//! A certificate that is renewed in time, and what happens when it cannot be.

use std::sync::atomic::Ordering;
use std::time::Duration;

use a2a_node::clock::Clock;
use a2a_node::error::NodeError;

use crate::scene::{HOUR, Scene, certificate, in_time, until};

const RENEW: &str = "/controller/renew";

#[tokio::test]
async fn a_certificate_is_renewed_at_half_of_its_life_give_or_take_a_tenth() {
    let scene = Scene::new().await;
    let mut agent = scene.agent("helper").await;
    let first = certificate(&agent);
    let planned = agent.node.status().renews_at.unwrap().since(first.issued_at);
    assert!((HOUR * 24 * 45 / 100..=HOUR * 24 * 55 / 100).contains(&planned), "{planned:?}");
    let until_then = agent.node.status().renews_at.unwrap().since(scene.world.clock.now());
    scene.pass(until_then.saturating_sub(Duration::from_secs(1)), &agent).await;
    assert_eq!(scene.puppet.times_called(RENEW), 0);
    scene.pass(Duration::from_secs(1), &agent).await;
    let report = agent.renewed().await;
    let second = certificate(&agent);
    assert_eq!((report.serial, report.new_key), (second.serial.to_string(), false));
    assert_ne!(second.serial, first.serial);
    assert_eq!(second.agent_card.public_key, first.agent_card.public_key);
    assert_eq!(second.expires_at, scene.world.clock.now().saturating_add(HOUR * 24));
    assert_eq!(agent.node.status().renews_at, Some(report.renews_at));
    agent.node.sweep().await;
    assert_eq!(scene.puppet.times_called(RENEW), 1);
}

#[tokio::test]
async fn agents_that_enrolled_together_do_not_renew_together() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    let mut planned = std::collections::BTreeSet::new();
    for _ in 0..5 {
        agent.setup().await.unwrap();
        planned.insert(agent.node.status().renews_at.unwrap());
    }
    assert!(planned.len() > 1, "{planned:?}");
}

#[tokio::test]
async fn a_certificate_that_ended_while_the_machine_slept_is_renewed_as_well() {
    let scene = Scene::new().await;
    let mut agent = scene.agent("helper").await;
    scene.pass(HOUR * 240, &agent).await;
    agent.renewed().await;
    assert!(certificate(&agent).expires_at > scene.world.clock.now());
}

#[tokio::test]
async fn one_that_ended_while_the_agent_was_off_is_renewed_without_a_hand() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    let key = certificate(&agent).agent_card.public_key;
    let (name, settings) = agent.stop().await;
    scene.world.pass(HOUR * 240);
    scene.puppet.script(|script| script.away = true);
    let mut agent = a2a_test::agent::Agent::start(name, settings).await.unwrap();
    let error = agent.node.fetch_peer_certificate(&agent.address().clone(), agent.id()).await.unwrap_err();
    assert!(matches!(error, NodeError::CertificateExpired), "{error:?}");
    scene.puppet.script(|script| script.away = false);
    in_time(&scene, &agent, "a renewal", || scene.puppet.times_called(RENEW) > 0).await;
    agent.renewed().await;
    assert_eq!(certificate(&agent).agent_card.public_key, key);
    assert_eq!(scene.puppet.times_called("/controller/register"), 1);
}

#[tokio::test]
async fn a_clock_that_is_set_back_makes_the_certificate_anew() {
    let scene = Scene::new().await;
    let mut agent = scene.agent("helper").await;
    let Clock::Manual(seconds) = &scene.world.clock else { panic!("the world's clock is set by hand") };
    seconds.fetch_sub(3 * 24 * 3600, Ordering::SeqCst);
    agent.node.sweep().await;
    agent.hears_that_its_list_is_stale().await;
    agent.renewed().await;
    assert_eq!(certificate(&agent).issued_at, scene.world.clock.now());
}

#[tokio::test]
async fn while_the_controller_is_away_the_agent_tries_again_at_growing_intervals() {
    let scene = Scene::new().await;
    let mut agent = scene.agent("helper").await;
    scene.puppet.script(|script| script.away = true);
    scene.pass(HOUR * 14, &agent).await;
    until("a failure", || agent.node.status().renewal_failure.is_some()).await;
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let (status, now) = (agent.node.status(), scene.world.clock.now());
        let failure = status.renewal_failure.unwrap();
        assert_eq!((failure.at, failure.code.as_str()), (now, "controller_unreachable"));
        let pause = status.renews_at.unwrap().since(now);
        pauses.push(pause.as_secs());
        scene.pass(pause, &agent).await;
        until("the next failure", || {
            agent.node.status().renewal_failure.is_some_and(|failure| failure.at == scene.world.clock.now())
        })
        .await;
    }
    assert!(pauses.last().unwrap() > &pauses[0] && pauses.iter().all(|pause| *pause <= 600), "{pauses:?}");
    agent.hears_nothing_about_itself();
    scene.puppet.script(|script| script.away = false);
    let pause = agent.node.status().renews_at.unwrap().since(scene.world.clock.now());
    scene.pass(pause, &agent).await;
    agent.renewed().await;
    assert_eq!(agent.node.status().renewal_failure, None);
}

#[tokio::test]
async fn a_revoked_agent_stops_trying_until_there_is_another_list() {
    let scene = Scene::new().await;
    let mut agent = scene.agent("helper").await;
    scene.puppet.script(|script| script.refusal = Some("agent_revoked"));
    scene.pass(HOUR * 14, &agent).await;
    agent.hears_of_its_revocation().await;
    until("the end of the attempt", || agent.node.status().renewal_failure.is_some()).await;
    let status = agent.node.status();
    assert!(status.revoked && status.renews_at.is_none());
    for _ in 0..5 {
        scene.pass(HOUR / 4, &agent).await;
    }
    assert_eq!(scene.puppet.times_called(RENEW), 1);
    agent.hears_nothing_about_itself();
    // Reinstated: the list says so by its number.
    scene.puppet.script(|script| {
        script.refusal = None;
        script.revoked.number += 1;
    });
    in_time(&scene, &agent, "a renewal", || scene.puppet.times_called(RENEW) > 1).await;
    agent.renewed().await;
    assert!(!agent.node.status().revoked);
}

#[tokio::test]
async fn a_refusal_that_is_no_revocation_is_tried_again() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    scene.puppet.script(|script| script.refusal = Some("busy"));
    scene.pass(HOUR * 14, &agent).await;
    in_time(&scene, &agent, "more attempts", || scene.puppet.times_called(RENEW) > 2).await;
    let status = agent.node.status();
    assert!(!status.revoked && status.renewal_failure.unwrap().code == "controller_refused");
}

#[tokio::test]
async fn who_has_never_met_the_controller_renews_nothing() {
    let scene = Scene::new().await;
    let agent = scene.stranger("helper", |_| {}).await;
    assert_eq!(agent.node.renew(false).await.unwrap_err().code(), "not_enrolled");
    assert_eq!(agent.node.status().renews_at, None);
}

#[tokio::test]
async fn a_certificate_for_another_place_is_laid_aside_and_says_what_differs() {
    let scene = Scene::new().await;
    let (name, mut settings) = scene.agent("helper").await.stop().await;
    settings.config.address = Some("https://elsewhere.example:1".parse().unwrap());
    let agent = a2a_test::agent::Agent::start(name, settings).await.unwrap();
    let error = agent.node.fetch_peer_certificate(&agent.address().clone(), agent.id()).await.unwrap_err();
    assert!(
        matches!(&error, NodeError::CertificateMisfit { reason }
        if reason.contains("https://elsewhere.example:1") && reason.contains("localhost")),
        "{error:?}"
    );
    assert_eq!(error.next_step(), "run `setup`");
    agent.setup().await.unwrap();
    assert_eq!(certificate(&agent).agent_card.address, *agent.address());
}

#[tokio::test]
async fn a_certificate_that_the_controller_did_not_sign_is_not_taken() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    let before = certificate(&agent);
    // Its key changes without a word: no succession leads there.
    scene.puppet.script(|script| script.key = "impostor");
    let error = agent.node.renew(false).await.unwrap_err();
    assert!(matches!(error, NodeError::ControllerChanged { .. }), "{error:?}");
    assert_eq!(certificate(&agent), before);
}
