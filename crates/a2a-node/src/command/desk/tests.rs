//! One question at a time, answers only to the question that was seen, and nothing lost on the way to `wait`.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use a2a_core::time::UnixTime;
use tokio::sync::oneshot;

use super::super::tests::{entry, session};
use super::super::wait::{What, wait};
use super::*;
use crate::agent::report::{CloseCause, ClosedReport, SessionStage};
use crate::event::{ConsentRequest, ReceivedMessage};

const ID: &str = "4e35544a-da2e-49ff-83ca-5077cb8d641c";

/// A request from `agent`, numbered `number`, and where its answer comes out.
fn request(agent: &str, number: u128) -> (Event, oneshot::Receiver<bool>) {
    let (answer, answered) = oneshot::channel();
    let asker = entry(agent);
    let request = ConsentRequest {
        request_id: Uuid::from_u128(number),
        agent_id: asker.agent_id,
        name: asker.name,
        address: asker.address,
        key_id: asker.key_id,
        purpose: String::new(),
        expires_at: asker.expires_at,
        answer,
    };
    (Event::ConsentWanted(request), answered)
}

fn withdrawn(agent: &str, number: u128) -> Event {
    Event::ConsentWithdrawn { request_id: Uuid::from_u128(number), agent_id: agent.parse().unwrap() }
}

fn message(text: &str) -> Event {
    Event::MessagesReceived(vec![ReceivedMessage {
        session_id: ID.parse().unwrap(),
        from: "helper_agent_001".parse().unwrap(),
        seq: 0,
        text: text.into(),
        received_at: UnixTime::from_secs(0),
    }])
}

fn created(peer: &str) -> Event {
    Event::SessionCreated(session(ID, peer, SessionStage::Pending))
}

/// The last line on the screen that begins with `[INCOMING]`.
fn last_question(text: &str) -> &str {
    text.lines().rfind(|line| line.starts_with("[INCOMING] Communication")).unwrap_or_default()
}

#[tokio::test]
async fn one_question_at_a_time_in_the_order_of_arrival() {
    let (console, screen) = Console::for_test(&[], false);
    let desk = Desk::new(console);
    let (first, first_answer) = request("alice", 1);
    let (second, second_answer) = request("bob", 2);
    desk.take(first);
    desk.take(second);
    assert_eq!(last_question(&screen.text()), "[INCOMING] Communication request from alice");
    assert_eq!(desk.answer(false).unwrap().as_str(), "alice");
    assert_eq!(last_question(&screen.text()), "[INCOMING] Communication request from bob");
    assert_eq!(desk.answer(true).unwrap().as_str(), "bob");
    assert_eq!((first_answer.await, second_answer.await), (Ok(false), Ok(true)));
    assert_eq!(desk.answer(true).unwrap_err().code(), "no_request");
}

