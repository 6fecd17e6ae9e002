//! An agent's life after it has enrolled: renewed, rekeyed, revoked, reinstated, banned.

use std::time::Duration;

use a2a_core::certificate::revocation::Standing;
use a2a_core::crypto::signature::PublicKey;
use a2a_node::args::EnrolmentMode;

use crate::world::{Agent, World, code};

/// Another key of the same agent.
fn rekeyed(agent: &Agent) -> Agent {
    Agent { id: agent.id.clone(), ..Agent::new("x") }
}

#[tokio::test]
async fn a_certificate_is_renewed_also_after_its_end() {
    let world = World::start().await;
    let agent = Agent::new("helper");
    assert_eq!(code(world.renew(&agent).await), "not_enrolled");
    let first = world.enrol(&agent).await.unwrap().certificate;
    world.clock.advance(Duration::from_hours(72));
    assert!(world.agents().await.is_empty());
    let next = world.renew(&agent).await.unwrap().certificate;
    assert_ne!(first.serial, next.serial);
    assert_eq!(next.issued_at, world.clock.now());
    assert_eq!(world.agents().await, ["helper"]);
    assert_eq!(world.revocations().await.standing(&first), Standing::Good, "nothing was superseded");
    let events = world.events("helper").await;
    assert_eq!(events, ["refused", "enrolled", "renewed"]);
}

#[tokio::test]
async fn a_new_key_takes_the_old_ones_place_if_the_old_one_signs() {
    let world = World::start().await;
    let (agent, thief) = (Agent::new("helper"), Agent::new("helper"));
    let first = world.enrol(&agent).await.unwrap().certificate;
    assert_eq!(code(world.renew(&thief).await), "bad_continuity");
    assert_eq!(code(world.renew_from(&thief, Some(&Agent::new("helper"))).await), "bad_continuity");
    let number = world.list(None).await.number;
    let new = rekeyed(&agent);
    let second = world.renew_from(&new, Some(&agent)).await.unwrap().certificate;
    assert!(second.issued_at > first.issued_at, "in the same second of the clock");
    let list = world.revocations().await;
    assert!(list.number() > number);
    assert_eq!((list.standing(&first), list.standing(&second)), (Standing::Superseded, Standing::Good));
    assert_eq!(code(world.renew(&agent).await), "bad_continuity", "the old key has had its day");
    assert_eq!(code(world.enrol(&agent).await), "id_taken");
    let third = world.renew(&new).await.unwrap().certificate;
    assert_eq!(world.revocations().await.standing(&third), Standing::Good);
    assert_eq!(world.agents().await, ["helper"]);
}

#[tokio::test]
async fn a_revoked_agent_gets_nothing_until_it_is_reinstated() {
    let world = World::start().await;
    let (agent, other) = (Agent::new("helper"), Agent::new("other"));
    let first = world.enrol(&agent).await.unwrap().certificate;
    let others = world.enrol(&other).await.unwrap().certificate;
    let before = world.list(None).await.number;
    world.command("revoke helper").await;
    let list = world.revocations().await;
    assert!(list.number() > before);
    assert_eq!((list.standing(&first), list.standing(&others)), (Standing::Revoked, Standing::Good));
    assert_eq!(world.agents().await, ["other"]);
    assert_eq!(code(world.renew(&agent).await), "agent_revoked");
    assert_eq!(code(world.enrol(&agent).await), "agent_revoked");
    assert_eq!(code(world.enrol(&Agent::new("helper")).await), "agent_revoked");
    let again = rekeyed(&agent);
    assert_eq!(code(world.renew_from(&again, Some(&agent)).await), "agent_revoked");
    // Its key gets no other id, either.
    let elsewhere = Agent { id: "elsewhere".parse().unwrap(), ..agent };
    assert_eq!(code(world.enrol(&elsewhere).await), "key_revoked");
    let agent = Agent { id: "helper".parse().unwrap(), ..elsewhere };
    assert_eq!(world.command_refused("revoke helper").await, "already_revoked");

    world.command("reinstate helper").await;
    assert_eq!(world.command_refused("reinstate helper").await, "not_revoked");
    let second = world.renew(&agent).await.unwrap().certificate;
    let list = world.revocations().await;
    assert_eq!((list.standing(&first), list.standing(&second)), (Standing::Revoked, Standing::Good));
    assert_eq!(world.agents().await, ["helper", "other"]);
}

#[tokio::test]
async fn an_id_reinstated_for_a_new_key_is_free_and_the_old_key_stays_void() {
    let world = World::with(|config| config.enrolment = Some(EnrolmentMode::Token)).await;
    let stolen = Agent::new("helper");
    let token = world.token("helper").await;
    let first = world.enrol_with(&stolen, &token).await.unwrap().certificate;
    world.command("revoke helper").await;
    world.command("reinstate helper --new-key").await;
    assert_eq!(world.command("agents").await[0]["standing"], "free");
    assert_eq!(code(world.renew(&stolen).await), "key_revoked");
    let token = world.token("helper").await;
    assert_eq!(code(world.enrol_with(&stolen, &token).await), "key_revoked");
    // Nor does revoking and reinstating once more bring it back.
    assert_eq!(world.command_refused("revoke helper").await, "already_revoked");
    assert_eq!(world.command_refused("reinstate helper").await, "key_revoked");
    let fresh = Agent::new("helper");
    assert_eq!(code(world.enrol(&fresh).await), "token_required", "free by the rules of the mode");
    let second = world.enrol_with(&fresh, &token).await.unwrap().certificate;
    let list = world.revocations().await;
    assert_eq!((list.standing(&first), list.standing(&second)), (Standing::Revoked, Standing::Good));
    assert_eq!(code(world.renew(&stolen).await), "key_revoked");
}

#[tokio::test]
async fn a_banned_agent_never_comes_back() {
    let world = World::start().await;
    let agent = Agent::new("helper");
    world.enrol(&agent).await.unwrap();
    assert_eq!(world.command_refused("ban nobody").await, "unknown_agent");
    world.command("ban helper").await;
    for line in ["reinstate helper", "reinstate helper --new-key"] {
        assert_eq!(world.command_refused(line).await, "agent_banned");
    }
    let world = world.restart().await;
    assert_eq!(code(world.renew(&agent).await), "agent_revoked");
    assert_eq!(code(world.enrol(&Agent::new("helper")).await), "agent_revoked");
}

#[tokio::test]
async fn a_key_that_anybody_can_factor_is_refused() {
    let world = World::start().await;
    let agent = Agent::new("helper");
    let mut request = agent.request(world.nonce(&agent.id).await, world.clock.now());
    request.agent_card.public_key = divisible_by_three(agent.key.public_key());
    assert_eq!(world.refusal(&request).await, (400, "weak_key".to_owned()));
}

/// The same key but for the last byte of its modulus: 256 is 1 modulo 3, so the sum of the bytes tells.
fn divisible_by_three(key: &PublicKey) -> PublicKey {
    let mut der = key.spki_der().to_vec();
    // The modulus ends before the exponent, an integer of five bytes with its header.
    let end = der.len() - 5;
    let sum: u32 = der[end - 256..end - 1].iter().map(|byte| u32::from(*byte)).sum();
    let last = [1, 3, 5].into_iter().find(|last| (sum + last).is_multiple_of(3)).unwrap();
    der[end - 1] = u8::try_from(last).unwrap();
    PublicKey::from_spki_der(&der).unwrap()
}
