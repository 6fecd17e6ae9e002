//! Sessions that go on while the certificates that they began with are renewed, and end with the newest.

use std::collections::BTreeSet;
use std::time::Duration;

use a2a_core::session::frame::{FRAMES_MEDIA_TYPE, decode_frames};
use a2a_core::session::{Frame, FrameType, RekeyPolicy};
use a2a_node::agent::report::CloseCause;
use a2a_test::agent::{Agent, Settings};
use a2a_test::mallory::SEND;
use a2a_test::man::{Call, Man};
use a2a_test::puppet::Puppet;
use a2a_test::raw::{Raw, Reply};
use a2a_test::soon;
use a2a_test::talk::{agree, connect};
use a2a_test::world::World;
use tokio::sync::watch;
use uuid::Uuid;

/// Traveller and helper under a controller that is the test's, with sessions that only certificates end.
struct Pair {
    world: World,
    puppet: Puppet,
    traveller: Agent,
    helper: Agent,
    /// Before the helper, inside its TLS.
    man: Man,
}

impl Pair {
    async fn start() -> Self {
        Self::start_with(RekeyPolicy {
            age: Duration::from_hours(1000),
            exchange_age: Duration::from_hours(1000),
            ..RekeyPolicy::default()
        })
        .await
    }

    async fn start_with(policy: RekeyPolicy) -> Self {
        let world = World::start().await;
        let puppet = Puppet::start(world.clock.clone()).await;
        puppet.script(|script| script.holds = true);
        let man = Man::start_with(puppet.tls_key()).await;
        let settle = |settings: &mut Settings| {
            settings.config.idle_timeout = Duration::from_hours(1000);
            settings.config.max_session_age = Duration::from_hours(1000);
            settings.policy = policy;
            puppet.adopt(settings);
        };
        let traveller = world.agent_with("traveller", settle).await;
        let helper = world
            .agent_with("helper", |settings| {
                settle(settings);
                man.stand_before(settings);
            })
            .await;
        man.pass_on_to(helper.local_addr());
        Self { world, puppet, traveller, helper, man }
    }

    /// Time passes, and both do what is due.
    async fn pass(&self, time: Duration) {
        self.world.pass(time);
        self.traveller.node.sweep().await;
        self.helper.node.sweep().await;
    }

    /// Both say something, which arrives.
    async fn talk(&mut self, id: Uuid) {
        self.traveller.say(id, "there").await;
        self.helper.hears("there").await;
        self.helper.say(id, "back").await;
        self.traveller.hears("back").await;
    }

    /// The frames that have come to the helper.
    fn frames(&self) -> Vec<Frame> {
        let read = |call: Call| match call.content_type.as_str() {
            FRAMES_MEDIA_TYPE => decode_frames(&call.body).unwrap(),
            _ => vec![serde_json::from_slice(&call.body).unwrap()],
        };
        self.man.passed_to(SEND).into_iter().flat_map(|(call, _)| read(call)).collect()
    }

    /// How many certificates have come to the helper, each counted once.
    fn certificates_sent(&self) -> usize {
        let frames = self.frames().into_iter().filter(|frame| frame.frame_type == FrameType::Certificate);
        frames.map(|frame| frame.seq).collect::<BTreeSet<_>>().len()
    }

    /// How often the traveller's keys have changed.
    fn epoch(&self) -> u32 {
        self.frames().iter().map(|frame| frame.epoch).max().unwrap_or(0)
    }
}

#[tokio::test]
async fn a_session_goes_on_over_three_lives() {
    let mut pair = Pair::start().await;
    let id = connect(&mut pair.traveller, &mut pair.helper).await;
    // Later than any agent renews, in time for each certificate: five times are three lives of 24 h.
    for _ in 0..5 {
        pair.pass(Duration::from_hours(15)).await;
        pair.traveller.renewed().await;
        pair.helper.renewed().await;
        pair.talk(id).await;
    }
    assert_eq!(pair.certificates_sent(), 5);
    pair.traveller.hears_nothing();
    pair.helper.hears_nothing();
    assert_eq!(pair.traveller.session(id).sent, 5, "certificates are no messages");
}

#[tokio::test]
async fn a_session_ends_with_the_newest_certificate_of_either_side() {
    for the_traveller_renews in [true, false] {
        let mut pair = Pair::start().await;
        let id = connect(&mut pair.traveller, &mut pair.helper).await;
        // One side can renew no more; the other side's renewal does not help it.
        pair.world.pass(Duration::from_hours(8));
        if the_traveller_renews { &pair.traveller } else { &pair.helper }.setup().await.unwrap();
        pair.talk(id).await;
        pair.puppet.script(|script| script.away = true);
        pair.pass(Duration::from_hours(16) - Duration::from_mins(2)).await;
        pair.talk(id).await;
        pair.pass(Duration::from_mins(3)).await;
        assert_eq!(pair.traveller.closed().await.cause, CloseCause::Expired);
        assert_eq!(pair.helper.closed().await.cause, CloseCause::Expired);
    }
}

