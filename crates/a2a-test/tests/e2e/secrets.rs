//! What stands in files, and who may read it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use a2a_node::client::HttpsClient;
use a2a_node::tls::client::rooted;
use a2a_test::agent::Agent;
use a2a_test::raw::Raw;
use a2a_test::talk::Talk;
use a2a_test::world::World;
use serde_json::{Value, json};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn every_file_of_an_agent_and_of_the_controller_is_its_owners_alone() {
    let Talk { world, traveller, .. } = Talk::start().await;
    let mut files = Vec::new();
    for dir in [traveller.data_dir().to_owned(), world.path().join("controller")] {
        assert_eq!(mode(&dir), 0o700, "{}", dir.display());
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            // A certificate is public.
            let allowed = if path.extension().is_some_and(|kind| kind == "pem") { 0o644 } else { 0o600 };
            assert_eq!(mode(&path), allowed, "{}", path.display());
            files.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    for secret in ["identity.key", "tls.key", "controller.key"] {
        assert!(files.iter().any(|file| file == secret), "{files:?}");
    }
}

/// T35
#[tokio::test]
async fn a_key_that_others_may_read_is_refused_at_start() {
    let mut world = World::start().await;
    let helper = world.agent("helper").await;
    let (name, settings) = helper.stop().await;
    for file in ["identity.key", "tls.key"] {
        let path = settings.config.data_dir.join(file);
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let refused = Agent::start(name, settings.clone()).await.unwrap_err().to_string();
        assert!(refused.contains(file) && refused.contains("chmod 600"), "{refused}");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
    Agent::start(name, settings).await.unwrap();

    world.stop_controller().await;
    let path = world.path().join("controller/controller.key");
    fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
    let refused = world.try_start_controller().await.unwrap_err().to_string();
    assert!(refused.contains("controller.key") && refused.contains("chmod 600"), "{refused}");
}

/// No key of a session, and nothing that was said, ever stands in a file.
#[tokio::test]
async fn nothing_of_a_conversation_stands_in_a_file() {
    let Talk { world, traveller, mut helper, id } = Talk::start().await;
    traveller.say(id, "the canary sings").await;
    helper.hears("the canary sings").await;
    let sessions = id.to_string();
    for dir in ["traveller", "helper", "controller", "certs"] {
        for entry in fs::read_dir(world.path().join(dir)).unwrap() {
            let path = entry.unwrap().path();
            let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
            assert!(!content.contains("canary") && !content.contains(&sessions), "{}", path.display());
        }
    }
}

#[tokio::test]
async fn the_certificate_can_be_fetched_by_name_under_the_published_root() {
    let world = World::start().await;
    let helper = world.agent("helper").await;
    let root = fs::read_to_string(world.controller().ca_file()).unwrap();
    let client = HttpsClient::new(rooted(&root).unwrap()).unwrap();
    let timeout = std::time::Duration::from_secs(20);
    let base = helper.address();
    assert!(base.as_str().starts_with("https://localhost:"));
    let fetched: Value = client.get_json(&base.join("/agent/certificate"), 16_384, timeout).await.unwrap();
    assert_eq!(fetched, serde_json::to_value(helper.node.certificate().unwrap()).unwrap());
    let live: Value = client.get_json(&base.join("/live"), 1024, timeout).await.unwrap();
    assert_eq!(live, json!({"status": "live"}));
    let controller = world.controller().address();
    let live: Value = client.get_json(&controller.join("/live"), 1024, timeout).await.unwrap();
    assert_eq!(live, json!({"status": "live"}));
}

#[tokio::test]
async fn an_agent_is_live_before_it_has_enrolled() {
    let world = World::start().await;
    let helper = world.stranger("helper", |_| {}).await;
    assert_eq!(Raw::default().get(helper.local_addr(), "/live").await.status, 200);
}
