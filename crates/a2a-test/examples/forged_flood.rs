//! A flood of forged key exchanges at one agent: what it costs the agent, and what its honest peers feel of it.
//!
//! Run by `scripts/evidence/forged-flood`, which builds the programs first; `A2A_BIN_DIR` is where they are.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use a2a_core::handshake::messages::KeyExchangeInit;
use a2a_core::wire::Base64;
use a2a_test::arena::{AgentProcess, Arena, Resident};
use a2a_test::mallory::{KEY_EXCHANGE, Mallory, start};
use a2a_test::raw::{JSON, Raw};

#[tokio::main]
async fn main() {
    let seconds = std::env::args().nth(1).map_or(30, |seconds| seconds.parse().expect("a number of seconds"));
    let arena = Arena::start().await;
    let helper = arena.agent("helper", &["--accept", "all"]).await;
    // With this suite an honest handshake costs no modular exponentiation: any that is counted is the flood's.
    let mut traveller = arena.agent("traveller", &["--suites", "A2A-X25519-MLKEM768"]).await;
    let mallory = Mallory::join(&arena.world).await;
    let genuine = start(mallory.agree(&arena.world, &helper).await.accepted).message;

    let idle = handshakes(&mut traveller, &helper, Duration::from_secs(seconds / 3)).await;
    let before = helper.counter("a2a_exponentiations_total").await;
    let flood = Flood::start(helper.socket, &genuine, seconds);
    let busy = handshakes(&mut traveller, &helper, Duration::from_secs(seconds)).await;
    let (sent, took) = flood.end().await;
    let exponentiations = helper.counter("a2a_exponentiations_total").await - before;
    let memory = helper.resident_mib(Resident::AtMost);

    let rate = u128::from(sent) * 1000 / took.as_millis();
    let (idle_p99, busy_p99) = (p99(&idle), p99(&busy));
    println!("forged key exchanges refused     {sent} in {:.1} s: {rate}/s", took.as_secs_f64());
    println!("modular exponentiations          {exponentiations}");
    println!("resident memory of the agent     {memory} MiB at most");
    println!("honest handshakes, idle          {} of them, p99 {:.1} ms", idle.len(), idle_p99 * 1e3);
    println!("honest handshakes, in the flood  {} of them, p99 {:.1} ms", busy.len(), busy_p99 * 1e3);
    println!("ratio                            {:.1}", busy_p99 / idle_p99);
    assert!(rate >= 2000, "the flood was slower than 2,000/s");
    assert_eq!(exponentiations, 0, "forgeries have cost exponentiations");
    assert!(memory < 256, "the agent has grown");
    assert!(busy_p99 < 10.0 * idle_p99, "honest peers have to wait");
}

/// Honest handshakes one after the other for a while; the seconds that each took.
async fn handshakes(traveller: &mut AgentProcess, helper: &AgentProcess, time: Duration) -> Vec<f64> {
    let (began, mut took) = (Instant::now(), Vec::new());
    while began.elapsed() < time {
        let asked = Instant::now();
        let session = traveller.connect(helper).await;
        took.push(asked.elapsed().as_secs_f64());
        traveller.done(&format!("close {session}")).await;
    }
    took
}

fn p99(took: &[f64]) -> f64 {
    let mut sorted = took.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() * 99 / 100]
}

/// 2,000 forgeries a second over a few connections.
struct Flood {
    sent: Arc<AtomicU64>,
    is_over: Arc<AtomicBool>,
    began: Instant,
    senders: Vec<tokio::task::JoinHandle<()>>,
}

impl Flood {
    fn start(to: SocketAddr, genuine: &KeyExchangeInit, seconds: u64) -> Self {
        let (sent, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let began = Instant::now();
        let senders = (0..SENDERS).map(|_| {
            let (sent, is_over, genuine) = (sent.clone(), is_over.clone(), genuine.clone());
            tokio::spawn(async move {
                let raw = Raw::default();
                let mut pace = tokio::time::interval(Duration::from_secs(1) * SENDERS / RATE);
                for _ in 0..seconds * u64::from(RATE / SENDERS) + u64::from(RATE) {
                    pace.tick().await;
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let number = sent.fetch_add(1, Ordering::Relaxed);
                    let reply = raw.post_bytes(to, KEY_EXCHANGE, JSON, forge(&genuine, number)).await;
                    assert_eq!(reply.refusal(), (401, "handshake_failed".into()));
                }
            })
        });
        Self { senders: senders.collect(), sent, is_over, began }
    }

    /// How many were refused, and in what time.
    async fn end(self) -> (u64, Duration) {
        self.is_over.store(true, Ordering::Relaxed);
        for sender in self.senders {
            sender.await.unwrap();
        }
        (self.sent.load(Ordering::Relaxed), self.began.elapsed())
    }
}

/// No two are alike.
fn forge(genuine: &KeyExchangeInit, number: u64) -> Vec<u8> {
    let mut signature = genuine.signature.0.as_bytes().to_vec();
    signature[..8].copy_from_slice(&number.to_be_bytes());
    let mut forged = genuine.clone();
    forged.signature.0 = Base64::from(signature);
    serde_json::to_vec(&forged).unwrap()
}

/// A little more than what is to be shown.
const RATE: u32 = 2040;
const SENDERS: u32 = 8;
