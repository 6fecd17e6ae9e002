//! What every endpoint does with bodies that are none, and what can be learned from its errors.

use std::collections::BTreeSet;

use a2a_core::handshake::messages::KeyExchangeReply;
use a2a_core::wire::{MAX_HANDSHAKE_BODY, MAX_SEND_BODY};
use a2a_test::mallory::{CLOSE, KEY_EXCHANGE, Mallory, REQUEST, SEND, forged_finish, forged_init, start};
use a2a_test::raw::{JSON, Raw, Reply};
use a2a_test::world::World;
use serde_json::{Value, json};

use super::helper_and_mallory;

const POSTS: [&str; 4] = [REQUEST, KEY_EXCHANGE, SEND, CLOSE];

/// T16, T34
#[tokio::test]
async fn every_endpoint_refuses_what_is_no_message_in_the_one_shape() {
    let (_world, mut helper, mallory) = helper_and_mallory().await;
    let (raw, to) = (mallory.raw.clone(), helper.local_addr());
    let deep = format!("{}{}", "[".repeat(17), "]".repeat(17));
    for path in POSTS {
        for (content_type, body, status, code) in [
            (JSON, "", 400, "bad_json"),
            (JSON, "{", 400, "bad_json"),
            (JSON, "{}", 400, "bad_json"),
            (JSON, "[]", 400, "bad_json"),
            (JSON, "null", 400, "bad_json"),
            (JSON, "\u{feff}{}", 400, "bad_json"),
            (JSON, deep.as_str(), 400, "bad_json"),
            (JSON, r#"{"session_id":"a","session_id":"a"}"#, 400, "bad_json"),
            ("text/plain", "{}", 415, "unsupported_media_type"),
            ("application/x-www-form-urlencoded", "a=b", 415, "unsupported_media_type"),
        ] {
            let reply = raw.post_bytes(to, path, content_type, body.into()).await;
            assert_eq!(reply.refusal(), (status, code.into()), "{path} {content_type} {body}");
            let error = reply.error();
            assert!(!error.error.is_empty() && !error.message.is_empty());
        }
        assert_eq!(raw.get(to, path).await.refusal(), (405, "method_not_allowed".into()));
    }
    assert_eq!(raw.get(to, "/agent/none").await.refusal(), (404, "not_found".into()));
    let posted = raw.post(to, "/agent/certificate", &json!({})).await;
    assert_eq!(posted.refusal(), (405, "method_not_allowed".into()));
    helper.hears_nothing();
}

/// T34
#[tokio::test]
async fn bodies_over_their_limits_are_refused() {
    let (_world, helper, mallory) = helper_and_mallory().await;
    for (path, limit) in [
        (REQUEST, MAX_HANDSHAKE_BODY),
        (KEY_EXCHANGE, MAX_HANDSHAKE_BODY),
        (CLOSE, MAX_HANDSHAKE_BODY),
        (SEND, MAX_SEND_BODY),
    ] {
        let padded = |length: usize| [b"{}".to_vec(), vec![b' '; length - 2]].concat();
        let at = mallory.raw.post_bytes(helper.local_addr(), path, JSON, padded(limit)).await;
        assert_eq!(at.refusal(), (400, "bad_json".into()), "{path}");
        let over = mallory.raw.post_bytes(helper.local_addr(), path, JSON, padded(limit + 1)).await;
        assert_eq!(over.refusal(), (413, "too_large".into()), "{path}");
    }
}

/// T16: a good M1 with one member too many, missing, null, twice or of another form is no M1.
#[tokio::test]
async fn a_request_with_another_meaning_for_another_reader_is_refused() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let request = mallory.request(&helper.certificate(&world)).message;
    let good = serde_json::to_string(&request).unwrap();
    let mut bad: Vec<String> = vec![
        good.replacen('{', r#"{"purpose":"twice","#, 1),
        good.replacen('{', r#"{"extra":1,"#, 1),
        good.replacen(r#""agent_card":{"#, r#""agent_card":{"extra":1,"#, 1),
        good.replacen(r#""protocol_version":1"#, r#""protocol_version":1.0"#, 1),
        good.replacen(r#""protocol_version":1"#, r#""protocol_version":"1""#, 1),
        good.replacen(r#""purpose":"harm""#, r#""purpose":"\ud800""#, 1),
        good.replacen(r#""purpose":"harm""#, &format!(r#""purpose":"{}""#, "x".repeat(257)), 1),
        format!("{good}x"),
        format!("[{good}]"),
    ];
    let value: Value = serde_json::to_value(&request).unwrap();
    for field in value.as_object().unwrap().keys() {
        let (mut missing, mut null) = (value.clone(), value.clone());
        missing.as_object_mut().unwrap().remove(field);
        null[field] = Value::Null;
        bad.extend([missing.to_string(), null.to_string()]);
    }
    for body in bad {
        assert_ne!(body, good);
        let reply = mallory.raw.post_bytes(helper.local_addr(), REQUEST, JSON, body.clone().into()).await;
        assert_eq!(reply.refusal(), (400, "bad_json".into()), "{body}");
    }
    helper.hears_nothing();
    assert_eq!(mallory.post(&helper, REQUEST, &request).await.status, 200);
}

/// T29: whichever check failed, status and body are the same.
#[tokio::test]
async fn cryptographic_failures_before_authentication_all_look_the_same() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let (other, foreign) =
        (Mallory::join_as(&world, "other", "other").await, Mallory::join(&world.other().await).await);
    let certificate = helper.certificate(&world);
    let mut replies: Vec<(&str, Reply)> = Vec::new();

    let mut unsigned = mallory.request(&certificate).message;
    unsigned.purpose = "altered".parse().unwrap();
    replies.push(("M1's signature", mallory.post(&helper, REQUEST, &unsigned).await));
    let moved = mallory.request_with(&certificate, |request| {
        request.address = "https://localhost:1".parse().unwrap();
    });
    replies.push(("M1's address", mallory.post(&helper, REQUEST, &moved).await));
    let altered = mallory.request_with(&certificate, |request| {
        request.certificate.agent_card.name = "Another".parse().unwrap();
    });
    replies.push(("the certificate's signature", mallory.post(&helper, REQUEST, &altered).await));
    let others = mallory.request_with(&certificate, |request| {
        request.certificate = other.credential.certificate().certificate().clone();
    });
    replies.push(("the certificate's name", mallory.post(&helper, REQUEST, &others).await));
    let unknown = foreign.request(&certificate).message;
    replies.push(("the certificate's controller", foreign.post(&helper, REQUEST, &unknown).await));

    for flaw in ["M3's signature", "M3's suite", "M3's share", "M5's signature", "M5's confirmation"] {
        let agreed = mallory.agree(&world, &helper).await;
        let transcript = agreed.transcript();
        let step = start(agreed.accepted);
        let mut init = step.message.clone();
        match flaw {
            "M3's signature" => init = forged_init(&init),
            "M3's suite" => init.suite = a2a_core::crypto::kx::Suite::Modp2048,
            "M3's share" => init.dh_public_key = vec![1].into(),
            _ => {
                let reply: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &init).await.read_as();
                let mut finish = step.next.finish(&reply).unwrap().message;
                match flaw {
                    "M5's signature" => finish = forged_finish(&finish),
                    _ => finish.confirm = vec![0; 32].into(),
                }
                replies.push((flaw, mallory.post(&helper, KEY_EXCHANGE, &finish).await));
                continue;
            }
        }
        if flaw == "M3's share" {
            mallory.sign_init(&transcript, &mut init);
        }
        replies.push((flaw, mallory.post(&helper, KEY_EXCHANGE, &init).await));
    }
    assert_eq!(replies.len(), 10);
    for (flaw, reply) in &replies {
        assert_eq!(reply.refusal(), (401, "handshake_failed".into()), "{flaw}");
    }
    let distinct: BTreeSet<_> = replies.iter().map(|(_, reply)| reply.text()).collect();
    assert_eq!(distinct.len(), 1, "{distinct:?}");
    while helper.skip_event().is_some() {}
}

/// Before it has enrolled, an agent does nothing at all with peers.
#[tokio::test]
async fn an_agent_without_certificate_takes_no_request() {
    let world = World::start().await;
    let mallory = Mallory::join(&world).await;
    let (helper, mut stranger) =
        (world.agent("helper").await, world.stranger("worker", super::willing).await);
    let request = mallory.request(&helper.certificate(&world)).message;
    let refused = mallory.post(&stranger, REQUEST, &request).await.refusal();
    assert_eq!(refused, (404, "certificate_not_issued".into()));
    let nobody = json!({
        "session_id": uuid::Uuid::nil(), "epoch": 0, "seq": 0, "type": "text", "ciphertext": "AAAA",
    });
    let refused = Raw::default().post(stranger.local_addr(), SEND, &nobody).await.refusal();
    assert_eq!(refused, (404, "unknown_session".into()));
    stranger.hears_nothing();
}
