//! M1: replayed, forwarded, altered, out of time.

use std::time::Duration;

use a2a_core::crypto::kx::Suite;
use a2a_core::handshake::messages::{Request, Response};
use a2a_core::session::FrameType;
use a2a_core::wire::Hex;
use a2a_node::agent::report::CloseCause;
use a2a_test::agent::Agent;
use a2a_test::mallory::{KEY_EXCHANGE, Mallory, REQUEST, SEND, start};
use a2a_test::raw::Raw;
use a2a_test::world::World;

use super::{helper_and_mallory, willing};

async fn refused(mallory: &Mallory, helper: &Agent, request: &Request) -> (u16, String) {
    mallory.post(helper, REQUEST, request).await.refusal()
}

/// T20
#[tokio::test]
async fn a_replayed_request_gets_the_same_answer_and_no_second_session() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let agreed = mallory.agree(&world, &helper).await;
    helper.created().await;
    for _ in 0..3 {
        let again: Response = mallory.post(&helper, REQUEST, &agreed.request).await.read_as();
        assert_eq!(again, agreed.response);
    }
    helper.hears_nothing();
    assert_eq!(helper.node.sessions().len(), 1);
}

/// T20
#[tokio::test]
async fn a_nonce_is_good_for_one_request() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let agreed = mallory.agree(&world, &helper).await;
    helper.created().await;
    let other = mallory.request_with(&helper.certificate(&world), |request| {
        request.nonce = agreed.request.nonce;
    });
    assert_eq!(refused(&mallory, &helper, &other).await, (409, "replayed_request".into()));
    // The same request in other bytes is a replay as well.
    let spaced = serde_json::to_string_pretty(&agreed.request).unwrap().into_bytes();
    let reply = mallory.raw.post_bytes(helper.local_addr(), REQUEST, "application/json", spaced).await;
    assert_eq!(reply.refusal(), (409, "replayed_request".into()));
    helper.hears_nothing();
}

/// T20: what is forgotten can no longer be admitted.
#[tokio::test]
async fn a_request_cannot_be_replayed_once_its_nonce_is_forgotten() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let agreed = mallory.agree(&world, &helper).await;
    helper.created().await;
    for seconds in [120, 60, 1, 600] {
        world.pass(Duration::from_secs(seconds));
        helper.node.sweep().await;
        let reply = mallory.post(&helper, REQUEST, &agreed.request).await;
        if reply.status == 200 {
            assert_eq!(reply.read_as::<Response>(), agreed.response);
        } else {
            assert_eq!(reply.refusal(), (409, "not_fresh".into()));
        }
    }
    assert_eq!(mallory.post(&helper, REQUEST, &agreed.request).await.status, 409);
}

#[tokio::test]
async fn a_request_out_of_its_time_is_refused() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let (certificate, now) = (helper.certificate(&world), world.clock.now());
    // An agent takes nothing from before its start, so some time must pass before anything can be too old.
    world.pass(Duration::from_mins(10));
    let later = world.clock.now();
    for (timestamp, expires) in [
        (later.saturating_sub(Duration::from_secs(181)), later.saturating_sub(Duration::from_secs(61))),
        (later.saturating_add(Duration::from_secs(61)), later.saturating_add(Duration::from_mins(2))),
        (later, later.saturating_add(Duration::from_secs(121))),
        (later, later),
        (later, later.saturating_sub(Duration::from_secs(1))),
    ] {
        let request = mallory.request_with(&certificate, |request| {
            (request.timestamp, request.expires) = (timestamp, expires);
        });
        assert_eq!(refused(&mallory, &helper, &request).await, (409, "not_fresh".into()), "{timestamp}");
    }
    let before = now.saturating_sub(Duration::from_secs(5));
    let stale = mallory.request_with(&certificate, |request| request.timestamp = before);
    assert_eq!(refused(&mallory, &helper, &stale).await, (409, "stale_request".into()));
    helper.hears_nothing();
}

