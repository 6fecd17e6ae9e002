//! Who a peer is: itself, somebody else, somebody with a stolen key, a man between.

use std::net::SocketAddr;
use std::time::Duration;

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::{self, SignatureLabel};
use a2a_core::handshake::messages::{KeyExchangeInit, Request, Response};
use a2a_core::handshake::transcript::Transcript;
use a2a_core::wire::Base64;
use a2a_test::arena::{AgentProcess, Arena};
use a2a_test::keys;
use a2a_test::mallory::{KEY_EXCHANGE, Mallory, REQUEST, SEND, Target, agreed};
use a2a_test::man::Man;
use a2a_test::raw::{Raw, Reply};
use a2a_test::relay::{Manner, Relay};
use a2a_test::thief;
use a2a_test::world::Certified;

use super::{agent_and_mallory, man_inside_tls};

const CERTIFICATE: &str = "/agent/certificate";

fn ask(agent: &AgentProcess) -> String {
    format!("request {} {}", agent.address, agent.id)
}

/// Mallory passes on to the helper what the traveller says to her, and back.
#[tokio::test]
async fn t01_a_share_passed_on_under_another_name_gives_no_session() {
    for manner in [Manner::AsItIs, Manner::SignedAnew] {
        let (arena, mut helper, mallory) = agent_and_mallory("helper").await;
        let relay = Relay::start(&arena.world, &mallory, &helper, manner).await;
        let mut traveller = arena.agent("traveller", &[]).await;
        let asked =
            format!("request {} {}", mallory.server.address, mallory.credential.certificate().agent_id());
        let session = traveller.done(&asked).await;
        let keys = format!("keyexchange {}", session["session_id"].as_str().unwrap());
        let code = traveller.fails(&keys).await;
        if manner == Manner::AsItIs {
            assert_eq!(relay.said().refusal(), (401, "handshake_failed".into()));
        } else {
            assert_eq!(code, "handshake_failed");
        }
        assert_eq!(helper.sessions("established").await, 0);
    }
}

/// A man inside TLS sends the traveller's frames back to it.
#[tokio::test]
async fn t05_a_frame_sent_back_to_its_sender_is_refused() {
    let (arena, mut helper, man) = man_inside_tls(&[]).await;
    let mut traveller = arena.agent("traveller", &[]).await;
    let id = traveller.connect(&helper).await;
    for text in ["one", "two"] {
        traveller.done(&format!("send {id} {text}")).await;
    }
    // The helper has sent one frame, with the keys' confirmation: the number of the second one here is what the traveller awaits.
    let (sent, _) = man.passed_to(SEND).pop().unwrap();
    let reply = Raw::default().post_bytes(traveller.socket, SEND, &sent.content_type, sent.body).await;
    assert_eq!(reply.refusal(), (401, "bad_frame".into()));
    traveller.hears_nothing().await;
    helper.done(&format!("send {id} three")).await;
    traveller.hears("three").await;
}

/// Under its own name, and under another name with its own key.
#[tokio::test]
async fn t06_an_agent_has_no_session_with_itself() {
    let arena = Arena::start().await;
    keys::put_secret(&arena.world.path().join("helper"), "identity.key", &keys::pkcs8("helper"));
    let mut helper = arena.agent("helper", &["--accept", "all"]).await;
    let mut mallory = Mallory::join(&arena.world).await;
    for (name, key_name) in [("helper", "mallory"), ("another", "helper")] {
        mallory.credential = arena.world.certify(&Certified {
            agent_id: &format!("{name}_agent_001").parse().unwrap(),
            key_name,
            address: &mallory.server.address,
            tls_spki_sha256: mallory.server.tls_key.spki_sha256(),
            suites: &Suite::ALL,
            life: Duration::from_hours(1),
        });
        // An honest initiator makes no such request.
        let honest = Mallory::join(&arena.world).await.request(&helper.verified(&arena.world)).message;
        let own = mallory.credential.certificate();
        let mut request = Request {
            agent_id: own.agent_id().clone(),
            certificate: own.certificate().clone(),
            address: own.address().clone(),
            ..honest
        };
        let mut transcript = Transcript::new();
        transcript.absorb_message(&request);
        request.signature = mallory.sign(SignatureLabel::Request, &transcript);
        let refused = mallory.post(&helper, REQUEST, &request).await;
        assert_eq!(refused.refusal(), (400, "self_peer".into()), "{name}");
    }
    assert_eq!(
        helper.fails(&format!("request {} {}", helper.address.clone(), helper.id.clone())).await,
        "self_peer"
    );
}

