//! Writes the seeds of the fuzz targets: what two agents and a controller really say and keep, as a man between them and
//! their disks have it. The keys in them are made for this and protect nothing.
//!
//! Usage: `cargo run -p a2a-test --example record_seeds -- fuzz/seeds`
#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::fs;
use std::path::PathBuf;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::token::JoinToken;
use a2a_core::wire::Base64;
use a2a_node::clock::Clock;
use a2a_node::passphrase::Passphrase;
use a2a_node::seal::{self, Cost};
use a2a_test::agent::Agent;
use a2a_test::enrollee::Enrollee;
use a2a_test::mallory::{CLOSE, KEY_EXCHANGE, REQUEST, SEND};
use a2a_test::man::Man;
use a2a_test::raw::{JSON, Raw};
use a2a_test::talk::connect;
use a2a_test::world::World;
use serde_json::Value;

#[tokio::main]
async fn main() {
    let seeds = Seeds(std::env::args().nth(1).expect("the folder of the seeds").into());
    let world = World::with_clock(Clock::System).await;
    let helper = conversation(&world, &seeds).await;
    enrolment(&world, &seeds).await;
    statements(&world, &seeds).await;
    files(&world, &helper, &seeds).await;
    typed(&seeds);
    println!("{} bytes", seeds.total());
}

struct Seeds(PathBuf);

impl Seeds {
    fn put(&self, targets: &[&str], name: &str, bytes: &[u8]) {
        for target in targets {
            let dir = self.0.join(target);
            fs::create_dir_all(&dir).unwrap();
            fs::write(dir.join(name), bytes).unwrap();
        }
    }

    fn total(&self) -> u64 {
        let folders = fs::read_dir(&self.0).unwrap().map(|folder| folder.unwrap().path());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap());
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }
}

/// A refusal, and then a session with a few words and an end, as a man inside TLS sees them.
async fn conversation(world: &World, seeds: &Seeds) -> Agent {
    let man = Man::start().await;
    let mut traveller = world.agent("traveller").await;
    let mut helper = world.agent_with("helper", |settings| man.stand_inside(settings)).await;
    man.pass_on_to(helper.local_addr());
    // An agent takes no requests from the second in which it started.
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    let asking = traveller.ask(&helper);
    let (refused, ()) = tokio::join!(asking, helper.rejects());
    refused.unwrap_err();
    let id = connect(&mut traveller, &mut helper).await;
    for text in ["hello", "", "grüße aus Zürich\nund mehr"] {
        traveller.say(id, text).await;
    }
    // All at once, so that some share a body.
    let words = ["one", "two", "three", "four", "five", "six"].map(|word| {
        let node = traveller.node.clone();
        tokio::spawn(async move { node.send(id, word).await })
    });
    for word in words {
        word.await.unwrap().unwrap();
    }
    traveller.node.close(id).await.unwrap();
    for (number, (call, reply)) in man.passed().into_iter().enumerate() {
        let (name, answer) = (format!("{number:02}-call"), format!("{number:02}-answer"));
        let targets: &[&str] = match call.path.as_str() {
            REQUEST | KEY_EXCHANGE => &["handshake_messages"],
            SEND if call.content_type != JSON => &["frames_binary"],
            SEND | CLOSE => &["frames_json", "handshake_messages"],
            _ => &["certificate"],
        };
        if !call.body.is_empty() {
            seeds.put(targets, &name, &call.body);
        }
        seeds.put(
            if targets == ["frames_binary"] { &["frames_json"] } else { targets },
            &answer,
            &reply.body,
        );
        shares(&call.body, &name, seeds);
        shares(&reply.body, &answer, seeds);
    }
    helper
}

