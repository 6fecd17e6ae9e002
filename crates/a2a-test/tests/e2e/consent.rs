//! Who may open a session: a person or a policy decides, once, and the answer is signed.

use std::time::Duration;

use a2a_core::handshake::Step;
use a2a_core::handshake::messages::{DecidedBy, Response};
use a2a_node::args::Accept;
use a2a_test::agent::Settings;
use a2a_test::mallory::{KEY_EXCHANGE, Mallory, REQUEST, forged_init, start};
use a2a_test::soon;
use a2a_test::world::World;

/// Who is said to have decided in an answer.
fn decided_by(response: &Response) -> (bool, DecidedBy) {
    match response {
        Response::Accepted(acceptance) => (true, acceptance.decision.by),
        Response::Rejected(rejection) => (false, rejection.decision.by),
    }
}

#[tokio::test]
async fn a_person_can_say_no_and_later_yes() {
    let world = World::start().await;
    let (traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let (asked, ()) = tokio::join!(traveller.ask(&helper), helper.rejects());
    assert_eq!(asked.unwrap_err().code(), "rejected");
    assert!(traveller.node.sessions().is_empty() && helper.node.sessions().is_empty());
    let (asked, ()) = tokio::join!(traveller.ask(&helper), helper.accepts());
    asked.unwrap();
}

#[tokio::test]
async fn a_question_that_is_dropped_is_a_no() {
    let world = World::start().await;
    let (traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let (asked, ()) = tokio::join!(traveller.ask(&helper), async { drop(helper.question().await.answer) });
    assert!(matches!(asked.unwrap_err().code(), "rejected" | "request_expired"));
    assert!(helper.node.sessions().is_empty());
}

#[tokio::test]
async fn policies_decide_without_a_person_and_say_so() {
    let world = World::start().await;
    let mallory = Mallory::join(&world).await;
    let list = |ids: &str| ids.parse::<Accept>().unwrap();
    for (accept, decision) in [
        (Accept::All, (true, DecidedBy::PolicyAll)),
        (Accept::None, (false, DecidedBy::PolicyNone)),
        (list("mallory_agent_001,other"), (true, DecidedBy::PolicyList)),
        (list("traveller_agent_001"), (false, DecidedBy::PolicyList)),
    ] {
        let mut helper = world.agent_with("helper", |settings| settings.config.accept = accept).await;
        let request = mallory.request(&helper.certificate(&world)).message;
        let response = mallory.post(&helper, REQUEST, &request).await.read_as();
        assert_eq!(decided_by(&response), decision);
        if decision.0 {
            helper.created().await;
        }
        helper.hears_nothing();
        helper.stop().await;
    }
}

#[tokio::test]
async fn a_request_that_nobody_answers_expires() {
    let world = World::start().await;
    let traveller = world.agent("traveller").await;
    let patience = |settings: &mut Settings| {
        settings.config.consent_timeout = Duration::from_millis(50);
    };
    let mut helper = world.agent_with("helper", patience).await;
    let asked = traveller.ask(&helper);
    let (asked, late) = tokio::join!(asked, async {
        let question = helper.question().await;
        assert_eq!(&helper.withdrawn().await, traveller.id());
        question.answer
    });
    assert_eq!(asked.unwrap_err().code(), "request_expired");
    assert!(late.send(true).is_err(), "a late yes has no effect");
    assert!(helper.node.sessions().is_empty());
}

#[tokio::test]
async fn a_question_does_not_outlive_its_request() {
    let world = World::start().await;
    let mallory = Mallory::join(&world).await;
    let mut helper = world.agent("helper").await;
    let now = world.clock.now();
    let request = mallory.request_with(&helper.certificate(&world), |request| {
        request.expires = now.saturating_add(Duration::from_secs(1));
    });
    let (reply, question) = tokio::join!(mallory.post(&helper, REQUEST, &request), async {
        let question = helper.question().await;
        helper.withdrawn().await;
        question
    });
    assert_eq!(decided_by(&reply.read_as()), (false, DecidedBy::PolicyTimeout));
    assert_eq!(question.expires_at, request.expires);
}

#[tokio::test]
async fn one_request_of_a_peer_and_five_in_all_may_wait() {
    let world = World::start().await;
    let mut helper = world.agent("helper").await;
    let certificate = helper.certificate(&world);
    let mut waiting = Vec::new();
    let mut questions = Vec::new();
    for name in ["one", "two", "three", "four", "five"] {
        let peer = Mallory::join_as(&world, name, name).await;
        let first = peer.request(&certificate).message;
        waiting.push(tokio::spawn(peer.post(&helper, REQUEST, &first)));
        questions.push(helper.question().await);
        let second = peer.request(&certificate).message;
        assert_eq!(peer.post(&helper, REQUEST, &second).await.refusal(), (429, "busy".into()));
    }
    assert_eq!(helper.node.status().requests_waiting, 5);
    let sixth = Mallory::join(&world).await;
    let request = sixth.request(&certificate).message;
    assert_eq!(sixth.post(&helper, REQUEST, &request).await.refusal(), (429, "busy".into()));
    helper.hears_nothing();

    // As soon as one has been answered, there is room again, for the same request too.
    questions.remove(0).answer.send(false).unwrap();
    assert_eq!(decided_by(&waiting.remove(0).await.unwrap().read_as()), (false, DecidedBy::Operator));
    let (reply, ()) = tokio::join!(sixth.post(&helper, REQUEST, &request), helper.accepts());
    assert_eq!(decided_by(&reply.read_as()), (true, DecidedBy::Operator));
}

#[tokio::test]
async fn the_same_request_gets_the_same_answer_and_asks_nobody_twice() {
    let world = World::start().await;
    let (mallory, mut helper) = (Mallory::join(&world).await, world.agent("helper").await);
    let request = mallory.request(&helper.certificate(&world)).message;
    let (first, second) = tokio::join!(tokio::spawn(mallory.post(&helper, REQUEST, &request)), async {
        let question = helper.question().await;
        // Its sender comes back while the person still thinks.
        let again = tokio::spawn(mallory.post(&helper, REQUEST, &request));
        question.answer.send(true).unwrap();
        helper.created().await;
        again.await.unwrap()
    });
    let first = first.unwrap();
    assert!(decided_by(&first.read_as()).0);
    assert_eq!(first, second);
    assert_eq!(mallory.post(&helper, REQUEST, &request).await, first);
    helper.hears_nothing();
    assert_eq!(helper.node.sessions().len(), 1);
}

#[tokio::test]
async fn a_request_whose_answer_has_been_used_is_a_replay() {
    let world = World::start().await;
    let mallory = Mallory::join(&world).await;
    let mut helper = world.agent_with("helper", |settings| settings.config.accept = Accept::All).await;
    let agreed = mallory.agree(&world, &helper).await;
    helper.created().await;
    let init = start(agreed.accepted).message;
    let forged = mallory.post(&helper, KEY_EXCHANGE, &forged_init(&init)).await;
    assert_eq!(forged.refusal(), (401, "handshake_failed".into()));
    let again = mallory.post(&helper, REQUEST, &agreed.request).await;
    assert_eq!(again.read_as::<Response>(), agreed.response, "a forgery uses nothing");

    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &init).await.status, 200);
    let replayed = mallory.post(&helper, REQUEST, &agreed.request).await;
    assert_eq!(replayed.refusal(), (409, "replayed_request".into()));
    assert_eq!(helper.node.sessions().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_request_many_times_at_once_is_one_request() {
    let world = World::start().await;
    let mallory = Mallory::join(&world).await;
    for accept in [Accept::All, Accept::Ask] {
        let asks = accept == Accept::Ask;
        let mut helper = world.agent_with("helper", |settings| settings.config.accept = accept).await;
        // From the second round on there is a connection already, and all come at the same moment.
        for _ in 0..5 {
            let request = mallory.request(&helper.certificate(&world)).message;
            let post = |_| tokio::spawn(mallory.post(&helper, REQUEST, &request));
            let posts: Vec<_> = (0..16).map(post).collect();
            if asks {
                helper.question().await.answer.send(true).unwrap();
            }
            let id = helper.created().await.session_id;
            let mut replies = Vec::new();
            for post in posts {
                replies.push(post.await.unwrap());
            }
            assert!(decided_by(&replies[0].read_as()).0);
            assert!(replies.iter().all(|reply| reply == &replies[0]), "{replies:?}");
            helper.hears_nothing();
            helper.node.close(id).await.unwrap();
            assert!(helper.node.sessions().is_empty());
        }
        helper.stop().await;
    }
}

#[tokio::test]
async fn an_initiator_that_goes_away_and_returns_finds_its_answer() {
    let world = World::start().await;
    let (mallory, mut helper) = (Mallory::join(&world).await, world.agent("helper").await);
    let Step { message: request, .. } = mallory.request(&helper.certificate(&world));
    let gone = tokio::spawn(mallory.post(&helper, REQUEST, &request));
    let question = helper.question().await;
    gone.abort();
    soon("the end of the call", gone).await.unwrap_err();
    question.answer.send(true).unwrap();
    let session = helper.created().await;
    let Response::Accepted(acceptance) = mallory.post(&helper, REQUEST, &request).await.read_as() else {
        panic!("rejected")
    };
    assert_eq!(acceptance.session_id, session.session_id);
    helper.hears_nothing();
}

#[tokio::test]
async fn while_a_person_thinks_the_answer_is_pending_and_the_same_bytes_go_on_waiting() {
    let world = World::start().await;
    let (mallory, mut helper) = (Mallory::join(&world).await, world.agent("helper").await);
    let request = mallory.request(&helper.certificate(&world)).message;
    let first = tokio::spawn(mallory.post(&helper, REQUEST, &request));
    let question = helper.question().await;
    // The 25 s for which a request is held are the runtime's, not the world's.
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(26)).await;
    tokio::time::resume();
    let pending = soon("the answer `pending`", first).await.unwrap();
    assert_eq!((pending.status, pending.text().as_str()), (202, r#"{"status":"pending"}"#));

    let second = tokio::spawn(mallory.post(&helper, REQUEST, &request));
    question.answer.send(true).unwrap();
    assert_eq!(decided_by(&second.await.unwrap().read_as()), (true, DecidedBy::Operator));
    helper.created().await;
    helper.hears_nothing();
}
