//! The list of what is revoked: how it reaches an agent, which ones it refuses, and what it does without one.

use std::time::Duration;

use a2a_core::certificate::revocation::{RevocationContent, RevocationList};
use a2a_node::error::NodeError;
use a2a_test::agent::Agent;
use a2a_test::puppet::authority;
use a2a_test::talk::connect;

use crate::scene::{HOUR, Scene, certificate, in_time, until};

const LIST: &str = "/controller/revocations";
const MINUTE: Duration = Duration::from_mins(1);

fn number(agent: &Agent) -> Option<u64> {
    agent.node.status().revocations_number
}

/// An agent whose list has this number.
async fn knowing(scene: &Scene, number: u64) -> Agent {
    scene.puppet.script(|script| script.revoked.number = number);
    scene.agent("helper").await
}

/// Shows this list to an agent in place of the honest one, until it has been fetched.
async fn shows(scene: &Scene, agent: &Agent, list: RevocationList) {
    scene.puppet.script(|script| script.list = Some(list));
    let seen = scene.puppet.times_called(LIST);
    in_time(scene, agent, "two looks at the list", || scene.puppet.times_called(LIST) >= seen + 2).await;
}

#[tokio::test]
async fn a_held_question_brings_the_news_at_once() {
    let scene = Scene::new().await;
    scene.puppet.script(|script| script.holds = true);
    let agent = scene.agent("helper").await;
    scene.puppet.called("/controller/revocations?after=1", 1).await;
    assert_eq!(number(&agent), Some(1));
    scene.puppet.script(|script| script.revoked.number = 2);
    // The clock stands: no poll brings it.
    until("the news", || number(&agent) == Some(2)).await;
    scene.puppet.called("/controller/revocations?after=2", 1).await;
}

#[tokio::test]
async fn a_controller_that_holds_no_question_is_asked_now_and_then() {
    let scene = Scene::new().await;
    let agent = scene.agent("helper").await;
    scene.puppet.called("/controller/revocations?after=1", 1).await;
    let asked = scene.puppet.times_called(LIST);
    for _ in 0..600 {
        scene.pass(Duration::from_secs(1), &agent).await;
        tokio::task::yield_now().await;
    }
    let polls = scene.puppet.times_called(LIST) - asked;
    assert!(polls <= 600 / 45, "{polls} in ten minutes");
    scene.puppet.script(|script| script.revoked.number = 2);
    in_time(&scene, &agent, "the poll", || number(&agent) == Some(2)).await;
}

#[tokio::test]
async fn an_older_list_is_refused_also_after_a_restart() {
    let scene = Scene::new().await;
    let agent = knowing(&scene, 10).await;
    let older = authority("puppet")
        .revocations(
            RevocationContent { number: 9, ..RevocationContent::default() },
            HOUR,
            scene.world.clock.now(),
        )
        .unwrap();
    shows(&scene, &agent, older.clone()).await;
    assert_eq!(number(&agent), Some(10));
    let agent = agent.restart().await;
    assert_eq!(number(&agent), Some(10));
    shows(&scene, &agent, older).await;
    assert_eq!(number(&agent), Some(10));
    let error = agent.setup().await.unwrap_err();
    assert!(
        matches!(&error, NodeError::ControllerMisbehaved { reason, .. } if reason.contains("older")),
        "{error:?}"
    );
}

#[tokio::test]
async fn one_with_the_same_number_from_before_is_no_news() {
    let scene = Scene::new().await;
    let before = scene.puppet.honest_list();
    scene.world.pass(MINUTE);
    let agent = scene.agent("helper").await;
    let until = agent.node.status().revocations_until;
    shows(&scene, &agent, before).await;
    assert_eq!(agent.node.status().revocations_until, until);
    // Nor is it a fault: of two controllers one may answer with the list as it was seconds ago.
    agent.setup().await.unwrap();
}

