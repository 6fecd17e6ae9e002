//! Real processes: a controller and agents that are typed to in JSON, in a throw-away directory, at the system's time. Their
//! programs are those that [`binaries`] finds.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::verify::VerifiedCertificate;
use a2a_core::crypto::provider::available;
use serde_json::Value;
use tokio::process::{Child, Command};

use crate::binaries;
use crate::mallory::Target;
use crate::program::{ControllerProcess, ControllerProgram, Repl, spawn};
use crate::raw::Raw;
use crate::soon;
use crate::world::World;

/// Where programs meet.
#[derive(Debug)]
pub struct Arena {
    /// The directory, and the controller's key: with it, a test can be anybody.
    pub world: World,
    /// How the controller is started.
    pub program: ControllerProgram,
    /// The controller.
    pub controller: ControllerProcess,
    /// What the agents that are started from now on find in their environment.
    pub environment: Vec<(&'static str, String)>,
}

/// An agent in a process of its own. Dropped, it is killed.
#[derive(Debug)]
pub struct AgentProcess {
    /// What its person types and sees.
    pub repl: Repl,
    /// Its id.
    pub id: AgentId,
    /// Its address, as in its card.
    pub address: AgentAddress,
    /// Where it listens.
    pub socket: SocketAddr,
    /// Where its files are.
    pub data_dir: PathBuf,
    certificate: Option<AgentCertificate>,
    child: Child,
}

/// Which of a process's sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resident {
    /// The present one.
    Now,
    /// The largest up to now.
    AtMost,
}

impl Arena {
    /// With a controller that serves.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with further options.
    pub async fn start_with(options: &[&str]) -> Self {
        Self::start_in(World::of_programs(), options).await
    }

    /// The same, in a world that is there already.
    pub async fn start_in(world: World, options: &[&str]) -> Self {
        let program = ControllerProgram::new(world.path(), options);
        let controller = program.start("127.0.0.1:0").await;
        Self { world, program, controller, environment: Vec::new() }
    }

    /// An agent that has enrolled and takes requests. `program` is `helper`, `traveller` or `worker`.
    pub async fn agent(&self, program: &str, options: &[&str]) -> AgentProcess {
        let mut agent = self.stranger(program, options).await;
        agent.done("setup").await;
        agent.fetch_certificate().await;
        agent
    }

    /// An agent that has run and enrolled before, with its files.
    pub async fn agent_again(&self, program: &str, options: &[&str]) -> AgentProcess {
        let mut agent = self.stranger(program, options).await;
        agent.fetch_certificate().await;
        agent
    }

    /// An agent that runs and has not enrolled.
    pub async fn stranger(&self, program: &str, options: &[&str]) -> AgentProcess {
        let agent = self.just_started(program, options).await;
        self.next_second().await;
        agent
    }

    /// Waits for the next second: an agent takes no requests from the one in which it started, and this clock cannot be moved.
    pub async fn next_second(&self) {
        let started = self.world.clock.now();
        soon("the next second", async {
            while self.world.clock.now() <= started {
                tokio::time::sleep(POLL).await;
            }
        })
        .await;
    }

    /// An agent that has this moment begun to listen. `--data-dir` among the options says that it has files of its own, or
    /// has them back.
    pub async fn just_started(&self, program: &str, options: &[&str]) -> AgentProcess {
        let log = self.world.path().join(format!("{program}.log"));
        let mut command = self.command(program, options);
        command.arg("--json");
        let (child, mut repl) = spawn(command, &log);
        let detail = repl.notice("listening").await;
        let text = |field: &str| detail[field].as_str().unwrap();
        let (id, address) = (text("agent_id").parse().unwrap(), text("address").parse().unwrap());
        let socket = text("listen").parse().unwrap();
        let data_dir = self.data_dir(program, options);
        AgentProcess { repl, id, address, socket, data_dir, certificate: None, child }
    }

    /// What an agent says that does not start.
    pub async fn refused(&self, program: &str, options: &[&str]) -> String {
        let mut command = self.command(program, options);
        command.arg("--json");
        let output = soon("the end", command.stdin(Stdio::null()).kill_on_drop(true).output()).await.unwrap();
        assert!(!output.status.success());
        [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat()
    }

    /// How an agent is started that speaks to a person.
    pub fn command(&self, program: &str, options: &[&str]) -> Command {
        let mut command = Command::new(binaries::folder().join(program));
        command
            .args(["--ca-file", self.world.path().join("ca.pem").to_str().unwrap()])
            .args(["--controller", self.controller.address.as_str()]);
        let data_dir = self.data_dir(program, options);
        let data_dir = [DATA_DIR, data_dir.to_str().unwrap()];
        for unless_said in [["--log", "error"], ["--listen", "127.0.0.1:0"], data_dir] {
            if !options.contains(&unless_said[0]) {
                command.args(unless_said);
            }
        }
        command.args(options).current_dir(self.world.path()).env("TMPDIR", self.world.path());
        command.envs(self.environment.iter().cloned());
        command
    }

    fn data_dir(&self, program: &str, options: &[&str]) -> PathBuf {
        let told = options.iter().skip_while(|option| **option != DATA_DIR).nth(1);
        told.map_or_else(|| self.world.path().join(program), PathBuf::from)
    }
}

const DATA_DIR: &str = "--data-dir";
const POLL: Duration = Duration::from_millis(20);

impl AgentProcess {
    /// The certificate that it shows.
    pub fn certificate(&self) -> &AgentCertificate {
        self.certificate.as_ref().expect("it has not enrolled")
    }

