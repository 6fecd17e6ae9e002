//! The table itself, and the values that the commands' tests are made of.

use clap::CommandFactory;

use super::*;
use crate::agent::report::{AgentEntry, SessionReport, SessionStage};

#[allow(clippy::unwrap_used)]
pub(super) fn session(id: &str, peer: &str, stage: SessionStage) -> SessionReport {
    SessionReport {
        session_id: id.parse().unwrap(),
        peer_agent_id: peer.parse().unwrap(),
        peer_address: "https://localhost:5001".parse().unwrap(),
        initiated: true,
        stage,
        suite: a2a_core::crypto::kx::Suite::Modp2048MlKem768,
        created_at: a2a_core::time::UnixTime::from_secs(1_771_200_000),
        sent: 2,
        received: 1,
        safety_code: None,
    }
}

#[allow(clippy::unwrap_used)]
pub(super) fn entry(id: &str) -> AgentEntry {
    AgentEntry {
        agent_id: id.parse().unwrap(),
        name: "Helper Agent".into(),
        address: "https://localhost:5001".parse().unwrap(),
        key_id: serde_json::from_value("ab".repeat(32).into()).unwrap(),
        expires_at: a2a_core::time::UnixTime::from_secs(1_771_286_400),
        is_self: false,
    }
}

#[test]
fn the_table_is_sound() {
    AgentCommand::command().debug_assert();
}

#[test]
fn every_command_of_the_issue_is_there() {
    for line in [
        "setup",
        "info",
        "agents",
        "request",
        "request https://localhost:5001 helper_agent_001 --purpose lunch",
        "sessions",
        "keyexchange",
        "keyexchange 1",
        "communicate",
        "communicate helper_agent_001",
        "close",
        "close 4e35",
        "status",
        "wait request",
        "wait session",
        "wait message --timeout 5s",
        "wait closed",
        "y",
        "yes",
        "n",
        "no",
        "exit",
        "quit",
    ] {
        assert!(AgentCommand::try_parse_from(line.split(' ')).is_ok(), "{line}");
    }
    assert!(AgentCommand::try_parse_from(["send", "helper_agent_001 -- hello"]).is_ok());
    assert!(AgentCommand::try_parse_from(["send", "--really?"]).is_ok());
}

#[test]
fn what_does_not_fit_is_refused() {
    for line in ["", "send", "setup now", "wait", "wait rain", "wait message --timeout soon", "accept"] {
        assert!(AgentCommand::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
}

#[test]
fn help_names_every_command_with_what_it_does() {
    let help = AgentCommand::command().render_help().to_string();
    for command in AgentCommand::command().get_subcommands() {
        assert!(help.contains(command.get_name()), "{help}");
        assert!(command.get_about().is_some(), "{} has no description", command.get_name());
    }
}