#[tokio::test]
async fn the_number_is_remembered_even_when_the_list_has_ended() {
    let scene = Scene::new().await;
    scene.puppet.script(|script| script.list_life = HOUR);
    let agent = knowing(&scene, 10).await;
    let (name, settings) = agent.stop().await;
    scene.world.pass(HOUR * 3);
    scene.puppet.script(|script| script.revoked.number = 9);
    let agent = Agent::start(name, settings).await.unwrap();
    let seen = scene.puppet.times_called(LIST);
    in_time(&scene, &agent, "a look at the list", || scene.puppet.times_called(LIST) > seen + 1).await;
    assert_eq!(number(&agent), Some(10));
}

#[tokio::test]
async fn an_expired_list_is_refused_also_after_a_restart() {
    let scene = Scene::new().await;
    let agent = knowing(&scene, 10).await;
    let now = scene.world.clock.now();
    let content = RevocationContent { number: 11, ..RevocationContent::default() };
    let expired = authority("puppet").revocations(content, HOUR, now.saturating_sub(HOUR * 2)).unwrap();
    shows(&scene, &agent, expired.clone()).await;
    assert_eq!(number(&agent), Some(10));
    let agent = agent.restart().await;
    shows(&scene, &agent, expired).await;
    assert_eq!(number(&agent), Some(10));
}

#[tokio::test]
async fn a_foreign_list_is_refused_also_after_a_restart() {
    let scene = Scene::new().await;
    let mut agent = knowing(&scene, 10).await;
    let content = RevocationContent { number: 11, ..RevocationContent::default() };
    let foreign =
        authority("somebody else").revocations(content, HOUR * 700, scene.world.clock.now()).unwrap();
    shows(&scene, &agent, foreign.clone()).await;
    // It has been looked whether that is a successor, and nothing leads there.
    assert!(scene.puppet.times_called("/controller/info") > 1);
    assert_eq!(number(&agent), Some(10));
    agent.hears_nothing_about_itself();
    let agent = agent.restart().await;
    shows(&scene, &agent, foreign).await;
    assert_eq!(number(&agent), Some(10));
}

#[tokio::test]
async fn a_forged_list_is_refused() {
    let scene = Scene::new().await;
    let agent = knowing(&scene, 10).await;
    let mut forged = scene.puppet.honest_list();
    forged.number = 11;
    shows(&scene, &agent, forged).await;
    assert_eq!(number(&agent), Some(10));
}

#[tokio::test]
async fn when_the_list_has_ended_no_session_begins_and_the_person_is_told_once() {
    let scene = Scene::new().await;
    scene.puppet.script(|script| script.list_life = HOUR * 2);
    let (mut traveller, mut helper) = (scene.agent("traveller").await, scene.agent("helper").await);
    scene.puppet.script(|script| script.away = true);
    scene.pass(HOUR * 2 + MINUTE, &traveller).await;
    traveller.hears_that_its_list_is_stale().await;
    traveller.node.sweep().await;
    traveller.hears_nothing_about_itself();
    let error = traveller.ask(&helper).await.unwrap_err();
    assert!(matches!(error, NodeError::RevocationsStale { .. }), "{error:?}");
    assert!(error.next_step().contains("controller"));
    // It is fetched by itself, and all is well again.
    scene.puppet.script(|script| script.away = false);
    let fresh = |agent: &Agent| agent.node.status().revocations_until.unwrap() > scene.world.clock.now();
    in_time(&scene, &traveller, "a list", || fresh(&traveller)).await;
    in_time(&scene, &helper, "a list", || fresh(&helper)).await;
    connect(&mut traveller, &mut helper).await;
}

#[tokio::test]
async fn one_side_with_an_ended_list_is_enough() {
    let scene = Scene::new().await;
    // Held, the traveller's question brings no list that would end as early as the helper's.
    scene.puppet.script(|script| script.holds = true);
    let traveller = scene.agent("traveller").await;
    scene.puppet.called("/controller/revocations?after=1", 1).await;
    scene.puppet.script(|script| script.list_life = HOUR * 2);
    let mut helper = scene.agent("helper").await;
    scene.puppet.script(|script| script.away = true);
    scene.pass(HOUR * 2 + MINUTE, &helper).await;
    helper.hears_that_its_list_is_stale().await;
    let error = traveller.ask(&helper).await.unwrap_err();
    assert_eq!(error.code(), "peer_refused", "{error:?}");
    helper.hears_nothing();
}

