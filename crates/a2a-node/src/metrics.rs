//! What a node counts and measures, in the `OpenMetrics` text format.
//!
//! Each node has its own [`Metrics`]; nothing is global. A label is always a word of this program, never of a peer: what
//! the methods take are closed enums and `&'static str`, and routes are the templates that the router matched. So no
//! peer can make the number of series grow, and no secret can get among them.
//!
//! Where it is asked for, `http::operations` decides.

use std::borrow::Cow;
use std::time::Duration;

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::kx::modp::exponentiations;
use axum::extract::MatchedPath;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

/// One node's numbers.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    enrolments: Counters<2>,
    renewals: Counters<1>,
    revocations: Counter,
    handshakes: Counters<3>,
    handshake_seconds: Histogram,
    sessions: Gauge,
    messages: Counters<1>,
    /// Two of `messages`, at hand: every message counts.
    messages_sent: Counter,
    messages_received: Counter,
    rejects: Counters<1>,
    queues: Family<Labels<1>, Gauge>,
    http_seconds: Family<HttpLabels, Histogram, fn() -> Histogram>,
    database_seconds: Histogram,
}

/// Which numbers a node shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    /// It shakes hands and carries messages.
    Agent,
    /// It enrols and revokes.
    Controller,
}

/// Declares a closed list of label values.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[$doc])* $variant),+ }

        impl $name {
            /// The word, as it stands in a label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// How something ended.
    Outcome {
        /// As it should.
        Done = "done",
        /// It waits for a person.
        Pending = "pending",
        /// Somebody or some rule said no.
        Refused = "refused",
        /// It broke: time, network, disk.
        Failed = "failed",
    }
}

words! {
    /// What an enrolment rests on.
    EnrolledBy {
        /// Nothing: whoever comes first.
        Open = "open",
        /// A person's word.
        Approval = "approval",
        /// A join token.
        Token = "token",
        /// The key that the id is bound to.
        Key = "key",
    }
}

words! {
    /// Which side of a handshake.
    Role {
        /// Who asked.
        Initiator = "initiator",
        /// Who was asked.
        Responder = "responder",
    }
}

words! {
    /// Which way a message went.
    Direction {
        /// Out.
        Sent = "sent",
        /// In.
        Received = "received",
    }
}

words! {
    /// Where things wait.
    Queue {
        /// Frames that wait to be acknowledged, of all sessions.
        Outbox = "outbox",
        /// Requests that wait for a person's consent.
        Consent = "consent",
        /// Notices that wait to be shown.
        Events = "events",
        /// Enrolments that wait for the operator.
        Approvals = "approvals",
        /// Requests that are held until there is news.
        Held = "held",
    }
}

impl Metrics {
    /// Everything at zero.
    pub fn new(kind: NodeKind) -> Self {
        let messages = Counters::<1>::default();
        let of = |direction: Direction| messages.get_or_create_owned(&[("direction", direction.as_str())]);
        let (messages_sent, messages_received) = (of(Direction::Sent), of(Direction::Received));
        let mut metrics = Self {
            registry: Registry::with_prefix("a2a"),
            enrolments: Family::default(),
            renewals: Family::default(),
            revocations: Counter::default(),
            handshakes: Family::default(),
            handshake_seconds: quick(),
            sessions: Gauge::default(),
            messages,
            messages_sent,
            messages_received,
            rejects: Family::default(),
            queues: Family::default(),
            http_seconds: Family::new_with_constructor(patient),
            database_seconds: quick(),
        };
        metrics.register_common();
        match kind {
            NodeKind::Agent => metrics.register_agent(),
            NodeKind::Controller => metrics.register_controller(),
        }
        metrics
    }

    /// An agent's certificate was asked for, or not granted. On the controller.
    pub fn enrolment(&self, by: EnrolledBy, outcome: Outcome) {
        self.enrolments.get_or_create(&[("mode", by.as_str()), ("outcome", outcome.as_str())]).inc();
    }

    /// A certificate was to be renewed: on the controller any agent's, on an agent its own.
    pub fn renewal(&self, outcome: Outcome) {
        self.renewals.get_or_create(&[("outcome", outcome.as_str())]).inc();
    }

    /// An agent was revoked or banned. On the controller.
    pub fn revocation(&self) {
        self.revocations.inc();
    }

    /// A handshake ended, so long after it began. On an agent.
    pub fn handshake(&self, suite: Suite, role: Role, outcome: Outcome, took: Duration) {
        let labels = [("suite", suite.as_str()), ("role", role.as_str()), ("outcome", outcome.as_str())];
        self.handshakes.get_or_create(&labels).inc();
        self.handshake_seconds.observe(took.as_secs_f64());
    }

    /// So many sessions are live now. On an agent.
    pub fn live_sessions(&self, count: usize) {
        self.sessions.set(gauge(count));
    }

    /// So many messages were sent or received, each counted once. On an agent.
    pub fn messages(&self, direction: Direction, count: u64) {
        match direction {
            Direction::Sent => self.messages_sent.inc_by(count),
            Direction::Received => self.messages_received.inc_by(count),
        };
    }

