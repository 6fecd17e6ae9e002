//! The whole road: set-up, directory, request, consent, keys, messages, close.

use a2a_core::crypto::kx::Suite;
use a2a_core::wire::MAX_PLAINTEXT;
use a2a_node::agent::report::{CloseCause, Progress, SessionStage};
use a2a_node::error::NodeError;
use a2a_test::soon;
use a2a_test::talk::{Talk, agree, connect};
use a2a_test::world::World;
use std::sync::Mutex;

#[tokio::test]
async fn from_setup_to_close() {
    let world = World::start().await;
    let (mut traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);

    let directory = traveller.node.agents().await.unwrap();
    let listed: Vec<_> = directory.iter().map(|entry| (entry.agent_id.as_str(), entry.is_self)).collect();
    assert_eq!(listed, [("helper_agent_001", false), ("traveller_agent_001", true)]);
    assert_eq!(&directory[0].address, helper.address());

    let (asked, question) = tokio::join!(traveller.ask(&helper), async {
        let question = helper.question().await;
        assert_eq!((&question.agent_id, &question.address), (traveller.id(), traveller.address()));
        assert_eq!((question.name.as_str(), question.purpose.as_str()), ("The traveller", "to talk"));
        assert_eq!(question.key_id, traveller.certificate(&world).key_id());
        question.answer.send(true).unwrap();
        helper.created().await
    });
    let (asked, id) = (asked.unwrap(), question.session_id);
    assert_eq!((asked.session_id, asked.stage, asked.initiated), (id, SessionStage::Pending, true));
    assert_eq!(helper.session(id).safety_code, None);

    let steps = Mutex::new(Vec::new());
    let established =
        traveller.node.key_exchange(id, &|step| steps.lock().unwrap().push(step)).await.unwrap();
    assert_eq!(helper.established().await.session_id, id);
    let suite = Suite::Modp2048MlKem768;
    assert_eq!(
        *steps.lock().unwrap(),
        [
            Progress::KeyExchangeStarted { suite },
            Progress::SharesGenerated { suite },
            Progress::ShareSent,
            Progress::ShareReceived,
            Progress::SignatureVerified,
            Progress::KeysEstablished,
        ]
    );
    for (agent, peer) in [(&traveller, &helper), (&helper, &traveller)] {
        let session = agent.session(id);
        assert_eq!(agent.node.sessions().len(), 1);
        assert_eq!((&session.peer_agent_id, &session.peer_address), (peer.id(), peer.address()));
        assert_eq!((session.stage, session.suite), (SessionStage::Established, suite));
        assert_eq!(session.safety_code, established.safety_code);
    }
    assert!(established.safety_code.is_some_and(|code| code.len() == 9));

    traveller.say(id, "Hello").await;
    helper.hears("Hello").await;
    helper.say(id, "Hello yourself").await;
    traveller.hears("Hello yourself").await;
    let session = helper.session(id);
    assert_eq!((session.sent, session.received), (1, 1));

    let closed = traveller.node.close(id).await.unwrap();
    assert_eq!((closed.cause, closed.missing, closed.confirmed), (CloseCause::ClosedHere, 0, true));
    let closed = helper.closed().await;
    assert_eq!((closed.cause, closed.missing, closed.confirmed), (CloseCause::ClosedByPeer, 0, true));
    for agent in [&mut traveller, &mut helper] {
        assert!(agent.node.sessions().is_empty());
        assert_eq!(agent.node.send(id, "more").await.unwrap_err().code(), "unknown_session");
        assert_eq!(agent.node.close(id).await.unwrap_err().code(), "unknown_session");
        agent.hears_nothing();
    }
}

#[tokio::test]
async fn text_of_any_kind_and_length_arrives_as_it_was() {
    let Talk { traveller, mut helper, id, .. } = Talk::start().await;
    let largest = "ß".repeat(MAX_PLAINTEXT / 2);
    for text in ["", "Grüße, 你好, 🦀", "\u{1b}[2J\u{202e}", "line\nline", largest.as_str()] {
        let (said, message) = tokio::join!(traveller.node.send(id, text), helper.message());
        assert_eq!(said.unwrap().seq, message.seq);
        assert!(message.text == text, "{} bytes", text.len());
    }
    let too_long = "x".repeat(MAX_PLAINTEXT + 1);
    let refused = traveller.node.send(id, &too_long).await.unwrap_err();
    let NodeError::TooLong { found, limit } = refused else { panic!("{refused:?}") };
    assert_eq!((found, limit), (MAX_PLAINTEXT + 1, MAX_PLAINTEXT));
}

