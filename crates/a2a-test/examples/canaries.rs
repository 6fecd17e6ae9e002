//! Secrets that would be known again wherever they turned up: keys, what was said, a token, a passphrase. Looks for them in
//! everything that the programs leave behind.
//!
//! Run by `scripts/evidence/canaries`, which builds the programs first; `A2A_BIN_DIR` is where they are.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};

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
    for agent in [&mut helper, &mut traveller] {
        agent.abort().await;
    }

    let mut canaries: Vec<(&str, Vec<u8>)> =
        SAID.iter().map(|said| ("what was said", said.as_bytes().to_vec())).collect();
    canaries.push(("the passphrase", PASSPHRASE.as_bytes().to_vec()));
    canaries.extend(tokens.iter().map(|token| ("a join token", token.clone().into_bytes())));
    // A part of the private exponent, as it is and in the ways in which it might be printed.
    let part = &key[400..448];
    canaries.push(("a private key", part.to_vec()));
    canaries.push((
        "a private key in hexadecimal",
        part.iter().flat_map(|byte| format!("{byte:02x}").into_bytes()).collect(),
    ));
    for at in 400..403 {
        let base64 = serde_json::to_string(&Base64::from(key[at..at + 48].to_vec())).unwrap();
        canaries.push(("a private key in Base64", base64.trim_matches('"').as_bytes().to_vec()));
    }

    let mut places: Vec<(PathBuf, Vec<u8>)> = Vec::new();
    collect(&home, &mut places);
    for (number, body) in errors.iter().enumerate() {
        places.push((format!("error body {number}").into(), body.clone()));
    }
    let own_key = home.join("traveller/identity.key");
    assert!(holds(&fs::read(&own_key).unwrap(), &canaries), "the search finds nothing at all");
    places.retain(|(place, _)| *place != own_key);
    assert!(places.iter().all(|(place, _)| !place.to_string_lossy().contains("core")), "a core was dumped");
    let logged: usize = places
        .iter()
        .filter(|(place, _)| place.extension().is_some_and(|kind| kind == "log"))
        .map(|(_, bytes)| bytes.split(|byte| *byte == b'\n').count())
        .sum();
    assert!(logged > 100, "the log is not at trace level");
    println!("canaries         {}", canaries.len());
    println!("lines of log     {logged}, at trace level");
    println!("error bodies     {}", errors.len());
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
    let session = traveller.done(&format!("request {} {}", helper.address, helper.id)).await;
    let id = session["session_id"].as_str().unwrap();
    traveller.done(&format!("keyexchange {id}")).await;
    traveller.done(&format!("send {id} {}", SAID[0])).await;
    helper.hears(SAID[0]).await;
    helper.done(&format!("send {id} {}", SAID[1])).await;
    traveller.hears(SAID[1]).await;
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

fn holds(bytes: &[u8], canaries: &[(&str, Vec<u8>)]) -> bool {
    canaries.iter().any(|(_, canary)| bytes.windows(canary.len()).any(|window| window == canary))
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
