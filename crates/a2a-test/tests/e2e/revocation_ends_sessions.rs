//! What a new list does to sessions, to requests that wait, and to those that are being made.

use std::time::Duration;

use a2a_node::agent::report::CloseCause;
use a2a_node::args::Accept;
use a2a_node::error::NodeError;
use a2a_node::event::{EVENT_QUEUE, Event};
use a2a_test::agent::{Agent, Settings};
use a2a_test::mallory::{KEY_EXCHANGE, SEND};
use a2a_test::man::Man;
use a2a_test::puppet::{Puppet, Script};
use a2a_test::soon;
use a2a_test::talk::{agree, connect};
use a2a_test::world::World;

/// Two servers of one controller, so that a test decides who hears of what is revoked: the helper asks one, everybody
/// else the other.
struct Place {
    world: World,
    helpers: Puppet,
    others: Puppet,
}

impl Place {
    async fn start() -> Self {
        let world = World::start().await;
        let puppet = || Puppet::start(world.clock.clone());
        let (helpers, others) = (puppet().await, puppet().await);
        for puppet in [&helpers, &others] {
            puppet.script(|script| script.holds = true);
        }
        Self { world, helpers, others }
    }

    fn puppet_of(&self, name: &str) -> &Puppet {
        if name.starts_with("helper") { &self.helpers } else { &self.others }
    }

    async fn agent(&self, name: &'static str) -> Agent {
        self.agent_with(name, |_| {}).await
    }

    async fn agent_with(&self, name: &'static str, change: impl FnOnce(&mut Settings)) -> Agent {
        let settle = |settings: &mut Settings| {
            self.puppet_of(name).adopt(settings);
            change(settings);
        };
        self.world.agent_with(name, settle).await
    }

    /// An agent behind a man inside its TLS.
    async fn watched(&self, name: &'static str) -> (Agent, Man) {
        let man = Man::start_with(self.puppet_of(name).tls_key()).await;
        let agent = self.agent_with(name, |settings| man.stand_before(settings)).await;
        man.pass_on_to(agent.local_addr());
        (agent, man)
    }

    /// `told`, and whoever asks the same server, hears that an agent's certificate is void.
    async fn revoke(&self, agent: &Agent, told: &Agent) {
        let serial = agent.node.certificate().unwrap().serial;
        self.publish(told, |script| script.revoked.serials.push(serial)).await;
    }

    async fn publish(&self, told: &Agent, change: impl FnOnce(&mut Script)) {
        let number = self.puppet_of(told.id().as_str()).script(|script| {
            change(script);
            script.revoked.number += 1;
            script.revoked.number
        });
        told.has_list(number).await;
    }
}

/// The refusal that a peer was given.
fn refusal(error: &NodeError) -> &str {
    match error {
        NodeError::PeerRefused { code, .. } => code,
        other => panic!("{other:?} instead of a refusal"),
    }
}

#[tokio::test]
async fn a_session_with_a_revoked_peer_ends_at_once_on_both_sides() {
    let place = Place::start().await;
    let (mut traveller, mut helper) = (place.agent("traveller").await, place.agent("helper").await);
    let mut worker = place.agent("worker").await;
    let revoked = connect(&mut traveller, &mut helper).await;
    let innocent = connect(&mut worker, &mut helper).await;
    place.revoke(&traveller, &helper).await;
    let closed = helper.closed().await;
    assert_eq!((closed.session_id, closed.cause), (revoked, CloseCause::Revoked));
    // Nobody has told the traveller but the close frame.
    let closed = traveller.closed().await;
    assert_eq!((closed.session_id, closed.cause), (revoked, CloseCause::Revoked));
    assert_eq!(traveller.node.send(revoked, "still here").await.unwrap_err().code(), "unknown_session");
    worker.say(innocent, "goes on").await;
    helper.hears("goes on").await;
    helper.hears_nothing();
}

#[tokio::test]
async fn a_session_without_keys_ends_too() {
    let place = Place::start().await;
    let (mut traveller, mut helper) = (place.agent("traveller").await, place.agent("helper").await);
    let id = agree(&mut traveller, &mut helper).await;
    place.revoke(&traveller, &helper).await;
    let closed = helper.closed().await;
    assert_eq!((closed.session_id, closed.cause), (id, CloseCause::Revoked));
    assert!(helper.node.sessions().is_empty());
    let refused = traveller.exchange(id).await.unwrap_err();
    assert_eq!(refusal(&refused), "unknown_session");
}

