//! What the clock does: sessions that end by themselves, and keys that are made anew.

use std::time::Duration;

use a2a_core::session::RekeyPolicy;
use a2a_core::session::frame::{FRAMES_MEDIA_TYPE, decode_frames};
use a2a_core::session::{Frame, FrameType};
use a2a_node::agent::report::{CloseCause, SessionStage};
use a2a_test::mallory::{CLOSE, SEND};
use a2a_test::man::{Man, Passed};
use a2a_test::raw::Reply;
use a2a_test::soon;
use a2a_test::talk::{Talk, agree, connect};
use a2a_test::world::World;

/// A man inside TLS before the helper, who sees all frames that go to it.
async fn watched(policy: RekeyPolicy) -> (Talk, Man) {
    let man = Man::start().await;
    let world = World::start().await;
    let mut traveller = world.agent_with("traveller", |settings| settings.policy = policy).await;
    let mut helper = world
        .agent_with("helper", |settings| {
            settings.policy = policy;
            man.stand_inside(settings);
        })
        .await;
    man.pass_on_to(helper.local_addr());
    let id = connect(&mut traveller, &mut helper).await;
    (Talk { world, traveller, helper, id }, man)
}

fn frames(passed: &[Passed]) -> Vec<Frame> {
    let read = |(call, _): &Passed| match call.content_type.as_str() {
        FRAMES_MEDIA_TYPE => decode_frames(&call.body).unwrap(),
        _ => vec![serde_json::from_slice(&call.body).unwrap()],
    };
    passed.iter().flat_map(read).collect()
}

#[tokio::test]
async fn a_silent_session_is_closed_on_both_sides() {
    let Talk { world, mut traveller, mut helper, id } = Talk::start_with(|name, settings| {
        settings.config.idle_timeout = Duration::from_secs(if name == "helper" { 100 } else { 1000 });
    })
    .await;
    world.pass(Duration::from_secs(99));
    traveller.say(id, "not yet").await;
    helper.hears("not yet").await;
    world.pass(Duration::from_secs(99));
    helper.node.sweep().await;
    traveller.node.sweep().await;
    helper.hears_nothing();
    world.pass(Duration::from_secs(1));
    helper.node.sweep().await;
    let closed = helper.closed().await;
    assert_eq!((closed.session_id, closed.cause, closed.confirmed), (id, CloseCause::Idle, true));
    let closed = traveller.closed().await;
    assert_eq!((closed.session_id, closed.cause, closed.missing), (id, CloseCause::Idle, 0));
    assert!(traveller.node.sessions().is_empty() && helper.node.sessions().is_empty());
    assert_eq!(traveller.node.send(id, "too late").await.unwrap_err().code(), "unknown_session");
}

#[tokio::test]
async fn sessions_are_looked_at_when_something_is_due_and_at_no_other_time() {
    let Talk { world, mut traveller, mut helper, id } = Talk::start_with(|name, settings| {
        settings.config.idle_timeout = Duration::from_secs(if name == "traveller" { 100 } else { 1000 });
    })
    .await;
    for _ in 0..4 {
        connect(&mut traveller, &mut helper).await;
    }
    // Each once, when it has its keys: from then on it is known when something is due.
    assert_eq!((traveller.node.sweep().await, helper.node.sweep().await), (5, 5));
    world.pass(Duration::from_mins(1));
    traveller.say(id, "one of them is in use").await;
    helper.hears("one of them is in use").await;
    for _ in 0..39 {
        world.pass(Duration::from_secs(1));
        assert_eq!((traveller.node.sweep().await, helper.node.sweep().await), (0, 0));
    }
    world.pass(Duration::from_secs(1));
    // The one that is in use has its turn as well, and the next one when it has been silent for as long.
    assert_eq!(traveller.node.sweep().await, 5);
    for _ in 0..4 {
        let closed = traveller.closed().await;
        assert!(closed.cause == CloseCause::Idle && closed.session_id != id);
    }
    world.pass(Duration::from_secs(59));
    assert_eq!(traveller.node.sweep().await, 0);
    world.pass(Duration::from_secs(1));
    assert_eq!(traveller.node.sweep().await, 1);
    assert_eq!(traveller.closed().await.session_id, id);
}