#[tokio::test]
async fn a_yes_ends_with_the_seeds_words_before_the_next_question() {
    let (console, screen) = Console::for_test(&[], false);
    let desk = Desk::new(console);
    let (first, _answer) = request("alice", 1);
    let (second, _second_answer) = request("bob", 2);
    desk.take(first);
    desk.take(second);
    desk.answer(true).unwrap();
    assert_eq!(last_question(&screen.text()), "[INCOMING] Communication request from alice");
    desk.take(created("alice"));
    assert_eq!(desk.accepted_session(&"alice".parse().unwrap()).await.unwrap().session_id.to_string(), ID);
    let accepted = screen.text().find(&format!("\n✓ Request accepted. Session created: {ID}\n")).unwrap();
    assert!(accepted < screen.text().find("request from bob").unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_yes_that_leads_to_no_session_gives_the_screen_free() {
    let (console, screen) = Console::for_test(&[], false);
    let desk = Desk::new(console);
    let (first, _answer) = request("alice", 1);
    let (second, _second_answer) = request("bob", 2);
    desk.take(first);
    desk.take(second);
    desk.answer(true).unwrap();
    assert!(desk.accepted_session(&"alice".parse().unwrap()).await.is_none());
    assert_eq!(last_question(&screen.text()), "[INCOMING] Communication request from bob");
}

#[tokio::test]
async fn an_answer_to_a_lapsed_question_never_goes_to_the_next() {
    let (console, screen) = Console::for_test(&[], false);
    let desk = Desk::new(console);
    let (first, _first_answer) = request("alice", 1);
    let (second, mut second_answer) = request("mallory", 2);
    desk.take(first);
    desk.take(second);
    desk.take(withdrawn("alice", 1));
    assert!(screen.text().contains("[INCOMING] The request from alice has lapsed.\n"));
    assert_eq!(last_question(&screen.text()), "[INCOMING] Communication request from mallory");
    let error = desk.answer(true).unwrap_err();
    assert_eq!(error.code(), "request_lapsed");
    assert!(second_answer.try_recv().is_err(), "the yes for alice must not reach mallory's request");
    assert_eq!(desk.answer(false).unwrap().as_str(), "mallory");
    assert_eq!(second_answer.await, Ok(false));
}

#[tokio::test]
async fn a_request_that_lapses_in_line_is_never_shown() {
    let (console, screen) = Console::for_test(&[], false);
    let desk = Desk::new(console);
    let (first, _first_answer) = request("alice", 1);
    let (second, _second_answer) = request("bob", 2);
    desk.take(first);
    desk.take(second);
    desk.take(withdrawn("bob", 2));
    desk.answer(false).unwrap();
    assert!(!screen.text().contains("bob"));
}

#[tokio::test]
async fn an_answer_that_nobody_waits_for_says_so() {
    let desk = Desk::new(Console::for_test(&[], false).0);
    let (first, answer) = request("alice", 1);
    desk.take(first);
    drop(answer);
    assert_eq!(desk.answer(true).unwrap_err().code(), "request_lapsed");
}

#[tokio::test]
async fn during_a_chat_requests_wait_and_messages_are_not_kept() {
    let (console, screen) = Console::for_test(&[], false);
    let desk = Desk::new(console);
    desk.begin_chat(ID.parse().unwrap());
    let (first, _answer) = request("alice", 1);
    desk.take(first);
    desk.take(message("hello"));
    assert!(screen.text().contains("It waits until you leave this chat."));
    assert!(!screen.text().contains("Do you want to accept?"));
    assert_eq!(desk.answer(true).unwrap_err().code(), "no_request");
    desk.end_chat();
    assert!(screen.text().contains("Do you want to accept? (y/n):\n"));
    assert!(screen.text().contains("[helper_agent_001] > hello\n"));
    assert!(desk.with(|state| state.inbox.messages.take()).is_none());
}

#[tokio::test]
async fn a_session_that_policy_accepted_says_so() {
    let (console, screen) = Console::for_test(&[], false);
    Desk::new(console).take(created("alice"));
    let expected = format!("[SESSION] Request from alice accepted by policy. Session created: {ID}\n");
    assert_eq!(screen.text(), expected);
}

#[tokio::test]
async fn wait_takes_what_has_come_and_what_will_come_once_each() {
    let desk = Desk::new(Console::for_test(&[], false).0);
    desk.take(message("one"));
    let limit = Duration::from_secs(30);
    assert!(wait(&desk, What::Message, limit).await.is_ok());
    let later = tokio::spawn({
        let desk = desk.clone();
        async move { wait(&desk, What::Message, limit).await.is_ok() }
    });
    tokio::task::yield_now().await;
    desk.take(message("two"));
    assert!(later.await.unwrap());

    let (asked, _answer) = request("alice", 1);
    desk.take(asked);
    assert!(wait(&desk, What::Request, limit).await.is_ok());
    desk.take(Event::SessionEstablished(session(ID, "alice", SessionStage::Established)));
    assert!(wait(&desk, What::Session, limit).await.is_ok());
    desk.take(Event::SessionClosed(ClosedReport {
        session_id: ID.parse().unwrap(),
        peer_agent_id: "alice".parse().unwrap(),
        cause: CloseCause::ClosedByPeer,
        missing: 0,
        unacknowledged: 0,
        confirmed: true,
    }));
    assert!(wait(&desk, What::Closed, limit).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn wait_gives_up_in_time() {
    let desk = Desk::new(Console::for_test(&[], false).0);
    let error = wait(&desk, What::Message, Duration::from_secs(30)).await.unwrap_err();
    assert_eq!((error.code(), error.exit_code()), ("timeout", 1));
}

#[tokio::test]
async fn with_json_every_event_is_one_object() {
    let (console, screen) = Console::for_test(&[], true);
    let desk = Desk::new(console);
    let (first, _answer) = request("alice", 1);
    desk.take(first);
    desk.take(message("hi\u{1b}"));
    desk.take(withdrawn("alice", 1));
    let lines: Vec<serde_json::Value> =
        screen.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["request", "message", "request_withdrawn"]);
    assert_eq!(lines[0]["detail"]["agent_id"], "alice");
    assert_eq!(lines[1]["detail"]["text"], "hi\u{1b}");
}