/// The keys were exchanged under a certificate that had been renewed meanwhile.
#[tokio::test]
async fn a_session_made_while_a_certificate_is_renewed_is_covered() {
    for the_traveller_renews in [true, false] {
        let mut pair = Pair::start().await;
        let id = agree(&mut pair.traveller, &mut pair.helper).await;
        pair.world.pass(Duration::from_mins(5));
        if the_traveller_renews { &pair.traveller } else { &pair.helper }.setup().await.unwrap();
        pair.traveller.exchange(id).await.unwrap();
        pair.helper.established().await;
        pair.pass(Duration::from_secs(1)).await;
        pair.talk(id).await;
        // The other side renews, too, and then all those of the set-up have ended.
        let hours = Duration::from_hours(23);
        pair.world.pass(hours);
        if the_traveller_renews { &pair.helper } else { &pair.traveller }.setup().await.unwrap();
        pair.talk(id).await;
        pair.pass(Duration::from_hours(1) - Duration::from_mins(2)).await;
        pair.talk(id).await;
        pair.traveller.hears_nothing();
        pair.helper.hears_nothing();
    }
}

#[tokio::test]
async fn a_peer_that_takes_long_gets_the_newest_certificate_and_none_between() {
    let mut pair = Pair::start().await;
    let id = connect(&mut pair.traveller, &mut pair.helper).await;
    let (gate, helper) = (watch::Sender::new(false), pair.helper.local_addr());
    let shut = gate.clone();
    pair.man.relay(move |call| {
        let mut opened = shut.subscribe();
        async move {
            opened.wait_for(|open| *open).await.unwrap();
            Raw::default().post_bytes(helper, &call.path, &call.content_type, call.body).await
        }
    });
    for _ in 0..4 {
        pair.world.pass(Duration::from_hours(1));
        pair.traveller.setup().await.unwrap();
    }
    gate.send_replace(true);
    pair.talk(id).await;
    // The one that had been sealed, and the last.
    assert_eq!(pair.certificates_sent(), 2);
    // All of the traveller's but the last end.
    pair.helper.setup().await.unwrap();
    pair.talk(id).await;
    pair.pass(Duration::from_hours(23)).await;
    pair.talk(id).await;
    pair.traveller.hears_nothing();
}

/// It has to arrive before the former one ends, whether anything is said or not.
#[tokio::test]
async fn a_certificate_is_sent_again_though_nothing_is_said() {
    let mut pair = Pair::start().await;
    let id = connect(&mut pair.traveller, &mut pair.helper).await;
    pair.man.on_call(|_| Some(Reply::lost()));
    pair.world.pass(Duration::from_hours(8));
    pair.traveller.setup().await.unwrap();
    soon("all attempts", async {
        while pair.man.passed_to(SEND).len() < 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    pair.man.behave();
    let began = pair.world.clock.now();
    soon("the certificate", async {
        while pair.man.passed_to(SEND).iter().all(|(_, reply)| reply.status != 200) {
            pair.pass(Duration::from_secs(5)).await;
            // What has been begun shall get somewhere before the clock moves on.
            for _ in 0..1000 {
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    // Long before the next renewal.
    assert!(pair.world.clock.now().since(began) < Duration::from_hours(2));
    // Nothing has been said yet. The helper's ends later, and both of the set-up have ended then.
    pair.helper.setup().await.unwrap();
    pair.talk(id).await;
    pair.pass(Duration::from_hours(20)).await;
    pair.talk(id).await;
    pair.traveller.hears_nothing();
}

/// A renewal for another key, and fresh keys for the session afterwards: whichever side, whichever role.
#[tokio::test]
async fn a_session_goes_on_under_a_new_identity_key() {
    let policy = RekeyPolicy { exchange_age: Duration::from_mins(5), ..RekeyPolicy::default() };
    for the_traveller_renews in [true, false] {
        let mut pair = Pair::start_with(policy).await;
        let id = connect(&mut pair.traveller, &mut pair.helper).await;
        pair.world.pass(Duration::from_mins(1));
        let renewing = if the_traveller_renews { &pair.traveller } else { &pair.helper };
        let (agent, now) = (renewing.id().clone(), pair.world.clock.now());
        assert!(renewing.node.renew(true).await.unwrap().new_key);
        // Whatever that agent had before is superseded.
        let number = pair.puppet.script(|script| {
            script.revoked.not_before.insert(agent, now);
            script.revoked.number += 1;
            script.revoked.number
        });
        pair.traveller.has_list(number).await;
        pair.helper.has_list(number).await;
        pair.talk(id).await;
        for round in 1..=2 {
            pair.pass(Duration::from_mins(5)).await;
            soon("fresh keys", async {
                while pair.epoch() < round {
                    pair.talk(id).await;
                }
            })
            .await;
        }
        pair.traveller.hears_nothing();
        pair.helper.hears_nothing();
        connect(&mut pair.traveller, &mut pair.helper).await;
    }
}

/// The peer has followed the controller to its successor already, and this agent has not heard of it.
#[tokio::test]
async fn a_certificate_under_the_controllers_new_key_makes_the_agent_ask_for_it() {
    let world = World::start().await;
    let (theirs, helpers) =
        (Puppet::start(world.clock.clone()).await, Puppet::start(world.clock.clone()).await);
    helpers.script(|script| script.holds = true);
    let mut traveller = world.agent_with("traveller", |settings| theirs.adopt(settings)).await;
    let mut helper = world.agent_with("helper", |settings| helpers.adopt(settings)).await;
    let id = connect(&mut traveller, &mut helper).await;
    theirs.rotate("puppet's second");
    let (key, successions) = theirs.look(|script| (script.key, script.successions.clone()));
    helpers.script(|script| (script.key, script.successions) = (key, successions));
    traveller.setup().await.unwrap();
    traveller.followed().await;
    traveller.say(id, "renewed under the new key").await;
    helper.hears("renewed under the new key").await;
    assert_eq!(helper.followed().await.fingerprint, theirs.fingerprint());
    connect(&mut traveller, &mut helper).await;
}
