//! Two programs that talk to each other, whatever happens to them: what they say and hear is kept in a [`Ledger`] for each
//! direction, and whoever is down is started again on its files and its port.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use a2a_core::agent_id::AgentAddress;
use serde_json::Value;

use crate::arena::{AgentProcess, Arena};
use crate::ledger::{Figures, Ledger};
use crate::soon;

/// Where one of the two is, before it has been started and ever after.
#[derive(Debug, Clone)]
pub struct Place {
    /// The agent's id, and the name of its folder.
    pub name: String,
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where it is reached, if not there.
    pub address: Option<AgentAddress>,
}

/// The two: the first one asks, the second one is asked.
#[derive(Debug)]
pub struct Pair {
    arena: Arc<Arena>,
    talkers: [Talker; 2],
    /// The one they talk over.
    pub session: Option<String>,
    /// How often one of them was started again.
    pub restarts: usize,
    /// How often one had to enrol again for that.
    pub setups: usize,
}

#[derive(Debug)]
struct Talker {
    program: &'static str,
    options: Vec<String>,
    agent: AgentProcess,
    says: Ledger,
    hears: Ledger,
    is_down: bool,
}

/// Something that the two do together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The first asks for a session.
    Request,
    /// The first exchanges keys.
    KeyExchange,
    /// Whoever is named sends a message; if both are, at the same time.
    Messages {
        /// The first does.
        first: bool,
        /// The second does.
        second: bool,
    },
}

/// Why a step was not taken: the error of a command, or that nobody was there to answer.
pub type Failed = String;

impl Place {
    /// A place with a port that is nobody's, not even a client's: it is free again after a crash.
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        // Runs that begin one after the other begin far from each other.
        let start = std::process::id().wrapping_mul(997);
        let listen = loop {
            let turn = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
            let port = start.wrapping_add(turn) % u32::from(PORTS.1 - PORTS.0) + u32::from(PORTS.0);
            let listen = SocketAddr::from(([127, 0, 0, 1], u16::try_from(port).unwrap()));
            if TcpListener::bind(listen).is_ok() {
                break listen;
            }
        };
        Self { name: name.to_owned(), listen, address: None }
    }
}

impl Pair {
    /// Both have enrolled, and take whoever asks.
    pub async fn start(arena: Arc<Arena>, places: [Place; 2]) -> Self {
        let [there, back] = [0, 1].map(|index| Ledger::new(&format!("from {}", places[index].name)));
        let [first, second] = &places;
        let talkers = [
            Talker::start(&arena, "traveller", first, [&there, &back]).await,
            Talker::start(&arena, "helper", second, [&back, &there]).await,
        ];
        Self { arena, talkers, session: None, restarts: 0, setups: 0 }
    }

    /// Takes a step. Whoever cannot is down afterwards, as every program is after a command that failed.
    pub async fn take(&mut self, step: Step) -> Result<(), Failed> {
        let [first, second] = &mut self.talkers;
        match step {
            Step::Request => {
                let peer = &second.agent;
                let answer = first.run(&format!("request {} {}", peer.address, peer.id)).await?;
                self.session = Some(answer["session_id"].as_str().unwrap().to_owned());
            }
            Step::KeyExchange => {
                let session = self.session.as_ref().unwrap();
                first.run(&format!("keyexchange {session}")).await?;
            }
            Step::Messages { first: by_first, second: by_second } => {
                let session = self.session.as_ref().unwrap();
                let (one, two) = tokio::join!(first.say(session, by_first), second.say(session, by_second));
                one.and(two)?;
            }
        }
        Ok(())
    }

    /// A session, with keys.
    pub async fn meet(&mut self) -> Result<(), Failed> {
        self.take(Step::Request).await?;
        self.take(Step::KeyExchange).await
    }

    /// Closes the session. Only the first one's word counts.
    pub async fn part(&mut self) -> Result<(), Failed> {
        let session = self.session.take().unwrap();
        self.talkers[0].run(&format!("close {session}")).await.map(drop)
    }

    /// What kills one of them, while they take a step. It counts as down from now on.
    pub fn doom(&mut self, index: usize) -> impl FnOnce() + use<> {
        self.talkers[index].is_down = true;
        self.talkers[index].agent.killer()
    }

