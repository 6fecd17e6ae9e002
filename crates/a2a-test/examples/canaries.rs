//! Secrets that would be known again wherever they turned up: keys, what was said, a token, a passphrase. Looks for them in
//! everything that the programs leave behind.
//!
//! Run by `scripts/evidence/canaries`, which builds the programs first; `A2A_BIN_DIR` is where they are.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use a2a_core::wire::Base64;
use a2a_test::arena::{AgentProcess, Arena};
use a2a_test::keys;
use a2a_test::mallory::{CLOSE, KEY_EXCHANGE, Mallory, REQUEST, SEND};
use a2a_test::raw::JSON;
use serde_json::json;
use tempfile::TempDir;

const SAID: [&str; 2] = ["canary said to the helper b1946ac92492", "canary said to the traveller 591785b794"];
const PASSPHRASE: &str = "canary passphrase 6b86b273ff34fce19d6b804eff5a3f57";

#[tokio::main]
async fn main() {
    let given = TempDir::new().unwrap();
    let arena = Arena::start_with(&["--log", "trace", "--enrolment", "token"]).await;
    let home = arena.world.path().to_owned();
    // A key that is known here, and not sealed.
    let key = keys::pkcs8("canary");
    keys::put_secret(&home.join("traveller"), "identity.key", &key);
    keys::put_secret(given.path(), "passphrase", PASSPHRASE.as_bytes());

    let mut tokens = Vec::new();
    let mut helper = enrolled(&arena, "helper", &given, &mut tokens, true).await;
    let mut traveller = enrolled(&arena, "traveller", &given, &mut tokens, false).await;
    converse(&mut traveller, &mut helper).await;
    let errors = provoke(&arena, &helper).await;
    let typing = arena.command("worker", &["--log", "trace"]).into_std();
    let screen = tokio::task::spawn_blocking(|| type_at_a_terminal(typing)).await.unwrap();
    for agent in [&mut helper, &mut traveller] {
        // Wherever this system would put a core, there is none.
        let limits = fs::read_to_string(format!("/proc/{}/limits", agent.pid())).unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "a core would be dumped");
        agent.abort().await;
    }

    let tokens = tokens.iter().map(String::as_bytes);
    // Of the key a part of the private exponent.
    let secrets =
        SAID.map(str::as_bytes).into_iter().chain([PASSPHRASE.as_bytes(), &key[400..451]]).chain(tokens);
    let canaries: Vec<_> = secrets.flat_map(printed).collect();
    // Each is found where it is.
    assert!(canaries.iter().all(|canary| holds(&[b"before ", &canary[..], b" after"].concat(), &canaries)));

    let mut places: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    collect(&home, &mut places);
    for (number, body) in errors.iter().enumerate() {
        places.push((format!("error body {number}").into(), body.clone()));
    }
    let histories = places.iter().filter(|(place, _)| place.ends_with("history")).count();
    assert!(histories > 0 && holds(&screen, &canaries), "nobody has typed anything");
    let own_key = home.join("traveller/identity.key");
    assert!(holds(&fs::read(&own_key).unwrap(), &canaries), "the search finds nothing at all");
    places.retain(|(place, _)| *place != own_key);
    let is_core =
        |place: &PathBuf| place.file_name().is_some_and(|name| name.to_string_lossy().starts_with("core"));
    assert!(!places.iter().any(|(place, _)| is_core(place)), "a core was dumped");
    let logged: usize = places
        .iter()
        .filter(|(place, _)| place.extension().is_some_and(|kind| kind == "log"))
        .map(|(_, bytes)| bytes.split(|byte| *byte == b'\n').count())
        .sum();
    assert!(logged > 100, "the log is not at trace level");
    println!("canaries         {}", canaries.len());
    println!("lines of log     {logged}, at trace level");
    println!("error bodies     {}", errors.len());
    println!("histories        {histories}");
    println!(
        "places searched  {}, {} bytes",
        places.len(),
        places.iter().map(|(_, bytes)| bytes.len()).sum::<usize>()
    );
    let found: Vec<_> =
        places.iter().filter(|(_, bytes)| holds(bytes, &canaries)).map(|(place, _)| place).collect();
    println!("found in         {found:?}");
    assert!(found.is_empty());
}

