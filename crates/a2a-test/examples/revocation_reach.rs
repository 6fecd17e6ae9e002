//! How long it takes until a revocation has ended a session: with an agent that the controller holds a request for, and with
//! one that has to poll.
//!
//! Run by `scripts/evidence/revocation-reach`, which builds the programs first.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::time::{Duration, Instant};

use a2a_node::agent::report::CloseCause;
use a2a_node::args::Accept;
use a2a_node::clock::Clock;
use a2a_node::event::Event;
use a2a_test::program::ControllerProgram;
use a2a_test::world::World;

#[tokio::main]
async fn main() {
    let connected = reach(1024).await;
    println!(
        "a connected agent  {:.2} s from `controller revoke` to the end of its session",
        connected.as_secs_f64()
    );
    let polling = reach(0).await;
    println!("one that polls     {:.2} s", polling.as_secs_f64());
    assert!(connected < Duration::from_secs(5), "a connected agent learned of it too late");
    assert!(polling < Duration::from_mins(1), "an agent that polls learned of it too late");
}

/// Revokes an agent that has a session, as an operator does it beside the controller that serves. Returns how long its
/// peer has gone on with the session.
async fn reach(held_requests: usize) -> Duration {
    let world = World::with_config(Clock::System, |config| config.held_requests = held_requests).await;
    let open = |settings: &mut a2a_test::agent::Settings| settings.config.accept = Accept::All;
    let mut honest = world.agent_with("honest", open).await;
    let stolen = world.agent_with("stolen", open).await;
    // An agent takes no requests from the second in which it started.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let session = stolen.ask(&honest).await.unwrap();
    stolen.exchange(session.session_id).await.unwrap();
    stolen.say(session.session_id, "still trusted").await;

    let operator = ControllerProgram::new(world.path(), &[]);
    let started = Instant::now();
    operator.done(&["revoke", stolen.id().as_str()]).await;
    loop {
        // Gives up after a minute, which is too late.
        if let Event::SessionClosed(closed) = honest.event().await {
            assert_eq!(closed.cause, CloseCause::Revoked);
            break;
        }
    }
    let elapsed = started.elapsed();
    assert!(stolen.ask(&honest).await.is_err(), "a revoked agent has begun a session");
    elapsed
}
