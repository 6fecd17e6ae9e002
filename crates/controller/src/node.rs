//! A controller that serves, as a whole: started on its store, its keys and its port, asked from inside, shut down.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::enrolment::ControllerInfo;
use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::KeyId;
use a2a_node::args::{ControllerConfig, EnrolmentMode};
use a2a_node::clock::Clock;
use a2a_node::error::NodeError;
use a2a_node::http::{BoundServer, Operations, Server};
use a2a_node::repl::CommandError;
use a2a_node::store::DataDir;
use serde::Serialize;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::ca_file;
use crate::commands::Operator;
use crate::controller::{Controller, blocking};
use crate::enrolment::Enrolled;
use crate::own_tls::OwnTls;
use crate::readiness::readiness;
use crate::routes::routes;
use crate::serving::Serving;
use crate::tick::tick;

/// A controller that serves.
#[derive(Debug)]
pub struct ControllerNode {
    serving: Arc<Serving>,
    address: AgentAddress,
    ca_file: PathBuf,
    stop: oneshot::Sender<()>,
    server: JoinHandle<Result<(), NodeError>>,
    ticking: JoinHandle<()>,
    /// Nobody else serves from this directory.
    _dir: DataDir,
}

/// What `status` shows.
#[derive(Debug, Clone, Serialize)]
pub struct ControllerStatus {
    /// This controller.
    pub controller_id: AgentId,
    /// Its key's fingerprint.
    pub fingerprint: KeyId,
    /// Ids that are taken.
    pub agents_enrolled: u64,
    /// Agents whose certificate is good.
    pub agents_valid: u64,
    /// Agents that are revoked, banned or held.
    pub agents_revoked: u64,
    /// Tokens that can be spent.
    pub tokens_open: u64,
    /// Enrolments that wait for the operator.
    pub approvals_waiting: u64,
    /// The number of the revocation list.
    pub list_number: u64,
    /// Entries in the audit.
    pub audit_entries: u64,
    /// If it serves in this process.
    #[serde(flatten)]
    pub serving: Option<ServingStatus>,
}

/// What only a controller that serves can tell.
#[derive(Debug, Clone, Serialize)]
pub struct ServingStatus {
    /// Where it listens.
    pub address: AgentAddress,
    /// Who is enrolled.
    pub enrolment: &'static str,
    /// Certificates issued since the start.
    pub enrolments: u64,
    /// Seconds since the start.
    pub uptime_seconds: u64,
}

impl ControllerNode {
    /// Opens the data directory, makes what is missing, publishes the TLS root, binds and serves. The receiver tells of
    /// every certificate; who does not listen misses nothing but that.
    pub async fn start(
        config: ControllerConfig,
        clock: Clock,
        provider: Provider,
    ) -> Result<(Self, mpsc::Receiver<Enrolled>), NodeError> {
        let mode = admission(config.listen, config.enrolment)?;
        let (notices, receiver) = mpsc::channel(NOTICES);
        let dir = DataDir::open(&config.data_dir)?;
        let controller = Arc::new(Controller::open(&config, clock, provider).await?);
        let tls = blocking({
            let (controller, config) = (controller.clone(), config.clone());
            move || OwnTls::open(&controller, &config)
        });
        let tls = Arc::new(tls.await?);
        let server = Server::bind(config.listen, tls.server()).await?;
        ca_file::publish(&config.ca_file, controller.tls.root_pem())?;
        let address = address_of(&server)?;
        let fingerprint = controller.active().key_id;
        tracing::info!(%address, %fingerprint, enrolment = mode.as_str(), "controller serves");
        let serving = Arc::new(Serving::new(controller, &config, mode, notices));
        let metrics = serving.controller.metrics.clone();
        let operations = Operations::new(metrics, config.metrics, readiness(serving.clone()));
        let room = config.held_requests.saturating_add(CONNECTIONS);
        let server = server.with_room(room).operated(operations);
        let (stop, stopped) = oneshot::channel();
        let ending = serving.clone();
        let server = server.run(routes(serving.clone()), async move {
            // An error means that the node was dropped, which ends it too.
            let _ = stopped.await;
            ending.held.end();
        });
        let (server, ticking) = (tokio::spawn(server), tokio::spawn(tick(serving.clone(), tls)));
        let ca_file = config.ca_file;
        Ok((Self { serving, address, ca_file, stop, server, ticking, _dir: dir }, receiver))
    }

    /// Where agents reach it.
    pub fn address(&self) -> &AgentAddress {
        &self.address
    }

    /// What people compare at first contact.
    pub fn fingerprint(&self) -> KeyId {
        self.controller().active().key_id
    }

    /// What it says of itself.
    pub fn info(&self) -> ControllerInfo {
        self.serving.info()
    }

    /// Where its TLS root stands.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// Carries out what an operator could type, such as `revoke helper_agent_001`, and gives its result as `--json` has it.
    /// What is about a screen or about the program itself (`y`, `n`, `wait`, `exit`) is refused.
    pub async fn command(&self, line: &str) -> Result<Value, CommandError> {
        let operator = Operator { controller: self.controller().clone(), serving: None };
        operator.carry_out(line).await
    }

    /// Everything at a glance.
    pub async fn status(&self) -> Result<ControllerStatus, NodeError> {
        let (serving, controller) = (&self.serving, self.controller());
        let serving = ServingStatus {
            address: self.address.clone(),
            enrolment: serving.mode.as_str(),
            enrolments: serving.issued.load(Ordering::Relaxed),
            uptime_seconds: controller.clock.now().since(serving.started_at).as_secs(),
        };
        controller.status(Some(serving)).await
    }

    /// Ends it: no new connections, a few seconds for the open ones. When this returns, port and directory are free.
    pub async fn shutdown(self) -> Result<(), NodeError> {
        drop(self.stop);
        let ended = self.server.await.map_err(|error| NodeError::Environment(error.to_string()))?;
        self.ticking.abort();
        // It ends where it waits, and was told to: there is nothing to learn from how.
        let _ = self.ticking.await;
        let kept = self.serving.controller.keep_anchor().await;
        self.serving.controller.store.close().await;
        ended.and(kept)
    }

    pub(crate) fn controller(&self) -> &Arc<Controller> {
        &self.serving.controller
    }
}

/// Who is enrolled. `open` gives an id to whoever claims it first, which is only sound among the programs of one machine.
fn admission(listen: SocketAddr, told: Option<EnrolmentMode>) -> Result<EnrolmentMode, NodeError> {
    let refused = |reason: &str| {
        Err(NodeError::Environment(format!(
            "{listen} can be reached from other machines, and {reason}: say who is enrolled with --enrolment token or \
             --enrolment approve, or listen on loopback (--listen 127.0.0.1:{})",
            listen.port()
        )))
    };
    match told {
        Some(EnrolmentMode::Open) if !listen.ip().is_loopback() => {
            refused("with --enrolment open anybody there could take any agent's id")
        }
        None if !listen.ip().is_loopback() => refused("enrolment is open on loopback alone"),
        told => Ok(told.unwrap_or(EnrolmentMode::Open)),
    }
}

fn address_of(server: &BoundServer) -> Result<AgentAddress, NodeError> {
    let address = server.local_addr();
    let url = if address.ip() == IpAddr::V4(Ipv4Addr::LOCALHOST) {
        format!("https://localhost:{}", address.port())
    } else {
        format!("https://{address}")
    };
    url.parse().map_err(|error| NodeError::Environment(format!("{url}: {error}")))
}

/// How many notices may wait to be shown.
const NOTICES: usize = 64;
/// Connections besides those whose requests are held.
const CONNECTIONS: usize = 512;
