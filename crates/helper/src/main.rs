//! The agent that is asked: a daemon and a REPL. All it does is in `a2a-node`; here it gets its name.

use std::process::ExitCode;

use a2a_node::agent::{Agent, Profile};

struct Helper;

impl Agent for Helper {
    fn profile(&self) -> Profile {
        Profile {
            program: "helper",
            agent_id: "helper_agent_001",
            name: "Helper Agent",
            prompt: "helper_1",
            port: 5001,
            methods: &["chat"],
        }
    }
}

fn main() -> ExitCode {
    a2a_node::program::run(Helper)
}