#[tokio::test]
async fn a_session_ends_at_its_absolute_age_though_it_is_in_use() {
    let Talk { world, mut traveller, mut helper, id } = Talk::start_with(|name, settings| {
        settings.config.max_session_age = Duration::from_secs(if name == "traveller" { 900 } else { 9000 });
    })
    .await;
    for _ in 0..2 {
        world.pass(Duration::from_secs(449));
        traveller.say(id, "still here").await;
        helper.hears("still here").await;
        traveller.node.sweep().await;
    }
    world.pass(Duration::from_secs(2));
    traveller.node.sweep().await;
    assert_eq!(traveller.closed().await.cause, CloseCause::Expired);
    assert_eq!(helper.closed().await.cause, CloseCause::Expired);
}

#[tokio::test]
async fn a_session_ends_with_the_first_certificate() {
    let Talk { world, mut traveller, mut helper, id } = Talk::start_with(|_, settings| {
        settings.config.idle_timeout = Duration::from_hours(48);
        settings.config.max_session_age = Duration::from_hours(48);
        settings.policy.exchange_age = Duration::from_hours(48);
        settings.policy.age = Duration::from_hours(48);
    })
    .await;
    world.pass(Duration::from_hours(23));
    // The traveller renews its own; the session was made under the old one, and the helper's ends all the
    // same.
    traveller.setup().await.unwrap();
    traveller.say(id, "an hour left").await;
    helper.hears("an hour left").await;
    world.pass(Duration::from_hours(1) + Duration::from_secs(1));
    traveller.node.sweep().await;
    assert_eq!(traveller.closed().await.cause, CloseCause::Expired);
    assert_eq!(helper.closed().await.cause, CloseCause::Expired);
}