#[tokio::test]
async fn a_list_is_fetched_afresh_at_half_of_its_time_although_nothing_is_revoked() {
    let scene = Scene::new().await;
    scene.puppet.script(|script| (script.list_life, script.holds) = (HOUR * 2, true));
    let agent = scene.agent("helper").await;
    scene.puppet.called("/controller/revocations?after=1", 1).await;
    let before = agent.node.status().revocations_until.unwrap();
    scene.pass(HOUR, &agent).await;
    until("a fresh list", || agent.node.status().revocations_until.unwrap() > before).await;
}

#[tokio::test]
async fn a_list_that_is_still_good_serves_while_the_controller_is_away() {
    let scene = Scene::new().await;
    let (traveller, helper) = (scene.agent("traveller").await, scene.agent("helper").await);
    scene.puppet.script(|script| script.away = true);
    let (mut traveller, mut helper) = (traveller.restart().await, helper.restart().await);
    let id = connect(&mut traveller, &mut helper).await;
    traveller.say(id, "without it").await;
    helper.hears("without it").await;
}

#[tokio::test]
async fn an_agent_hears_of_its_own_revocation_and_does_not_act_any_more() {
    let scene = Scene::new().await;
    scene.puppet.script(|script| script.holds = true);
    let mut agent = scene.agent("helper").await;
    let certificate = certificate(&agent);
    scene.puppet.script(|script| {
        script.revoked.number += 1;
        script.revoked.serials.push(certificate.serial);
        script.revoked.key_ids.push(certificate.agent_card.public_key.key_id());
    });
    agent.hears_of_its_revocation().await;
    let error = agent.node.fetch_peer_certificate(&agent.address().clone(), agent.id()).await.unwrap_err();
    assert!(matches!(error, NodeError::Revoked), "{error:?}");
    assert!(agent.node.status().revoked && agent.node.status().renews_at.is_none());
    for _ in 0..3 {
        scene.pass(HOUR * 8, &agent).await;
        // Whatever a sweep has begun has had its turn when this has been there and back.
        agent.node.agents().await.unwrap_err();
    }
    // The one of the enrolment.
    assert_eq!(scene.puppet.times_called("/controller/challenge"), 1);
    // Reinstated: the key is good again, and only the certificate stays void.
    scene.puppet.script(|script| {
        script.revoked.number += 1;
        script.revoked.key_ids.clear();
    });
    in_time(&scene, &agent, "a renewal", || scene.puppet.times_called("/controller/renew") > 0).await;
    agent.renewed().await;
    assert!(!agent.node.status().revoked);
}

#[tokio::test]
async fn a_revoked_peer_is_not_talked_to_and_not_listed() {
    let scene = Scene::new().await;
    scene.puppet.script(|script| script.holds = true);
    let (traveller, helper) = (scene.agent("traveller").await, scene.agent("helper").await);
    scene.puppet.script(|script| {
        script.revoked.number += 1;
        script.revoked.serials.push(certificate(&helper).serial);
    });
    until("the news", || number(&traveller) == Some(2)).await;
    let error = traveller.ask(&helper).await.unwrap_err();
    assert!(
        matches!(&error, NodeError::PeerCertificate { reason, .. } if reason.contains("revoked")),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_superseded_certificate_is_renewed_at_once() {
    let scene = Scene::new().await;
    scene.puppet.script(|script| script.holds = true);
    let mut agent = scene.agent("helper").await;
    let earliest = scene.world.clock.now().saturating_add(Duration::from_secs(1));
    scene.world.pass(Duration::from_secs(2));
    scene.puppet.script(|script| {
        script.revoked.number += 1;
        script.revoked.not_before.insert(agent.id().clone(), earliest);
    });
    until("the news", || number(&agent) == Some(2)).await;
    agent.node.sweep().await;
    agent.renewed().await;
    assert!(certificate(&agent).issued_at >= earliest);
}