#[tokio::test]
async fn a_session_can_be_closed_from_either_side_and_made_anew() {
    let Talk { mut traveller, mut helper, id, .. } = Talk::start().await;
    assert!(helper.node.close(id).await.unwrap().confirmed);
    assert_eq!(traveller.closed().await.cause, CloseCause::ClosedByPeer);
    let second = connect(&mut helper, &mut traveller).await;
    assert_ne!(second, id);
    assert!(traveller.node.close(second).await.unwrap().confirmed);
    assert_eq!(helper.closed().await.session_id, second);
}

#[tokio::test]
async fn several_sessions_at_once_do_not_mix() {
    let world = World::start().await;
    let (mut traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let first = connect(&mut traveller, &mut helper).await;
    let second = connect(&mut helper, &mut traveller).await;
    let codes = [first, second].map(|id| traveller.session(id).safety_code);
    assert_ne!(codes[0], codes[1]);
    for (id, text) in [(first, "one"), (second, "two"), (first, "three")] {
        traveller.say(id, text).await;
        let message = helper.message().await;
        assert_eq!((message.session_id, message.text.as_str()), (id, text));
    }
    assert!(traveller.node.close(first).await.unwrap().confirmed);
    helper.closed().await;
    helper.say(second, "still here").await;
    traveller.hears("still here").await;
}

#[tokio::test]
async fn crossing_closes_end_the_session_on_both_sides() {
    let Talk { mut traveller, mut helper, id, .. } = Talk::start().await;
    let (one, other) = tokio::join!(traveller.node.close(id), helper.node.close(id));
    for (result, agent) in [(one, &mut traveller), (other, &mut helper)] {
        // Whoever is told of the peer's close before its own is through hears of it as an event, once.
        match result {
            Ok(closed) => assert_eq!(closed.cause, CloseCause::ClosedHere),
            Err(error) => {
                assert_eq!(error.code(), "session_ended");
                assert_eq!(agent.closed().await.cause, CloseCause::ClosedByPeer);
            }
        }
        assert!(agent.node.sessions().is_empty());
        agent.hears_nothing();
    }
}

#[tokio::test]
async fn a_session_without_keys_is_dropped_when_it_is_closed() {
    let world = World::start().await;
    let (mut traveller, mut helper) = (world.agent("traveller").await, world.agent("helper").await);
    let id = agree(&mut traveller, &mut helper).await;
    assert_eq!(helper.node.close(id).await.unwrap().cause, CloseCause::ClosedHere);
    let refused = traveller.exchange(id).await.unwrap_err();
    assert!(
        matches!(&refused, NodeError::PeerRefused { code, .. } if code == "unknown_session"),
        "{refused:?}"
    );
    assert_eq!(traveller.closed().await.cause, CloseCause::Lost);
    assert!(traveller.node.sessions().is_empty());
}

#[tokio::test]
async fn an_unattended_agent_answers_by_itself() {
    let Talk { mut traveller, mut helper, id, .. } = Talk::start_with(|name, settings| {
        settings.answers = name == "helper";
    })
    .await;
    traveller.say(id, "louder").await;
    helper.hears("louder").await;
    traveller.hears("LOUDER").await;
    soon("the answer's acknowledgement", async {
        while helper.session(id).sent == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_agent_answers_by_itself_only_whoever_asked_for_the_session() {
    let Talk { mut traveller, mut helper, id, .. } =
        Talk::start_with(|_, settings| settings.answers = true).await;
    traveller.say(id, "Hello").await;
    helper.hears("Hello").await;
    traveller.hears("HELLO").await;
    // Had the traveller answered the answer, the helper would hear that first.
    traveller.say(id, "Again").await;
    helper.hears("Again").await;
}