/// T21
#[tokio::test]
async fn a_request_for_another_agent_is_misdirected() {
    let (world, helper, mallory) = helper_and_mallory().await;
    let mut worker = world.agent_with("worker", willing).await;
    let request = mallory.request(&helper.certificate(&world)).message;
    assert_eq!(refused(&mallory, &worker, &request).await, (421, "wrong_recipient".into()));
    let by_name = mallory.request_with(&helper.certificate(&world), |request| {
        request.peer_agent_id = worker.id().clone();
    });
    assert_eq!(refused(&mallory, &worker, &by_name).await, (421, "wrong_recipient".into()));
    worker.hears_nothing();
}

/// T11: the address is the certified one, and nobody is contacted for any request, good or bad.
#[tokio::test]
async fn an_address_that_is_not_certified_is_refused_and_nobody_is_contacted() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let canary = a2a_test::man::Man::start().await;
    for address in [canary.address.as_str(), "https://169.254.169.254:80", "https://localhost:1"] {
        let request = mallory.request_with(&helper.certificate(&world), |request| {
            request.address = address.parse().unwrap();
        });
        assert_eq!(refused(&mallory, &helper, &request).await, (401, "handshake_failed".into()));
    }
    helper.hears_nothing();
    mallory.agree(&world, &helper).await;
    helper.created().await;
    assert!(canary.passed().is_empty() && mallory.server.passed().is_empty());
}

/// T13, T16 at this endpoint: whatever is changed after signing, the signature no longer holds.
#[tokio::test]
async fn a_request_altered_on_its_way_is_refused() {
    let (world, mut helper, mut mallory) = helper_and_mallory().await;
    let other = Mallory::join_as(&world, "other", "other").await;
    let changes: [fn(&mut Request, &Mallory); 6] = [
        |request, _| request.purpose = "something else".parse().unwrap(),
        |request, _| request.suites = vec![Suite::Modp2048],
        |request, _| request.nonce = Hex::from_bytes([7; 32]),
        |request, _| request.request_id = uuid::Uuid::nil(),
        |request, other| request.certificate = other.credential.certificate().certificate().clone(),
        |request, other| {
            request.certificate = other.credential.certificate().certificate().clone();
            request.agent_id = other.credential.certificate().agent_id().clone();
            request.address = other.credential.certificate().address().clone();
        },
    ];
    for change in changes {
        let mut request = mallory.request(&helper.certificate(&world)).message;
        change(&mut request, &other);
        // Whoever tries often from one place is not heard for a while.
        mallory.raw = Raw::from_elsewhere();
        assert_eq!(refused(&mallory, &helper, &request).await, (401, "handshake_failed".into()));
    }
    helper.hears_nothing();
}

/// T22: forging is dear for whoever does it, and for nobody else.
#[tokio::test]
async fn a_source_of_forged_requests_is_not_heard_for_a_while() {
    let (world, mut helper, mut mallory) = helper_and_mallory().await;
    let other = mallory.clone();
    mallory.raw = Raw::from_elsewhere();
    let session = mallory.connect(&world, &helper).await;
    helper.created().await;
    helper.established().await;
    let good = mallory.request(&helper.certificate(&world)).message;
    let mut forged = good.clone();
    forged.purpose = "something else".parse().unwrap();
    let foreign = Mallory::join(&world.other().await).await.request(&helper.certificate(&world)).message;
    for request in [&forged, &foreign, &forged, &foreign, &forged] {
        assert_eq!(refused(&mallory, &helper, request).await, (401, "handshake_failed".into()));
    }
    let reply = mallory.post(&helper, REQUEST, &good).await;
    assert_eq!(reply.refusal(), (429, "locked_out".into()));
    // Others are heard, and so is what that source has a session for.
    other.agree(&world, &helper).await;
    helper.created().await;
    let (mut sealer, now) = (session.sealer, world.clock.now());
    let frame = sealer.seal(FrameType::Text, b"still here".to_vec(), now).unwrap();
    assert_eq!(mallory.post(&helper, SEND, &frame).await.status, 200);
    helper.hears("still here").await;
    world.pass(Duration::from_secs(61));
    mallory.agree(&world, &helper).await;
    helper.created().await;
}

