//! What is meant to exhaust an agent, one after the other, while honest agents talk to it: half-open sessions, connections
//! that say nothing or say it slowly, bodies without end, a full disk, a clock that jumps.
//!
//! Run by `scripts/evidence/exhaustion`, which builds the programs first and gives it a file system of its own; `A2A_BIN_DIR` is
//! where they are.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use a2a_node::tls::client::unauthenticated;
use a2a_test::arena::{AgentProcess, Arena, Resident};
use a2a_test::faketime::Faketime;
use a2a_test::mallory::{CLOSE, KEY_EXCHANGE, Mallory, REQUEST, SEND, Target};
use a2a_test::raw::{JSON, Raw};
use a2a_test::soon;
use a2a_test::world::World;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

#[tokio::main]
async fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    for part in &wanted {
        assert!(PARTS.contains(&part.as_str()), "there is no {part}: they are {PARTS:?}");
    }
    let wants = |part: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == part);
    if wants("half-open") {
        half_open().await;
    }
    if wants("slow") {
        slow().await;
    }
    if wants("bodies") {
        bodies().await;
    }
    if wants("disk") {
        disk().await;
    }
    if wants("clock") {
        clock().await;
    }
}

const PARTS: [&str; 5] = ["half-open", "slow", "bodies", "disk", "clock"];

/// A helper that accepts everybody, and a traveller.
async fn helper_and_traveller(arena: &Arena) -> (AgentProcess, AgentProcess) {
    (arena.agent("helper", &["--accept", "all"]).await, arena.agent("traveller", &[]).await)
}

/// The traveller connects, says something, is heard, and closes, until `is_over`. How often, and the longest that it took.
async fn converse(
    traveller: &mut AgentProcess,
    helper: &mut AgentProcess,
    is_over: &AtomicBool,
) -> (u64, Duration) {
    let (mut times, mut longest) = (0, Duration::ZERO);
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        let id = traveller.connect(helper).await;
        traveller.done(&format!("send {id} number {times}")).await;
        helper.hears(&format!("number {times}")).await;
        traveller.done(&format!("close {id}")).await;
        (times, longest) = (times + 1, longest.max(began.elapsed()));
    }
    (times, longest)
}

