//! The controller is killed at random points while agents enrol, renew and are revoked; after each start nothing that it
//! has acknowledged is missing, nothing was spent or issued twice, and the audit log verifies.
//!
//! Run by `scripts/evidence/controller-crash`. Takes `[KILLS]`, for each of the two databases.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::token::JoinToken;
use a2a_test::enrollee::Enrollee;
use a2a_test::postgres::Postgres;
use a2a_test::program::{ControllerProcess, ControllerProgram, Repl};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::sleep;

#[tokio::main]
async fn main() {
    let kills = std::env::args().nth(1).map_or(200, |text| text.parse().unwrap());
    let dir = tempfile::tempdir().unwrap();
    crash("SQLite", &ControllerProgram::new(dir.path(), &COMMON), kills).await;

    let server = Postgres::shared().expect("PostgreSQL is needed: apt-get install postgresql");
    let url = server.url(&server.create_database());
    let dir = tempfile::tempdir().unwrap();
    let arguments: Vec<&str> = COMMON.into_iter().chain(["--database", &url]).collect();
    crash("PostgreSQL", &ControllerProgram::new(dir.path(), &arguments), kills).await;
}

/// What the controller has said yes to.
#[derive(Debug, Default)]
struct Acknowledged {
    serials: BTreeSet<String>,
    enrolled: BTreeMap<AgentId, Enrollee>,
    revoked: BTreeSet<AgentId>,
}

type Shared = Arc<Mutex<Acknowledged>>;

async fn crash(title: &str, program: &ControllerProgram, kills: usize) {
    let (started, acknowledged) = (Instant::now(), Shared::default());
    let mut controller = program.start("127.0.0.1:0").await;
    let listen = format!("127.0.0.1:{}", controller.address.as_str().rsplit(':').next().unwrap());
    let survivor = Enrollee::new(&controller.address, &program.tls_root());
    let mut interrupted = 0;
    for round in 0..kills {
        let mut load = load(&mut controller, &survivor, round, &acknowledged).await;
        // Anywhere between the first request and the last.
        sleep(Duration::from_micros(fastrand::u64(..SPAN_MICROS))).await;
        controller.kill().await;
        while let Some(done) = load.join_next().await {
            interrupted += usize::from(!done.unwrap());
        }
        controller = program.start(&listen).await;
        if (round + 1) % 10 == 0 || round + 1 == kills {
            check(program, &acknowledged).await;
            eprintln!("{title}: {} of {kills} kills, and all is there", round + 1);
        }
    }
    let figures = check(program, &acknowledged).await;
    controller.kill().await;
    println!("{title}: kill -9 {kills} times, {} s", started.elapsed().as_secs());
    println!("  cut short     {interrupted} enrolments, renewals and revocations");
    assert!(interrupted > 0, "no kill came in time");
    println!("{figures}");
}

/// Some enrolments, renewals and revocations at once. Each says whether it was acknowledged.
async fn load(
    controller: &mut ControllerProcess,
    survivor: &Enrollee,
    round: usize,
    acknowledged: &Shared,
) -> JoinSet<bool> {
    let mut repl = controller.repl.take().unwrap();
    let mut load = JoinSet::new();
    for number in 0..ENROLMENTS {
        let is_victim = number == 0;
        let id: AgentId =
            format!("{}_{round}_{number}", if is_victim { "victim" } else { "agent" }).parse().unwrap();
        let made = repl.run(&format!("token {id}")).await.unwrap();
        let token: JoinToken = made["result"]["token"].as_str().unwrap().parse().unwrap();
        // A revoked key takes all its ids with it, so each victim has its own.
        let enrollee = if is_victim { survivor.with_new_key() } else { survivor.clone() };
        load.spawn(enrol(enrollee, token, acknowledged.clone()));
    }
    let (renewing, doomed) = choose(&acknowledged.lock().unwrap());
    for (id, enrollee) in renewing {
        load.spawn(renew(enrollee, id, acknowledged.clone()));
    }
    load.spawn(revoke(repl, doomed, acknowledged.clone()));
    load
}

