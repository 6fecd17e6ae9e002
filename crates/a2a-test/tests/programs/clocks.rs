//! The system's clock, moved under running programs by libfaketime.

use std::time::Duration;

use a2a_core::crypto::kx::Suite;
use a2a_core::handshake::messages::Request;
use a2a_core::session::FrameType;
use a2a_core::time::UnixTime;
use a2a_node::clock::Clock;
use a2a_test::arena::{AgentProcess, Arena};
use a2a_test::faketime::Faketime;
use a2a_test::mallory::{Mallory, REQUEST, SEND, Target};
use a2a_test::world::Certified;

/// A sender that goes on under a key for twice as long as it may.
#[tokio::test]
#[ignore = "needs faketime"]
async fn t27_a_key_that_is_too_old_is_refused() {
    let mut arena = Arena::start().await;
    let faketime = Faketime::install(&mut arena);
    let mut helper = arena.agent("helper", &["--accept", "all", "--idle-timeout", "3h"]).await;
    let mallory = Mallory::join(&arena.world).await;
    let mut session = mallory.connect(&arena.world, &helper).await;
    let mut seal = |text: &str| {
        let now = Clock::System.now();
        session.sealer.seal(FrameType::Text, text.as_bytes().to_vec(), now).unwrap()
    };
    faketime.set("+29m");
    assert_eq!(mallory.post(&helper, SEND, &seal("just in time")).await.status, 200);
    helper.hears("just in time").await;
    faketime.set("+31m");
    let refused = mallory.post(&helper, SEND, &seal("too late")).await;
    assert_eq!(refused.refusal(), (401, "bad_frame".into()));
    helper.hears_nothing().await;
    assert_eq!(helper.sessions("established").await, 0);
}

/// The controller is kept away until the list, which lasts six hours, has run out.
#[tokio::test]
#[ignore = "needs faketime"]
async fn t31_without_a_list_that_holds_nobody_is_taken() {
    let mut arena = Arena::start().await;
    let faketime = Faketime::install(&mut arena);
    let helper = arena.agent("helper", &["--accept", "all"]).await;
    let mallory = Mallory::join(&arena.world).await;
    arena.controller.kill().await;
    for (hours, status) in [(5, 200), (7, 503)] {
        faketime.set(&format!("+{hours}h"));
        let request = at(&mallory, &helper, &arena, |now| now.saturating_add(Duration::from_hours(hours)));
        let reply = mallory.post(&helper, REQUEST, &request).await;
        assert_eq!(reply.status, status, "+{hours}h: {}", reply.text());
    }
}

/// A certificate that has run out, a clock that is set back to when it had not, and one that is set far ahead.
#[tokio::test]
#[ignore = "needs faketime"]
async fn t33_a_clock_that_is_moved_makes_nothing_valid() {
    let mut arena = Arena::start().await;
    let faketime = Faketime::install(&mut arena);
    let helper = arena.agent("helper", &["--accept", "all"]).await;
    let mallory = Mallory::join(&arena.world).await;
    mallory.agree(&arena.world, &helper).await;
    let now = Clock::System.now();
    arena.world.clock = Clock::manual(now.saturating_sub(DAY * 3));
    let mut past = Mallory::join_as(&arena.world, "past", "mallory").await;
    past.credential = arena.world.certify(&Certified {
        agent_id: past.credential.certificate().agent_id(),
        key_name: "mallory",
        address: &past.server.address,
        tls_spki_sha256: past.server.tls_key.spki_sha256(),
        suites: &Suite::ALL,
        life: DAY * 2,
    });
    arena.world.clock = Clock::System;
    let unmoved: fn(UnixTime) -> UnixTime = |now| now;
    // Moved by more than its own certificate lasts, the helper judges nobody.
    let does_not_hold = (404, "certificate_not_issued");
    for (by, moved, refusal) in [
        ("+0", unmoved, (401, "handshake_failed")),
        ("-2d", |now| now.saturating_sub(DAY * 2), does_not_hold),
        ("+2d", |now| now.saturating_add(DAY * 2), does_not_hold),
    ] {
        faketime.set(by);
        let refused = past.post(&helper, REQUEST, &at(&past, &helper, &arena, moved)).await;
        assert_eq!(refused.refusal(), (refusal.0, refusal.1.to_owned()), "{by}");
        assert_eq!(
            refused.error().message.contains("clock"),
            refusal == does_not_hold,
            "{by}: {}",
            refused.text()
        );
    }
    faketime.set("+0");
    mallory.agree(&arena.world, &helper).await;
}

/// M1 as if it were another time.
fn at(peer: &Mallory, helper: &AgentProcess, arena: &Arena, moved: impl Fn(UnixTime) -> UnixTime) -> Request {
    peer.request_with(&helper.verified(&arena.world), |request| {
        let lifetime = request.expires.since(request.timestamp);
        request.timestamp = moved(Clock::System.now());
        request.expires = request.timestamp.saturating_add(lifetime);
    })
}

const DAY: Duration = Duration::from_hours(24);
