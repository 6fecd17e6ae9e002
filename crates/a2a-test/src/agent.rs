//! A running agent in a test's hands, and what it tells its person, expected one event after the other.

use std::collections::VecDeque;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::verify::VerifiedCertificate;
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::session::RekeyPolicy;
use a2a_node::agent::report::{
    ClosedReport, RenewalReport, SessionReport, SessionStage, SetupReport, SuccessionReport,
};
use a2a_node::agent::{AgentNode, Environment, Profile, RunningAgent};
use a2a_node::args::{Accept, AgentConfig};
use a2a_node::clock::Clock;
use a2a_node::error::NodeError;
use a2a_node::event::{ConsentRequest, EVENT_QUEUE, Event, EventReceiver, ReceivedMessage};
use a2a_node::http::MetricsReach;
use a2a_node::store::DataDir;
use tempfile::TempDir;
use tokio::sync::mpsc;
use uuid::Uuid;

use crate::world::World;
use crate::{keys, soon};

/// What an agent is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What it is told.
    pub config: AgentConfig,
    /// Its clock.
    pub clock: Clock,
    /// Its crypto library.
    pub provider: Provider,
    /// How long keys may serve.
    pub policy: RekeyPolicy,
    /// Whether it answers every text by itself, in capitals.
    pub answers: bool,
    /// Where its files are, kept for as long as they are needed.
    _home: Arc<TempDir>,
}

impl Settings {
    pub(crate) fn new(world: &World, name: &str) -> Self {
        let config = AgentConfig {
            passphrase: None,
            metrics: MetricsReach::Off,
            listen: "127.0.0.1:0".parse().unwrap(),
            data_dir: world.path().join(name),
            ca_file: world.ca_file().to_owned(),
            controller: world.controller().address().clone(),
            controller_fingerprint: None,
            join_token: None,
            agent_id: format!("{name}_agent_001").parse().unwrap(),
            name: format!("The {name}").parse().unwrap(),
            address: None,
            accept: Accept::Ask,
            suites: Suite::ALL.to_vec(),
            idle_timeout: Duration::from_mins(10),
            max_session_age: Duration::from_hours(12),
            consent_timeout: Duration::from_mins(2),
        };
        let (clock, policy) = (world.clock.clone(), RekeyPolicy::default());
        Self { config, clock, provider: available()[0], policy, answers: false, _home: world.home() }
    }
}

/// An agent, and the person beside it.
#[derive(Debug)]
pub struct Agent {
    /// The agent.
    pub node: AgentNode,
    name: &'static str,
    settings: Settings,
    local_addr: SocketAddr,
    running: RunningAgent,
    events: EventReceiver,
    /// Came while something about the agent's own identity was expected.
    others: VecDeque<Event>,
    /// Came while something else was expected.
    about_itself: VecDeque<Event>,
}

impl Agent {
    /// Starts an agent with the key of its name.
    pub async fn start(name: &'static str, mut settings: Settings) -> Result<Self, NodeError> {
        keys::put_secret(&settings.config.data_dir, "identity.key", &keys::pkcs8(name));
        let (sender, events) = mpsc::channel(EVENT_QUEUE);
        let environment = Environment {
            clock: settings.clock.clone(),
            provider: settings.provider,
            rekey_policy: settings.policy,
            // Tests look at events when they come to it.
            told_first: false,
        };
        let character = Arc::new(Character { answers: settings.answers });
        let running = AgentNode::start(character, settings.config.clone(), environment, sender).await?;
        let (node, local_addr) = (running.node.clone(), running.local_addr);
        settings.config.listen = local_addr;
        let (others, about_itself) = (VecDeque::new(), VecDeque::new());
        Ok(Self { node, name, settings, local_addr, running, events, others, about_itself })
    }

