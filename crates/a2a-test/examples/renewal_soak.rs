//! 50 agents whose certificates last 20 s hold sessions for five minutes, while the controller is away for a third of each
//! life: no certificate ends, no session is lost.
//!
//! Run by `scripts/evidence/renewal-soak`. Takes `[SECONDS]`.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use a2a_node::agent::AgentNode;
use a2a_node::args::Accept;
use a2a_node::clock::Clock;
use a2a_node::event::Event;
use a2a_test::agent::Agent;
use a2a_test::world::World;
use tokio::time::sleep;
use uuid::Uuid;

#[derive(Debug, Default)]
struct Counts {
    messages: AtomicU64,
    failed: AtomicU64,
    closed: AtomicU64,
}

#[tokio::main]
async fn main() {
    let seconds = std::env::args().nth(1).map_or(300, |text| text.parse().unwrap());
    let mut world = World::with_config(Clock::System, |config| {
        config.certificate_life = LIFE;
        config.revocation_life = LIFE;
        // All of them come from one address.
        config.source_rate = NonZeroU32::new(1000).unwrap();
    })
    .await;
    let (over, counts) = (Arc::new(AtomicBool::new(false)), Arc::new(Counts::default()));
    let mut nodes = Vec::new();
    for number in 0..AGENTS {
        let name: &'static str = format!("soak{number}").leak();
        let agent = world.agent_with(name, |settings| settings.config.accept = Accept::All).await;
        nodes.push(agent.node.clone());
        tokio::spawn(drain(agent, counts.clone(), over.clone()));
    }
    // An agent takes no requests from the second in which it started.
    sleep(Duration::from_secs(2)).await;
    let sessions = sessions(&nodes).await;
    let talking: Vec<_> = nodes
        .chunks(2)
        .zip(&sessions)
        .flat_map(|(pair, session)| pair.iter().map(|node| (node.clone(), *session)))
        .map(|(node, session)| tokio::spawn(talk(node, session, counts.clone(), over.clone())))
        .collect();
    let watching = tokio::spawn(watch(nodes.clone(), over.clone()));

    let started = Instant::now();
    let mut outages = 0;
    while started.elapsed() < Duration::from_secs(seconds) {
        sleep(LIFE * 2 / 3).await;
        world.stop_controller().await;
        outages += 1;
        sleep(LIFE / 3).await;
        world.start_controller().await;
        eprintln!("{} s of {seconds}, {outages} outages", started.elapsed().as_secs());
    }
    over.store(true, Ordering::SeqCst);
    for task in talking {
        task.await.unwrap();
    }
    let (elapsed, away) = (started.elapsed().as_secs(), (LIFE / 3).as_secs_f64());
    let life = LIFE.as_secs();
    println!(
        "{AGENTS} agents, {elapsed} s, certificates of {life} s, controller away {outages} times for {away:.1} s"
    );
    judge(&nodes, &sessions, watching.await.unwrap(), &counts, elapsed / life);
}

/// Prints what has become of all, and panics if anything was lost.
fn judge(
    nodes: &[AgentNode],
    sessions: &[Uuid],
    (expired, serials): (usize, usize),
    counts: &Counts,
    lives: u64,
) {
    let alive =
        |node: &AgentNode, session: &Uuid| node.sessions().iter().any(|entry| entry.session_id == *session);
    let pairs = nodes.chunks(2).zip(sessions);
    let living = pairs.filter(|(pair, session)| pair.iter().all(|node| alive(node, session))).count();
    let count = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
    let (messages, failed, closed) = (count(&counts.messages), count(&counts.failed), count(&counts.closed));
    println!("  certificates  {serials} issued, {expired} ended before they were renewed");
    println!("  sessions      {living} of {} alive on both sides, {closed} closed", sessions.len());
    println!("  messages      {messages} delivered, {failed} failed");
    assert_eq!((expired, failed + closed, living), (0, 0, sessions.len()), "something was lost");
    assert!(serials as u64 > lives * AGENTS as u64, "{serials} certificates are too few for {lives} lives");
}

/// One with keys for each two neighbours.
async fn sessions(nodes: &[AgentNode]) -> Vec<Uuid> {
    let mut sessions = Vec::new();
    for pair in nodes.chunks(2) {
        let (one, other) = (&pair[0], &pair[1]);
        let session = one.request(other.address(), other.agent_id(), "to soak", &|_| {}).await.unwrap();
        one.key_exchange(session.session_id, &|_| {}).await.unwrap();
        sessions.push(session.session_id);
    }
    sessions
}

/// Takes what the agent tells its person, and counts sessions that ended.
async fn drain(mut agent: Agent, counts: Arc<Counts>, over: Arc<AtomicBool>) {
    loop {
        if let Event::SessionClosed(closed) = agent.event().await
            && !over.load(Ordering::SeqCst)
        {
            eprintln!("closed: {closed:?}");
            counts.closed.fetch_add(1, Ordering::SeqCst);
        }
    }
}

async fn talk(node: AgentNode, session: Uuid, counts: Arc<Counts>, over: Arc<AtomicBool>) {
    while !over.load(Ordering::SeqCst) {
        match node.send(session, "still here").await {
            Ok(_) => counts.messages.fetch_add(1, Ordering::SeqCst),
            Err(error) => {
                eprintln!("{}: {error}", node.agent_id());
                counts.failed.fetch_add(1, Ordering::SeqCst)
            }
        };
        sleep(Duration::from_millis(500)).await;
    }
}

/// How many times a certificate was seen past its end, and how many different ones were seen.
async fn watch(nodes: Vec<AgentNode>, over: Arc<AtomicBool>) -> (usize, usize) {
    let (mut expired, mut serials) = (0, BTreeSet::new());
    while !over.load(Ordering::SeqCst) {
        for node in &nodes {
            let certificate = node.certificate();
            let now = Clock::System.now();
            expired +=
                usize::from(certificate.as_ref().is_none_or(|certificate| certificate.expires_at <= now));
            serials.extend(certificate.map(|certificate| certificate.serial));
        }
        sleep(Duration::from_millis(100)).await;
    }
    (expired, serials.len())
}

const AGENTS: usize = 50;
const LIFE: Duration = Duration::from_secs(20);
