//! What strangers, Mallory (a certified peer that keeps to no rule) and the network try, over the wire,
//! against real nodes. The numbers (T01 and so on) are those of `docs/THREAT_MODEL.md`.

#![allow(clippy::unwrap_used)]

mod bodies;
mod certificates;
mod exchange;
mod frames;
mod middle;
mod relay;
mod requests;
mod responder;

use a2a_node::args::Accept;
use a2a_test::agent::{Agent, Settings};
use a2a_test::mallory::Mallory;
use a2a_test::world::World;

/// Accepts every certified peer.
fn willing(settings: &mut Settings) {
    settings.config.accept = Accept::All;
}

/// A helper that accepts everybody, and Mallory.
async fn helper_and_mallory() -> (World, Agent, Mallory) {
    let world = World::start().await;
    let helper = world.agent_with("helper", willing).await;
    let mallory = Mallory::join(&world).await;
    (world, helper, mallory)
}