/// What a message holds in base64 or PEM.
fn shares(body: &[u8], name: &str, seeds: &Seeds) {
    let Ok(message) = serde_json::from_slice::<Value>(body) else { return };
    seeds.put(if body.len() < 2000 { &["json"] } else { &[] }, name, body);
    for field in ["dh_public_key", "kem_public_key", "kem_ciphertext"] {
        if let Some(text) = message[field].as_str() {
            seeds.put(&["keys"], &format!("{name}-{field}"), text.parse::<Base64>().unwrap().as_bytes());
        }
    }
}

/// What an agent and the controller say to each other, also when the agent changes its key.
async fn enrolment(world: &World, seeds: &Seeds) {
    let man = Man::start().await;
    let controller = world.controller();
    man.pass_on_to(([127, 0, 0, 1], controller.address().port()).into());
    let root = man.tls_key.self_signed(&["localhost".to_owned()]).unwrap();
    let token = controller.command("token seed_agent").await.unwrap()["token"].as_str().unwrap().to_owned();
    seeds.put(&["texts"], "token", token.as_bytes());
    let id: AgentId = "seed_agent".parse().unwrap();
    let enrollee = Enrollee::new(&man.address, &root);
    enrollee.enrol(&id, Some(token.parse::<JoinToken>().unwrap().secret)).await.unwrap();
    enrollee.with_new_key().renew(&id, Some(&enrollee.key)).await.unwrap();
    seeds.put(&["keys"], "rsa-public-der", enrollee.key.public_key().spki_der());
    seeds.put(&["keys"], "rsa-public-pem", enrollee.key.public_key().to_pem().as_bytes());
    seeds.put(&["keys"], "rsa-private-der", &enrollee.key.to_pkcs8_der().unwrap());
    seeds.put(&["keys"], "tls-certificate-pem", root.as_bytes());
    for (number, (call, reply)) in man.passed().into_iter().enumerate() {
        seeds.put(&["enrolment"], &format!("{number:02}-call"), &call.body);
        seeds.put(&["enrolment"], &format!("{number:02}-answer"), &reply.body);
        let csr = serde_json::from_slice::<Value>(&call.body).unwrap()["tls_csr"].clone();
        seeds.put(&["enrolment"], "csr", csr.as_str().unwrap_or_default().as_bytes());
    }
}

/// What the controller says to everybody, before and after it has revoked somebody and changed its key.
async fn statements(world: &World, seeds: &Seeds) {
    let controller = world.controller();
    let address = ([127, 0, 0, 1], controller.address().port()).into();
    for (when, command) in [("1", "info"), ("2", "revoke seed_agent"), ("3", "rotate")] {
        controller.command(command).await.unwrap();
        for (what, path) in [("info", "/controller/info"), ("list", "/controller/revocations")] {
            let reply = Raw::default().get(address, path).await;
            seeds.put(&["controller_messages"], &format!("{what}-{when}"), &reply.body);
        }
    }
    let refused = Raw::default().get(address, "/controller/nothing").await;
    seeds.put(&["handshake_messages", "json"], "refusal", &refused.body);
}

/// What lies on the disks of an agent and of the controller.
async fn files(world: &World, agent: &Agent, seeds: &Seeds) {
    for name in ["trust.json", "certificate.json", "revocations.json"] {
        seeds.put(&["files"], name, &fs::read(agent.data_dir().join(name)).unwrap());
    }
    let trust: Value =
        serde_json::from_slice(&fs::read(agent.data_dir().join("trust.json")).unwrap()).unwrap();
    seeds.put(&["keys"], "ca-pem", trust["tls_root"].as_str().unwrap().as_bytes());
    seeds.put(&["keys"], "tls-private-der", &fs::read(agent.data_dir().join("tls.key")).unwrap());
    let head = fs::read(world.path().join("controller/audit.head")).unwrap();
    seeds.put(&["files"], "audit.head", &head);

    let passphrase = Passphrase::new(b"fuzz".to_vec().into()).unwrap().with_cost(Cost::FOR_TESTS);
    let password_file = world.path().join("passphrase");
    a2a_test::keys::put_secret(world.path(), "passphrase", b"fuzz");
    let backup = world.path().join("backup");
    let command = format!("backup {} --seal-with file:{}", backup.display(), password_file.display());
    world.controller().command(&command).await.unwrap();
    let sealed = fs::read(&backup).unwrap();
    let opened = seal::open(&passphrase, "a2a/1 controller backup", &sealed).unwrap();
    seeds.put(&["files"], "backup.json", &opened);
    seeds.put(&["files"], "sealed", &seal::seal(&passphrase, "a2a/1 fuzz", &head).unwrap());
}