/// Some agents that are enrolled and not doomed, and those that are to be revoked.
fn choose(acknowledged: &Acknowledged) -> (Vec<(AgentId, Enrollee)>, Vec<AgentId>) {
    let is_victim = |id: &AgentId| id.as_str().starts_with("victim");
    let renewing = acknowledged.enrolled.iter().filter(|(id, _)| !is_victim(id)).rev().take(RENEWALS);
    let doomed =
        acknowledged.enrolled.keys().filter(|id| is_victim(id) && !acknowledged.revoked.contains(*id));
    (renewing.map(|(id, enrollee)| (id.clone(), enrollee.clone())).collect(), doomed.cloned().collect())
}

async fn enrol(enrollee: Enrollee, token: JoinToken, acknowledged: Shared) -> bool {
    let Ok(response) = enrollee.enrol(&token.agent_id, Some(token.secret)).await else { return false };
    let mut acknowledged = acknowledged.lock().unwrap();
    assert!(acknowledged.serials.insert(response.certificate.serial.to_string()), "a serial came twice");
    acknowledged.enrolled.insert(token.agent_id, enrollee);
    true
}

async fn renew(enrollee: Enrollee, id: AgentId, acknowledged: Shared) -> bool {
    let Ok(response) = enrollee.renew(&id, None).await else { return false };
    let serial = response.certificate.serial.to_string();
    assert!(acknowledged.lock().unwrap().serials.insert(serial), "a serial came twice");
    true
}

async fn revoke(mut repl: Repl, doomed: Vec<AgentId>, acknowledged: Shared) -> bool {
    for id in doomed {
        match repl.run(&format!("revoke {id}")).await {
            Some(line) if line["ok"] == true => drop(acknowledged.lock().unwrap().revoked.insert(id)),
            // Before the last kill it was revoked, and nobody heard of it.
            Some(line) if line["error"]["code"] == "already_revoked" => {
                acknowledged.lock().unwrap().revoked.insert(id);
            }
            Some(line) => panic!("revoke {id}: {line}"),
            None => return false,
        }
    }
    true
}

/// Compares what was acknowledged with what is there.
async fn check(program: &ControllerProgram, acknowledged: &Shared) -> String {
    let (whole, verdict) = program.command(&["audit", "verify"]).await;
    assert!(whole, "the audit log does not verify: {verdict}");
    let audit = program.done(&["audit", "--last", "1000000"]).await;
    let of = |event: &str| {
        let entries = audit.as_array().unwrap().iter().filter(|entry| entry["event"] == event);
        entries.cloned().collect::<Vec<Value>>()
    };
    let issued = [of("enrolled"), of("renewed")].concat();
    let serials: BTreeSet<&str> =
        issued.iter().map(|entry| entry["detail"]["serial"].as_str().unwrap()).collect();
    assert_eq!(serials.len(), issued.len(), "a serial was issued twice");
    let (spent, enrolled) = (of("token_spent"), of("enrolled"));
    let names: BTreeSet<&str> =
        spent.iter().map(|entry| entry["detail"]["token"].as_str().unwrap()).collect();
    assert_eq!(
        (names.len(), spent.len()),
        (enrolled.len(), enrolled.len()),
        "a token was spent twice, or for nothing"
    );
    let agents = program.done(&["agents"]).await;
    let standing: BTreeMap<&str, &str> = agents
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| (agent["agent_id"].as_str().unwrap(), agent["standing"].as_str().unwrap()))
        .collect();

    let acknowledged = acknowledged.lock().unwrap();
    for serial in &acknowledged.serials {
        assert!(serials.contains(serial.as_str()), "certificate {serial} was acknowledged and is gone");
    }
    for id in acknowledged.enrolled.keys() {
        assert!(standing.contains_key(id.as_str()), "{id} was enrolled and is gone");
    }
    for id in &acknowledged.revoked {
        assert_eq!(standing[id.as_str()], "revoked", "{id}");
    }
    format!(
        "  certificates  {} acknowledged, all there; {} issued, {} serials\n  tokens        {} spent, for {} enrolments\n  \
         revocations   {} acknowledged, all there\n  audit         {} entries, verified",
        acknowledged.serials.len(),
        issued.len(),
        serials.len(),
        spent.len(),
        enrolled.len(),
        acknowledged.revoked.len(),
        audit.as_array().unwrap().len(),
    )
}

const COMMON: [&str; 4] = ["--enrolment", "token", "--source-rate", "100000"];
const ENROLMENTS: usize = 4;
const RENEWALS: usize = 4;
/// Longer than the load takes, so that some kills come after all of it.
const SPAN_MICROS: u64 = 150_000;
