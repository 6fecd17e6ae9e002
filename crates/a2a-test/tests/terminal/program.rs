//! The binaries under test: built once, found, and given a place and an environment of their own.

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use a2a_test::binaries;
use rustix::process::{Pid, Signal, kill_process};

/// A command for `program`, whose files are in `dir`; nothing of the environment reaches it that could change it.
pub(crate) fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(binaries::folder().join(program));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("A2A_") {
            command.env_remove(name);
        }
    }
    command.env_remove("NO_COLOR").env_remove("CLICOLOR").env("TERM", "xterm-256color");
    command.arg("--data-dir").arg(dir.join(program)).arg("--ca-file").arg(dir.join("ca.pem"));
    on_port(command, "0")
}

/// The same on a port of its own; 0 takes any free one.
pub(crate) fn on_port(mut command: Command, port: &str) -> Command {
    command.env("A2A_LISTEN", format!("127.0.0.1:{port}"));
    command
}

/// Runs a command to its end, with `input` on stdin.
pub(crate) fn run(mut command: Command, input: &str) -> Ended {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let pid = Pid::from_child(&child);
    // Dropped at once: the input has an end. A program that has refused to start does not read it.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), input.as_bytes());
    let (sender, ended) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output().unwrap()));
    if let Ok(output) = ended.recv_timeout(PATIENCE) {
        return Ended::of(&output);
    }
    kill_process(pid, Signal::KILL).unwrap();
    panic!("{command:?} does not end; it said: {:?}", ended.recv().map(|output| Ended::of(&output)));
}

/// What is left of a program.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Self { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }

    /// Its output, a JSON object a line.
    pub(crate) fn json(&self) -> Vec<serde_json::Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Sends a signal.
pub(crate) fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

/// How long anything may take: far more than it does, even on a loaded machine.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);
