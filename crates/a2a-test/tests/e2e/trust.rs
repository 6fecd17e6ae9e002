//! First contact with the controller, and what is believed afterwards.

use a2a_node::error::NodeError;
use a2a_test::agent::Settings;
use a2a_test::talk::connect;
use a2a_test::world::World;

/// An agent to whom nobody vouches for the controller.
fn without_ca_file(settings: &mut Settings) {
    settings.config.ca_file = settings.config.data_dir.join("no-such.pem");
}

#[tokio::test]
async fn the_root_on_the_same_machine_vouches_for_the_controller() {
    let world = World::start().await;
    let agent = world.stranger("helper", |_| {}).await;
    let report = agent.setup().await.unwrap();
    assert_eq!(report.controller_fingerprint, world.controller().fingerprint());
    assert_eq!(agent.node.status().controller_fingerprint, Some(world.controller().fingerprint()));
}

#[tokio::test]
async fn a_fingerprint_vouches_for_the_controller_if_it_is_the_right_one() {
    let world = World::start().await;
    let right = world.controller().fingerprint();
    let told = |fingerprint| {
        move |settings: &mut Settings| {
            without_ca_file(settings);
            settings.config.controller_fingerprint = Some(fingerprint);
        }
    };
    world.stranger("helper", told(right)).await.setup().await.unwrap();

    let wrong = world.other().await.controller().fingerprint();
    let agent = world.stranger("traveller", told(wrong)).await;
    let error = agent.setup().await.unwrap_err();
    assert!(matches!(error, NodeError::ControllerMismatch { expected, presented }
            if (expected, presented) == (wrong, right)));
    assert!(agent.node.status().controller_fingerprint.is_none() && agent.node.certificate().is_none());
}

#[tokio::test]
async fn an_unknown_controller_is_believed_only_once_a_person_confirms_its_fingerprint() {
    let world = World::start().await;
    let agent = world.stranger("helper", without_ca_file).await;
    let error = agent.setup().await.unwrap_err();
    let NodeError::ControllerUnconfirmed { fingerprint } = error else { panic!("{error:?}") };
    assert_eq!(fingerprint, world.controller().fingerprint());
    assert!(agent.node.status().controller_fingerprint.is_none());
    assert_eq!(agent.node.agents().await.unwrap_err().code(), "not_enrolled");
    agent.node.setup(Some(fingerprint), &|_| {}).await.unwrap();
    // From now on it is known.
    agent.setup().await.unwrap();
}

#[tokio::test]
async fn whoever_does_not_hold_the_root_at_hand_is_refused_and_nobody_is_asked() {
    let (world, other) = (World::start().await, World::start().await);
    let agent = world
        .stranger("helper", |settings| settings.config.ca_file = other.controller().ca_file().to_owned())
        .await;
    assert_eq!(agent.setup().await.unwrap_err().code(), "controller_not_of_root");
}

#[tokio::test]
async fn a_changed_controller_is_refused_with_both_fingerprints() {
    let world = World::start().await;
    let other = world.other().await;
    let helper = world.agent("helper").await;
    let before = helper.node.certificate();
    let (name, mut settings) = helper.stop().await;
    settings.config.controller = other.controller().address().clone();
    settings.config.ca_file = other.controller().ca_file().to_owned();
    settings.config.controller_fingerprint = Some(other.controller().fingerprint());
    let helper = a2a_test::agent::Agent::start(name, settings).await.unwrap();
    let error = helper.setup().await.unwrap_err();
    let (pinned, presented) = (world.controller().fingerprint(), other.controller().fingerprint());
    assert!(
        matches!(error, NodeError::ControllerChanged { pinned: one, presented: another }
            if (one, another) == (pinned, presented)),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains(&pinned.to_string()) && text.contains(&presented.to_string()), "{text}");
    assert_eq!(helper.node.certificate(), before);
}

#[tokio::test]
async fn another_controllers_agent_is_no_peer_in_either_role() {
    let world = World::start().await;
    let other = world.other().await;
    let (traveller, mut helper) = (world.agent("traveller").await, other.agent("helper").await);
    let error = traveller.ask(&helper).await.unwrap_err();
    let foreign = other.controller().fingerprint().to_string();
    assert!(
        matches!(&error, NodeError::PeerCertificate { reason, .. } if reason.contains(&foreign)),
        "{error:?}"
    );

    // The other way round, with an initiator that does not care.
    let mallory = a2a_test::mallory::Mallory::join(&world).await;
    let request = mallory.request(&helper.certificate(&other)).message;
    let refused = mallory.post(&helper, a2a_test::mallory::REQUEST, &request).await.refusal();
    assert_eq!(refused, (401, "handshake_failed".into()));
    helper.hears_nothing();
}

#[tokio::test]
async fn a_controller_that_restarts_is_the_same_controller() {
    let mut world = World::start().await;
    let (mut traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let fingerprint = world.controller().fingerprint();
    world.stop_controller().await;
    // It takes no part in what agents do with each other.
    let id = connect(&mut traveller, &mut helper).await;
    traveller.say(id, "nobody listens").await;
    helper.hears("nobody listens").await;
    assert_eq!(traveller.node.agents().await.unwrap_err().code(), "controller_unreachable");
    world.start_controller().await;
    assert_eq!(world.controller().fingerprint(), fingerprint);
    assert_eq!(traveller.node.agents().await.unwrap().len(), 2);
    traveller.setup().await.unwrap();
    traveller.say(id, "unharmed by the renewal").await;
    helper.hears("unharmed by the renewal").await;
}

#[tokio::test]
async fn an_id_stays_with_the_key_that_took_it_first() {
    let mut world = World::start().await;
    let helper = world.agent("helper").await;
    world.stop_controller().await;
    world.start_controller().await;
    let thief = world
        .stranger("thief", |settings| settings.config.agent_id = "helper_agent_001".parse().unwrap())
        .await;
    let error = thief.setup().await.unwrap_err();
    assert!(matches!(&error, NodeError::ControllerRefused { code, .. } if code == "id_taken"), "{error:?}");
    assert!(thief.node.certificate().is_none());
    helper.setup().await.unwrap();
}
