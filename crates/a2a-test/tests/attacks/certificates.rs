//! Certificates that Mallory sends over a live session in place of her own: sealed, so hers for sure, and every one that
//! is not good ends the session.

use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::crypto::kx::Suite;
use a2a_core::session::{Ack, FrameType, Session};
use a2a_core::wire::canonical_json;
use a2a_node::agent::report::CloseCause;
use a2a_test::agent::Agent;
use a2a_test::mallory::{Mallory, SEND};
use a2a_test::raw::Reply;
use a2a_test::world::{Certified, World};

use super::helper_and_mallory;

/// Mallory in a session with the helper.
struct Joined {
    world: World,
    helper: Agent,
    mallory: Mallory,
    session: Session,
}

impl Joined {
    async fn start() -> Self {
        let (world, mut helper, mut mallory) = helper_and_mallory().await;
        world.pass(Duration::from_mins(10));
        mallory.credential = certified(&world, &mallory, "mallory");
        let session = mallory.connect(&world, &helper).await;
        helper.created().await;
        helper.established().await;
        Self { world, helper, mallory, session }
    }

    async fn send(&mut self, frame_type: FrameType, payload: Vec<u8>) -> Reply {
        let now = self.world.clock.now();
        let frame = self.session.sealer.seal(frame_type, payload, now).unwrap();
        self.mallory.post(&self.helper, SEND, &frame).await
    }

    async fn shows(&mut self, certificate: &AgentCertificate) -> Reply {
        self.send(FrameType::Certificate, canonical_json(certificate).unwrap()).await
    }

    /// The session goes on with this certificate.
    async fn is_taken(&mut self, certificate: &AgentCertificate) {
        let ack: Ack = self.shows(certificate).await.read_as();
        assert_eq!(self.session.sealer.accept(&ack).unwrap(), self.session.sealer.sealed());
        assert_eq!(self.send(FrameType::Text, b"still here".to_vec()).await.status, 200);
        self.helper.hears("still here").await;
    }
}

/// What the controller would give her now, for the key of this name.
fn certified(world: &World, mallory: &Mallory, key_name: &str) -> a2a_core::handshake::Credential {
    certified_as(world, mallory, &"mallory_agent_001".parse().unwrap(), key_name)
}

fn certified_as(
    world: &World,
    mallory: &Mallory,
    agent_id: &AgentId,
    key_name: &str,
) -> a2a_core::handshake::Credential {
    world.certify(&Certified {
        agent_id,
        key_name,
        address: &mallory.server.address,
        tls_spki_sha256: mallory.server.tls_key.spki_sha256(),
        suites: &Suite::ALL,
        life: Duration::from_hours(24),
    })
}

/// How a certificate that the controller would give her now is spoilt.
type Spoil = fn(&Joined, &World) -> AgentCertificate;

fn renewed(joined: &Joined) -> AgentCertificate {
    certified(&joined.world, &joined.mallory, "mallory").certificate().certificate().clone()
}

#[tokio::test]
async fn a_certificate_that_is_not_good_ends_the_session() {
    let flaws: [(&str, Spoil); 6] = [
        ("another serial, not signed", |joined, other| AgentCertificate {
            serial: other_serial(joined, other),
            ..renewed(joined)
        }),
        ("a longer life, not signed", |joined, _| {
            let certificate = renewed(joined);
            let expires_at = certificate.expires_at.saturating_sub(Duration::from_secs(1));
            AgentCertificate { expires_at, ..certificate }
        }),
        ("another agent's", |joined, _| {
            let helper = joined.helper.id().clone();
            let credential = certified_as(&joined.world, &joined.mallory, &helper, "mallory");
            credential.certificate().certificate().clone()
        }),
        ("the helper's own", |joined, _| joined.helper.node.certificate().unwrap()),
        ("another controller's", |joined, other| {
            certified(other, &joined.mallory, "mallory").certificate().certificate().clone()
        }),
        ("ended", |joined, _| {
            let certificate = renewed(joined);
            joined.world.pass(Duration::from_hours(25));
            certificate
        }),
    ];
    for (flaw, spoil) in flaws {
        let mut joined = Joined::start().await;
        let other = joined.world.other().await;
        let certificate = spoil(&joined, &other);
        assert_eq!(joined.shows(&certificate).await.refusal(), (401, "bad_frame".into()), "{flaw}");
        assert_eq!(joined.helper.closed().await.cause, CloseCause::Lost, "{flaw}");
        assert!(joined.helper.node.sessions().is_empty(), "{flaw}");
    }
}

fn other_serial(joined: &Joined, other: &World) -> a2a_core::wire::Hex<16> {
    certified(other, &joined.mallory, "mallory").certificate().certificate().serial
}

#[tokio::test]
async fn an_older_certificate_ends_the_session() {
    let (world, mut helper, mut mallory) = helper_and_mallory().await;
    let older = mallory.credential.certificate().certificate().clone();
    world.pass(Duration::from_mins(10));
    mallory.credential = certified(&world, &mallory, "mallory");
    let session = mallory.connect(&world, &helper).await;
    helper.created().await;
    helper.established().await;
    let mut joined = Joined { world, helper, mallory, session };
    assert_eq!(joined.shows(&older).await.refusal(), (401, "bad_frame".into()));
    assert_eq!(joined.helper.closed().await.cause, CloseCause::Lost);
}

#[tokio::test]
async fn what_is_no_certificate_ends_the_session() {
    for payload in [b"".to_vec(), b"{}".to_vec(), vec![b' '; 17 * 1024]] {
        let mut joined = Joined::start().await;
        assert_eq!(joined.send(FrameType::Certificate, payload).await.refusal(), (401, "bad_frame".into()));
        assert_eq!(joined.helper.closed().await.cause, CloseCause::Lost);
    }
}

#[tokio::test]
async fn good_certificates_are_taken_whatever_their_key_and_number() {
    let mut joined = Joined::start().await;
    for key_name in ["mallory", "mallory's second", "mallory"] {
        let certificate = certified(&joined.world, &joined.mallory, key_name);
        joined.is_taken(certificate.certificate().certificate()).await;
        joined.is_taken(certificate.certificate().certificate()).await;
        joined.world.pass(Duration::from_mins(1));
    }
}

/// The list is too old to begin sessions with; those that live go on, and with them goes what they need.
#[tokio::test]
async fn a_good_certificate_is_taken_though_the_list_is_too_old() {
    let mut joined = Joined::start().await;
    // The world's lists live for 30 days; nobody fetches another.
    let until = joined.helper.node.status().revocations_until.unwrap();
    joined.world.pass(until.since(joined.world.clock.now()) + Duration::from_mins(2));
    let certificate = renewed(&joined);
    assert_eq!(joined.shows(&certificate).await.status, 200);
}