/// A man inside TLS shows the helper's certificate, and puts what the traveller then says into the traveller.
#[tokio::test]
async fn t06_a_request_that_is_led_back_to_its_sender_is_refused() {
    let (arena, helper, man) = man_inside_tls(&[]).await;
    let mut traveller = arena.agent("traveller", &[]).await;
    man.pass_on_to(traveller.socket);
    let shown = Reply::json(200, helper.certificate());
    man.on_call(move |call| (call.path == CERTIFICATE).then(|| shown.clone()));
    assert_eq!(traveller.fails(&ask(&helper)).await, "peer_refused");
    let (_, answer) = man.passed_to(REQUEST).pop().unwrap();
    assert_eq!(answer.refusal(), (421, "wrong_recipient".into()));
}

/// A man inside TLS takes the hybrid suites out of the offer.
#[tokio::test]
async fn t13_an_offer_that_was_changed_on_its_way_is_refused() {
    let (arena, helper, man) = man_inside_tls(&[]).await;
    let mut traveller = arena.agent("traveller", &[]).await;
    man.on_call(|call| {
        if call.path == REQUEST {
            let mut request: Request = serde_json::from_slice(&call.body).unwrap();
            request.suites = vec![Suite::Modp2048];
            call.body = serde_json::to_vec(&request).unwrap();
        }
        None
    });
    let code = traveller.fails(&ask(&helper)).await;
    let (_, answer) = man.passed_to(REQUEST).pop().unwrap();
    assert_eq!(answer.refusal(), (401, "handshake_failed".into()));
    assert_eq!(code, "peer_refused");
}

/// A man inside TLS puts the suite without a KEM into the answer.
#[tokio::test]
async fn t13_a_choice_that_was_changed_on_its_way_is_refused() {
    let (arena, mut helper, man) = man_inside_tls(&[]).await;
    let mut traveller = arena.agent("traveller", &[]).await;
    man.on_reply(|call, reply| {
        if call.path == REQUEST {
            let Response::Accepted(mut acceptance) = reply.read_as() else { unreachable!("an acceptance") };
            acceptance.suite = Suite::Modp2048;
            *reply = Reply::json(200, &Response::Accepted(acceptance));
        }
    });
    assert_eq!(traveller.fails(&ask(&helper)).await, "handshake_failed");
    assert_eq!(helper.sessions("pending").await, 1, "it was the answer that failed");
}

/// Mallory is asked and signs what she chooses, which is not the best.
#[tokio::test]
async fn t13_a_signed_choice_that_is_not_the_best_is_refused() {
    let arena = Arena::start().await;
    let mallory = Mallory::join(&arena.world).await;
    let own = mallory.credential.certificate().clone();
    for (program, suite) in [("traveller", Suite::X25519MlKem768), ("helper", Suite::Modp2048)] {
        let herself = mallory.clone();
        mallory.server.on_call(move |call| match call.path.as_str() {
            CERTIFICATE => Some(Reply::json(200, herself.credential.certificate().certificate())),
            REQUEST => {
                let request = serde_json::from_slice(&call.body).unwrap();
                Some(Reply::json(
                    200,
                    &herself.accept_with(&request, |acceptance| acceptance.suite = suite).0,
                ))
            }
            _ => None,
        });
        let mut agent = arena.agent(program, &[]).await;
        let asked = format!("request {} {}", own.address(), own.agent_id());
        assert_eq!(agent.fails(&asked).await, "handshake_failed", "{suite}");
    }
}

/// Mallory's certificate with the controller's signature for each other use there is, and what else the controller signs in
/// its place.
#[tokio::test]
async fn t17_what_is_signed_for_another_use_certifies_nobody() {
    let (arena, helper, mut mallory) = agent_and_mallory("helper").await;
    let (key, certificate) = (keys::signing_key("controller", available()[0]), helper.verified(&arena.world));
    for label in SignatureLabel::ALL.into_iter().filter(|label| *label != SignatureLabel::Certificate) {
        let request = mallory.request_with(&certificate, |request| {
            let certified = request.certificate.certified_message().unwrap();
            request.certificate.controller_signature =
                signature::sign(key.as_ref(), label, &certified).unwrap();
        });
        // Whoever tries often from one place is not heard for a while.
        mallory.raw = Raw::from_elsewhere();
        let refused = mallory.post(&helper, REQUEST, &request).await;
        assert_eq!(refused.refusal(), (401, "handshake_failed".into()), "{label:?}");
    }
    let (_, port) = arena.controller.address.as_str().rsplit_once(':').unwrap();
    let controller = SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()));
    for artefact in ["/controller/info", "/controller/revocations"] {
        let mut request = serde_json::to_value(mallory.request(&certificate).message).unwrap();
        request["certificate"] = mallory.raw.get(controller, artefact).await.read_as();
        assert_eq!(mallory.post(&helper, REQUEST, &request).await.status, 400, "{artefact}");
    }
    mallory.agree(&arena.world, &helper).await;
}