#[tokio::test]
async fn a_session_with_a_superseded_peer_goes_on_and_none_begins() {
    let place = Place::start().await;
    let (mut traveller, mut helper) = (place.agent("traveller").await, place.agent("helper").await);
    let id = connect(&mut traveller, &mut helper).await;
    let pending = agree(&mut traveller, &mut helper).await;
    let thought_over = tokio::spawn(traveller.ask(&helper));
    let question = helper.question().await;
    place.world.pass(Duration::from_secs(1));
    let (superseded, now) = (traveller.id().clone(), place.world.clock.now());
    place
        .publish(&helper, |script| {
            script.revoked.not_before.insert(superseded, now);
        })
        .await;
    traveller.say(id, "goes on").await;
    helper.hears("goes on").await;
    helper.say(id, "both ways").await;
    traveller.hears("both ways").await;
    traveller.exchange(pending).await.unwrap();
    helper.established().await;
    question.answer.send(true).unwrap();
    assert_eq!(refusal(&thought_over.await.unwrap().unwrap_err()), "handshake_failed");
    assert_eq!(refusal(&traveller.ask(&helper).await.unwrap_err()), "handshake_failed");
    let error = helper.ask(&traveller).await.unwrap_err();
    assert!(error.code() == "peer_certificate" && error.to_string().contains("superseded"), "{error}");
    helper.hears_nothing();
}

#[tokio::test]
async fn a_question_is_withdrawn_when_the_asker_is_revoked() {
    let place = Place::start().await;
    let (traveller, mut helper) = (place.agent("traveller").await, place.agent("helper").await);
    let asking = tokio::spawn(traveller.ask(&helper));
    let question = helper.question().await;
    place.revoke(&traveller, &helper).await;
    assert_eq!(&helper.withdrawn().await, traveller.id());
    // A yes now is nobody's.
    let _ = question.answer.send(true);
    assert_eq!(refusal(&asking.await.unwrap().unwrap_err()), "handshake_failed");
    assert!(helper.node.sessions().is_empty());
    assert_eq!(helper.node.status().requests_waiting, 0);
    helper.hears_nothing();
}

/// It learns no more than one whose certificate is forged.
#[tokio::test]
async fn a_revoked_peer_is_refused_with_the_one_code() {
    let place = Place::start().await;
    let traveller = place.agent("traveller").await;
    let mut helper = place.agent_with("helper", |settings| settings.config.accept = Accept::All).await;
    place.revoke(&traveller, &helper).await;
    assert_eq!(refusal(&traveller.ask(&helper).await.unwrap_err()), "handshake_failed");
    let error = helper.ask(&traveller).await.unwrap_err();
    assert!(error.code() == "peer_certificate" && error.to_string().contains("revoked"), "{error}");
    assert!(error.next_step().contains("reinstate"), "{}", error.next_step());
    helper.hears_nothing();
}

/// The asking side: the peer is revoked while its person thinks.
#[tokio::test]
async fn a_yes_from_a_peer_that_has_been_revoked_meanwhile_is_none() {
    let place = Place::start().await;
    let (traveller, mut helper) = (place.agent("traveller").await, place.agent("helper").await);
    let asking = tokio::spawn(traveller.ask(&helper));
    let question = helper.question().await;
    place.revoke(&helper, &traveller).await;
    question.answer.send(true).unwrap();
    let error = asking.await.unwrap().unwrap_err();
    assert!(error.code() == "peer_certificate" && error.to_string().contains("revoked"), "{error}");
    assert!(traveller.node.sessions().is_empty());
}

#[tokio::test]
async fn a_key_exchange_under_way_is_broken_off() {
    let place = Place::start().await;
    let mut traveller = place.agent("traveller").await;
    let (mut helper, man) = place.watched("helper").await;
    let id = agree(&mut traveller, &mut helper).await;
    let came = man.swallow(KEY_EXCHANGE);
    let node = traveller.node.clone();
    let exchanging = tokio::spawn(async move { node.key_exchange(id, &|_| {}).await });
    soon("M3", came).await;
    place.revoke(&helper, &traveller).await;
    assert_eq!(exchanging.await.unwrap().unwrap_err().code(), "session_ended");
    assert_eq!(traveller.closed().await.cause, CloseCause::Revoked);
}

#[tokio::test]
async fn an_agent_that_is_revoked_itself_ends_all_its_sessions() {
    let place = Place::start().await;
    let (mut traveller, mut helper) = (place.agent("traveller").await, place.agent("helper").await);
    let mut worker = place.agent("worker").await;
    connect(&mut worker, &mut helper).await;
    agree(&mut helper, &mut worker).await;
    let asking = tokio::spawn(traveller.ask(&helper));
    let _question = helper.question().await;
    place.revoke(&helper, &helper).await;
    for _ in 0..3 {
        match helper.event().await {
            Event::SessionClosed(closed) => assert_eq!(closed.cause, CloseCause::Revoked),
            Event::ConsentWithdrawn { agent_id, .. } => assert_eq!(&agent_id, traveller.id()),
            other => panic!("{other:?}"),
        }
    }
    assert!(helper.node.sessions().is_empty());
    helper.hears_of_its_revocation().await;
    assert_eq!(worker.closed().await.cause, CloseCause::Revoked);
    assert_eq!(refusal(&asking.await.unwrap().unwrap_err()), "certificate_not_issued");
    assert_eq!(helper.ask(&worker).await.unwrap_err().code(), "revoked");
    assert_eq!(refusal(&traveller.ask(&helper).await.unwrap_err()), "certificate_not_issued");
    traveller.hears_nothing();
}

