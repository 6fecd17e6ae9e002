//! What an agent does: enrol, ask, consent, exchange keys, send, receive, close.

pub mod report;

use std::sync::Arc;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::crypto::signature::KeyId;
use uuid::Uuid;

use crate::error::NodeError;
use report::{AgentEntry, ClosedReport, DeliveryReport, OnProgress, SessionReport, SetupReport, StatusReport};

/// What makes one agent different from another. `traveller`, `helper` and `worker` are one implementation each.
pub trait Agent: Send + Sync + 'static {
    /// Names, port and methods.
    fn profile(&self) -> Profile;

    /// Whether it enrols by itself at start-up and accepts every certified peer unless told otherwise.
    fn unattended(&self) -> bool {
        false
    }

    /// What it answers to a message, if it answers by itself.
    fn reply(&self, from: &AgentId, text: &str) -> Option<String> {
        let _ = (from, text);
        None
    }
}

/// The defaults that come with a program.
#[derive(Debug, Clone)]
pub struct Profile {
    /// The program's name, as typed: `traveller`.
    pub program: &'static str,
    /// `traveller_agent_001`.
    pub agent_id: &'static str,
    /// `Traveller Agent`.
    pub name: &'static str,
    /// What stands before `>` in the REPL: `traveller_1`.
    pub prompt: &'static str,
    /// The TCP port on loopback.
    pub port: u16,
    /// What the card says the agent can do.
    pub methods: &'static [&'static str],
}

/// A running agent. Cheap to clone: all clones are the same agent.
#[derive(Clone)]
pub struct AgentNode {
    _inner: Arc<()>,
}

#[allow(unused_variables, clippy::todo, missing_docs)]
impl AgentNode {
    pub fn profile(&self) -> &Profile { todo!() }
    /// This agent's id (the profile's unless told otherwise).
    pub fn agent_id(&self) -> &AgentId { todo!() }
    /// Where peers reach it.
    pub fn address(&self) -> AgentAddress { todo!() }

    /// Pins the controller, enrols, stores the certificate. `confirmed` is a fingerprint a person has just said yes to;
    /// without it, an unknown controller is `NodeError::ControllerUnconfirmed`.
    pub async fn setup(&self, confirmed: Option<KeyId>, progress: OnProgress<'_>) -> Result<SetupReport, NodeError> { todo!() }
    /// This agent's certificate, if it has one.
    pub fn certificate(&self) -> Option<AgentCertificate> { todo!() }
    /// The controller's directory, each certificate verified offline.
    pub async fn agents(&self) -> Result<Vec<AgentEntry>, NodeError> { todo!() }
    /// Fetches and verifies a peer's certificate, asks for a session, waits for the answer. Cancel-safe by dropping.
    pub async fn request(&self, address: &AgentAddress, agent_id: &AgentId, purpose: &str, progress: OnProgress<'_>) -> Result<SessionReport, NodeError> { todo!() }
    /// Exchanges keys for a pending session that this agent asked for.
    pub async fn key_exchange(&self, session_id: Uuid, progress: OnProgress<'_>) -> Result<SessionReport, NodeError> { todo!() }
    /// Sends a text and waits for the peer's authenticated acknowledgement.
    pub async fn send(&self, session_id: Uuid, text: &str) -> Result<DeliveryReport, NodeError> { todo!() }
    /// Closes a session on both sides and clears its keys. A pending one is just dropped.
    pub async fn close(&self, session_id: Uuid) -> Result<ClosedReport, NodeError> { todo!() }
    /// All live sessions, oldest first.
    pub fn sessions(&self) -> Vec<SessionReport> { todo!() }
    /// Everything at a glance.
    pub fn status(&self) -> StatusReport { todo!() }
}
