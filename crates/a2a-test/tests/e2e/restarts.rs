//! Programs that end and come back in the middle of things.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use a2a_node::agent::report::{CloseCause, Progress, SessionStage};
use a2a_node::clock::Clock;
use a2a_node::error::NodeError;
use a2a_test::mallory::{Mallory, REQUEST};
use a2a_test::talk::{Talk, agree, connect};
use a2a_test::world::World;

#[tokio::test]
async fn a_helper_that_restarts_with_a_pending_session_has_forgotten_it_and_can_be_asked_anew() {
    let world = World::start().await;
    let (mut traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let id = agree(&mut traveller, &mut helper).await;
    let mut helper = helper.restart().await;
    let error = traveller.exchange(id).await.unwrap_err();
    assert!(matches!(&error, NodeError::PeerRefused { code, .. } if code == "unknown_session"), "{error:?}");
    assert_eq!(traveller.closed().await.cause, CloseCause::Lost);
    let id = connect(&mut traveller, &mut helper).await;
    traveller.say(id, "again").await;
    helper.hears("again").await;
}

#[tokio::test]
async fn a_helper_that_restarts_in_good_order_says_goodbye() {
    let Talk { mut traveller, helper, .. } = Talk::start().await;
    let mut helper = helper.restart().await;
    let closed = traveller.closed().await;
    assert_eq!((closed.cause, closed.missing), (CloseCause::ClosedByPeer, 0));
    connect(&mut traveller, &mut helper).await;
}

/// The helper's process dies: its runtime goes, and with it every task and connection. A new one takes its
/// place.
#[test]
fn a_helper_that_dies_is_missed_at_the_next_message_and_can_be_asked_anew() {
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (ours, theirs) = (runtime(), runtime());
    let (world, mut traveller) = ours.block_on(async {
        let world = World::start().await;
        let traveller = world.agent("traveller").await;
        (world, traveller)
    });
    let mut helper = theirs.block_on(world.agent("helper"));
    let (asked, ()) = ours.block_on(async { tokio::join!(traveller.ask(&helper), helper.accepts()) });
    let id = asked.unwrap().session_id;
    ours.block_on(traveller.exchange(id)).unwrap();
    ours.block_on(helper.established());
    ours.block_on(traveller.say(id, "so far"));

    let (name, settings) = helper.abandon();
    theirs.shutdown_timeout(Duration::from_secs(10));
    ours.block_on(async {
        let mut helper = a2a_test::agent::Agent::start(name, settings).await.unwrap();
        world.pass(Duration::from_secs(1));
        assert_eq!(traveller.node.send(id, "gone?").await.unwrap_err().code(), "session_ended");
        let closed = traveller.closed().await;
        assert_eq!((closed.cause, closed.unacknowledged), (CloseCause::Lost, 1));
        assert!(traveller.node.sessions().is_empty());
        let id = connect(&mut traveller, &mut helper).await;
        traveller.say(id, "once more").await;
        helper.hears("once more").await;
    });
}

#[tokio::test]
async fn a_traveller_that_restarts_keeps_who_it_is_and_asks_anew() {
    let Talk { world, traveller, mut helper, id } = Talk::start().await;
    let (certificate, trust) = (traveller.node.certificate(), traveller.node.status().controller_fingerprint);
    let mut traveller = traveller.restart().await;
    assert_eq!(helper.closed().await.session_id, id);
    assert_eq!(traveller.node.certificate(), certificate);
    assert_eq!(traveller.node.status().controller_fingerprint, trust);
    assert!(traveller.node.sessions().is_empty());
    let id = connect(&mut traveller, &mut helper).await;
    assert_eq!(helper.session(id).stage, SessionStage::Established);
    drop(world);
}

#[tokio::test]
async fn a_certificate_that_no_longer_fits_is_laid_aside_at_start() {
    let world = World::start().await;
    let helper = world.agent("helper").await;
    let (name, settings) = helper.stop().await;
    for change in [
        |settings: &mut a2a_test::agent::Settings| settings.config.agent_id = "other_agent".parse().unwrap(),
        |settings: &mut a2a_test::agent::Settings| {
            settings.config.address = Some("https://localhost:1".parse().unwrap());
        },
        |settings: &mut a2a_test::agent::Settings| settings.config.suites.truncate(1),
    ] {
        let mut changed = settings.clone();
        change(&mut changed);
        let helper = a2a_test::agent::Agent::start(name, changed).await.unwrap();
        assert!(helper.node.certificate().is_none());
        helper.stop().await;
    }
    let helper = a2a_test::agent::Agent::start(name, settings).await.unwrap();
    assert!(helper.node.certificate().is_some());
}

/// T20: what the process before may have answered is not answered again.
#[tokio::test]
async fn a_request_from_before_a_restart_is_stale() {
    let world = World::start().await;
    let mallory = Mallory::join(&world).await;
    let helper = world.agent("helper").await;
    let request = mallory.request(&helper.certificate(&world)).message;
    let mut helper = helper.restart().await;
    assert_eq!(mallory.post(&helper, REQUEST, &request).await.refusal(), (409, "stale_request".into()));
    helper.hears_nothing();
    let fresh = mallory.request(&helper.certificate(&world)).message;
    let (reply, ()) = tokio::join!(mallory.post(&helper, REQUEST, &fresh), helper.accepts());
    assert_eq!(reply.status, 200);
}

/// In real time: the first request falls into the second in which the helper started.
#[tokio::test]
async fn a_request_to_an_agent_that_has_just_started_is_made_once_more_by_itself() {
    let world = World::with_clock(Clock::System).await;
    let traveller = world.agent("traveller").await;
    let mut helper = world.agent("helper").await;
    let sent = AtomicUsize::new(0);
    let count = |step| {
        if step == Progress::RequestSent {
            sent.fetch_add(1, Ordering::Relaxed);
        }
    };
    let (address, id) = (helper.address().clone(), helper.id().clone());
    let asking = traveller.node.request(&address, &id, "to talk", &count);
    let (asked, ()) = tokio::join!(asking, helper.accepts());
    asked.unwrap();
    assert_eq!(sent.into_inner(), 1, "a person is told once");
}
