//! The system's clock, moved under running programs by libfaketime.

use std::time::Duration;

use a2a_core::crypto::kx::Suite;
use a2a_core::session::FrameType;
use a2a_node::clock::Clock;
use a2a_test::arena::Arena;
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

/// A certificate that has run out, and a clock that is set back to when it had not.
#[tokio::test]
#[ignore = "needs faketime"]
async fn t33_a_clock_that_is_set_back_makes_nothing_valid_again() {
    let mut arena = Arena::start().await;
    let faketime = Faketime::install(&mut arena);
    let helper = arena.agent("helper", &["--accept", "all"]).await;
    let mallory = Mallory::join(&arena.world).await;
    mallory.agree(&arena.world, &helper).await;
    let day = Duration::from_hours(24);
    let now = Clock::System.now();
    arena.world.clock = Clock::manual(now.saturating_sub(day * 3));
    let mut past = Mallory::join_as(&arena.world, "past", "mallory").await;
    past.credential = arena.world.certify(&Certified {
        agent_id: past.credential.certificate().agent_id(),
        key_name: "mallory",
        address: &past.server.address,
        tls_spki_sha256: past.server.tls_key.spki_sha256(),
        suites: &Suite::ALL,
        life: day * 2,
    });
    arena.world.clock = Clock::System;
    // Set back, the helper does not even hold its own certificate for good.
    for (by, ago, status) in [("+0", 0, 401), ("-2d", 2, 404)] {
        faketime.set(by);
        let request = past.request_with(&helper.verified(&arena.world), |request| {
            let lifetime = request.expires.since(request.timestamp);
            request.timestamp = Clock::System.now().saturating_sub(day * ago);
            request.expires = request.timestamp.saturating_add(lifetime);
        });
        let refused = past.post(&helper, REQUEST, &request).await;
        assert_eq!(refused.status, status, "{by}: {}", refused.text());
    }
    faketime.set("+0");
    mallory.agree(&arena.world, &helper).await;
}
