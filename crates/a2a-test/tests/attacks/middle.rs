//! A man in the middle: before TLS, and inside it as if TLS had fallen.

use a2a_core::crypto::kx::Suite;
use a2a_core::session::Ack;
use a2a_node::agent::report::CloseCause;
use a2a_node::error::NodeError;
use a2a_test::agent::Agent;
use a2a_test::mallory::{CLOSE, KEY_EXCHANGE, REQUEST, SEND};
use a2a_test::man::{Call, Man};
use a2a_test::raw::{JSON, Reply};
use a2a_test::soon;
use a2a_test::talk::connect;
use a2a_test::world::World;
use serde_json::{Value, json};

/// A man before the helper, inside TLS: he holds its TLS key.
async fn inside() -> (World, Agent, Agent, Man) {
    let (world, man) = (World::start().await, Man::start().await);
    let traveller = world.agent("traveller").await;
    let helper = world
        .agent_with("helper", |settings| {
            super::willing(settings);
            man.stand_inside(settings);
        })
        .await;
    man.pass_on_to(helper.local_addr());
    (world, traveller, helper, man)
}

/// Changes a JSON body.
fn edit(body: &mut Vec<u8>, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(body).unwrap();
    change(&mut value);
    *body = serde_json::to_vec(&value).unwrap();
}

/// T36: with a TLS key of his own he gets the request for the certificate, and nothing else.
#[tokio::test]
async fn a_man_with_another_tls_key_is_refused_before_anything_is_said() {
    let (world, man) = (World::start().await, Man::start().await);
    let traveller = world.agent("traveller").await;
    let mut helper = world.agent_with("helper", |settings| man.stand_before(settings)).await;
    man.pass_on_to(helper.local_addr());
    let error = traveller.ask(&helper).await.unwrap_err();
    assert!(
        matches!(&error, NodeError::PeerUnreachable { reason, .. } if reason.contains("not the one")),
        "{error:?}"
    );
    let passed = man.passed();
    assert_eq!(passed.iter().map(|(call, _)| call.path.as_str()).collect::<Vec<_>>(), ["/agent/certificate"]);
    helper.hears_nothing();
}

/// T36: the certificate, which is fetched before there is a pin, proves itself.
#[tokio::test]
async fn a_certificate_altered_on_its_way_is_refused() {
    let (_world, traveller, mut helper, man) = inside().await;
    let pin = Man::start().await.tls_key.spki_sha256().to_string();
    let changes: [fn(&mut Value, &str); 4] = [
        |certificate, pin| certificate["agent_card"]["tls_spki_sha256"] = json!(pin),
        |certificate, _| certificate["agent_card"]["address"] = json!("https://localhost:1"),
        |certificate, _| certificate["expires_at"] = json!(u32::MAX),
        |certificate, _| certificate["agent_card"]["suites"] = json!([Suite::Modp2048]),
    ];
    for change in changes {
        let pin = pin.clone();
        man.on_reply(move |_, reply| edit(&mut reply.body, |certificate| change(certificate, &pin)));
        assert_eq!(traveller.ask(&helper).await.unwrap_err().code(), "peer_certificate");
    }
    assert!(man.passed_to(REQUEST).is_empty());
    helper.hears_nothing();
}

/// T36: though TLS hides nothing from him, he reads nothing of what is said and can forge nothing.
#[tokio::test]
async fn a_man_inside_tls_sees_no_plaintext_and_no_key() {
    let (_world, mut traveller, mut helper, man) = inside().await;
    let asked = traveller.ask(&helper).await.unwrap();
    helper.created().await;
    let id = asked.session_id;
    traveller.exchange(id).await.unwrap();
    helper.established().await;
    traveller.say(id, "the canary sings").await;
    helper.hears("the canary sings").await;
    helper.say(id, "so it does").await;
    traveller.hears("so it does").await;
    let code = helper.session(id).safety_code.unwrap();
    assert!(traveller.node.close(id).await.unwrap().confirmed);
    helper.closed().await;
    let passed = man.passed();
    assert!(passed.len() >= 6, "he saw {}", passed.len());
    for (call, reply) in passed {
        for body in [&call.body, &reply.body] {
            let text = String::from_utf8_lossy(body);
            let hidden = ["canary", "Y2FuYXJ5", "so it does", code.as_str()];
            assert!(hidden.iter().all(|secret| !text.contains(secret)), "{} {text}", call.path);
        }
    }
}