/// Whoever set a session up with a key that has turned out to be stolen cannot save it by showing the owner's new
/// certificate, which everybody can have.
#[tokio::test]
async fn a_session_ends_when_the_key_is_void_that_it_was_set_up_with() {
    let place = Place::start().await;
    let (mut traveller, mut helper) = (place.agent("traveller").await, place.agent("helper").await);
    let id = connect(&mut traveller, &mut helper).await;
    let former = traveller.node.certificate().unwrap().agent_card.public_key.key_id();
    traveller.node.renew(true).await.unwrap();
    traveller.say(id, "under a new key").await;
    helper.hears("under a new key").await;
    place.publish(&helper, |script| script.revoked.key_ids.push(former)).await;
    assert_eq!(helper.closed().await.cause, CloseCause::Revoked);
}

/// The other way round: the session began with a certificate that has long been forgotten.
#[tokio::test]
async fn a_session_ends_when_the_newest_certificate_is_void() {
    let place = Place::start().await;
    let (mut traveller, mut helper) = (place.agent("traveller").await, place.agent("helper").await);
    let id = connect(&mut traveller, &mut helper).await;
    traveller.setup().await.unwrap();
    traveller.say(id, "renewed").await;
    helper.hears("renewed").await;
    place.revoke(&traveller, &helper).await;
    assert_eq!(helper.closed().await.cause, CloseCause::Revoked);
}

#[tokio::test]
async fn a_message_under_way_counts_as_never_acknowledged() {
    let place = Place::start().await;
    let mut traveller = place.agent("traveller").await;
    let (mut helper, man) = place.watched("helper").await;
    let id = connect(&mut traveller, &mut helper).await;
    let came = man.swallow(SEND);
    let node = traveller.node.clone();
    let sending = tokio::spawn(async move { node.send(id, "on its way").await });
    soon("the message", came).await;
    place.revoke(&helper, &traveller).await;
    let closed = traveller.closed().await;
    assert_eq!((closed.cause, closed.unacknowledged), (CloseCause::Revoked, 1));
    assert_eq!(sending.await.unwrap().unwrap_err().code(), "session_ended");
    assert_eq!(helper.closed().await.missing, 1);
}

/// What was on its way when the list came is not shown after the end, nor acknowledged.
#[tokio::test]
async fn the_rest_of_a_body_is_not_taken() {
    let place = Place::start().await;
    let (mut traveller, mut helper) = (place.agent("traveller").await, place.agent("helper").await);
    let id = connect(&mut traveller, &mut helper).await;
    // As many as the queue of events holds, so that the next body is still being told of when the list comes.
    for number in 0..EVENT_QUEUE {
        traveller.say(id, &number.to_string()).await;
    }
    let node = traveller.node.clone();
    let sending =
        tokio::spawn(async move { node.send_all(id, (0..9).map(|number: u32| number.to_string())).await });
    soon("messages", async {
        while helper.session(id).received == EVENT_QUEUE as u64 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    place.revoke(&traveller, &helper).await;
    let mut heard = 0;
    let closed = loop {
        match helper.event().await {
            Event::MessagesReceived(_) => heard += 1,
            Event::SessionClosed(closed) => break closed,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(closed.cause, CloseCause::Revoked);
    assert_eq!(heard, EVENT_QUEUE);
    helper.hears_nothing();
    assert_eq!(sending.await.unwrap().unwrap_err().code(), "session_ended");
}

#[tokio::test]
async fn a_yes_makes_no_session_when_the_list_has_become_too_old() {
    let place = Place::start().await;
    place.helpers.script(|script| script.list_life = Duration::from_mins(1));
    let (traveller, mut helper) = (place.agent("traveller").await, place.agent("helper").await);
    let asking = tokio::spawn(traveller.ask(&helper));
    let question = helper.question().await;
    place.helpers.script(|script| script.away = true);
    place.world.pass(Duration::from_mins(3));
    question.answer.send(true).unwrap();
    assert_eq!(refusal(&asking.await.unwrap().unwrap_err()), "not_ready");
    assert!(helper.node.sessions().is_empty());
    assert_eq!(refusal(&traveller.ask(&helper).await.unwrap_err()), "not_ready");
}