    async fn fetch_certificate(&mut self) {
        let shown = Raw::default().get(self.socket, "/agent/certificate").await;
        self.certificate = Some(shown.read_as());
    }

    /// Types a command. The whole line that it answers with.
    pub async fn run(&mut self, command: &str) -> Value {
        soon(command, self.repl.run(command)).await.expect("the agent has ended")
    }

    /// Types a command, which must succeed; its result.
    pub async fn done(&mut self, command: &str) -> Value {
        let mut line = self.run(command).await;
        assert_eq!(line["ok"], true, "{line}");
        line["result"].take()
    }

    /// Types a command, which must fail and thereby ends the agent, as it ends a script; the error's code.
    pub async fn fails(&mut self, command: &str) -> String {
        let line = self.run(command).await;
        assert_eq!(line["ok"], false, "{line}");
        line["error"]["code"].as_str().unwrap().to_owned()
    }

    /// Asks an agent that accepts, and exchanges keys; the session's id.
    pub async fn connect(&mut self, peer: &Self) -> String {
        let session = self.done(&format!("request {} {}", peer.address, peer.id)).await;
        let id = session["session_id"].as_str().unwrap().to_owned();
        self.done(&format!("keyexchange {id}")).await;
        id
    }

    /// Waits until this text has come.
    pub async fn hears(&mut self, text: &str) {
        assert_eq!(self.repl.notice("message").await["text"], text);
    }

    /// Nothing has come up to now.
    pub async fn hears_nothing(&mut self) {
        let notices = self.repl.notices().await;
        assert!(notices.iter().all(|notice| notice["event"] != "message"), "{notices:?}");
    }

    /// How many of its sessions are at this stage.
    pub async fn sessions(&mut self, stage: &str) -> usize {
        let sessions = self.done("sessions").await;
        sessions.as_array().unwrap().iter().filter(|session| session["stage"] == stage).count()
    }

    /// One of its counters: the sum over its labels.
    pub async fn counter(&self, name: &str) -> u64 {
        let text = Raw::default().get(self.socket, "/metrics").await.text();
        let of_name = |line: &&str| line.split(['{', ' ']).next() == Some(name);
        text.lines()
            .filter(of_name)
            .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
            .sum()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the agent has ended")
    }

    /// What its process holds in memory now, or has held at most.
    pub fn resident_mib(&self, when: Resident) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()));
        let status = status.expect("this needs Linux");
        let field = match when {
            Resident::Now => "VmRSS:",
            Resident::AtMost => "VmHWM:",
        };
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    }

    /// Ends it as a crash does that would leave a core behind.
    pub async fn abort(&mut self) {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::ABORT).unwrap();
        self.child.wait().await.unwrap();
    }

    /// kill -9.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// Kills it, while somebody else may be waiting for what it says.
    pub fn killer(&self) -> impl FnOnce() + use<> {
        let pid = rustix::process::Pid::from_raw(i32::try_from(self.pid()).unwrap()).unwrap();
        move || {
            // Nobody else has this number before the process has been waited for. It may have ended by itself.
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

impl Target for AgentProcess {
    fn socket(&self) -> SocketAddr {
        self.socket
    }

    fn verified(&self, world: &World) -> VerifiedCertificate {
        let certificate = self.certificate().clone();
        world.anchor().verify(available()[0], certificate, None, world.clock.now()).unwrap()
    }
}

/// Waits until a file that a program writes has this text in it.
pub async fn file_holds(file: &Path, text: &str) {
    soon(text, async {
        // The end may be in the middle of a character.
        while !String::from_utf8_lossy(&std::fs::read(file).unwrap()).contains(text) {
            tokio::time::sleep(POLL).await;
        }
    })
    .await;
}

/// Copies a program's directory, as a backup or a snapshot of the machine does.
pub fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, std::fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let there = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_files(&entry.path(), &there);
        } else {
            std::fs::copy(entry.path(), there).unwrap();
        }
    }
}
