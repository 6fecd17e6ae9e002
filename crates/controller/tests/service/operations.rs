//! What an operator watches: readiness, metrics, the audit.

use std::fs;

use serde_json::Value;

use crate::world::{Agent, World, code};

impl World {
    async fn get(&self, path: &str) -> reqwest::Response {
        let root = fs::read(&self.config.ca_file).unwrap();
        let root = reqwest::Certificate::from_pem(&root).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([root]).no_proxy().build().unwrap();
        client.get(self.url(path)).send().await.unwrap()
    }

    pub(crate) async fn metrics(&self) -> String {
        self.get("/metrics").await.text().await.unwrap()
    }

    pub(crate) async fn ready(&self) -> (u16, Value) {
        let answer = self.get("/ready").await;
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

#[tokio::test]
async fn it_is_ready_and_counts_what_it_does() {
    let world = World::start().await;
    let (status, checks) = world.ready().await;
    assert_eq!(status, 200, "{checks}");
    let agent = Agent::new("helper");
    world.enrol(&agent).await.unwrap();
    world.renew(&agent).await.unwrap();
    assert_eq!(code(world.enrol(&Agent::new("helper")).await), "id_taken");
    world.command("revoke helper").await;
    let text = world.metrics().await;
    for line in [
        "a2a_enrolments_total{mode=\"open\",outcome=\"done\"} 1",
        "a2a_enrolments_total{mode=\"open\",outcome=\"refused\"} 1",
        "a2a_renewals_total{outcome=\"done\"} 1",
        "a2a_revocations_total 1",
        "a2a_rejects_total{reason=\"id_taken\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(!text.contains("helper"), "no label comes from the wire");
}

#[tokio::test]
async fn the_audit_tells_what_happened_and_is_whole() {
    let world = World::start().await;
    let agent = Agent::new("helper");
    world.enrol(&agent).await.unwrap();
    world.command("revoke helper").await;
    world.command("reinstate helper").await;
    world.command("rotate").await;
    assert_eq!(world.events("helper").await, ["enrolled", "revoked", "reinstated"]);
    let made = world.command("audit --event key_made").await;
    assert_eq!(made[0]["detail"]["key_id"].as_str().unwrap().len(), 64);
    let last = world.command("audit --last 1").await;
    assert_eq!((last.as_array().unwrap().len(), &last[0]["event"]), (1, &"key_rotated".into()));
    let since = world.command("audit --since 1m --event revoked").await;
    assert_eq!(since.as_array().unwrap().len(), 1);
    world.clock.advance(std::time::Duration::from_mins(2));
    let since = world.command("audit --since 1m").await;
    assert_eq!(since.as_array().unwrap().len(), 0);
    let verdict = world.command("audit verify").await;
    assert_eq!((&verdict["whole"], &verdict["entries"]), (&true.into(), &5.into()));
}

#[tokio::test]
async fn refusals_of_strangers_are_entered_once_a_second() {
    let world = World::start().await;
    world.enrol(&Agent::new("helper")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(code(world.enrol(&Agent::new("helper")).await), "id_taken");
    }
    world.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(code(world.enrol(&Agent::new("helper")).await), "id_taken");
    let refused = world.command("audit --event refused").await;
    let left_out = |index: usize| refused[index]["detail"]["left_out"].as_u64().unwrap();
    assert_eq!((refused.as_array().unwrap().len(), left_out(0), left_out(1)), (2, 0, 2));
}