/// T13: suites stripped from the offer, or another one chosen.
#[tokio::test]
async fn a_downgrade_of_offer_or_choice_fails() {
    let (_world, traveller, mut helper, man) = inside().await;
    let weak = json!([Suite::Modp2048]);
    man.on_call(move |call| {
        if call.path == REQUEST {
            edit(&mut call.body, |request| request["suites"] = weak.clone());
        }
        None
    });
    let error = traveller.ask(&helper).await.unwrap_err();
    assert!(matches!(&error, NodeError::PeerRefused { code, .. } if code == "handshake_failed"), "{error:?}");
    helper.hears_nothing();

    man.behave();
    man.on_reply(|call, reply| {
        if call.path == REQUEST {
            edit(&mut reply.body, |response| response["suite"] = json!(Suite::Modp2048));
        }
    });
    assert_eq!(traveller.ask(&helper).await.unwrap_err().code(), "handshake_failed");
    assert!(traveller.node.sessions().is_empty());
}

/// Consent is signed: a no cannot be made a yes, nor a yes another yes.
#[tokio::test]
async fn an_answer_altered_on_its_way_is_refused() {
    let (_world, traveller, mut helper, man) = inside().await;
    let changes: [fn(&mut Value); 5] = [
        |response| response["session_id"] = json!(uuid::Uuid::nil()),
        |response| response["request_id"] = json!(uuid::Uuid::nil()),
        |response| response["decision"]["by"] = json!("operator"),
        |response| response["nonce"] = json!("00".repeat(32)),
        |response| response["expires"] = json!(u32::MAX),
    ];
    for change in changes {
        man.on_reply(move |call, reply| {
            if call.path == REQUEST {
                edit(&mut reply.body, change);
            }
        });
        assert_eq!(traveller.ask(&helper).await.unwrap_err().code(), "handshake_failed");
        assert!(traveller.node.sessions().is_empty());
        let created = helper.created().await;
        helper.node.close(created.session_id).await.unwrap();
    }
}

/// T01, T02 on the wire: each field of M3 to M6 is under a signature or a confirmation, and a failure ends
/// the session.
#[tokio::test]
async fn a_key_exchange_altered_on_its_way_fails_and_leaves_nothing() {
    let (_world, mut traveller, mut helper, man) = inside().await;
    let flip = |field: &mut Value| {
        let text = field.as_str().unwrap();
        let changed = if text.starts_with('A') { 'B' } else { 'A' };
        *field = json!(format!("{changed}{}", &text[1..]));
    };
    for (step, field) in [
        (0, "dh_public_key"),
        (0, "kem_public_key"),
        (0, "signature"),
        (1, "dh_public_key"),
        (1, "kem_ciphertext"),
        (1, "signature"),
        (1, "confirm"),
        (2, "signature"),
        (2, "confirm"),
        (3, "frame"),
    ] {
        man.behave();
        let asked = traveller.ask(&helper).await.unwrap();
        let id = helper.created().await.session_id;
        assert_eq!(asked.session_id, id);
        let spoil = move |call: &Call, body: &mut Vec<u8>, answer: bool| {
            let finish = String::from_utf8_lossy(&call.body).contains("\"finish\"");
            if call.path == KEY_EXCHANGE && step == usize::from(finish) * 2 + usize::from(answer) {
                let inner = if field == "frame" { "ciphertext" } else { field };
                edit(body, |message| {
                    flip(if field == "frame" { &mut message["frame"][inner] } else { &mut message[inner] });
                });
            }
        };
        man.on_call(move |call| {
            let seen = call.clone();
            spoil(&seen, &mut call.body, false);
            None
        });
        man.on_reply(move |call, reply| {
            if reply.status == 200 {
                spoil(call, &mut reply.body, true);
            }
        });
        let error = traveller.exchange(id).await.unwrap_err();
        assert!(
            matches!(error.code(), "peer_refused" | "handshake_failed"),
            "{field} of step {step}: {error:?}"
        );
        assert_eq!(traveller.closed().await.cause, CloseCause::Lost);
        assert!(traveller.node.sessions().is_empty());
        man.behave();
        while !helper.node.sessions().is_empty() {
            let _ = helper.node.close(id).await;
        }
        // What the helper made of it meanwhile: keys that it alone has, or an end.
        while let Some(()) = helper.skip_event() {}
    }
}

