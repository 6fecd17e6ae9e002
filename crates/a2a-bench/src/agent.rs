//! Real agents: the one that receives, in a process of its own, and those that send, in this one.
//!
//! Nothing of an agent is replaced: its server, its TLS, its limits and its clock are those of the programs. Only its
//! person's side counts and checks what it is told instead of showing it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::crypto::kx::Suite;
use a2a_node::agent::report::CloseCause;
use a2a_node::agent::{Agent, AgentNode, Environment, Profile, RunningAgent};
use a2a_node::args::{Accept, AgentConfig};
use a2a_node::event::{EVENT_QUEUE, Event, EventReceiver};
use a2a_node::http::MetricsReach;
use clap::Args;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::failure::{Failure, OrFail};
use crate::process::{Account, answer_with, cpu, resident_kib, say};
use crate::text::{Ledger, line_of};

/// What an agent is started with.
#[derive(Debug, Clone, Args)]
pub(crate) struct AgentArgs {
    /// Its id
    #[arg(long)]
    pub(crate) id: AgentId,
    /// Where its files are
    #[arg(long)]
    pub(crate) data_dir: PathBuf,
    /// The controller's address
    #[arg(long)]
    pub(crate) controller: AgentAddress,
    /// Where the controller's TLS root stands
    #[arg(long)]
    pub(crate) ca_file: PathBuf,
    /// The suites it takes part in
    #[arg(long, value_delimiter = ',')]
    pub(crate) suites: Vec<Suite>,
}

/// Where an agent is to be found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Whereabouts {
    pub(crate) id: AgentId,
    pub(crate) address: AgentAddress,
}

/// The process of the agent that receives: says where it is, then gives its account whenever it is asked.
pub(crate) async fn serve(args: &AgentArgs) -> Result<(), Failure> {
    let (running, ledger) = start(args).await?;
    say(&Whereabouts { id: args.id.clone(), address: running.node.address().clone() }).await?;
    let account = || {
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        Account {
            texts: ledger.texts,
            bytes: ledger.bytes,
            faults: ledger.faults.clone(),
            cpu_us: u64::try_from(cpu().as_micros()).unwrap_or(u64::MAX),
            resident_kib: resident_kib(std::process::id()),
        }
    };
    answer_with(account).await
}

/// An agent of this process, which has enrolled.
pub(crate) async fn start(args: &AgentArgs) -> Result<(RunningAgent, Arc<Mutex<Ledger>>), Failure> {
    let (sender, events) = mpsc::channel(EVENT_QUEUE);
    let running = AgentNode::start(Arc::new(Character), config(args)?, Environment::default(), sender).await;
    let running = running.or_fail(|| format!("{} cannot be started", args.id))?;
    running.node.setup(None, &|_| {}).await.or_fail(|| format!("{} cannot enrol", args.id))?;
    let ledger = Arc::default();
    tokio::spawn(listen(events, Arc::clone(&ledger)));
    Ok((running, ledger))
}

/// The person's side.
async fn listen(mut events: EventReceiver, ledger: Arc<Mutex<Ledger>>) {
    let mut waiting = Vec::with_capacity(EVENT_QUEUE);
    while events.recv_many(&mut waiting, EVENT_QUEUE).await > 0 {
        let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        for event in waiting.drain(..) {
            match event {
                Event::MessagesReceived(messages) => {
                    for message in messages {
                        let session = message.session_id;
                        ledger.enter(session.as_u128(), line_of(session), &message.text);
                    }
                }
                Event::SessionClosed(closed) => {
                    ledger.forget(closed.session_id.as_u128());
                    if !matches!(closed.cause, CloseCause::ClosedByPeer | CloseCause::ClosedHere) {
                        ledger.accuse(format!("session {} ended: {:?}", closed.session_id, closed.cause));
                    }
                }
                Event::SessionCreated(_) | Event::SessionEstablished(_) => {}
                other => ledger.accuse(format!("unexpected: {other:?}")),
            }
        }
    }
}

fn config(args: &AgentArgs) -> Result<AgentConfig, Failure> {
    let listen = "127.0.0.1:0".parse().or_fail(|| "an address of loopback".into())?;
    let suites = if args.suites.is_empty() { Suite::ALL.to_vec() } else { args.suites.clone() };
    Ok(AgentConfig {
        listen,
        data_dir: args.data_dir.clone(),
        passphrase: None,
        metrics: MetricsReach::Loopback,
        ca_file: args.ca_file.clone(),
        controller: args.controller.clone(),
        controller_fingerprint: None,
        join_token: None,
        agent_id: args.id.clone(),
        name: args.id.as_str().parse().or_fail(|| "an id is no name".into())?,
        address: None,
        accept: Accept::All,
        suites,
        idle_timeout: Duration::from_hours(1),
        max_session_age: Duration::from_hours(12),
        consent_timeout: Duration::from_mins(2),
    })
}

impl AgentArgs {
    /// As a command line.
    pub(crate) fn to_arguments(&self) -> Vec<String> {
        let suites: Vec<_> = self.suites.iter().map(ToString::to_string).collect();
        let text = |path: &Path| path.display().to_string();
        let mut arguments = vec![
            "--id".into(),
            self.id.to_string(),
            "--data-dir".into(),
            text(&self.data_dir),
            "--controller".into(),
            self.controller.to_string(),
            "--ca-file".into(),
            text(&self.ca_file),
        ];
        if !suites.is_empty() {
            arguments.extend(["--suites".into(), suites.join(",")]);
        }
        arguments
    }
}

/// It answers nothing by itself.
struct Character;

impl Agent for Character {
    fn profile(&self) -> Profile {
        Profile {
            program: "a2a-bench",
            agent_id: "bench_agent_001",
            name: "Bench",
            prompt: "bench",
            port: 0,
            methods: &["chat"],
        }
    }

    fn unattended(&self) -> bool {
        true
    }
}
