//! A controller as a whole: started on its files and its port, asked from inside, shut down.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::enrolment::ControllerInfo;
use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::KeyId;
use a2a_node::args::ControllerConfig;
use a2a_node::clock::Clock;
use a2a_node::error::NodeError;
use a2a_node::http::{BoundServer, Server};
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::ca_file;
use crate::registry::Enrolled;
use crate::routes::routes;
use crate::state::Controller;

/// A controller that runs.
#[derive(Debug)]
pub struct ControllerNode {
    controller: Arc<Controller>,
    address: AgentAddress,
    ca_file: PathBuf,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), NodeError>>,
}

/// What `status` shows.
#[derive(Debug, Clone, Serialize)]
pub struct ControllerStatus {
    /// This controller.
    pub controller_id: AgentId,
    /// Where it listens.
    pub address: AgentAddress,
    /// Its key's fingerprint.
    pub fingerprint: KeyId,
    /// Ids that are taken.
    pub agents_enrolled: usize,
    /// Agents whose certificate has not ended.
    pub agents_valid: usize,
    /// Certificates issued since the start.
    pub enrolments: u64,
    /// Seconds since the start.
    pub uptime_seconds: u64,
}

impl ControllerNode {
    /// Opens the data directory, makes what keys are missing, publishes the TLS root, binds and serves. The receiver
    /// tells of every certificate; who does not listen misses nothing but that.
    pub async fn start(
        config: ControllerConfig,
        clock: Clock,
        provider: Provider,
    ) -> Result<(Self, mpsc::Receiver<Enrolled>), NodeError> {
        check_reach(config.listen)?;
        let (sender, receiver) = mpsc::channel(NOTICES);
        let opened = tokio::task::spawn_blocking({
            let config = config.clone();
            move || Controller::open(&config, clock, provider, sender)
        });
        let (controller, tls) = opened.await.map_err(|error| NodeError::Environment(error.to_string()))??;
        let server = Server::bind(config.listen, tls).await?;
        ca_file::publish(&config.ca_file, &controller.info().tls_root)?;
        let address = address_of(&server)?;
        tracing::info!(%address, fingerprint = %controller.info().fingerprint(), "controller serves");
        let (stop, stopped) = oneshot::channel();
        let serving = server.run(routes(controller.clone()), async {
            // An error means that the node was dropped, which ends it too.
            let _ = stopped.await;
        });
        let serving = tokio::spawn(serving);
        Ok((Self { controller, address, ca_file: config.ca_file, stop, serving }, receiver))
    }

    /// Where agents reach it.
    pub fn address(&self) -> &AgentAddress {
        &self.address
    }

    /// What people compare at first contact.
    pub fn fingerprint(&self) -> KeyId {
        self.controller.info().fingerprint()
    }

    /// What it says of itself.
    pub fn info(&self) -> &ControllerInfo {
        self.controller.info()
    }

    /// Where its TLS root stands.
    pub fn ca_file(&self) -> &Path {
        &self.ca_file
    }

    /// The certificates that have not ended, by agent id.
    pub fn agents(&self) -> Vec<AgentCertificate> {
        self.controller.agents()
    }

    /// Everything at a glance.
    pub fn status(&self) -> ControllerStatus {
        let (agents_enrolled, enrolments, uptime) = self.controller.counts();
        ControllerStatus {
            controller_id: self.info().controller_id.clone(),
            address: self.address.clone(),
            fingerprint: self.fingerprint(),
            agents_enrolled,
            agents_valid: self.agents().len(),
            enrolments,
            uptime_seconds: uptime.as_secs(),
        }
    }

    /// Ends it: no new connections, a few seconds for the open ones. When this returns, port and directory are free.
    pub async fn shutdown(self) -> Result<(), NodeError> {
        drop(self.stop);
        self.serving.await.map_err(|error| NodeError::Environment(error.to_string()))?
    }
}

/// Enrolment is open: an id belongs to whoever claims it first. That is only sound among the programs of one machine.
fn check_reach(listen: SocketAddr) -> Result<(), NodeError> {
    if listen.ip().is_loopback() {
        return Ok(());
    }
    Err(NodeError::Environment(format!(
        "{listen} can be reached from other machines, and enrolment is open: anybody there could take any agent's id; \
         listen on loopback (--listen 127.0.0.1:{})",
        listen.port()
    )))
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