/// "Delivered" cannot be forged: an acknowledgement is under a key.
#[tokio::test]
async fn a_forged_acknowledgement_is_not_believed() {
    let (_world, mut traveller, mut helper, man) = inside().await;
    let id = traveller.ask(&helper).await.unwrap().session_id;
    helper.created().await;
    traveller.exchange(id).await.unwrap();
    helper.established().await;
    man.on_call(|call| {
        let forged = Ack { received: 1, mac: vec![0; 32].into() };
        (call.path == SEND).then(|| Reply::json(200, &forged))
    });
    assert_eq!(traveller.node.send(id, "swallowed").await.unwrap_err().code(), "session_ended");
    assert_eq!(traveller.closed().await.cause, CloseCause::Lost);
    helper.hears_nothing();
}

/// An old acknowledgement says that nothing has come of what was sent; and it is no reason to send for ever.
#[tokio::test]
async fn an_old_acknowledgement_delivers_nothing_and_makes_no_endless_loop() {
    let (_world, mut traveller, mut helper, man) = inside().await;
    let id = traveller.ask(&helper).await.unwrap().session_id;
    helper.created().await;
    traveller.exchange(id).await.unwrap();
    helper.established().await;
    traveller.say(id, "one").await;
    helper.hears("one").await;
    let old = man.passed_to(SEND)[0].1.clone();
    man.on_call(move |call| (call.path == SEND).then(|| old.clone()));
    let sent = soon("the end of the attempts", traveller.node.send(id, "two")).await;
    assert_eq!(sent.unwrap_err().code(), "unacknowledged");
    assert_eq!(man.passed_to(SEND).len(), 2);
    helper.hears_nothing();
    man.behave();
    traveller.say(id, "three").await;
    helper.hears("two").await;
    helper.hears("three").await;
    traveller.hears_nothing();
}

/// T26: he can keep a close from arriving, but not confirm it.
#[tokio::test]
async fn a_close_that_he_answers_himself_is_not_confirmed() {
    let (_world, traveller, mut helper, man) = inside().await;
    let id = traveller.ask(&helper).await.unwrap().session_id;
    helper.created().await;
    traveller.exchange(id).await.unwrap();
    helper.established().await;
    man.on_call(|call| {
        let forged = Ack { received: 1, mac: vec![0; 32].into() };
        (call.path == CLOSE).then(|| Reply::json(200, &forged))
    });
    assert!(!traveller.node.close(id).await.unwrap().confirmed);
    assert!(traveller.node.sessions().is_empty());
    helper.hears_nothing();
}

/// T06: both ends of a connection put into the same agent.
#[tokio::test]
async fn a_loop_back_to_the_sender_is_refused() {
    let (_world, traveller, _helper, man) = inside().await;
    man.pass_on_to(traveller.local_addr());
    let id: a2a_core::agent_id::AgentId = "helper_agent_001".parse().unwrap();
    let error = traveller.ask_at(man.address.clone(), id).await.unwrap_err();
    assert!(matches!(&error, NodeError::WrongPeer { found, .. } if found == traveller.id()), "{error:?}");
}

/// T05 through two honest agents: what each has sent comes back to it, in place of the other's.
#[tokio::test]
async fn two_honest_agents_do_not_take_back_what_they_sent() {
    let (world, before_traveller, before_helper) =
        (World::start().await, Man::start().await, Man::start().await);
    let mut traveller =
        world.agent_with("traveller", |settings| before_traveller.stand_inside(settings)).await;
    let mut helper = world.agent_with("helper", |settings| before_helper.stand_inside(settings)).await;
    before_traveller.pass_on_to(traveller.local_addr());
    before_helper.pass_on_to(helper.local_addr());
    let id = connect(&mut traveller, &mut helper).await;
    traveller.say(id, "there").await;
    helper.hears("there").await;
    helper.say(id, "and back").await;
    traveller.hears("and back").await;
    let raw = a2a_test::raw::Raw::default();
    for (men, agent) in [(&before_helper, &traveller), (&before_traveller, &helper)] {
        let sent = men.passed_to(SEND).into_iter().map(|(call, _)| call.body);
        for body in sent.collect::<Vec<_>>() {
            for next in [0, 1, 2] {
                let mut body = body.clone();
                edit(&mut body, |frame| frame["seq"] = json!(next));
                raw.post_bytes(agent.local_addr(), SEND, JSON, body).await;
                // A number that is past is a duplicate, which is acknowledged and not looked at.
                assert_eq!(agent.session(id).received, 1);
            }
        }
    }
    traveller.hears_nothing();
    helper.hears_nothing();
    traveller.say(id, "still").await;
    helper.hears("still").await;
}
