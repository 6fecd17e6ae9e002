//! A machine of its own for each test: a throw-away directory, a controller in a terminal, and agents beside it.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::program::command;
use crate::terminal::Terminal;

/// Where the programs of one test live.
pub(crate) struct Place {
    pub(crate) controller: Terminal,
    controller_url: String,
    dir: TempDir,
}

impl Place {
    /// With a controller that is ready.
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut controller = Terminal::start(command("controller", dir.path()), "controller> ");
        let greeting = controller.sees_beginning("controller_001 listening on ");
        let controller_url = greeting.split(';').next().unwrap().to_owned();
        Self { controller, controller_url, dir }
    }

    /// Where a program here keeps its files.
    pub(crate) fn data(&self, program: &str) -> PathBuf {
        self.dir.path().join(program)
    }

    /// A command for an agent here.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = command(program, self.dir.path());
        command.env("A2A_CONTROLLER", &self.controller_url);
        command
    }

    /// An agent in a terminal of its own, and the address at which it is found.
    pub(crate) fn agent(&self, program: &str) -> (Terminal, String) {
        agent(self.command(program), program)
    }

    /// The same, enrolled.
    pub(crate) fn enrolled(&self, program: &str) -> (Terminal, String) {
        let (mut terminal, address) = self.agent(program);
        terminal.command("setup");
        terminal.sees("✓ Certificate stored");
        (terminal, address)
    }

    /// The traveller and the helper, enrolled; the traveller has been given a session with the helper.
    pub(crate) fn with_session(&self) -> (Terminal, Terminal, String) {
        let (mut traveller, _) = self.enrolled("traveller");
        let (mut helper, address) = self.enrolled("helper");
        traveller.command(&format!("request {address} helper_agent_001"));
        helper.sees("Do you want to accept? (y/n):");
        helper.command("y");
        let id = helper.sees_beginning("✓ Request accepted. Session created: ");
        traveller.sees(&format!("✓ Request accepted. Session created: {id}"));
        (traveller, helper, id)
    }
}

/// Starts an agent in a terminal and reads its greeting.
pub(crate) fn agent(command: Command, program: &str) -> (Terminal, String) {
    let mut terminal = Terminal::start(command, &format!("{program}_1> "));
    let greeting = terminal.sees_beginning(&format!("{program} listening on "));
    let port = greeting.split_whitespace().next().and_then(|url| url.rsplit(':').next()).unwrap();
    let address = format!("https://localhost:{port}");
    (terminal, address)
}