    /// Starts whoever is down. `gently` lets it end by itself what it has not been killed in; else it is killed.
    pub async fn recover(&mut self, gently: bool) {
        for talker in &mut self.talkers {
            if talker.is_down {
                talker.end(gently).await;
                self.setups += usize::from(talker.start_again(&self.arena).await);
                self.restarts += 1;
                self.session = None;
            }
        }
    }

    /// Waits until all has come out that has been acknowledged.
    pub async fn catch_up(&mut self) {
        for talker in self.talkers.iter_mut().filter(|talker| !talker.is_down) {
            talker.catch_up().await;
        }
    }

    /// Ends both, and reads all that they have printed. What was counted, both directions together.
    pub async fn end(&mut self) -> Figures {
        let mut figures = Figures::default();
        for talker in &mut self.talkers {
            talker.end(false).await;
            figures += talker.hears.figures();
        }
        figures
    }

    /// How many messages have been acknowledged, both directions together.
    pub fn acknowledged(&self) -> usize {
        self.talkers.iter().map(|talker| talker.says.figures().acknowledged).sum()
    }

    /// What did not fit, since the last time that somebody asked.
    pub fn flaws(&self) -> Vec<String> {
        self.talkers.iter().flat_map(|talker| talker.hears.flaws()).collect()
    }
}

impl Talker {
    async fn start(arena: &Arena, program: &'static str, place: &Place, [says, hears]: [&Ledger; 2]) -> Self {
        let data_dir = arena.world.path().join(&place.name).display().to_string();
        let listen = place.listen.to_string();
        let own =
            ["--data-dir", &data_dir, "--agent-id", &place.name, "--listen", &listen, "--accept", "all"];
        let address = place.address.iter().flat_map(|address| ["--address", address.as_str()]);
        let options: Vec<_> = own.into_iter().chain(address).map(str::to_owned).collect();
        let agent = arena.agent(program, &words(&options)).await;
        Self { program, options, agent, says: says.clone(), hears: hears.clone(), is_down: false }
    }

    /// Types a command; its result.
    async fn run(&mut self, command: &str) -> Result<Value, Failed> {
        let answer = soon(command, self.agent.repl.run(command)).await;
        let told = self.agent.repl.told();
        self.listen(&told);
        match answer {
            Some(mut line) if line["ok"] == true => Ok(line["result"].take()),
            other => {
                self.is_down = true;
                Err(other.map_or_else(|| "it is gone".to_owned(), |line| line["error"].to_string()))
            }
        }
    }

    async fn say(&mut self, session: &str, really: bool) -> Result<(), Failed> {
        if really {
            let text = self.says.say(session);
            self.run(&format!("send {session} {text}")).await?;
            self.says.acknowledged(&text);
        }
        Ok(())
    }

    fn listen(&self, notices: &[Value]) {
        for notice in notices.iter().filter(|notice| notice["event"] == "message") {
            self.hears.heard(&notice["detail"]);
        }
    }

    async fn catch_up(&mut self) {
        while self.hears.owed() > 0 {
            let detail = self.agent.repl.notice("message").await;
            self.hears.heard(&detail);
        }
    }

    async fn end(&mut self, gently: bool) {
        if !gently {
            self.agent.kill().await;
        }
        let told = soon("the end of a program", self.agent.repl.last_words()).await;
        self.listen(&told);
        self.hears.hearer_is_gone();
        // Waits for it as well.
        self.agent.kill().await;
    }

    /// On its files and its port. Says whether it had to enrol.
    async fn start_again(&mut self, arena: &Arena) -> bool {
        self.agent = arena.just_started(self.program, &words(&self.options)).await;
        self.is_down = false;
        let status = self.agent.done("status").await;
        let is_strange = status["certificate_expires_at"].is_null();
        if is_strange {
            self.agent.done("setup").await;
        }
        is_strange
    }
}

fn words(options: &[String]) -> Vec<&str> {
    options.iter().map(String::as_str).collect()
}

/// Where no client gets its port from, on Linux and macOS.
const PORTS: (u16, u16) = (20_000, 32_000);
