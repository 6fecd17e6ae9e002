//! The controller is killed at random points while agents enrol, renew and are revoked; after each start nothing that it
//! has acknowledged is missing, nothing was spent or issued twice, and the audit log verifies.
//!
//! Run by `scripts/evidence/controller-crash`. Takes `[KILLS]`, for each of the two databases.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::token::JoinToken;
use a2a_test::enrollee::Enrollee;
use a2a_test::postgres::Postgres;
use a2a_test::program::{ControllerProcess, ControllerProgram, Repl};
use serde_json::Value;
use tokio::task::{JoinHandle, JoinSet};
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
    // How long a load takes that nobody interrupts.
    let began = Instant::now();
    assert_eq!(Load::start(&mut controller, &survivor, 0, &acknowledged).await.cut_short().await, 0);
    let usual = began.elapsed();
    let mut interrupted = 0;
    for round in 1..=kills {
        controller.kill().await;
        controller = program.start(&listen).await;
        let load = Load::start(&mut controller, &survivor, round, &acknowledged).await;
        // Anywhere between the first request and the last, and now and then after all.
        sleep(usual.mul_f64(1.2 * fastrand::f64())).await;
        controller.kill().await;
        interrupted += load.cut_short().await;
        if round % 10 == 0 || round == kills {
            check(program, &acknowledged).await;
            eprintln!("{title}: {round} of {kills} kills, and all is there");
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
struct Load {
    others: JoinSet<bool>,
    /// Gives back what it types into: with that the controller would end.
    revocations: JoinHandle<(bool, Repl)>,
}

impl Load {
    async fn start(
        controller: &mut ControllerProcess,
        survivor: &Enrollee,
        round: usize,
        acknowledged: &Shared,
    ) -> Self {
        let mut repl = controller.repl.take().unwrap();
        let mut others = JoinSet::new();
        for number in 0..ENROLMENTS {
            let is_victim = number == 0;
            let id: AgentId =
                format!("{}_{round}_{number}", if is_victim { "victim" } else { "agent" }).parse().unwrap();
            let made = repl.run(&format!("token {id}")).await.unwrap();
            let token: JoinToken = made["result"]["token"].as_str().unwrap().parse().unwrap();
            // A revoked key takes all its ids with it, so each victim has its own.
            let enrollee = if is_victim { survivor.with_new_key() } else { survivor.clone() };
            others.spawn(enrol(enrollee, token, acknowledged.clone()));
        }
        let (renewing, doomed) = choose(&acknowledged.lock().unwrap());
        for (id, enrollee) in renewing {
            others.spawn(renew(enrollee, id, acknowledged.clone()));
        }
        let revocations = tokio::spawn(revoke(repl, doomed, acknowledged.clone()));
        Self { others, revocations }
    }

    /// How many were not acknowledged.
    async fn cut_short(self) -> usize {
        let (others, (revoked, _repl)) = (self.others.join_all().await, self.revocations.await.unwrap());
        others.iter().filter(|done| !**done).count() + usize::from(!revoked)
    }
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

async fn revoke(mut repl: Repl, doomed: Vec<AgentId>, acknowledged: Shared) -> (bool, Repl) {
    for id in doomed {
        match repl.run(&format!("revoke {id}")).await {
            Some(line) if line["ok"] == true => drop(acknowledged.lock().unwrap().revoked.insert(id)),
            // Before the last kill it was revoked, and nobody heard of it.
            Some(line) if line["error"]["code"] == "already_revoked" => {
                acknowledged.lock().unwrap().revoked.insert(id);
            }
            Some(line) => panic!("revoke {id}: {line}"),
            None => return (false, repl),
        }
    }
    (true, repl)
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