/// Peers with good certificates ask for sessions and never go on.
async fn half_open() {
    const REQUESTS: usize = 100_000;
    const PEERS: usize = 50;
    let arena = Arena::start().await;
    let (mut helper, mut traveller) = helper_and_traveller(&arena).await;
    let target = helper.verified(&arena.world);
    let is_over = Arc::new(AtomicBool::new(false));
    let (accepted, busy) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut peers = Vec::new();
    for number in 0..PEERS {
        let mut peer = Mallory::join_as(&arena.world, &format!("peer{number}"), "mallory").await;
        // Each has an address, and with it an allowance, of its own.
        peer.raw = Raw::from_elsewhere();
        let (target, socket) = (target.clone(), helper.socket);
        let (accepted, busy) = (accepted.clone(), busy.clone());
        peers.push(tokio::spawn(async move {
            for _ in 0..REQUESTS / PEERS {
                let body = serde_json::to_vec(&peer.request(&target).message).unwrap();
                let reply = peer.raw.post_bytes(socket, REQUEST, JSON, body).await;
                if reply.status == 200 {
                    accepted.fetch_add(1, Ordering::Relaxed);
                } else {
                    assert_eq!(reply.refusal(), (429, "busy".into()));
                    busy.fetch_add(1, Ordering::Relaxed);
                }
            }
        }));
    }
    let flood = async {
        for peer in peers {
            peer.await.unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (conversation, ()) = tokio::join!(converse(&mut traveller, &mut helper, &is_over), flood);
    let memory = helper.resident_mib(Resident::AtMost);
    let (accepted, busy) = (accepted.load(Ordering::Relaxed), busy.load(Ordering::Relaxed));
    let open = helper.sessions("pending").await;
    println!(
        "half-open: requests              {REQUESTS} of {PEERS} peers: {accepted} accepted, {busy} refused as busy"
    );
    println!("half-open: sessions left open    {open}");
    println!("half-open: resident memory       {memory} MiB at most");
    report("half-open", conversation);
    assert_eq!(open, PEERS * 4, "a peer may have four");
    assert_eq!(accepted + busy, REQUESTS);
    assert!(memory < 256, "the agent has grown");
}

fn report(part: &str, (times, longest): (u64, Duration)) {
    println!(
        "{part}: honest conversations meanwhile, and the longest   {times}, {:.0} ms",
        longest.as_secs_f64() * 1e3
    );
    assert!(times > 0, "no honest peer was served");
}

/// Twice as many connections as there may be, from one source: half of them say nothing, the others one byte of a header a second.
async fn slow() {
    const CONNECTIONS: u32 = 1024;
    const TIME: Duration = Duration::from_secs(30);
    let arena = Arena::start().await;
    let (mut helper, mut traveller) = helper_and_traveller(&arena).await;
    let before = helper.resident_mib(Resident::Now);
    let (is_over, hung_up) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let senders: Vec<_> = (0..CONNECTIONS)
        .map(|number| {
            let (is_over, hung_up, to) = (is_over.clone(), hung_up.clone(), helper.socket);
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let _ = drip(to, number % 2 == 0).await;
                    hung_up.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let ending = async {
        tokio::time::sleep(TIME).await;
        is_over.store(true, Ordering::Relaxed);
    };
    let (conversation, ()) = tokio::join!(converse(&mut traveller, &mut helper, &is_over), ending);
    let grown = helper.resident_mib(Resident::AtMost) - before;
    senders.iter().for_each(tokio::task::JoinHandle::abort);
    let hung_up = hung_up.load(Ordering::Relaxed);
    println!("slow: connections at a time      {CONNECTIONS} from one source, for {} s", TIME.as_secs());
    println!("slow: hung up on                 {hung_up}");
    println!("slow: growth of the agent        {grown} MiB at most");
    report("slow", conversation);
    // More than are turned away at once: those that were let in, too.
    assert!(hung_up > u64::from(CONNECTIONS), "slow connections are borne");
    assert!(grown < 64, "the agent has grown");
}

/// One slow connection, until it is hung up on.
async fn drip(to: SocketAddr, is_silent: bool) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::new(127, 1, 0, 1), 0).into())?;
    let mut stream = socket.connect(to).await?;
    if is_silent {
        stream.read_u8().await?;
        return Ok(());
    }
    let mut stream = tls(stream).await?;
    stream.write_all(b"GET /live HTTP/1.1\r\nhost: ").await?;
    loop {
        stream.write_all(b"x").await?;
        stream.flush().await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// HTTP/1.1 in TLS, whoever is there.
async fn tls(stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = unauthenticated().unwrap();
    config.alpn_protocols.clear();
    let connector = TlsConnector::from(Arc::new(config));
    connector.connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// Bodies that are longer, deeper or smaller than they look.
async fn bodies() {
    const DECLARED: u64 = 10 << 30;
    let arena = Arena::start().await;
    let (mut helper, mut traveller) = helper_and_traveller(&arena).await;
    let before = helper.resident_mib(Resident::Now);
    let (is_over, socket) = (AtomicBool::new(false), helper.socket);
    let bodies = async {
        let mut taken = 0;
        for path in [SEND, REQUEST, CLOSE, KEY_EXCHANGE] {
            for _ in 0..8 {
                taken = taken.max(pour(socket, path, DECLARED).await);
            }
            for body in [
                "[".repeat(1 << 20),
                r#"{"a":"#.repeat(1 << 17),
                format!("\"{}\"", "\\u0000".repeat(1 << 17)),
            ] {
                let reply = Raw::default().post_bytes(socket, path, JSON, body.into_bytes()).await;
                assert!((400..500).contains(&reply.status), "{path}: {}", reply.text());
            }
        }
        is_over.store(true, Ordering::Relaxed);
        taken
    };
    let (conversation, taken) = tokio::join!(converse(&mut traveller, &mut helper, &is_over), bodies);
    let grown = helper.resident_mib(Resident::AtMost) - before;
    println!(
        "bodies: declared                 10 GiB, 32 times; of which the agent has let come   {} KiB at most",
        taken / 1024
    );
    println!("bodies: growth of the agent      {grown} MiB at most");
    report("bodies", conversation);
    assert!(taken < 16 << 20, "the agent reads bodies without end");
    assert!(grown < 64, "the agent has grown");
}

/// Sends a body until the agent hangs up; the bytes that have gone, those in the system's buffers among them.
async fn pour(to: SocketAddr, path: &str, declared: u64) -> u64 {
    let mut stream = tls(TcpStream::connect(to).await.unwrap()).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {declared}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let (block, mut sent) = (vec![b' '; 64 * 1024], 0);
    soon("the agent to hang up", async {
        while sent < declared && stream.write_all(&block).await.is_ok() {
            sent += block.len() as u64;
        }
    })
    .await;
    sent
}

/// The disks of an agent and of the controller are full for a while.
async fn disk() {
    let world = World::of_programs();
    for name in ["controller", "helper"] {
        mount(&world.path().join(name));
    }
    let mut arena = Arena::start_in(world, &[]).await;
    let (mut helper, mut traveller) = helper_and_traveller(&arena).await;
    arena.agent("worker", &[]).await.kill().await;
    let id = traveller.connect(&helper).await;
    let dir = arena.world.path().to_owned();
    let number = |status: serde_json::Value| status["revocations_number"].as_u64().unwrap();
    let known = number(helper.done("status").await);

    fill(&dir.join("helper"));
    traveller.done(&format!("send {id} the disk is full")).await;
    helper.hears("the disk is full").await;
    let again = traveller.connect(&helper).await;
    arena.program.done(&["revoke", "worker_agent_001"]).await;
    free(&dir.join("helper"));
    soon("the list to be kept", async { while number(helper.done("status").await) == known {} }).await;

    fill(&dir.join("controller"));
    let (ok, answer) = arena.program.command(&["token", "somebody_agent_001"]).await;
    println!("disk: the controller says        {}", answer["error"]["message"]);
    assert!(!ok, "{answer}");
    let newcomer = dir.join("newcomer");
    let newcomer = ["--agent-id", "newcomer_agent_001", "--data-dir", newcomer.to_str().unwrap()];
    let answer = arena.stranger("worker", &newcomer).await.run("setup").await;
    println!("disk: an agent that enrols hears {}", answer["error"]["message"]);
    assert_eq!(answer["ok"], false);
    traveller.done(&format!("send {again} still here")).await;
    helper.hears("still here").await;
    free(&dir.join("controller"));
    arena.agent("worker", &newcomer).await;
    arena.controller.kill().await;
    let listen = format!("127.0.0.1:{}", arena.controller.address.port());
    arena.controller = arena.program.start(&listen).await;
    traveller.done("setup").await;
    println!("disk: full and free again        both go on by themselves");
}

/// A file system of 32 MiB: room for the controller's store and its log, and soon full.
fn mount(dir: &Path) {
    std::fs::create_dir_all(dir).unwrap();
    let mount =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=32m,mode=700", "none"]).arg(dir).status();
    assert!(mount.unwrap().success(), "this needs a file system of its own: unshare --map-root-user --mount");
}

fn fill(dir: &Path) {
    // To the last byte: what is left of a block as well.
    let filled = std::fs::write(dir.join("filling"), vec![0; 64 << 20]);
    assert_eq!(filled.unwrap_err().kind(), std::io::ErrorKind::StorageFull);
}

fn free(dir: &Path) {
    std::fs::remove_file(dir.join("filling")).unwrap();
}

/// The agents' clock jumps two days on and two days back while they are in a session.
async fn clock() {
    let mut arena = Arena::start().await;
    let faketime = Faketime::install(&mut arena);
    let (mut helper, mut traveller) = helper_and_traveller(&arena).await;
    for by in ["+30m", "+2d", "-2d", "-1h"] {
        let id = traveller.connect(&helper).await;
        faketime.set(by);
        let said = traveller.run(&format!("send {id} {by}")).await;
        println!(
            "clock: {by:4}                      {}",
            if said["ok"] == true { "the session goes on" } else { "the session ends" }
        );
        if said["ok"] == true {
            helper.hears(by).await;
        } else {
            // The failed command has ended the traveller, as it ends a script.
            traveller.repl.last_words().await;
            traveller = arena.agent_again("traveller", &[]).await;
        }
        faketime.set("+0");
        let id = traveller.connect(&helper).await;
        traveller.done(&format!("send {id} back")).await;
        helper.hears("back").await;
    }
    println!("clock: set right again           both go on by themselves");
}
