//! An agent's life: bound, serving, drained.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use a2a_core::agent_id::AgentAddress;
use a2a_core::crypto::provider::Provider;
use a2a_core::session::RekeyPolicy;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::identity::Identity;
use super::pool::CryptoPool;
use super::routes::routes;
use super::{Agent, AgentNode, State};
use crate::args::AgentConfig;
use crate::clock::Clock;
use crate::error::NodeError;
use crate::event::EventSender;
use crate::http::Server;
use crate::keys::KeyDir;
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
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            clock: Clock::System,
            provider: &a2a_core::crypto::provider::aws_lc::AwsLc,
            rekey_policy: RekeyPolicy::default(),
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
}

impl AgentNode {
    /// Opens the data directory, binds the port and serves. When this returns, peers can connect.
    pub async fn start(
        agent: Arc<dyn Agent>,
        config: AgentConfig,
        environment: Environment,
        events: EventSender,
    ) -> Result<RunningAgent, NodeError> {
        let Environment { clock, provider, rekey_policy } = environment;
        let dir = DataDir::open(&config.data_dir)?;
        let keys = KeyDir::open(&config.data_dir, config.passphrase.clone())?;
        let opening = move |now| Identity::open(dir, &keys, provider, now);
        let now = clock.now();
        let opened = tokio::task::spawn_blocking(move || opening(now)).await;
        let (identity, tls_chain) =
            opened.map_err(|error| NodeError::Environment(format!("identity: {error}")))??;

        let self_signed = identity.tls_key.self_signed(&["localhost".to_owned()])?;
        let server_tls = ServerTls::new(&identity.tls_key, tls_chain.as_deref().unwrap_or(&self_signed))?;
        let server = Server::bind(config.listen, server_tls.clone()).await?;
        let local_addr = server.local_addr();
        let address = match &config.address {
            Some(address) => address.clone(),
            None => own_address(local_addr)?,
        };
        identity.keep_only(&config.agent_id, &address, &config.suites);

        let state = State {
            profile: agent.profile(),
            agent,
            config,
            identity,
            server_tls,
            address,
            requests: Arc::default(),
            sessions: super::Sessions::default(),
            closed: super::Closed::default(),
            peers: super::Peers::default(),
            pool: CryptoPool::new(),
            events,
            rekey_policy,
            started: Instant::now(),
            takes_requests_from: now.saturating_add(Duration::from_secs(1)),
            clock,
            messages_sent: AtomicU64::new(0),
            messages_received: AtomicU64::new(0),
        };
        let node = Self { state: Arc::new(state) };
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let serving = tokio::spawn(server.run(routes(node.clone()), shutdown));
        let sweeping = node.keep_sweeping();
        Ok(RunningAgent { node, local_addr, stop, serving, sweeping })
    }
}

impl RunningAgent {
    /// Closes all sessions, refuses new connections, and lets open ones end within a deadline.
    pub async fn shutdown(self) -> Result<(), NodeError> {
        self.sweeping.abort();
        // It ends at once, and holds the data directory until it has.
        let _ = self.sweeping.await;
        self.node.close_all().await;
        // The server may have ended by itself.
        let _ = self.stop.send(());
        self.serving.await.map_err(|error| NodeError::Environment(format!("server: {error}")))?
    }
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