/// A wrong clock or a list that has not arrived is no attack.
#[tokio::test]
async fn mistakes_lock_nobody_out() {
    let (world, helper, mut mallory) = helper_and_mallory().await;
    mallory.raw = Raw::from_elsewhere();
    let late = mallory.request(&helper.certificate(&world)).message;
    let elsewhere = mallory.request_with(&helper.certificate(&world), |request| {
        request.address = "https://localhost:1".parse().unwrap();
    });
    for _ in 0..5 {
        assert_eq!(refused(&mallory, &helper, &elsewhere).await, (401, "handshake_failed".into()));
    }
    world.pass(Duration::from_mins(10));
    for _ in 0..5 {
        assert_eq!(refused(&mallory, &helper, &late).await, (409, "not_fresh".into()));
    }
    mallory.agree(&world, &helper).await;
}

#[tokio::test]
async fn what_cannot_be_spoken_is_refused_with_its_reason() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let certificate = helper.certificate(&world);
    let version = mallory.request_with(&certificate, |request| request.protocol_version = 2);
    assert_eq!(refused(&mallory, &helper, &version).await, (400, "unsupported_version".into()));
    let nothing = mallory.request_with(&certificate, |request| request.suites.clear());
    assert_eq!(refused(&mallory, &helper, &nothing).await, (400, "no_common_suite".into()));
    let twice = mallory.request_with(&certificate, |request| request.suites = vec![Suite::Modp2048; 2]);
    assert_eq!(refused(&mallory, &helper, &twice).await, (401, "handshake_failed".into()));
    helper.hears_nothing();
}

/// T23: sessions without keys are few for each peer; when they go, there is room again.
#[tokio::test]
async fn a_peer_may_have_four_sessions_without_keys() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    for _ in 0..4 {
        mallory.agree(&world, &helper).await;
        helper.created().await;
    }
    let fifth = mallory.request(&helper.certificate(&world)).message;
    assert_eq!(refused(&mallory, &helper, &fifth).await, (429, "busy".into()));
    let other = Mallory::join_as(&world, "other", "other").await;
    other.agree(&world, &helper).await;
    helper.created().await;
    world.pass(Duration::from_mins(10) + Duration::from_secs(1));
    helper.node.sweep().await;
    for _ in 0..5 {
        helper.closed().await;
    }
    mallory.agree(&world, &helper).await;
}

/// A peer that has crashed four times before its keys were made does not wait until those sessions have lapsed.
#[tokio::test]
async fn a_peers_oldest_session_without_keys_gives_way_to_its_next_after_half_a_minute() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let mut left = Vec::new();
    for _ in 0..4 {
        left.push(mallory.agree(&world, &helper).await);
        helper.created().await;
    }
    let other = Mallory::join_as(&world, "other", "other").await;
    let of_other = other.agree(&world, &helper).await;
    helper.created().await;
    world.pass(Duration::from_secs(30));
    mallory.connect(&world, &helper).await;
    helper.created().await;
    let oldest = left.remove(0).accepted;
    let ended = helper.closed().await;
    assert_eq!((ended.session_id, ended.cause), (oldest.session_id(), CloseCause::Expired));
    let late = mallory.post(&helper, KEY_EXCHANGE, &start(oldest).message).await;
    assert_eq!(late.refusal(), (404, "unknown_session".into()));
    for (peer, agreed) in left.into_iter().map(|agreed| (&mallory, agreed)).chain([(&other, of_other)]) {
        let reply = peer.post(&helper, KEY_EXCHANGE, &start(agreed.accepted).message).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
}

/// An expired certificate, or one of another controller, is as bad as a forged one, and looks the same.
#[tokio::test]
async fn a_certificate_that_does_not_hold_is_refused() {
    let world = World::start().await;
    let mut helper = world.agent_with("helper", willing).await;
    let (mallory, foreign) = (Mallory::join(&world).await, Mallory::join(&world.other().await).await);
    let request = foreign.request(&helper.certificate(&world)).message;
    assert_eq!(refused(&mallory, &helper, &request).await, (401, "handshake_failed".into()));
    world.pass(Duration::from_hours(23));
    helper.setup().await.unwrap();
    world.pass(Duration::from_hours(1) + Duration::from_mins(2));
    let request = mallory.request(&helper.certificate(&world)).message;
    assert_eq!(refused(&mallory, &helper, &request).await, (401, "handshake_failed".into()));
    helper.hears_nothing();
}
