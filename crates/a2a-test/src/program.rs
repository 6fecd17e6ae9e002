//! Programs as real processes, to be killed and started again: a controller with its commands beside it, and agents.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use a2a_core::agent_id::AgentAddress;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use crate::{binaries, soon};

/// How the program `controller` is started, over and over.
#[derive(Debug, Clone)]
pub struct ControllerProgram {
    binary: PathBuf,
    arguments: Vec<String>,
    log: PathBuf,
}

/// A controller that runs in a process of its own. Dropped, it is killed.
#[derive(Debug)]
pub struct ControllerProcess {
    /// Where it listens.
    pub address: AgentAddress,
    /// What an operator types; whoever types takes it.
    pub repl: Option<Repl>,
    child: Child,
}

/// A program's REPL, in JSON.
#[derive(Debug)]
pub struct Repl {
    stdin: ChildStdin,
    /// What it says, read as it comes: a program that nobody reads stops.
    lines: mpsc::UnboundedReceiver<Value>,
    /// What it has told by itself, and nobody has asked for yet.
    notices: VecDeque<Value>,
}

impl Repl {
    /// Types a command. Its line of JSON; `None` if the controller is gone before it has answered.
    pub async fn run(&mut self, command: &str) -> Option<Value> {
        self.begin(command).await.ok()?;
        while let Some(line) = self.lines.recv().await {
            if line.get("command").is_some() {
                return Some(line);
            }
            self.notices.push_back(line);
        }
        None
    }

    /// Types a command, and does not wait for its answer.
    pub async fn begin(&mut self, command: &str) -> std::io::Result<()> {
        self.stdin.write_all(format!("{command}\n").as_bytes()).await
    }

    /// Waits for the next notice of this kind, and skips the others. Its detail.
    pub async fn notice(&mut self, kind: &str) -> Value {
        soon(kind, async {
            loop {
                let mut notice = match self.notices.pop_front() {
                    Some(notice) => notice,
                    None => self.lines.recv().await.expect("the program has ended"),
                };
                if notice["event"] == kind {
                    return notice["detail"].take();
                }
            }
        })
        .await
    }

    /// What has come by itself and has been read, without asking the program, which may have ended.
    pub fn told(&mut self) -> Vec<Value> {
        let mut told: Vec<_> = self.notices.drain(..).collect();
        while let Ok(line) = self.lines.try_recv() {
            told.push(line);
        }
        told
    }

    /// Waits until the program has closed its output, as it does at its end. All that it had still told.
    pub async fn last_words(&mut self) -> Vec<Value> {
        let mut told: Vec<_> = self.notices.drain(..).collect();
        while let Some(line) = self.lines.recv().await {
            told.push(line);
        }
        told
    }

    /// What it has told by itself up to now, and nobody has asked for.
    pub async fn notices(&mut self) -> Vec<Value> {
        self.run("status").await.expect("the program has ended");
        self.notices.drain(..).collect()
    }
}

impl ControllerProgram {
    /// The binary, working in `dir`, with `arguments` besides.
    pub fn new(dir: &Path, arguments: &[&str]) -> Self {
        let text = |path: PathBuf| path.display().to_string();
        let own = [
            "--data-dir".to_owned(),
            text(dir.join("controller")),
            "--ca-file".to_owned(),
            text(dir.join("ca.pem")),
        ];
        let quiet = if arguments.contains(&"--log") { &[][..] } else { &["--log", "error"] };
        let arguments = [quiet, arguments].concat();
        let arguments = own.into_iter().chain(arguments.iter().map(ToString::to_string)).collect();
        Self { binary: binaries::folder().join("controller"), arguments, log: dir.join("controller.log") }
    }

    /// Starts it on `listen`; returns once it serves.
    pub async fn start(&self, listen: &str) -> ControllerProcess {
        let mut command = Command::new(&self.binary);
        command.args(&self.arguments).args(["--json", "--listen", listen]);
        let (child, mut repl) = spawn(command, &self.log);
        let address = repl.notice("listening").await["address"].as_str().unwrap().parse().unwrap();
        ControllerProcess { address, repl: Some(repl), child }
    }

    /// The TLS root that it has published, PEM.
    pub fn tls_root(&self) -> String {
        std::fs::read_to_string(&self.arguments[3]).unwrap()
    }

    /// Runs one command beside whatever serves. What it prints with `--json`, and whether it exited with 0.
    pub async fn command(&self, command: &[&str]) -> (bool, Value) {
        let mut running = Command::new(&self.binary);
        running.args(&self.arguments).arg("--json").args(command).stdin(Stdio::null()).kill_on_drop(true);
        let output = soon("a command of the controller", running.output()).await.unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let last = text.lines().last().unwrap_or("null");
        (output.status.success(), serde_json::from_str(last).unwrap_or_else(|_| panic!("no JSON: {text}")))
    }

    /// As [`ControllerProgram::command`], which must succeed; its `result`.
    pub async fn done(&self, command: &[&str]) -> Value {
        let (ok, mut line) = self.command(command).await;
        assert!(ok, "{command:?}: {line}");
        line["result"].take()
    }
}

impl ControllerProcess {
    /// kill -9. What is typed into its REPL afterwards gets no answer.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }
}

/// Starts a program that is typed to and says everything in JSON; its log goes into a file. Dropped, it is killed.
pub(crate) fn spawn(mut command: Command, log: &Path) -> (Child, Repl) {
    std::fs::create_dir_all(log.parent().unwrap()).unwrap();
    let log = File::options().create(true).append(true).open(log).unwrap();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap()).lines();
    let (said, lines) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok(Some(line)) = stdout.next_line().await {
            // A line that is none is the end: the program has been killed in the middle of it.
            let Ok(line) = serde_json::from_str(&line) else { return };
            if said.send(line).is_err() {
                return;
            }
        }
    });
    let repl = Repl { stdin: child.stdin.take().unwrap(), lines, notices: VecDeque::new() };
    (child, repl)
}
