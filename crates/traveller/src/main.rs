//! The agent that asks: a daemon and a REPL. All it does is in `a2a-node`; here it gets its name.

use std::process::ExitCode;

use a2a_node::agent::{Agent, Profile};

struct Traveller;

impl Agent for Traveller {
    fn profile(&self) -> Profile {
        Profile {
            program: "traveller",
            agent_id: "traveller_agent_001",
            name: "Traveller Agent",
            prompt: "traveller_1",
            port: 5002,
            methods: &["chat"],
        }
    }
}

fn main() -> ExitCode {
    a2a_node::program::run(Traveller)
}