    /// Ends it in good order.
    pub async fn stop(self) -> (&'static str, Settings) {
        let Self { name, settings, running, node, .. } = self;
        running.shutdown().await.unwrap();
        drop(node);
        // The last connection's task may still be on its way out, with the directory's lock.
        soon("the data directory", async {
            while DataDir::open(&settings.config.data_dir).is_err() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        (name, settings)
    }

    /// Lets go of it without a word. Whoever owns its runtime ends it.
    pub fn abandon(self) -> (&'static str, Settings) {
        (self.name, self.settings)
    }

    /// Ends it in good order and starts it again, on the same files and port.
    pub async fn restart(self) -> Self {
        let (name, settings) = self.stop().await;
        let clock = settings.clock.clone();
        let agent = Self::start(name, settings).await.unwrap();
        clock.advance(Duration::from_secs(1));
        agent
    }

    /// Its id.
    pub fn id(&self) -> &AgentId {
        self.node.agent_id()
    }

    /// Its address, as in its card.
    pub fn address(&self) -> &AgentAddress {
        self.node.address()
    }

    /// Where it really listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Where its files are.
    pub fn data_dir(&self) -> &Path {
        &self.settings.config.data_dir
    }

    /// Enrols, as one whom `certs/ca.pem` tells whom to trust.
    pub async fn setup(&self) -> Result<SetupReport, NodeError> {
        self.node.setup(None, &|_| {}).await
    }

    /// Its certificate, as others verify it.
    pub fn certificate(&self, world: &World) -> VerifiedCertificate {
        let certificate = self.node.certificate().unwrap();
        world.anchor().verify(available()[0], certificate, None, world.clock.now()).unwrap()
    }

    /// Asks a peer for a session.
    pub fn ask(&self, peer: &Self) -> impl Future<Output = Result<SessionReport, NodeError>> + use<> {
        self.ask_at(peer.address().clone(), peer.id().clone())
    }

    /// Asks whoever has this id and address.
    pub fn ask_at(
        &self,
        address: AgentAddress,
        id: AgentId,
    ) -> impl Future<Output = Result<SessionReport, NodeError>> + use<> {
        let node = self.node.clone();
        async move { node.request(&address, &id, "to talk", &|_| {}).await }
    }

    /// Exchanges the keys.
    pub async fn exchange(&self, session_id: Uuid) -> Result<SessionReport, NodeError> {
        self.node.key_exchange(session_id, &|_| {}).await
    }

    /// Says something, which is acknowledged.
    pub async fn say(&self, session_id: Uuid, text: &str) {
        self.node.send(session_id, text).await.unwrap();
    }

    /// The session's report; there must be one.
    pub fn session(&self, session_id: Uuid) -> SessionReport {
        let mut sessions = self.node.sessions().into_iter();
        sessions.find(|session| session.session_id == session_id).unwrap()
    }

    /// Waits until it has the revocation list of this number, or a later one.
    pub async fn has_list(&self, number: u64) {
        soon("a revocation list", async {
            while self.node.status().revocations_number < Some(number) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// The next event about peers. What the agent tells of its own certificate, controller or list does not count here:
    /// see [`Agent::event_about_itself`].
    pub async fn event(&mut self) -> Event {
        loop {
            if let Some(event) = self.others.pop_front() {
                return event;
            }
            let event = soon("an event", self.events.recv()).await.unwrap();
            self.sort(event);
        }
    }

    /// The next event about the agent's own certificate, controller or list; what else comes waits for
    /// [`Agent::event`].
    pub async fn event_about_itself(&mut self) -> Event {
        loop {
            if let Some(event) = self.about_itself.pop_front() {
                return event;
            }
            let event = soon("an event about itself", self.events.recv()).await.unwrap();
            self.sort(event);
        }
    }

    /// The next event about itself: its certificate has been renewed.
    pub async fn renewed(&mut self) -> RenewalReport {
        match self.event_about_itself().await {
            Event::Renewed(report) => report,
            other => panic!("{}: {other:?} instead of a renewal", self.name),
        }
    }

    /// The next event about itself: it has followed the controller to another key.
    pub async fn followed(&mut self) -> SuccessionReport {
        match self.event_about_itself().await {
            Event::ControllerFollowed(report) => report,
            other => panic!("{}: {other:?} instead of a succession", self.name),
        }
    }

    /// The next event about itself: it has been revoked.
    pub async fn hears_of_its_revocation(&mut self) {
        let event = self.event_about_itself().await;
        assert!(matches!(event, Event::Revoked), "{}: {event:?}", self.name);
    }

    /// The next event about itself: its revocation list can no longer be relied on.
    pub async fn hears_that_its_list_is_stale(&mut self) {
        let event = self.event_about_itself().await;
        assert!(matches!(event, Event::RevocationsStale { .. }), "{}: {event:?}", self.name);
    }

    /// The next event: a request that waits for the person.
    pub async fn question(&mut self) -> ConsentRequest {
        match self.event().await {
            Event::ConsentWanted(question) => question,
            other => panic!("{}: {other:?} instead of a question", self.name),
        }
    }

    /// The next event: the question is no longer one.
    pub async fn withdrawn(&mut self) -> AgentId {
        match self.event().await {
            Event::ConsentWithdrawn { agent_id, .. } => agent_id,
            other => panic!("{}: {other:?} instead of a withdrawal", self.name),
        }
    }

    /// The next event: a session without keys.
    pub async fn created(&mut self) -> SessionReport {
        match self.event().await {
            Event::SessionCreated(session) => session,
            other => panic!("{}: {other:?} instead of a new session", self.name),
        }
    }

    /// The next event: a session with keys.
    pub async fn established(&mut self) -> SessionReport {
        match self.event().await {
            Event::SessionEstablished(session) => session,
            other => panic!("{}: {other:?} instead of keys", self.name),
        }
    }

    /// The next event: a message.
    pub async fn message(&mut self) -> ReceivedMessage {
        match self.event().await {
            Event::MessagesReceived(mut one) => one.remove(0),
            other => panic!("{}: {other:?} instead of a message", self.name),
        }
    }

    /// The next event: this text.
    pub async fn hears(&mut self, text: &str) {
        assert_eq!(self.message().await.text, text, "{}", self.name);
    }

    /// The next event: a session has ended.
    pub async fn closed(&mut self) -> ClosedReport {
        match self.event().await {
            Event::SessionClosed(closed) => closed,
            other => panic!("{}: {other:?} instead of an end", self.name),
        }
    }

    /// No event is waiting.
    pub fn hears_nothing(&mut self) {
        if let Some(event) = self.waiting() {
            panic!("{}: {event:?} instead of silence", self.name);
        }
    }

    /// No event about itself is waiting.
    pub fn hears_nothing_about_itself(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            self.sort(event);
        }
        assert!(self.about_itself.is_empty(), "{}: {:?}", self.name, self.about_itself);
    }

    /// Takes an event that is waiting, whatever it is.
    pub fn skip_event(&mut self) -> Option<()> {
        self.waiting().map(drop)
    }

    fn waiting(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.others.pop_front() {
                return Some(event);
            }
            let event = self.events.try_recv().ok()?;
            self.sort(event);
        }
    }

    /// Puts an event where it is looked for; messages one by one.
    fn sort(&mut self, event: Event) {
        match event {
            event if is_about_itself(&event) => self.about_itself.push_back(event),
            Event::MessagesReceived(messages) => {
                let singles = messages.into_iter().map(|message| Event::MessagesReceived(vec![message]));
                self.others.extend(singles);
            }
            event => self.others.push_back(event),
        }
    }

    /// Answers the next question with yes.
    pub async fn accepts(&mut self) {
        self.question().await.answer.send(true).unwrap();
        let session = self.created().await;
        assert_eq!((session.stage, session.initiated), (SessionStage::Pending, false));
    }

    /// Answers the next question with no.
    pub async fn rejects(&mut self) {
        self.question().await.answer.send(false).unwrap();
    }
}

fn is_about_itself(event: &Event) -> bool {
    matches!(
        event,
        Event::Renewed(_) | Event::ControllerFollowed(_) | Event::Revoked | Event::RevocationsStale { .. }
    )
}

#[derive(Debug)]
struct Character {
    answers: bool,
}

impl a2a_node::agent::Agent for Character {
    fn profile(&self) -> Profile {
        Profile {
            program: "test",
            agent_id: "test_agent_001",
            name: "Test",
            prompt: "test_1",
            port: 0,
            methods: &["chat"],
        }
    }

    fn reply(&self, _from: &AgentId, text: &str) -> Option<String> {
        self.answers.then(|| text.to_uppercase())
    }
}
