//! Mallory is asked, and answers as she likes.

use std::sync::Mutex;

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::kx::modp::GROUP_14;
use a2a_core::crypto::signature::{self, SignatureLabel};
use a2a_core::handshake::messages::{Acceptance, KeyExchangeInit, KeyExchangeReply, Request, Response};
use a2a_core::handshake::transcript::Transcript;
use a2a_node::agent::report::{CloseCause, Progress, SessionReport, SessionStage};
use a2a_node::error::NodeError;
use a2a_test::agent::Agent;
use a2a_test::keys;
use a2a_test::mallory::{KEY_EXCHANGE, Mallory, REQUEST};
use a2a_test::man::Man;
use a2a_test::raw::Reply;
use a2a_test::talk::Talk;
use a2a_test::world::World;

type Change = Box<dyn Fn(&mut Acceptance) + Send + Sync>;

const CERTIFICATE: &str = "/agent/certificate";

/// Mallory shows her certificate and answers requests with `answer`.
fn serve(mallory: &Mallory, answer: impl Fn(&Mallory, &Request) -> Reply + Send + Sync + 'static) {
    let herself = mallory.clone();
    mallory.server.on_call(move |call| match call.path.as_str() {
        CERTIFICATE => Some(Reply::json(200, herself.credential.certificate().certificate())),
        REQUEST => Some(answer(&herself, &serde_json::from_slice(&call.body).unwrap())),
        _ => None,
    });
}

async fn ask(traveller: &Agent, mallory: &Mallory) -> Result<SessionReport, NodeError> {
    let id = mallory.credential.certificate().agent_id().clone();
    traveller.ask_at(mallory.server.address.clone(), id).await
}

/// T23: the responder chooses the session's id, but not one that is in use.
#[tokio::test]
async fn a_session_id_that_is_in_use_does_not_displace_its_session() {
    let Talk { world, mut traveller, mut helper, id } = Talk::start().await;
    let mallory = Mallory::join(&world).await;
    serve(&mallory, move |mallory, request| {
        Reply::json(200, &mallory.accept_with(request, |acceptance| acceptance.session_id = id).0)
    });
    let error = ask(&traveller, &mallory).await.unwrap_err();
    assert_eq!(error.code(), "handshake_failed");
    let session = traveller.session(id);
    assert_eq!((&session.peer_agent_id, session.stage), (helper.id(), SessionStage::Established));
    traveller.say(id, "to the helper").await;
    helper.hears("to the helper").await;
    helper.say(id, "to the traveller").await;
    traveller.hears("to the traveller").await;
}

/// T13: a choice that is signed, and still not the best.
#[tokio::test]
async fn a_responder_that_chooses_a_lower_suite_is_refused() {
    let world = World::start().await;
    let (traveller, mallory) = (world.agent("traveller").await, Mallory::join(&world).await);
    for suite in [Suite::X25519MlKem768, Suite::Modp2048] {
        serve(&mallory, move |mallory, request| {
            Reply::json(200, &mallory.accept_with(request, |acceptance| acceptance.suite = suite).0)
        });
        let error = ask(&traveller, &mallory).await.unwrap_err();
        assert!(error.code() == "handshake_failed" && error.to_string().contains("was due"), "{error}");
    }
    assert!(traveller.node.sessions().is_empty());
}

#[tokio::test]
async fn an_answer_with_anothers_fields_is_refused_though_signed() {
    let world = World::start().await;
    let (traveller, mallory) = (world.agent("traveller").await, Mallory::join(&world).await);
    let other = Mallory::join_as(&world, "other", "other").await;
    let second_key = Mallory::join_as(&world, "mallory", "mallory's second").await;
    let (others, renewed) = (certificate(&other), certificate(&second_key));
    let changes: [Change; 5] = [
        Box::new(|acceptance| acceptance.request_id = uuid::Uuid::new_v4()),
        Box::new(|acceptance| acceptance.agent_id = "other_agent_001".parse().unwrap()),
        Box::new(move |acceptance| acceptance.certificate = others.clone()),
        Box::new(move |acceptance| acceptance.certificate = renewed.clone()),
        Box::new(|acceptance| acceptance.expires = a2a_core::time::UnixTime::from_secs(1)),
    ];
    for change in changes {
        serve(&mallory, move |mallory, request| Reply::json(200, &mallory.accept_with(request, &change).0));
        assert_eq!(ask(&traveller, &mallory).await.unwrap_err().code(), "handshake_failed");
    }
    assert!(traveller.node.sessions().is_empty());
}

