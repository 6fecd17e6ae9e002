//! What an agent does: enrol, stay enrolled, ask, consent, exchange keys, send, receive, close.

pub mod report;

mod running;

mod directory;
mod enrol;
mod identity;
mod renewal;
mod trust;
mod watch;

mod consent;
mod initiate;
mod respond;
mod routes;

mod backlog;
mod channel;
mod closed;
mod delivery;
mod messages;
mod outbox;
mod receipt;
mod room;
mod sessions;
mod sweep;
mod table;
mod upkeep;

mod ephemeral;
mod peers;
mod pool;
mod refusals;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::revocation::Revocations;
use a2a_core::session::RekeyPolicy;
use a2a_core::time::UnixTime;
use tokio::sync::Notify;

use crate::args::AgentConfig;
use crate::clock::Clock;
use crate::event::{Event, EventSender};
use crate::http::SourceLimits;
use crate::metrics::Metrics;
use crate::tls::ServerTls;
use backlog::FramesWaiting;
use closed::Closed;
use consent::Requests;
use ephemeral::Ephemeral;
use identity::Identity;
#[cfg(feature = "fuzzing")]
pub(crate) use identity::{StoredCertificate, Trust};
use peers::Peers;
use pool::CryptoPool;
use renewal::Renewal;
use report::{SessionReport, StatusReport};
pub use running::{Environment, RunningAgent};
use table::Sessions;
use trust::Link;

/// What makes one agent different from another. `traveller`, `helper` and `worker` are one implementation
/// each.
pub trait Agent: Send + Sync + 'static {
    /// Names, port and methods.
    fn profile(&self) -> Profile;

    /// Whether it enrols by itself at start-up and accepts every certified peer unless told otherwise.
    fn unattended(&self) -> bool {
        false
    }

    /// What it answers to a message, if it answers by itself. Asked only in sessions that the peer has asked for.
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
    state: Arc<State>,
}

/// All that the parts of an agent share.
struct State {
    agent: Arc<dyn Agent>,
    profile: Profile,
    config: AgentConfig,
    clock: Clock,
    identity: Identity,
    server_tls: ServerTls,
    address: AgentAddress,
    requests: Arc<Requests>,
    sessions: Sessions,
    frames_waiting: FramesWaiting,
    closed: Closed,
    peers: Peers,
    pool: CryptoPool,
    ephemeral: Ephemeral,
    events: EventSender,
    rekey_policy: RekeyPolicy,
    told_first: bool,
    started: Instant,
    metrics: Arc<Metrics>,
    /// Of requests from strangers.
    limits: SourceLimits,
    /// Requests from before this agent was ready may have been answered by the process before it.
    takes_requests_from: UnixTime,
    messages_sent: AtomicU64,
    messages_received: AtomicU64,
    /// The way to the controller.
    link: Link,
    renewal: Renewal,
    /// Held while a certificate is asked for: one at a time.
    enrolling: tokio::sync::Mutex<()>,
    /// Whether the person knows that the revocation list can no longer be relied on.
    told_stale: AtomicBool,
    /// Told at every sweep.
    ticks: tokio::sync::watch::Sender<()>,
    /// Told when the controller should be asked for its list now.
    asked: Notify,
}

impl AgentNode {
    /// The program's defaults.
    pub fn profile(&self) -> &Profile {
        &self.state.profile
    }

    /// This agent's id: the profile's unless told otherwise.
    pub fn agent_id(&self) -> &AgentId {
        &self.state.config.agent_id
    }

    /// Where peers reach it.
    pub fn address(&self) -> &AgentAddress {
        &self.state.address
    }

    /// What it was told at start-up.
    pub fn config(&self) -> &AgentConfig {
        &self.state.config
    }

    /// This agent's certificate, if it has one.
    pub fn certificate(&self) -> Option<AgentCertificate> {
        self.state.identity.certificate()
    }

    /// All live sessions, oldest first.
    pub fn sessions(&self) -> Vec<SessionReport> {
        self.state.sessions.all().iter().map(|entry| entry.report()).collect()
    }

    /// Everything at a glance.
    pub fn status(&self) -> StatusReport {
        let state = &self.state;
        let sessions = state.sessions.count();
        let (trust, revocations) = (state.identity.trust(), state.identity.revocations());
        let revoked = self.is_revoked();
        StatusReport {
            agent_id: self.agent_id().clone(),
            address: self.address().clone(),
            controller: state.config.controller.to_string(),
            controller_fingerprint: trust.map(|trust| trust.anchor.fingerprint()),
            certificate_expires_at: self.certificate().map(|certificate| certificate.expires_at),
            renews_at: if revoked { None } else { state.renewal.next_attempt() },
            renewal_failure: state.renewal.failure(),
            revoked,
            revocations_number: revocations.as_ref().map(Revocations::number),
            revocations_until: revocations.as_ref().map(|list| list.list().next_update),
            crypto_provider: state.identity.provider.name(),
            accept: state.config.accept.to_string(),
            sessions_pending: sessions.pending,
            sessions_established: sessions.all - sessions.pending,
            requests_waiting: state.requests.waiting(),
            messages_sent: state.messages_sent.load(Ordering::Relaxed),
            messages_received: state.messages_received.load(Ordering::Relaxed),
            uptime_seconds: state.started.elapsed().as_secs(),
        }
    }

    /// Tells the person's side. When its queue is full this waits, and so does whoever sent what is told.
    async fn tell(&self, event: Event) {
        if self.state.events.send(event).await.is_err() {
            tracing::debug!("nobody listens to events any more");
        }
    }
}

impl std::fmt::Debug for AgentNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "AgentNode({})", self.agent_id())
    }
}
