//! The system's clock, moved under running programs by libfaketime (`apt-get install faketime`).

use std::process::Command;
use std::time::Duration;

use a2a_core::crypto::kx::Suite;
use a2a_core::session::FrameType;
use a2a_node::clock::Clock;
use a2a_test::arena::Arena;
use a2a_test::mallory::{Mallory, REQUEST, SEND, Target};
use a2a_test::world::Certified;

/// An arena whose agents have a clock that can be moved; the controller's and the test's cannot.
async fn arena() -> Arena {
    let mut arena = Arena::start().await;
    let preload = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
    let preload = preload.expect("faketime is not here: apt-get install faketime").stdout;
    arena.environment = vec![
        ("LD_PRELOAD", String::from_utf8(preload).unwrap().trim().to_owned()),
        ("FAKETIME_TIMESTAMP_FILE", arena.world.path().join("clock").display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        // Time-outs go on as they are.
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ];
    move_clock(&arena, "+0");
    arena
}

fn move_clock(arena: &Arena, by: &str) {
    // At once: who reads half of it has no clock.
    let path = arena.world.path().join("clock");
    std::fs::write(path.with_extension("new"), by).unwrap();
    std::fs::rename(path.with_extension("new"), path).unwrap();
}

/// A sender that goes on under a key for twice as long as it may.
#[tokio::test]
#[ignore = "needs faketime"]
async fn t27_a_key_that_is_too_old_is_refused() {
    let arena = arena().await;
    let mut helper = arena.agent("helper", &["--accept", "all", "--idle-timeout", "3h"]).await;
    let mallory = Mallory::join(&arena.world).await;
    let mut session = mallory.connect(&arena.world, &helper).await;
    let mut seal = |text: &str| {
        let now = Clock::System.now();
        session.sealer.seal(FrameType::Text, text.as_bytes().to_vec(), now).unwrap()
    };
    move_clock(&arena, "+29m");
    assert_eq!(mallory.post(&helper, SEND, &seal("just in time")).await.status, 200);
    helper.hears("just in time").await;
    move_clock(&arena, "+31m");
    let refused = mallory.post(&helper, SEND, &seal("too late")).await;
    assert_eq!(refused.refusal(), (401, "bad_frame".into()));
    helper.hears_nothing().await;
    assert_eq!(helper.sessions("established").await, 0);
}

/// A certificate that has run out, and a clock that is set back to when it had not.
#[tokio::test]
#[ignore = "needs faketime"]
async fn t33_a_clock_that_is_set_back_makes_nothing_valid_again() {
    let mut arena = arena().await;
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
        move_clock(&arena, by);
        let request = past.request_with(&helper.verified(&arena.world), |request| {
            let lifetime = request.expires.since(request.timestamp);
            request.timestamp = Clock::System.now().saturating_sub(day * ago);
            request.expires = request.timestamp.saturating_add(lifetime);
        });
        let refused = past.post(&helper, REQUEST, &request).await;
        assert_eq!(refused.status, status, "{by}: {}", refused.text());
    }
    move_clock(&arena, "+0");
    mallory.agree(&arena.world, &helper).await;
}
