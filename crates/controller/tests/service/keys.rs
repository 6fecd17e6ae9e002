//! The controller's keys: rotated, followed by a second controller, and taken over from the former version.

use std::fs;
use std::time::Duration;

use a2a_core::certificate::enrolment::ControllerInfo;
use a2a_core::certificate::revocation::Standing;
use a2a_core::certificate::verify::TrustAnchor;
use serde_json::json;

use crate::world::{Agent, World, provider};

fn follow(anchor: &TrustAnchor, info: &ControllerInfo, world: &World) -> TrustAnchor {
    anchor.follow(provider(), &info.successions, info.fingerprint(), world.clock.now()).unwrap()
}

#[tokio::test]
async fn agents_can_follow_a_rotation_and_keep_their_certificates() {
    let world = World::start().await;
    let agent = Agent::new("helper");
    let anchor = world.info().await.verify(provider()).unwrap();
    let before = world.enrol(&agent).await.unwrap().certificate;
    let number = world.list(None).await.number;
    let report = world.command("rotate").await;
    let info = world.info().await;
    assert_eq!(report["fingerprint"], info.fingerprint().to_string());
    assert_ne!(info.fingerprint(), anchor.fingerprint());
    info.verify(provider()).unwrap();
    let followed = follow(&anchor, &info, &world);
    let after = world.renew(&agent).await.unwrap().certificate;
    assert_eq!(after.controller_key_id, info.fingerprint());
    let now = world.clock.now();
    for certificate in [&before, &after] {
        followed.verify(provider(), certificate.clone(), None, now).unwrap();
    }
    let list = world.list(None).await;
    assert!(list.number > number, "those who wait for news look");
    let list = list.verify(provider(), &followed, now).unwrap();
    assert_eq!(list.standing(&before), Standing::Good);
    assert_eq!(world.token("new").await.fingerprint, info.fingerprint());
    let world = world.restart().await;
    world.command("rotate").await;
    follow(&anchor, &world.info().await, &world);
    assert_eq!(world.info().await.successions.len(), 2);
    // A certificate of before is good to its end, and not beyond.
    world.clock.advance(Duration::from_hours(24) + Duration::from_secs(59));
    assert!(followed.verify(provider(), before, None, world.clock.now()).is_ok(), "within the skew");
    assert_eq!(world.command("audit verify").await["whole"], true);
}

#[tokio::test]
async fn the_register_of_the_former_version_is_taken_over() {
    let world = World::start().await;
    let (agent, thief) = (Agent::new("helper"), Agent::new("helper"));
    let certificate = world.enrol(&agent).await.unwrap().certificate;
    let (dir, config, clock) = (world.dir.clone(), world.config.clone(), world.clock.clone());
    world.node.shutdown().await.unwrap();
    // What version 0.1 left behind: the keys, and a file.
    for file in fs::read_dir(dir.path().join("data")).unwrap().map(|entry| entry.unwrap().path()) {
        if file.extension().is_none_or(|extension| extension != "key" && extension != "pem") {
            fs::remove_file(file).unwrap();
        }
    }
    let entry = json!({
        "key_id": agent.key.public_key().key_id(), "enrolled_at": certificate.issued_at, "certificate": certificate,
    });
    let registry = dir.path().join("data/registry.json");
    fs::write(&registry, json!({ "helper": entry }).to_string()).unwrap();
    let world = World::start_in(dir, config, clock).await;
    assert_eq!(world.agents().await, ["helper"]);
    assert!(!registry.exists() && registry.with_extension("json.imported").exists());
    assert!(world.enrol(&thief).await.is_err());
    world.renew(&agent).await.unwrap();
    assert_eq!(world.revocations().await.standing(&certificate), Standing::Good);
    let world = world.restart().await;
    assert_eq!(world.events("helper").await[0], "enrolled");
    world.command("revoke helper").await;
    assert_eq!(
        world.revocations().await.standing(&certificate),
        Standing::Revoked,
        "it is known by its serial"
    );
}

#[tokio::test]
async fn a_store_is_one_controllers() {
    use controller::ControllerNode;
    let world = World::start().await;
    let mut config = world.config.clone();
    config.data_dir = world.dir.path().join("second");
    config.database =
        Some(format!("sqlite:{}", world.dir.path().join("data/controller.db").display()).into());
    config.controller_id = "controller_002".parse().unwrap();
    let refused = ControllerNode::start(config.clone(), world.clock.clone(), provider()).await.unwrap_err();
    assert!(refused.to_string().contains("belongs to controller controller_001"), "{refused}");
    // Without the key, nobody certifies for it.
    config.controller_id = "controller_001".parse().unwrap();
    config.key_dir = world.dir.path().join("other keys");
    let refused = ControllerNode::start(config, world.clock.clone(), provider()).await.unwrap_err();
    assert!(refused.to_string().contains("copy controller*.key"), "{refused}");
}