/// What people type, and what the two parties' stories begin with: these are no traffic.
fn typed(seeds: &Seeds) {
    for (number, lines) in COMMANDS.iter().enumerate() {
        seeds.put(&["commands"], &format!("{number:02}"), lines.as_bytes());
    }
    for (number, text) in TEXTS.iter().enumerate() {
        seeds.put(&["texts"], &format!("{number:02}"), text.as_bytes());
    }
    for (number, json) in VALUES.iter().enumerate() {
        seeds.put(&["json"], &format!("value-{number:02}"), json.as_bytes());
    }
    // A byte for each thing that happens, and some for what it happens to.
    let quiet: Vec<u8> = [0, 0, 9, 3, 0, 10, 1, 3, 0].repeat(8);
    let rekeyed: Vec<u8> = [12, 0, 0, 1, 20, 3, 0, 1, 3, 0, 1, 10, 1, 4, 0, 1].repeat(8);
    let rough: Vec<u8> = (0..=255).collect();
    let closed: Vec<u8> = [0, 0, 9, 14, 0, 0, 3, 1, 5, 0, 9, 1, 15, 0, 1, 15, 1, 1].repeat(4);
    for (name, bytes) in [("quiet", quiet), ("rekeyed", rekeyed), ("rough", rough), ("closed", closed)] {
        seeds.put(&["session"], name, &bytes);
    }
    for kind in 0..8_u8 {
        seeds.put(&["handshake"], &format!("kind-{kind}"), &[kind, 3, 1, 4, 1, 5, 9, 2, 6].repeat(3));
    }
}

const COMMANDS: [&str; 8] = [
    "setup\ninfo\nagents\nsessions\nstatus\nhelp\nhelp send\nexit",
    "request https://localhost:5001 helper_agent_001 --purpose 'two words'\ny\nkeyexchange 1\nrenew --new-key",
    "send helper_agent_001 Hello Helper! Can you hear me?\ncommunicate\nclose helper_agent_001\nwait message --timeout 30s",
    "token helper_agent_001 --life 5m\ntokens\napprovals\napprove x --key 0a\nreject x\nrevoke x\nreinstate x --new-key",
    "ban x\nrotate\naudit verify\nbackup file --seal-with prompt\nrestore file --revocations list\nwait\nno",
    "setup; request https://localhost:5003 worker_agent_001; send worker_agent_001 'a; b'; wait closed",
    "quit \"not closed\nsend",
    "wait\u{a0}re\nwait\u{3000}\nse\u{fc}\thelp  se\nre \\ x",
];
const TEXTS: [&str; 9] = [
    "traveller_agent_001",
    "https://localhost:5001",
    "https://[2001:db8::1]",
    "send_request",
    "line\r\nline\u{1b}[2J\u{202e}\u{200b}\u{feff}",
    "192377947139a553b093439ea64bd7a02a7bc3cd080460e5826d92295b43e7e6",
    "/+8=",
    "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
    "Grüße \u{1f600}",
];
const VALUES: [&str; 4] = [
    r#"{"b":[1,-2,3.5,1e300,9007199254740993],"a":{"\u0001":"\ud83d\ude00\"\\/\b"},"":null,"t":true}"#,
    "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]",
    r#"{"a":1,"a":2}"#,
    r#" {"x" : "\u0000\u007f\u2028" , "y" : [ -0.0 , 0.1e-7, false ] } "#,
];