/// An agent with a join token, and with a passphrase if it is to seal its keys.
async fn enrolled(
    arena: &Arena,
    program: &str,
    given: &TempDir,
    tokens: &mut Vec<String>,
    seals: bool,
) -> AgentProcess {
    let id = format!("{program}_agent_001");
    let token = arena.program.done(&["token", &id]).await["token"].as_str().unwrap().to_owned();
    keys::put_secret(given.path(), program, token.as_bytes());
    let from = |file: &str| format!("file:{}", given.path().join(file).display());
    let (token_from, passphrase_from) = (from(program), from("passphrase"));
    let mut options = vec!["--log", "trace", "--accept", "all", "--join-token-from", &token_from];
    if seals {
        options.extend(["--passphrase-from", &passphrase_from]);
    }
    tokens.push(token);
    arena.agent(program, &options).await
}

async fn converse(traveller: &mut AgentProcess, helper: &mut AgentProcess) {
    let id = traveller.connect(helper).await;
    traveller.done(&format!("send {id} {}", SAID[0])).await;
    helper.hears(SAID[0]).await;
    helper.done(&format!("send {id} {}", SAID[1])).await;
    traveller.hears(SAID[1]).await;
}

/// A person's program, at whose prompt secrets are typed; what has stood on the screen.
fn type_at_a_terminal(command: Command) -> Vec<u8> {
    let (mut keyboard, screen) = pty_process::blocking::open().unwrap();
    let mut program = pty_process::blocking::Command::from(command).spawn(screen).unwrap();
    for line in ["status".to_owned(), format!("send {} {}", uuid::Uuid::nil(), SAID[0]), "exit".to_owned()] {
        keyboard.write_all(format!("{line}\r").as_bytes()).unwrap();
    }
    let mut shown = Vec::new();
    // The end of a terminal is an error.
    let _ = keyboard.read_to_end(&mut shown);
    assert!(program.wait().unwrap().success());
    shown
}

/// What is answered to nonsense that holds what was said.
async fn provoke(arena: &Arena, helper: &AgentProcess) -> Vec<Vec<u8>> {
    let mallory = Mallory::join(&arena.world).await;
    let mut bodies = Vec::new();
    for path in [REQUEST, KEY_EXCHANGE, SEND, CLOSE] {
        for body in
            [SAID[0].to_owned(), json!({"text": SAID[0]}).to_string(), format!("{{\"{}\":1}}", SAID[1])]
        {
            let reply = mallory.raw.post_bytes(helper.socket, path, JSON, body.into()).await;
            assert!(reply.status >= 400);
            bodies.push(reply.body);
        }
    }
    bodies
}

/// A secret as it is, and in the ways in which it might be printed, without white space.
fn printed(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut ways = vec![without_space(secret), secret.to_vec()];
    ways.push(secret.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect());
    ways.push(secret.iter().flat_map(|byte| format!("{byte:02X}").into_bytes()).collect());
    ways.push(without_space(format!("{secret:?}").trim_matches(['[', ']']).as_bytes()));
    // In Base64 three bytes are four characters, wherever it begins.
    for at in 0..3 {
        let whole = (secret.len() - at) / 3 * 3;
        let base64 = serde_json::to_value(Base64::from(secret[at..at + whole].to_vec())).unwrap();
        let base64 = base64.as_str().unwrap();
        ways.push(base64.as_bytes().to_vec());
        ways.push(base64.replace('+', "-").replace('/', "_").into_bytes());
    }
    ways
}

fn without_space(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

/// As they are, or broken into lines.
fn holds(bytes: &[u8], canaries: &[Vec<u8>]) -> bool {
    let joined = without_space(bytes);
    let stands_in = |bytes: &[u8], canary: &[u8]| bytes.windows(canary.len()).any(|window| window == canary);
    canaries.iter().any(|canary| stands_in(bytes, canary) || stands_in(&joined, canary))
}

/// Every file below a folder.
fn collect(folder: &Path, into: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, into);
        } else {
            into.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
}