fn certificate(mallory: &Mallory) -> a2a_core::certificate::card::AgentCertificate {
    mallory.credential.certificate().certificate().clone()
}

/// T03: a signature under another label does not stand in for a consent.
#[tokio::test]
async fn a_consent_signed_under_another_label_is_refused() {
    let world = World::start().await;
    let (traveller, mallory) = (world.agent("traveller").await, Mallory::join(&world).await);
    for label in SignatureLabel::ALL.into_iter().filter(|label| *label != SignatureLabel::Accept) {
        serve(&mallory, move |mallory, request| {
            let (Response::Accepted(mut acceptance), _) = mallory.accept_with(request, |_| {}) else {
                unreachable!("an acceptance")
            };
            let mut transcript = Transcript::new();
            transcript.absorb_message(request);
            transcript.absorb_signature(&request.signature);
            transcript.absorb_message(&Response::Accepted(acceptance.clone()));
            acceptance.signature = mallory.sign(label, &transcript);
            Reply::json(200, &Response::Accepted(acceptance))
        });
        assert_eq!(ask(&traveller, &mallory).await.unwrap_err().code(), "handshake_failed", "{label:?}");
    }
}

/// T28: whoever has the traveller's key can play the traveller, but nobody to the traveller.
#[tokio::test]
async fn the_thief_of_a_key_cannot_play_others_to_its_owner() {
    let (world, man) = (World::start().await, Man::start().await);
    let traveller = world.agent("traveller").await;
    let helper = world.agent_with("helper", |settings| man.stand_inside(settings)).await;
    man.pass_on_to(helper.local_addr());
    let (thief, shown) = (Mallory::join(&world).await, helper.certificate(&world));
    man.on_call(move |call| {
        let request: Request = (call.path == REQUEST).then(|| serde_json::from_slice(&call.body).unwrap())?;
        let (Response::Accepted(mut acceptance), _) = thief.accept_with(&request, |acceptance| {
            acceptance.agent_id = shown.agent_id().clone();
            acceptance.certificate = shown.certificate().clone();
        }) else {
            unreachable!("an acceptance")
        };
        let mut transcript = Transcript::new();
        transcript.absorb_message(&request);
        transcript.absorb_signature(&request.signature);
        transcript.absorb_message(&Response::Accepted(acceptance.clone()));
        let stolen = keys::signing_key("traveller", thief.credential.provider());
        acceptance.signature =
            signature::sign(stolen.as_ref(), SignatureLabel::Accept, transcript.hash()).unwrap();
        Some(Reply::json(200, &Response::Accepted(acceptance)))
    });
    assert_eq!(traveller.ask(&helper).await.unwrap_err().code(), "handshake_failed");
    assert!(traveller.node.sessions().is_empty());
}

