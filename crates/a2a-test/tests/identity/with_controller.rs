//! The same life with the real controller and its operator's commands.

use a2a_core::certificate::token::JoinToken;
use a2a_node::agent::report::Progress;
use a2a_node::args::{EnrolmentMode, JoinTokenSource};
use a2a_node::clock::Clock;
use a2a_node::error::NodeError;
use a2a_test::agent::Agent;
use a2a_test::talk::connect;
use a2a_test::world::World;
use serde_json::Value;

use crate::scene::{HOUR, certificate, until};

async fn world(mode: EnrolmentMode) -> World {
    let clock = Clock::manual(Clock::System.now());
    World::with_config(clock, |config| config.enrolment = Some(mode)).await
}

async fn command(world: &World, line: &str) -> Value {
    world.controller().command(line).await.unwrap()
}

/// Waits until the agent has a list that is newer than `number`.
async fn newer_list(agent: &Agent, number: Option<u64>) {
    until("a newer list", || agent.node.status().revocations_number > number).await;
}

async fn token(world: &World, agent: &str) -> JoinToken {
    let made = command(world, &format!("token {agent}")).await;
    made["token"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_certificate_and_its_key_are_renewed() {
    let world = World::start().await;
    let (mut traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let before = certificate(&traveller);
    world.pass(HOUR * 14);
    traveller.node.sweep().await;
    traveller.renewed().await;
    let renewed = certificate(&traveller);
    assert_ne!(renewed.serial, before.serial);
    let report = traveller.node.renew(true).await.unwrap();
    assert!(report.new_key);
    // The certificate under the former key has been superseded, which the other side hears of.
    until("the news", || {
        let status = helper.node.status();
        status.revocations_number == traveller.node.status().revocations_number
            && status.revocations_number > Some(0)
    })
    .await;
    connect(&mut traveller, &mut helper).await;
    let traveller = traveller.restart().await;
    assert_eq!(certificate(&traveller).agent_card.public_key.key_id(), report.key_id);
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_renewed_without_a_token() {
    let world = world(EnrolmentMode::Token).await;
    let token = token(&world, "helper_agent_001").await;
    let change = |settings: &mut a2a_test::agent::Settings| {
        settings.config.ca_file = settings.config.data_dir.join("no-such.pem");
        settings.config.join_token = Some(JoinTokenSource::Given(token));
    };
    let agent = world.stranger("helper", change).await;
    agent.setup().await.unwrap();
    let (name, mut settings) = agent.stop().await;
    settings.config.join_token = None;
    world.pass(HOUR * 100);
    let mut agent = Agent::start(name, settings).await.unwrap();
    agent.node.sweep().await;
    agent.renewed().await;
}

#[tokio::test]
async fn a_token_is_needed_and_is_good_once() {
    let world = world(EnrolmentMode::Token).await;
    let bare = world.stranger("helper", |_| {}).await;
    let error = bare.setup().await.unwrap_err();
    assert!(
        matches!(&error, NodeError::ControllerRefused { code, .. } if code == "token_required"),
        "{error:?}"
    );
    let token = token(&world, "traveller_agent_001").await;
    let given = |settings: &mut a2a_test::agent::Settings| {
        settings.config.join_token = Some(JoinTokenSource::Given(token.clone()));
    };
    let traveller = world.stranger("traveller", given).await;
    traveller.setup().await.unwrap();
    // Its key is known from now on.
    traveller.setup().await.unwrap();
    let second = world
        .stranger("second", |settings| {
            given(settings);
            settings.config.agent_id = "traveller_agent_001".parse().unwrap();
        })
        .await;
    let error = second.setup().await.unwrap_err();
    assert!(matches!(&error, NodeError::ControllerRefused { .. }), "{error:?}");
}

#[tokio::test]
async fn an_operator_approves_and_rejects() {
    let world = world(EnrolmentMode::Approve).await;
    let agent = world.stranger("helper", |_| {}).await;
    let told = std::sync::Mutex::new(Vec::new());
    let progress = |step| told.lock().unwrap().push(step);
    let operator = async {
        while world.controller().command("approve helper_agent_001").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let (setup, ()) = tokio::join!(agent.node.setup(None, &progress), operator);
    setup.unwrap();
    assert!(told.lock().unwrap().contains(&Progress::CertificateStored));
    // From now on its key is known.
    agent.setup().await.unwrap();

    let other = world.stranger("traveller", |_| {}).await;
    let operator = async {
        while world.controller().command("reject traveller_agent_001").await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    let (setup, ()) = tokio::join!(other.setup(), operator);
    let error = setup.unwrap_err();
    assert!(
        matches!(&error, NodeError::ControllerRefused { code, .. } if code == "approval_rejected"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_revoked_agent_hears_of_it_and_is_itself_again_when_it_is_reinstated() {
    let world = World::start().await;
    let (mut traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let before = traveller.node.status().revocations_number;
    command(&world, "revoke helper_agent_001").await;
    helper.hears_of_its_revocation().await;
    let error = helper.node.renew(false).await.unwrap_err();
    assert!(
        matches!(&error, NodeError::ControllerRefused { code, .. } if code == "agent_revoked"),
        "{error:?}"
    );
    newer_list(&traveller, before).await;
    let error = traveller.ask(&helper).await.unwrap_err();
    assert!(
        matches!(&error, NodeError::PeerCertificate { .. } | NodeError::PeerNotEnrolled { .. }),
        "{error:?}"
    );
    let before = helper.node.status().revocations_number;
    command(&world, "reinstate helper_agent_001").await;
    newer_list(&helper, before).await;
    // It certifies again by itself.
    helper.node.sweep().await;
    helper.renewed().await;
    newer_list(&traveller, before).await;
    connect(&mut traveller, &mut helper).await;
}

#[tokio::test]
async fn an_id_that_was_freed_goes_to_another_key() {
    let world = World::start().await;
    let helper = world.agent("helper").await;
    command(&world, "revoke helper_agent_001").await;
    command(&world, "reinstate helper_agent_001 --new-key").await;
    let error = helper.setup().await.unwrap_err();
    assert!(
        matches!(&error, NodeError::ControllerRefused { code, .. } if code == "key_revoked"),
        "{error:?}"
    );
    let heir = world
        .stranger("heir", |settings| settings.config.agent_id = "helper_agent_001".parse().unwrap())
        .await;
    heir.setup().await.unwrap();
}

#[tokio::test]
async fn a_rotation_is_followed_and_nobody_loses_a_peer() {
    let world = World::start().await;
    let (mut traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    command(&world, "rotate").await;
    let fingerprint = world.controller().fingerprint();
    for agent in [&mut traveller, &mut helper] {
        assert_eq!(agent.followed().await.fingerprint, fingerprint);
    }
    // One has a certificate under the new key, and one under the former.
    traveller.node.renew(false).await.unwrap();
    assert_eq!(certificate(&traveller).controller_key_id, fingerprint);
    assert_ne!(certificate(&helper).controller_key_id, fingerprint);
    connect(&mut traveller, &mut helper).await;
    let mut worker = world.agent("worker").await;
    connect(&mut worker, &mut helper).await;
}

#[tokio::test]
async fn a_controller_that_was_away_is_found_again() {
    // TLS goes by the machine's time: the restarted controller's certificate must have begun by then.
    let mut world = World::with_clock(Clock::manual(Clock::System.now().saturating_sub(HOUR * 20))).await;
    let mut agent = world.agent("helper").await;
    world.stop_controller().await;
    world.pass(HOUR * 14);
    agent.node.sweep().await;
    until("a failure", || agent.node.status().renewal_failure.is_some()).await;
    world.start_controller().await;
    let due = agent.node.status().renews_at.unwrap();
    world.pass(due.since(world.clock.now()));
    agent.node.sweep().await;
    agent.renewed().await;
    assert_eq!(agent.node.status().renewal_failure, None);
}
