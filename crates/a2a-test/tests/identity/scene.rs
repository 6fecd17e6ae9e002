//! A controller in the test's hands, and agents that belong to it.

use std::time::Duration;

use a2a_core::certificate::card::AgentCertificate;
use a2a_test::agent::{Agent, Settings};
use a2a_test::puppet::Puppet;
use a2a_test::soon;
use a2a_test::world::World;

/// Where it all takes place.
pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) puppet: Puppet,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        let world = World::start().await;
        let puppet = Puppet::start(world.clock.clone()).await;
        Self { world, puppet }
    }

    /// An agent of the puppet's that has not enrolled.
    pub(crate) async fn stranger(&self, name: &'static str, change: impl FnOnce(&mut Settings)) -> Agent {
        self.world
            .stranger(name, |settings| {
                self.puppet.adopt(settings);
                change(settings);
            })
            .await
    }

    /// One that has.
    pub(crate) async fn agent(&self, name: &'static str) -> Agent {
        let agent = self.stranger(name, |_| {}).await;
        agent.setup().await.unwrap();
        agent
    }

    /// Moves the clock and has the agent look at it.
    pub(crate) async fn pass(&self, time: Duration, agent: &Agent) {
        self.world.pass(time);
        agent.node.sweep().await;
    }
}

pub(crate) fn certificate(agent: &Agent) -> AgentCertificate {
    agent.node.certificate().unwrap()
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    soon(what, async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Has agents look at the clock, which moves on, until it is so.
pub(crate) async fn in_time(scene: &Scene, agent: &Agent, what: &str, mut is_so: impl FnMut() -> bool) {
    soon(what, async {
        while !is_so() {
            scene.pass(Duration::from_secs(1), agent).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
}

pub(crate) const HOUR: Duration = Duration::from_hours(1);
