//! The revocation list: signed, fresh, held until there is news, and told at once.

use std::time::Duration;

use a2a_core::certificate::revocation::{MAX_REVOCATIONS, RevocationList};
use a2a_node::client::ClientError;

use crate::world::{Agent, TIMEOUT, World, provider};

#[tokio::test]
async fn it_is_signed_and_dated_anew() {
    let world = World::start().await;
    let anchor = world.info().await.verify(provider()).unwrap();
    let first = world.list(None).await;
    assert!(first.number >= world.clock.now().as_secs(), "it rises over a restore");
    assert_eq!(first.next_update.since(first.this_update), Duration::from_hours(6));
    let same = world.list(None).await;
    assert_eq!(first, same, "made once");
    world.clock.advance(Duration::from_hours(7));
    let later = world.list(None).await;
    assert_eq!((later.number, later.this_update), (first.number, world.clock.now()));
    let now = world.clock.now();
    let (first, later) = (first.verify(provider(), &anchor, now), later.verify(provider(), &anchor, now));
    assert!(first.is_err() && later.is_ok());
}

#[tokio::test]
async fn who_knows_it_waits_for_news_and_gets_them_at_once() {
    let world = World::start().await;
    world.enrol(&Agent::new("helper")).await.unwrap();
    let known = world.list(None).await.number;
    // A lower number needs no waiting.
    assert_eq!(world.list(Some(known - 1)).await.number, known);
    let (client, url) = (world.client.clone(), world.url(&format!("/controller/revocations?after={known}")));
    let waiting = tokio::spawn(async move {
        client.get_json::<RevocationList>(&url, MAX_REVOCATIONS, TIMEOUT).await.unwrap()
    });
    world.enrol(&Agent::new("other")).await.unwrap();
    assert!(!waiting.is_finished(), "an enrolment is no news here");
    world.command("revoke helper").await;
    let news = waiting.await.unwrap();
    assert!(news.number > known && news.key_ids.len() == 1);
}

#[tokio::test]
async fn where_there_is_no_room_to_wait_the_answer_comes_at_once() {
    let world = World::with(|config| config.held_requests = 0).await;
    let list = world.list(None).await;
    assert_eq!(world.list(Some(list.number)).await.number, list.number);
    assert_eq!(world.list(Some(u64::MAX)).await.number, list.number);
}

#[tokio::test]
async fn the_end_of_the_controller_ends_all_waiting() {
    let world = World::start().await;
    let known = world.list(None).await.number;
    let (client, url) = (world.client.clone(), world.url(&format!("/controller/revocations?after={known}")));
    let waiting =
        tokio::spawn(async move { client.get_json::<RevocationList>(&url, MAX_REVOCATIONS, TIMEOUT).await });
    while world.held().await == 0 {
        tokio::task::yield_now().await;
    }
    world.node.shutdown().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().number, known);
}

#[tokio::test]
async fn what_is_asked_has_to_make_sense() {
    let world = World::start().await;
    for query in ["?after=soon", "?after=-1", "?before=1"] {
        let url = world.url(&format!("/controller/revocations{query}"));
        let refused = world.client.get_json::<RevocationList>(&url, MAX_REVOCATIONS, TIMEOUT).await;
        assert!(matches!(refused, Err(ClientError::Api { status: 400, code, .. }) if code == "bad_query"));
    }
}

impl World {
    /// How many requests are held, as the metrics say twice a second.
    async fn held(&self) -> u64 {
        let text = self.metrics().await;
        let line = text.lines().find_map(|line| line.strip_prefix("a2a_queue_length{queue=\"held\"} "));
        line.map_or(0, |number| number.parse().unwrap())
    }
}
