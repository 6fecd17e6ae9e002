//! An agent's life: bound, serving, drained.

use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::{Duration, Instant};

use a2a_core::agent_id::AgentAddress;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::Provider;
use a2a_core::session::RekeyPolicy;
use tokio::sync::{Notify, oneshot, watch};
use tokio::task::JoinHandle;

use super::identity::Identity;
use super::pool::CryptoPool;
use super::respond::REQUEST_RATE;
use super::routes::routes;
use super::{Agent, AgentNode, State};
use crate::args::AgentConfig;
use crate::clock::Clock;
use crate::error::NodeError;
use crate::event::EventSender;
use crate::http::{Check, Operations, Readiness, Server, SourceLimits};
use crate::keys::KeyDir;
use crate::metrics::{Metrics, NodeKind};
use crate::store::DataDir;
use crate::tls::ServerTls;

/// What an agent stands on, which tests replace.
#[derive(Debug)]
pub struct Environment {
    /// The present time.
    pub clock: Clock,
    /// The crypto library.
    pub provider: Provider,
    /// How long keys may serve.
    pub rekey_policy: RekeyPolicy,
    /// Messages are acknowledged when the person's side is done with them, and not already when it may have them: then
    /// whoever takes the events has to go on taking them.
    pub told_first: bool,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            clock: Clock::System,
            provider: &a2a_core::crypto::provider::aws_lc::AwsLc,
            rekey_policy: RekeyPolicy::default(),
            told_first: false,
        }
    }
}

/// An agent that serves until it is told to stop.
#[derive(Debug)]
pub struct RunningAgent {
    /// The agent.
    pub node: AgentNode,
    /// Where it listens.
    pub local_addr: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), NodeError>>,
    sweeping: JoinHandle<()>,
    watching: JoinHandle<()>,
}

impl AgentNode {
    /// Opens the data directory, binds the port and serves. When this returns, peers can connect.
    pub async fn start(
        agent: Arc<dyn Agent>,
        config: AgentConfig,
        environment: Environment,
        events: EventSender,
    ) -> Result<RunningAgent, NodeError> {
        let Environment { clock, provider, rekey_policy, told_first } = environment;
        let dir = DataDir::open(&config.data_dir)?;
        let keys = KeyDir::open(&config.data_dir, config.passphrase.clone())?;
        let opening = move |now| Identity::open(dir, keys, provider, now);
        let now = clock.now();
        let opened = tokio::task::spawn_blocking(move || opening(now)).await;
        let (identity, tls_chain) =
            opened.map_err(|error| NodeError::Environment(format!("identity: {error}")))??;

        let self_signed = identity.tls_key.self_signed(&["localhost".to_owned()])?;
        let server_tls = ServerTls::new(&identity.tls_key, tls_chain.as_deref().unwrap_or(&self_signed))?;
        let server = Server::bind(config.listen, server_tls.clone()).await?;
        let local_addr = server.local_addr();
        let address = config.address.clone().map_or_else(|| own_address(local_addr), Ok)?;
        lay_aside_misfit(&identity, &config, &address);

        let state = State {
            profile: agent.profile(),
            agent,
            config,
            identity,
            server_tls,
            address,
            requests: Arc::default(),
            sessions: super::Sessions::default(),
            frames_waiting: super::FramesWaiting::default(),
            closed: super::Closed::default(),
            peers: super::Peers::new()?,
            pool: CryptoPool::new(),
            ephemeral: super::Ephemeral::new(provider),
            events,
            rekey_policy,
            told_first,
            started: Instant::now(),
            metrics: Arc::new(Metrics::new(NodeKind::Agent)),
            limits: SourceLimits::new(REQUEST_RATE, clock.clone()),
            takes_requests_from: now.saturating_add(Duration::from_secs(1)),
            clock,
            messages_sent: AtomicU64::new(0),
            messages_received: AtomicU64::new(0),
            link: super::Link::default(),
            renewal: super::Renewal::default(),
            enrolling: tokio::sync::Mutex::default(),
            told_stale: AtomicBool::new(false),
            ticks: watch::Sender::new(()),
            asked: Notify::new(),
        };
        if let Some(certificate) = state.identity.verified() {
            state.renewal.plan_for(&certificate, provider);
        }
        let node = Self { state: Arc::new(state) };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let server = server.operated(node.operations());
        let serving = tokio::spawn(server.run(routes(node.clone()), shutdown));
        let sweeping = node.keep_sweeping();
        let watching = node.keep_watching();
        Ok(RunningAgent { node, local_addr, stop, serving, sweeping, watching })
    }
}

impl AgentNode {
    /// What it shows whoever operates it. It is ready when it could begin a session.
    fn operations(&self) -> Operations {
        let state = self.state.clone();
        let readiness: Readiness = Arc::new(move || {
            let now = state.clock.now();
            let credential = state.identity.credential(now);
            let list = state.identity.revocations().ok_or_else(|| "none has been fetched yet".to_owned());
            let checks = vec![
                Check { name: "identity", result: credential.map(drop).map_err(|error| error.to_string()) },
                Check {
                    name: "revocation_list",
                    result: list.and_then(|list| list.check_fresh(now).map_err(|error| error.to_string())),
                },
            ];
            Box::pin(ready(checks))
        });
        Operations::new(self.state.metrics.clone(), self.state.config.metrics, readiness)
    }
}

impl RunningAgent {
    /// Closes all sessions, refuses new connections, and lets open ones end within a deadline.
    pub async fn shutdown(self) -> Result<(), NodeError> {
        // They end at once, and hold the data directory until they have.
        for task in [self.sweeping, self.watching] {
            task.abort();
            let _ = task.await;
        }
        self.node.state.renewal.stop().await;
        self.node.close_all().await;
        // The server may have ended by itself.
        let _ = self.stop.send(());
        self.serving.await.map_err(|error| NodeError::Environment(format!("server: {error}")))?
    }
}

/// A certificate that no longer says who this agent is, or where, is laid aside: it has to enrol again.
fn lay_aside_misfit(identity: &Identity, config: &AgentConfig, address: &AgentAddress) {
    let Some(certificate) = identity.certificate() else { return };
    let card = certificate.agent_card;
    let (certified, suites) = (card.suites.as_slice(), config.suites.as_slice());
    let reason = if card.agent_id != config.agent_id {
        format!("its id is {}, and this agent is {}", card.agent_id, config.agent_id)
    } else if card.address != *address {
        format!("its address is {}, and this agent is at {address}", card.address)
    } else if certified != suites {
        format!("its suites are {}, and this agent takes {}", listed(certified), listed(suites))
    } else if card.tls_spki_sha256 != identity.tls_key.spki_sha256() {
        "its TLS key is not the one in the data directory".to_owned()
    } else {
        return;
    };
    tracing::warn!(%reason, "the stored certificate does not fit; run setup");
    identity.lay_aside(reason);
}

fn listed(suites: &[Suite]) -> String {
    suites.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn own_address(local_addr: SocketAddr) -> Result<AgentAddress, NodeError> {
    let host = if local_addr.ip().is_loopback() { "localhost".to_owned() } else { host_of(local_addr) };
    format!("https://{host}:{}", local_addr.port()).parse().map_err(|error| {
        NodeError::Environment(format!(
            "{local_addr} is no address for others ({error}): give one with --address"
        ))
    })
}

fn host_of(addr: SocketAddr) -> String {
    match addr.ip() {
        std::net::IpAddr::V4(ip) => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]"),
    }
}
