//! Real processes: a controller and agents that are typed to in JSON, in a throw-away directory, at the system's time. Their
//! programs are those that [`binaries`] finds.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Stdio;

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

impl Arena {
    /// With a controller that serves.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The same, with further options.
    pub async fn start_with(options: &[&str]) -> Self {
        let world = World::of_programs();
        let program = ControllerProgram::new(world.path(), options);
        let controller = program.start("127.0.0.1:0").await;
        Self { world, program, controller }
    }

    /// An agent that has enrolled and takes requests. `program` is `helper`, `traveller` or `worker`.
    pub async fn agent(&self, program: &str, options: &[&str]) -> AgentProcess {
        let mut agent = self.stranger(program, options).await;
        agent.done("setup").await;
        let certificate = Raw::default().get(agent.socket, "/agent/certificate").await;
        agent.certificate = Some(certificate.read_as());
        agent
    }

    /// An agent that runs and has not enrolled.
    pub async fn stranger(&self, program: &str, options: &[&str]) -> AgentProcess {
        let log = self.world.path().join(format!("{program}.log"));
        let (child, mut repl) = spawn(self.command(program, options), &log);
        let detail = repl.notice("listening").await;
        let text = |field: &str| detail[field].as_str().unwrap();
        let (id, address) = (text("agent_id").parse().unwrap(), text("address").parse().unwrap());
        let socket = text("listen").parse().unwrap();
        // It takes no requests from the second in which it started, and this clock cannot be moved.
        let started = self.world.clock.now();
        soon("the next second", async {
            while self.world.clock.now() <= started {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        })
        .await;
        let data_dir = self.world.path().join(program);
        AgentProcess { repl, id, address, socket, data_dir, certificate: None, child }
    }

    /// What an agent says that does not start.
    pub async fn refused(&self, program: &str, options: &[&str]) -> String {
        let mut command = self.command(program, options);
        let output = soon("the end", command.stdin(Stdio::null()).output()).await.unwrap();
        assert!(!output.status.success());
        [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat()
    }

    fn command(&self, program: &str, options: &[&str]) -> Command {
        let mut command = Command::new(binaries::folder().join(program));
        command
            .arg("--data-dir")
            .arg(self.world.path().join(program))
            .arg("--ca-file")
            .arg(self.world.path().join("ca.pem"));
        command.args(["--controller", self.controller.address.as_str(), "--json"]);
        for unless_said in [["--log", "error"], ["--listen", "127.0.0.1:0"]] {
            if !options.contains(&unless_said[0]) {
                command.args(unless_said);
            }
        }
        command.args(options).current_dir(self.world.path()).env("TMPDIR", self.world.path());
        command
    }
}

impl AgentProcess {
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
}

impl Target for AgentProcess {
    fn socket(&self) -> SocketAddr {
        self.socket
    }

    fn verified(&self, world: &World) -> VerifiedCertificate {
        let certificate = self.certificate.clone().expect("it has not enrolled");
        world.anchor().verify(available()[0], certificate, None, world.clock.now()).unwrap()
    }
}