/// T08: a bad group in M4, well signed.
#[tokio::test]
async fn a_bad_group_in_the_answer_ends_the_session() {
    let world = World::start().await;
    let (mut traveller, mallory) = (world.agent("traveller").await, Mallory::join(&world).await);
    let herself = mallory.clone();
    let state = Mutex::new(None);
    mallory.server.on_call(move |call| match call.path.as_str() {
        CERTIFICATE => Some(Reply::json(200, &certificate(&herself))),
        REQUEST => {
            let (response, transcript) =
                herself.accept_with(&serde_json::from_slice(&call.body).unwrap(), |_| {});
            *state.lock().unwrap() = Some(transcript);
            Some(Reply::json(200, &response))
        }
        KEY_EXCHANGE => {
            let init: KeyExchangeInit = serde_json::from_slice(&call.body).unwrap();
            let mut transcript = state.lock().unwrap().take().unwrap();
            transcript.absorb_message(&init);
            transcript.absorb_signature(&init.signature);
            // Her prime is not that of group 14.
            let mut share = init.dh_public_key.as_bytes().to_vec();
            let at = share.windows(32).position(|bytes| bytes == &GROUP_14.prime()[..32]).unwrap();
            share[at + 250] ^= 1;
            let mut reply = KeyExchangeReply {
                session_id: init.session_id,
                dh_public_key: share.into(),
                kem_ciphertext: Some(vec![0; 1088].into()),
                signature: init.signature.clone(),
                confirm: vec![0; 32].into(),
            };
            transcript.absorb_message(&reply);
            reply.signature = herself.sign(SignatureLabel::KeyExchangeReply, &transcript);
            Some(Reply::json(200, &reply))
        }
        _ => None,
    });
    let id = ask(&traveller, &mallory).await.unwrap().session_id;
    let error = traveller.exchange(id).await.unwrap_err();
    assert!(error.code() == "handshake_failed" && error.to_string().contains("group"), "{error}");
    assert_eq!(traveller.closed().await.cause, CloseCause::Lost);
}

/// Whatever comes back, the asker ends with an error and not with a session.
#[tokio::test]
async fn answers_that_are_none_are_refused() {
    let world = World::start().await;
    let (traveller, mallory) = (world.agent("traveller").await, Mallory::join(&world).await);
    let json =
        |status, text: &str| Reply { status, content_type: "application/json".into(), body: text.into() };
    for reply in [
        json(200, "{}"),
        json(200, "null"),
        json(200, ""),
        json(200, &format!("\"{}\"", "x".repeat(70_000))),
        json(200, r#"{"status":"accepted","status":"rejected"}"#),
        json(302, ""),
        json(500, "<html>"),
        Reply::cut(),
    ] {
        let shown = format!("{} {}", reply.status, &reply.text()[..reply.body.len().min(60)]);
        serve(&mallory, move |_, _| reply.clone());
        let error = ask(&traveller, &mallory).await.unwrap_err();
        assert!(matches!(error.code(), "handshake_failed" | "peer_unreachable"), "{shown}: {error:?}");
    }
    assert!(traveller.node.sessions().is_empty());
}

/// A key exchange that is given up half-way leaves no session behind.
#[tokio::test]
async fn a_key_exchange_that_is_given_up_leaves_nothing() {
    let world = World::start().await;
    let (mut traveller, mallory) = (world.agent("traveller").await, Mallory::join(&world).await);
    serve(&mallory, |mallory, request| Reply::json(200, &mallory.accept_with(request, |_| {}).0));
    mallory.server.relay(|_| std::future::pending());
    let id = ask(&traveller, &mallory).await.unwrap().session_id;
    let (node, (sent, was_sent)) = (traveller.node.clone(), tokio::sync::oneshot::channel());
    let sent = Mutex::new(Some(sent));
    let exchanging = tokio::spawn(async move {
        let on_progress = |step| {
            if step == Progress::ShareSent {
                sent.lock().unwrap().take().unwrap().send(()).unwrap();
            }
        };
        node.key_exchange(id, &on_progress).await
    });
    was_sent.await.unwrap();
    let twice = traveller.exchange(id).await.unwrap_err();
    assert!(twice.code() == "wrong_stage" && twice.to_string().contains("under way"), "{twice}");
    assert_eq!(traveller.session(id).stage, SessionStage::Pending);
    exchanging.abort();
    assert_eq!(traveller.closed().await.cause, CloseCause::Lost);
    assert!(traveller.node.sessions().is_empty());
}