/// Whoever has the traveller's key can say anything as the traveller, and nothing to it as the helper: though the thief
/// stands inside TLS and shows the helper's certificate.
#[tokio::test]
async fn t28_the_thief_of_a_key_plays_nobody_to_its_owner() {
    let (arena, helper, man) = man_inside_tls(&[]).await;
    keys::put_secret(&arena.world.path().join("traveller"), "identity.key", &keys::pkcs8("stolen"));
    let mut traveller = arena.agent("traveller", &[]).await;
    let thief = Mallory::join_as(&arena.world, "thief", "stolen").await;
    let shown = helper.verified(&arena.world);
    man.on_call(move |call| {
        let request: Request = (call.path == REQUEST).then(|| serde_json::from_slice(&call.body).unwrap())?;
        let (accepted, _) = thief.accept_with(&request, |acceptance| {
            acceptance.agent_id = shown.agent_id().clone();
            acceptance.certificate = shown.certificate().clone();
        });
        Some(Reply::json(200, &accepted))
    });
    assert_eq!(traveller.fails(&ask(&helper)).await, "handshake_failed");
}

/// The same thief lets the helper consent, and answers in its place when keys are made.
#[tokio::test]
async fn t28_the_thief_of_a_key_makes_no_keys_with_its_owner() {
    let (arena, helper, man) = man_inside_tls(&["--suites", Suite::Modp2048.as_str()]).await;
    keys::put_secret(&arena.world.path().join("traveller"), "identity.key", &keys::pkcs8("stolen"));
    let mut traveller = arena.agent("traveller", &[]).await;
    let stolen = keys::signing_key("stolen", available()[0]);
    let herself = man.clone();
    man.on_call(move |call| {
        let init: KeyExchangeInit =
            (call.path == KEY_EXCHANGE).then(|| serde_json::from_slice(&call.body).ok())??;
        let (asked, answered) = herself.passed_to(REQUEST).pop().unwrap();
        let agreed = agreed(&serde_json::from_slice(&asked.body).unwrap(), &answered.read_as());
        Some(Reply::json(200, &thief::reply(stolen.as_ref(), &agreed, &init)))
    });
    let session = traveller.done(&ask(&helper)).await;
    let keys = format!("keyexchange {}", session["session_id"].as_str().unwrap());
    let code = traveller.fails(&keys).await;
    assert_eq!(man.passed_to(KEY_EXCHANGE).len(), 1, "after M4 comes no M5");
    assert_eq!(code, "handshake_failed");
}

/// A man with a TLS key of his own gets to see one fetch of a certificate, which is public.
#[tokio::test]
async fn t36_a_man_with_another_tls_key_is_told_nothing() {
    let (arena, man) = (Arena::start().await, Man::start().await);
    let helper = arena.agent("helper", &["--accept", "all", "--address", man.address.as_str()]).await;
    let mut traveller = arena.agent("traveller", &[]).await;
    man.pass_on_to(helper.socket);
    assert_eq!(traveller.fails(&ask(&helper)).await, "peer_unreachable");
    let passed: Vec<_> = man.passed().into_iter().map(|(call, _)| call.path).collect();
    assert_eq!(passed, [CERTIFICATE]);
}

/// A man with the helper's TLS key sees every byte that passes, and in none of them what is said.
#[tokio::test]
async fn t36_a_man_with_the_right_tls_key_reads_nothing() {
    let (arena, mut helper, man) = man_inside_tls(&[]).await;
    let mut traveller = arena.agent("traveller", &[]).await;
    let id = traveller.connect(&helper).await;
    // Base64 of 30 bytes has no padding, so it stands in the Base64 of whatever goes on behind them.
    let text = "a text that nobody else sees..";
    let encoded = serde_json::to_value(Base64::from(text.as_bytes().to_vec())).unwrap();
    traveller.done(&format!("send {id} {text}")).await;
    helper.hears(text).await;
    assert!(!man.passed_to(SEND).is_empty(), "it passed through him");
    for (call, reply) in man.passed() {
        for body in [call.body, reply.body] {
            let body = String::from_utf8_lossy(&body);
            assert!(
                !body.contains(text) && !body.contains(encoded.as_str().unwrap()),
                "{} {body}",
                call.path
            );
        }
    }
}
