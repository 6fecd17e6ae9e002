//! Two agents in an established session, which most tests begin with.

use a2a_node::agent::report::SessionStage;
use uuid::Uuid;

use crate::agent::{Agent, Settings};
use crate::world::World;

/// The traveller has asked, the helper has agreed, and both have the same keys.
#[derive(Debug)]
pub struct Talk {
    /// Where.
    pub world: World,
    /// Who asked.
    pub traveller: Agent,
    /// Who was asked.
    pub helper: Agent,
    /// The session.
    pub id: Uuid,
}

impl Talk {
    /// With the usual settings.
    pub async fn start() -> Self {
        Self::start_with(|_, _| {}).await
    }

    /// With other settings; `change` is called for each of both, with its name.
    pub async fn start_with(change: impl Fn(&'static str, &mut Settings)) -> Self {
        Self::start_in(World::start().await, change).await
    }

    /// As [`Talk::start_with`], in a world that is there already.
    pub async fn start_in(world: World, change: impl Fn(&'static str, &mut Settings)) -> Self {
        let mut traveller = world.agent_with("traveller", |settings| change("traveller", settings)).await;
        let mut helper = world.agent_with("helper", |settings| change("helper", settings)).await;
        let id = connect(&mut traveller, &mut helper).await;
        Self { world, traveller, helper, id }
    }
}

/// Request, consent by a person, key exchange.
pub async fn connect(from: &mut Agent, to: &mut Agent) -> Uuid {
    let id = agree(from, to).await;
    let session = from.exchange(id).await.unwrap();
    assert_eq!((session.session_id, session.stage), (id, SessionStage::Established));
    assert_eq!(to.established().await.session_id, id);
    id
}

/// Request, and consent by a person.
pub async fn agree(from: &mut Agent, to: &mut Agent) -> Uuid {
    let asking = from.ask(to);
    let (asked, ()) = tokio::join!(async { asking.await.unwrap() }, to.accepts());
    asked.session_id
}
