//! The threat list as attacks on the programs themselves, which run in processes of their own. The number at the beginning of a
//! test's name is its row in `docs/THREAT_MODEL.md`.
//!
//! Each test is tested itself: `attacks.toml` says how the mitigation is taken out of the programs, and `scripts/evidence/attacks`
//! sees that the test then fails. To add a row: write the test here, its row there, and run `scripts/evidence/attacks T05`.

#![allow(clippy::unwrap_used)]

mod clocks;
mod exchange;
mod frames;
mod keys;
mod lists;
mod peers;
mod requests;
mod secrets;
mod texts;

use a2a_core::session::Session;
use a2a_test::arena::{AgentProcess, Arena};
use a2a_test::mallory::Mallory;
use a2a_test::man::Man;

/// An arena with an agent that accepts everybody, and Mallory.
async fn agent_and_mallory(program: &str) -> (Arena, AgentProcess, Mallory) {
    let arena = Arena::start().await;
    let agent = arena.agent(program, &["--accept", "all"]).await;
    let mallory = Mallory::join(&arena.world).await;
    (arena, agent, mallory)
}

/// The same, and a session of hers with the helper.
async fn helper_in_session() -> (Arena, AgentProcess, Mallory, Session) {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let session = mallory.connect(&arena.world, &helper).await;
    (arena, helper, mallory, session)
}

/// A helper that accepts everybody, and before it a man inside TLS: he holds its TLS key.
async fn man_inside_tls(options: &[&str]) -> (Arena, AgentProcess, Man) {
    let (arena, man) = (Arena::start().await, Man::start().await);
    man.put_tls_key(&arena.world.path().join("helper"));
    let options = [&["--accept", "all", "--address", man.address.as_str()], options].concat();
    let helper = arena.agent("helper", &options).await;
    man.pass_on_to(helper.socket);
    (arena, helper, man)
}
