//! The agent that nobody has to look after: it enrols by itself, accepts by policy and answers messages by
//! itself.

use std::process::ExitCode;

use a2a_core::agent_id::AgentId;
use a2a_node::agent::{Agent, Profile};

struct Worker;

impl Agent for Worker {
    fn profile(&self) -> Profile {
        Profile {
            program: "worker",
            agent_id: "worker_agent_001",
            name: "Worker Agent",
            prompt: "worker_1",
            port: 5003,
            methods: &["upper", "count"],
        }
    }

    fn unattended(&self) -> bool {
        true
    }

    fn reply(&self, _from: &AgentId, text: &str) -> Option<String> {
        Some(match text.trim().split_once(' ').unwrap_or((text.trim(), "")) {
            ("upper", words) => words.to_uppercase(),
            ("count", words) => format!("{} words", words.split_whitespace().count()),
            _ => format!("Received {} characters. I can do: upper TEXT, count TEXT", text.chars().count()),
        })
    }
}

fn main() -> ExitCode {
    a2a_node::program::run(Worker)
}
