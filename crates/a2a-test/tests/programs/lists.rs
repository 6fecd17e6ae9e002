//! Revocation lists, and certificates that are no longer good.

use a2a_core::certificate::verify::VerifiedCertificate;
use a2a_core::crypto::provider::available;
use a2a_core::handshake::Credential;
use a2a_test::arena::{AgentProcess, Arena, copy_files};
use a2a_test::mallory::{Mallory, REQUEST, Target};
use a2a_test::{keys, soon};

/// The worker, of which Mallory has the key and a certificate.
async fn worker_and_mallory(arena: &Arena) -> (AgentProcess, Mallory) {
    keys::put_secret(&arena.world.path().join("worker"), "identity.key", &keys::pkcs8("worker"));
    let worker = arena.agent("worker", &[]).await;
    let mut mallory = Mallory::join(&arena.world).await;
    let certificate: VerifiedCertificate = worker.verified(&arena.world);
    let key = keys::signing_key("worker", available()[0]);
    mallory.credential = Credential::new(available()[0], key, certificate).unwrap();
    (worker, mallory)
}

async fn list_number(agent: &mut AgentProcess) -> u64 {
    agent.done("status").await["revocations_number"].as_u64().unwrap()
}

/// Waits until an agent has heard that something has been revoked.
async fn hears_of_more_than(agent: &mut AgentProcess, known: u64) -> u64 {
    soon("a newer list", async {
        loop {
            let number = list_number(agent).await;
            if number > known {
                return number;
            }
        }
    })
    .await
}

/// The controller is set back to a copy from before a revocation, as by whoever holds the newer list back.
#[tokio::test]
async fn t31_an_older_list_takes_no_newer_ones_place() {
    let mut arena = Arena::start().await;
    let mut helper = arena.agent("helper", &["--accept", "all"]).await;
    let (_worker, mallory) = worker_and_mallory(&arena).await;
    mallory.agree(&arena.world, &helper).await;
    let before = list_number(&mut helper).await;
    let (dir, copy) = (arena.world.path().join("controller"), arena.world.path().join("copy"));
    let listen = format!("127.0.0.1:{}", arena.controller.address.port());
    arena.controller.kill().await;
    copy_files(&dir, &copy);
    arena.controller = arena.program.start(&listen).await;
    arena.program.done(&["revoke", "worker_agent_001"]).await;
    let number = hears_of_more_than(&mut helper, before).await;

    arena.controller.kill().await;
    std::fs::remove_dir_all(&dir).unwrap();
    copy_files(&copy, &dir);
    arena.controller = arena.program.start(&listen).await;
    assert_eq!(helper.fails("setup").await, "controller_misbehaved");
    let socket = helper.socket.to_string();
    helper.kill().await;
    let mut helper = arena.agent_again("helper", &["--accept", "all", "--listen", &socket]).await;
    assert_eq!(list_number(&mut helper).await, number);
    let request = mallory.request(&helper.verified(&arena.world)).message;
    let refused = mallory.post(&helper, REQUEST, &request).await;
    assert_eq!(refused.refusal(), (401, "handshake_failed".into()));
}

/// Mallory has found the key that the worker had before, and its certificate has not run out.
#[tokio::test]
async fn t32_the_certificate_of_a_former_key_is_refused() {
    let arena = Arena::start().await;
    let mut helper = arena.agent("helper", &["--accept", "all"]).await;
    let (mut worker, mallory) = worker_and_mallory(&arena).await;
    mallory.agree(&arena.world, &helper).await;
    let before = list_number(&mut helper).await;
    worker.done("renew --new-key").await;
    hears_of_more_than(&mut helper, before).await;
    let request = mallory.request(&helper.verified(&arena.world)).message;
    let refused = mallory.post(&helper, REQUEST, &request).await;
    assert_eq!(refused.refusal(), (401, "handshake_failed".into()));
}
