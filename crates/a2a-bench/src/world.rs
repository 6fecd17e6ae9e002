//! Where a run takes place: a real controller, the agent that receives and the floor, each in a process of its own, and
//! the agents that send, in this one. All files are in a directory that goes with it.

use a2a_core::agent_id::AgentAddress;
use a2a_core::crypto::kx::Suite;
use a2a_node::agent::{AgentNode, RunningAgent};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::agent::{self, AgentArgs, Whereabouts};
use crate::failure::{Failure, OrFail};
use crate::process::{Process, beside};
use crate::{floor, process};

/// Everything that runs.
pub(crate) struct World {
    dir: TempDir,
    controller_address: AgentAddress,
    _controller: Process,
    /// The agent that receives.
    pub(crate) peer: Process,
    pub(crate) peer_at: Whereabouts,
    /// How many texts the peer has been sent.
    pub(crate) sent_to_peer: u64,
    pub(crate) floor: Process,
    pub(crate) floor_at: floor::Whereabouts,
    /// How many texts the floor has been sent.
    pub(crate) sent_to_floor: u64,
    agents: Vec<RunningAgent>,
    lines: u32,
}

impl World {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let dir = TempDir::new().or_fail(|| "a directory".into())?;
        let (controller, controller_address) = start_controller(dir.path()).await?;
        let own = std::env::current_exe().or_fail(|| "this program cannot be found".into())?;
        let (floor, floor_at) = Process::start(&own, &["floor"]).await?;
        let args =
            agent_args(dir.path(), &controller_address, "receiver_agent_001", Vec::new())?.to_arguments();
        let mut line = vec!["peer"];
        line.extend(args.iter().map(String::as_str));
        let (peer, peer_at) = Process::start(&own, &line).await?;
        Ok(Self {
            dir,
            controller_address,
            _controller: controller,
            peer,
            peer_at,
            sent_to_peer: 0,
            floor,
            floor_at,
            sent_to_floor: 0,
            agents: Vec::new(),
            lines: 0,
        })
    }

    /// Another agent that sends, with these suites or all.
    pub(crate) async fn sender(&mut self, suites: Vec<Suite>) -> Result<Sender, Failure> {
        let id = format!("sender_agent_{:03}", self.agents.len() + 1);
        let args = agent_args(self.dir.path(), &self.controller_address, &id, suites)?;
        let (running, _) = agent::start(&args).await?;
        let sender = Sender { node: running.node.clone(), peer: self.peer_at.clone() };
        self.agents.push(running);
        Ok(sender)
    }

    /// How many bodies of frames the peer has been sent, as its own metrics count them.
    pub(crate) async fn requests_at_peer(&self) -> Result<u64, Failure> {
        let failed = || "the peer does not show its metrics".to_owned();
        let tls = a2a_node::tls::client::unauthenticated().or_fail(failed)?;
        let client =
            reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().or_fail(failed)?;
        let answer = client.get(self.peer_at.address.join("/metrics")).send().await.or_fail(failed)?;
        let text = answer.text().await.or_fail(failed)?;
        let counts = text.lines().filter(|line| line.contains("_http_request_seconds_count{"));
        let counts = counts.filter(|line| line.contains("/agent/communicate/send"));
        Ok(counts.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }

    /// The number of a line to the floor that no other has.
    pub(crate) fn next_line(&mut self) -> u32 {
        self.lines += 1;
        self.lines
    }

    /// Looks whether everything that was sent has arrived as it should.
    pub(crate) async fn check(&mut self) -> Result<(), Failure> {
        self.peer.account(self.sent_to_peer).await?.check(self.sent_to_peer)?;
        self.floor.account(self.sent_to_floor).await?.check(self.sent_to_floor)
    }

    /// The processor time so far of this process and the peer, in microseconds.
    pub(crate) async fn cpu_with_peer(&mut self) -> Result<f64, Failure> {
        let there = self.peer.account(self.sent_to_peer).await?;
        there.check(self.sent_to_peer)?;
        Ok(micros(there.cpu_us))
    }

    /// The processor time so far of this process and the floor, in microseconds.
    pub(crate) async fn cpu_with_floor(&mut self) -> Result<f64, Failure> {
        let there = self.floor.account(self.sent_to_floor).await?;
        there.check(self.sent_to_floor)?;
        Ok(micros(there.cpu_us))
    }
}

/// An agent that sends, and whom it sends to.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) node: AgentNode,
    peer: Whereabouts,
}

impl Sender {
    /// Request, consent by policy, key exchange.
    pub(crate) async fn connect(&self) -> Result<Uuid, Failure> {
        let failed = || "no session".to_owned();
        let session = self.node.request(&self.peer.address, &self.peer.id, "to measure", &|_| {}).await;
        let session = session.or_fail(failed)?.session_id;
        self.node.key_exchange(session, &|_| {}).await.or_fail(failed)?;
        Ok(session)
    }

    /// So many sessions, as many at a time as the peer lets one agent begin.
    pub(crate) async fn connect_many(&self, count: usize) -> Result<Vec<Uuid>, Failure> {
        let mut sessions = Vec::with_capacity(count);
        let mut connecting = JoinSet::new();
        for _ in 0..count {
            if connecting.len() >= AT_A_TIME {
                sessions.push(joined(connecting.join_next().await)?);
            }
            let sender = self.clone();
            connecting.spawn(async move { sender.connect().await });
        }
        while let Some(connected) = connecting.join_next().await {
            sessions.push(joined(Some(connected))?);
        }
        Ok(sessions)
    }

    /// Closes sessions; each end is confirmed.
    pub(crate) async fn close(&self, sessions: &[Uuid]) -> Result<(), Failure> {
        for session in sessions {
            self.node.close(*session).await.or_fail(|| "a session cannot be closed".into())?;
        }
        Ok(())
    }
}

/// What a task has come to.
pub(crate) fn joined<T>(
    ended: Option<Result<Result<T, Failure>, tokio::task::JoinError>>,
) -> Result<T, Failure> {
    ended.ok_or_else(|| Failure::new("no task is left".into()))?.or_fail(|| "a task has ended".into())?
}

async fn start_controller(dir: &Path) -> Result<(Process, AgentAddress), Failure> {
    let program = beside("controller")?;
    let (data, ca_file) = (dir.join("controller").display().to_string(), ca_file(dir));
    let line = ["--data-dir", &data, "--ca-file", &ca_file, "--log", "error", "--json", "--listen"];
    let line = [&line[..], &["127.0.0.1:0", "--source-rate", "1000"]].concat();
    let (controller, first): (_, Value) = Process::start(&program, &line).await?;
    let address = first["detail"]["address"].as_str().unwrap_or_default();
    Ok((controller, address.parse().or_fail(|| format!("the controller said {first}"))?))
}

fn agent_args(
    dir: &Path,
    controller: &AgentAddress,
    id: &str,
    suites: Vec<Suite>,
) -> Result<AgentArgs, Failure> {
    Ok(AgentArgs {
        id: id.parse().or_fail(|| "an id".into())?,
        data_dir: dir.join(id),
        controller: controller.clone(),
        ca_file: ca_file(dir).into(),
        suites,
    })
}

fn ca_file(dir: &Path) -> String {
    dir.join("ca.pem").display().to_string()
}

#[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 microseconds")]
fn micros(there: u64) -> f64 {
    process::cpu().as_secs_f64() * 1e6 + there as f64
}

/// Sessions that one agent may have pending at another.
const AT_A_TIME: usize = 4;
