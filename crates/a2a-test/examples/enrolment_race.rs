//! 64 clients race for each of 200 join tokens, at one controller on SQLite and at two on PostgreSQL.
//!
//! Run by `scripts/evidence/enrolment-race`, which builds the programs first. Takes `[TOKENS [CLIENTS]]`.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use a2a_core::certificate::token::JoinToken;
use a2a_node::client::ClientError;
use a2a_test::enrollee::Enrollee;
use a2a_test::postgres::Postgres;
use a2a_test::program::{ControllerProcess, ControllerProgram};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap());
    let tokens = arguments.next().unwrap_or(200);
    let clients = arguments.next().unwrap_or(64);
    let dir = tempfile::tempdir().unwrap();
    let common = ["--enrolment", "token", "--source-rate", "100000"];

    let program = ControllerProgram::new(dir.path(), &common);
    let one = program.start("127.0.0.1:0").await;
    race("SQLite, one controller", &program, &[one], tokens, clients).await;

    let server = Postgres::shared().expect("PostgreSQL is needed: apt-get install postgresql");
    let url = server.url(&server.create_database());
    let keys = dir.path().join("keys").display().to_string();
    let arguments: Vec<&str> = common.into_iter().chain(["--database", &url, "--key-dir", &keys]).collect();
    let programs = ["first", "second"].map(|name| ControllerProgram::new(&dir.path().join(name), &arguments));
    let two = [programs[0].start("127.0.0.1:0").await, programs[1].start("127.0.0.1:0").await];
    race("PostgreSQL, two controllers", &programs[0], &two, tokens, clients).await;
}

async fn race(
    title: &str,
    program: &ControllerProgram,
    controllers: &[ControllerProcess],
    tokens: usize,
    clients: usize,
) {
    let started = Instant::now();
    let root = program.tls_root();
    let runners: Vec<Enrollee> = (0..clients)
        .map(|number| Enrollee::new(&controllers[number % controllers.len()].address, &root))
        .collect();
    let (mut serials, mut reasons) = (BTreeSet::new(), BTreeMap::<String, usize>::new());
    for number in 0..tokens {
        let id = format!("racer_{number}");
        let made = program.done(&["token", &id]).await;
        let token: JoinToken = made["token"].as_str().unwrap().parse().unwrap();
        let barrier = Arc::new(Barrier::new(clients));
        let mut race = JoinSet::new();
        for runner in &runners {
            let (runner, token, barrier) = (runner.clone(), token.clone(), barrier.clone());
            race.spawn(async move {
                barrier.wait().await;
                runner.enrol(&token.agent_id, Some(token.secret)).await
            });
        }
        let mut winners = 0;
        for outcome in race.join_all().await {
            match outcome {
                Ok(response) => {
                    winners += 1;
                    assert!(serials.insert(response.certificate.serial), "a serial was issued twice");
                }
                Err(ClientError::Api { code, .. }) => *reasons.entry(code).or_default() += 1,
                Err(other) => panic!("a loser was not told why: {other}"),
            }
        }
        assert_eq!(winners, 1, "{id} has {winners} winners");
    }
    let listed = program.done(&["tokens"]).await;
    let spent = listed.as_array().unwrap().iter().filter(|token| token["state"] == "spent").count();
    let enrolled = program.done(&["agents"]).await.as_array().unwrap().len();
    let (intact, _) = program.command(&["audit", "verify"]).await;
    assert!(intact, "the audit log does not verify");
    assert_eq!((serials.len(), spent, enrolled), (tokens, tokens, tokens));
    assert_eq!(reasons.values().sum::<usize>(), tokens * (clients - 1));
    println!(
        "{title}: {clients} clients raced for each of {tokens} tokens, {} s",
        started.elapsed().as_secs()
    );
    println!("  certificates  {} with {} serials", enrolled, serials.len());
    println!("  tokens spent  {spent}");
    println!("  losers        {reasons:?}");
}
