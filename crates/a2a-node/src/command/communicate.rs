//! `communicate`: find an agent, ask it, exchange keys, chat.

use a2a_core::agent_id::AgentId;
use clap::Args;

use super::chat::chat;
use super::{AgentContext, screens};
use crate::agent::report::{AgentEntry, Progress, SessionReport, SessionStage};
use crate::console::Console;
use crate::repl::{CommandError, Outcome};

/// With whom; chosen from a list if it is not given.
#[derive(Debug, Args)]
pub struct Communicate {
    /// The agent's id, or its number in the list
    agent: Option<String>,
}

impl Communicate {
    /// Goes the whole way, or joins a session that is there.
    pub async fn run(self, context: &AgentContext, console: &Console) -> Result<Outcome, CommandError> {
        let peer = choose_peer(self.agent.as_deref(), context, console).await?;
        let sessions = context.node.sessions();
        let with_peer = |stage| {
            let newest = sessions.iter().rev();
            newest
                .filter(move |session| session.stage == stage)
                .find(|session| session.peer_agent_id == peer.agent_id)
        };
        let session = if let Some(session) = with_peer(SessionStage::Established) {
            console.print(&format!("\nJoining the session that is established: {}", session.session_id));
            session.clone()
        } else {
            let agreed = with_peer(SessionStage::Pending).filter(|session| session.initiated);
            establish(&peer, agreed.cloned(), context, console).await?
        };
        chat(&session, context, console).await
    }
}

async fn choose_peer(
    given: Option<&str>,
    context: &AgentContext,
    console: &Console,
) -> Result<AgentEntry, CommandError> {
    console.print("\n🔍 Finding other agents...");
    let mut agents = context.node.agents().await?;
    agents.retain(|agent| !agent.is_self);
    console.learn(agents.iter().map(|agent| agent.agent_id.to_string()));
    if agents.is_empty() {
        return Err(CommandError::new(
            "no_agents",
            "the controller knows no other agent",
            "run `setup` on another",
        ));
    }
    let index = if let Some(word) = given {
        find_agent(&agents, word)?
    } else {
        console.print(&format!("{}\n", screens::agent_choice(&agents)));
        console.choose("agent", agents.len()).await?
    };
    Ok(agents.swap_remove(index))
}

fn find_agent(agents: &[AgentEntry], word: &str) -> Result<usize, CommandError> {
    if let Some(index) = agents.iter().position(|agent| agent.agent_id.as_str() == word) {
        return Ok(index);
    }
    match word.parse::<usize>() {
        Ok(number) if (1..=agents.len()).contains(&number) => Ok(number - 1),
        _ => Err(CommandError::new(
            "unknown_agent",
            format!("the controller knows no agent `{word}`"),
            "`agents` lists them",
        )),
    }
}

/// Steps 1 to 4. With a session that the peer has agreed to already, it is not asked again.
async fn establish(
    peer: &AgentEntry,
    agreed: Option<SessionReport>,
    context: &AgentContext,
    console: &Console,
) -> Result<SessionReport, CommandError> {
    let agreed = match agreed {
        Some(session) => {
            console.print(&format!("\n{} has accepted already: {}", peer.agent_id, session.session_id));
            session
        }
        None => ask(peer, context, console).await?,
    };
    console.begin_step(EXCHANGE_STEP);
    let session = context.node.key_exchange(agreed.session_id, &|_| {}).await?;
    console.finish_step(EXCHANGE_STEP, "✓ Secure channel established");
    console.print("[4/4] Starting secure chat...");
    Ok(session)
}

/// Steps 1 and 2.
async fn ask(
    peer: &AgentEntry,
    context: &AgentContext,
    console: &Console,
) -> Result<SessionReport, CommandError> {
    let verify = verify_step(&peer.agent_id);
    console.print("");
    console.begin_step(&verify);
    let progress = |step: Progress| {
        if step == Progress::PeerVerified {
            console.finish_step(&verify, "✓");
            console.begin_step(REQUEST_STEP);
        }
    };
    let session = context.node.request(&peer.address, &peer.agent_id, CHAT_PURPOSE, &progress).await?;
    console.finish_step(REQUEST_STEP, "✓ Accepted");
    Ok(session)
}

/// `helper` for `helper_agent_001`, as people say it.
fn verify_step(peer: &AgentId) -> String {
    let name = peer.as_str().split('_').find(|part| !part.is_empty()).unwrap_or(peer.as_str());
    format!("[1/4] Verifying {name}'s certificate... ")
}

const REQUEST_STEP: &str = "[2/4] Requesting communication... ";
const EXCHANGE_STEP: &str = "[3/4] Exchanging keys... ";
const CHAT_PURPOSE: &str = "a chat";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::tests::entry;
    use super::*;

    #[test]
    fn the_step_names_the_peer_as_people_say_it() {
        let step = |id: &str| verify_step(&id.parse().unwrap());
        assert_eq!(step("helper_agent_001"), "[1/4] Verifying helper's certificate... ");
        assert_eq!(step("bob"), "[1/4] Verifying bob's certificate... ");
        assert_eq!(step("_"), "[1/4] Verifying _'s certificate... ");
    }

    #[test]
    fn an_agent_is_found_by_id_or_number() {
        let agents = [entry("helper_agent_001"), entry("worker_agent_001"), entry("1")];
        assert_eq!(find_agent(&agents, "worker_agent_001").unwrap(), 1);
        assert_eq!(find_agent(&agents, "2").unwrap(), 1);
        assert_eq!(find_agent(&agents, "1").unwrap(), 2, "an id goes before a number");
        for unknown in ["0", "4", "nobody", ""] {
            assert_eq!(find_agent(&agents, unknown).unwrap_err().code(), "unknown_agent");
        }
    }
}
