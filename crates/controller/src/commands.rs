//! What a person types to the controller, and what the screen shows.

use std::time::Duration;

use a2a_core::certificate::card::AgentCertificate;
use a2a_node::command::shown_time;
use a2a_node::console::Console;
use a2a_node::repl::{CommandError, CommandTable, Outcome};
use clap::Parser;
use serde_json::json;

use crate::node::{ControllerNode, ControllerStatus};
use crate::registry::Enrolled;

/// The commands.
#[derive(Debug, Parser)]
#[command(multicall = true, disable_help_flag = true, help_template = HELP)]
pub(crate) enum ControllerCommand {
    /// List the agents whose certificates are valid
    Agents,
    /// Show who this controller is: compare the fingerprint with what agents show
    Info,
    /// Show everything at a glance
    Status,
    /// Leave the program (also: quit, Ctrl-D)
    #[command(alias = "quit")]
    Exit,
}

impl CommandTable for ControllerCommand {
    type Context = ControllerNode;

    async fn run(self, node: &ControllerNode, console: &Console) -> Result<Outcome, CommandError> {
        Ok(match self {
            Self::Agents => {
                let agents = node.agents();
                console.print(&directory(&agents));
                Outcome::of(&agents)
            }
            Self::Info => {
                console.print(&info(node));
                Outcome::of(&json!({
                    "controller_id": node.info().controller_id,
                    "address": node.address(),
                    "fingerprint": node.fingerprint(),
                    "ca_file": node.ca_file(),
                }))
            }
            Self::Status => {
                let status = node.status();
                console.print(&glance(&status));
                Outcome::of(&status)
            }
            Self::Exit => Outcome::leave(),
        })
    }
}

/// Tells of an agent that has just been certified.
pub(crate) fn announce(enrolled: &Enrolled, console: &Console) {
    let Enrolled { agent_id, address, key_id, expires_at, first } = enrolled;
    let what = if *first { "Agent enrolled" } else { "Certificate renewed" };
    let end = shown_time(*expires_at);
    console.print(&format!("✓ {what}: {agent_id} at {address}\n  Key:     {key_id}\n  Expires: {end}"));
    console.print_json(&json!({ "event": "enrolled", "detail": enrolled }));
}

fn directory(agents: &[AgentCertificate]) -> String {
    let entry = |certificate: &AgentCertificate| {
        let card = &certificate.agent_card;
        format!(
            "{} ({})\n  Address: {}\n  Key:     {}\n  Expires: {}",
            card.agent_id,
            card.name,
            card.address,
            card.public_key.key_id(),
            shown_time(certificate.expires_at)
        )
    };
    if agents.is_empty() {
        return "No agents are registered.".to_owned();
    }
    agents.iter().map(entry).collect::<Vec<_>>().join("\n")
}

fn info(node: &ControllerNode) -> String {
    format!(
        "Controller:  {}\nAddress:     {}\nFingerprint: {}\nTLS root:    {}",
        node.info().controller_id,
        node.address(),
        node.fingerprint(),
        node.ca_file().display()
    )
}

fn glance(status: &ControllerStatus) -> String {
    format!(
        "Controller:  {} at {}\nAgents:      {} with a valid certificate, {} ids taken\n\
         Issued:      {} certificates since the start\nRunning for: {}",
        status.controller_id,
        status.address,
        status.agents_valid,
        status.agents_enrolled,
        status.enrolments,
        humantime::format_duration(Duration::from_secs(status.uptime_seconds)),
    )
}

const HELP: &str = "Commands:\n{subcommands}\n\n`help COMMAND` says more about one.";