    /// Something was refused or ignored for a reason, which is one of this program's words, as `handshake_failed`. Every
    /// error that is answered over HTTP is counted already, under its code.
    pub fn reject(&self, reason: &'static str) {
        self.rejects.get_or_create(&[("reason", reason)]).inc();
    }

    /// So much waits there now.
    pub fn queue(&self, queue: Queue, length: usize) {
        self.queues.get_or_create(&[("queue", queue.as_str())]).set(gauge(length));
    }

    /// The database took so long for a transaction. On the controller.
    pub fn database(&self, took: Duration) {
        self.database_seconds.observe(took.as_secs_f64());
    }

    /// A request was answered. `route` is the template that the router matched.
    pub(crate) fn http(&self, route: Route, status_class: &'static str, took: Duration) {
        let labels = [("route", route.0), ("status", status_class.into())];
        self.http_seconds.get_or_create(&labels).observe(took.as_secs_f64());
    }

    /// All of it, in the format of [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail, and no metric here refuses to be written.
        let _ = encode(&mut text, &self.registry);
        text
    }

    fn register_common(&mut self) {
        self.register("renewals", "Certificates that were to be renewed", self.renewals.clone());
        self.register("rejects", "What was refused or ignored, by reason", self.rejects.clone());
        self.register("queue_length", "What waits, by queue", self.queues.clone());
        let http = self.http_seconds.clone();
        self.register_seconds("http_request", "How long requests took to be answered", http);
    }

    fn register_agent(&mut self) {
        self.register("handshakes", "Handshakes that ended", self.handshakes.clone());
        self.register_seconds("handshake", "How long handshakes took", self.handshake_seconds.clone());
        self.register("sessions", "Sessions that are live", self.sessions.clone());
        self.register("messages", "Messages sent and received", self.messages.clone());
        self.registry.register_collector(Box::new(Exponentiations));
    }

    fn register_controller(&mut self) {
        self.register("enrolments", "Enrolments, by what they rest on", self.enrolments.clone());
        self.register("revocations", "Agents revoked or banned", self.revocations.clone());
        self.register_seconds("database", "How long transactions took", self.database_seconds.clone());
    }

    fn register(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.registry.register(name, help, metric);
    }

    fn register_seconds(&mut self, name: &str, help: &str, metric: impl Metric) {
        self.registry.register_with_unit(name, help, Unit::Seconds, metric);
    }
}

/// What a flood of forgeries must not cost; the core counts them, for the process.
#[derive(Debug)]
struct Exponentiations;

impl Collector for Exponentiations {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let count = ConstCounter::new(exponentiations());
        let about = "Modular exponentiations that were begun";
        count.encode(encoder.encode_descriptor("exponentiations", about, None, count.metric_type())?)
    }
}

/// A route's template, or that there was none: whatever else a peer asks for is one series.
#[derive(Debug, Clone)]
pub(crate) struct Route(Cow<'static, str>);

impl Route {
    pub(crate) fn of(matched: Option<&MatchedPath>) -> Self {
        Self(matched.map_or("none".into(), |path| path.as_str().to_owned().into()))
    }
}

type Labels<const N: usize> = [(&'static str, &'static str); N];
type HttpLabels = [(&'static str, Cow<'static, str>); 2];
type Counters<const N: usize> = Family<Labels<N>, Counter>;

fn gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Buckets for what takes milliseconds.
fn quick() -> Histogram {
    Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0])
}

/// Buckets for what may be held until there is news.
fn patient() -> Histogram {
    Histogram::new([0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0, 30.0])
}

/// What [`Metrics::text`] is (`OpenMetrics` 1.0).
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_shows_what_agents_do() {
        let metrics = Metrics::new(NodeKind::Agent);
        metrics.handshake(Suite::Modp2048, Role::Initiator, Outcome::Done, Duration::from_millis(30));
        metrics.live_sessions(2);
        metrics.messages(Direction::Sent, 1);
        metrics.messages(Direction::Sent, 1);
        metrics.reject("busy");
        metrics.queue(Queue::Consent, 3);
        metrics.renewal(Outcome::Failed);
        // Nothing that an agent does.
        metrics.revocation();
        let text = metrics.text();
        for line in [
            "a2a_handshakes_total{suite=\"A2A-MODP2048\",role=\"initiator\",outcome=\"done\"} 1",
            "a2a_handshake_seconds_bucket{le=\"0.02\"} 0",
            "a2a_handshake_seconds_bucket{le=\"0.1\"} 1",
            "a2a_sessions 2",
            "a2a_messages_total{direction=\"sent\"} 2",
            "a2a_rejects_total{reason=\"busy\"} 1",
            "a2a_queue_length{queue=\"consent\"} 3",
            "a2a_renewals_total{outcome=\"failed\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n") && !text.contains("revocations"), "{text}");
    }

    #[test]
    fn a_controller_shows_what_controllers_do() {
        let metrics = Metrics::new(NodeKind::Controller);
        metrics.enrolment(EnrolledBy::Token, Outcome::Done);
        metrics.revocation();
        metrics.database(Duration::from_secs(1));
        let text = metrics.text();
        for line in [
            "a2a_enrolments_total{mode=\"token\",outcome=\"done\"} 1",
            "a2a_revocations_total 1",
            "a2a_database_seconds_count 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("sessions"), "{text}");
    }
}