#[tokio::test]
async fn an_accepted_session_waits_ten_minutes_for_its_keys() {
    let world = World::start().await;
    let (mut traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let id = agree(&mut traveller, &mut helper).await;
    world.pass(Duration::from_mins(10));
    helper.node.sweep().await;
    assert_eq!(helper.session(id).stage, SessionStage::Pending);
    world.pass(Duration::from_secs(1));
    helper.node.sweep().await;
    traveller.node.sweep().await;
    for agent in [&mut traveller, &mut helper] {
        let closed = agent.closed().await;
        assert_eq!((closed.session_id, closed.cause), (id, CloseCause::Expired));
        assert!(agent.node.sessions().is_empty());
    }
}

#[tokio::test]
async fn traffic_keys_change_by_themselves_after_so_many_frames() {
    let policy = RekeyPolicy { frames: 10, ..RekeyPolicy::default() };
    let (Talk { mut traveller, mut helper, id, .. }, man) = watched(policy).await;
    for number in 0..35 {
        traveller.say(id, &number.to_string()).await;
        helper.hears(&number.to_string()).await;
        helper.say(id, "heard").await;
        traveller.hears("heard").await;
    }
    let epochs: Vec<_> = frames(&man.passed_to(SEND)).iter().map(|frame| frame.epoch).collect();
    let expected: Vec<_> = (0..35).map(|number| number / 10).collect();
    assert_eq!(epochs, expected);
    assert!(frames(&man.passed_to(SEND)).iter().all(|frame| frame.frame_type == FrameType::Text));
}

#[tokio::test]
async fn fresh_keys_are_exchanged_by_age_while_people_talk() {
    let policy = RekeyPolicy { exchange_age: Duration::from_mins(5), ..RekeyPolicy::default() };
    let (Talk { world, mut traveller, mut helper, id }, man) = watched(policy).await;
    for round in 1..=3 {
        world.pass(Duration::from_mins(5));
        // Whichever side's clock strikes: only the session's initiator begins, and once.
        helper.node.sweep().await;
        traveller.node.sweep().await;
        traveller.node.sweep().await;
        traveller.say(id, "over the change").await;
        helper.hears("over the change").await;
        soon("fresh keys", async {
            while frames(&man.passed_to(SEND))
                .iter()
                .filter(|frame| frame.frame_type == FrameType::Rekey)
                .count()
                < 2 * round
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
        helper.say(id, "and back").await;
        traveller.hears("and back").await;
        traveller.say(id, "under the new ones").await;
        helper.hears("under the new ones").await;
        let last = frames(&man.passed_to(SEND)).last().cloned().unwrap();
        assert_eq!((last.frame_type, last.epoch as usize), (FrameType::Text, round));
    }
    assert_eq!(traveller.session(id).safety_code, helper.session(id).safety_code);
    assert!(traveller.node.close(id).await.unwrap().confirmed);
    assert_eq!(helper.closed().await.missing, 0);
}

#[tokio::test]
async fn fresh_keys_survive_an_outage_in_the_middle() {
    let policy = RekeyPolicy { exchange_age: Duration::from_mins(5), ..RekeyPolicy::default() };
    let (Talk { world, mut traveller, mut helper, id }, man) = watched(policy).await;
    man.on_call(|_| Some(Reply::lost()));
    let node = traveller.node.clone();
    let sending = tokio::spawn(async move { node.send(id, "during the outage").await });
    soon("the first attempt", async {
        while man.passed_to(SEND).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    // While that message is on its way in vain, the exchange begins behind it.
    world.pass(Duration::from_mins(5));
    traveller.node.sweep().await;
    assert_eq!(sending.await.unwrap().unwrap_err().code(), "unacknowledged");
    man.behave();
    traveller.say(id, "after it").await;
    helper.hears("during the outage").await;
    helper.hears("after it").await;
    soon("fresh keys", async {
        while frames(&man.passed_to(SEND)).iter().all(|frame| frame.epoch == 0) {
            traveller.node.send(id, "tick").await.unwrap();
            helper.hears("tick").await;
        }
    })
    .await;
    helper.say(id, "healed").await;
    traveller.hears("healed").await;
}

#[tokio::test]
async fn a_session_whose_initiator_makes_no_fresh_keys_is_closed_at_twice_their_age() {
    let Talk { world, mut traveller, mut helper, id } = Talk::start_with(|name, settings| {
        settings.config.idle_timeout = Duration::from_hours(12);
        // The helper's keys are due, and the traveller, whose affair it is, does nothing about it.
        let exchange_age = if name == "helper" { Duration::from_mins(5) } else { Duration::from_hours(12) };
        settings.policy = RekeyPolicy { exchange_age, ..RekeyPolicy::default() };
    })
    .await;
    world.pass(Duration::from_mins(10) - Duration::from_secs(1));
    helper.node.sweep().await;
    helper.hears_nothing();
    world.pass(Duration::from_secs(1));
    helper.node.sweep().await;
    assert_eq!(helper.closed().await.cause, CloseCause::Expired);
    assert_eq!(traveller.closed().await.session_id, id);
}

#[tokio::test]
async fn a_time_out_that_strikes_twice_says_goodbye_once_and_is_confirmed() {
    let man = Man::start().await;
    let world = World::start().await;
    let mut traveller = world.agent("traveller").await;
    let mut helper = world.agent_with("helper", |settings| man.stand_inside(settings)).await;
    man.pass_on_to(helper.local_addr());
    connect(&mut traveller, &mut helper).await;
    world.pass(Duration::from_mins(10));
    tokio::join!(traveller.node.sweep(), traveller.node.sweep());
    let closed = traveller.closed().await;
    assert_eq!((closed.cause, closed.confirmed), (CloseCause::Idle, true));
    traveller.hears_nothing();
    assert_eq!(man.passed_to(CLOSE).len(), 1);
    assert_eq!(helper.closed().await.cause, CloseCause::Idle);
}
