//! Requests for a session.

use std::net::TcpListener;
use std::time::Duration;

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use a2a_core::handshake::messages::{Request, Response};
use a2a_core::time::UnixTime;
use a2a_test::arena::Arena;
use a2a_test::keys;
use a2a_test::mallory::{CLOSE, KEY_EXCHANGE, Mallory, REQUEST, SEND, Target, start};
use a2a_test::raw::{JSON, Raw};
use a2a_test::world::Certified;

use super::agent_and_mallory;

/// Good in form and signed; only the address is not the certified one.
#[tokio::test]
async fn t11_an_address_that_is_not_certified_is_refused_and_nobody_is_called() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let own = format!("https://{}", canary.local_addr().unwrap());
    for address in [own.as_str(), "https://169.254.169.254:80", "https://127.0.0.1:1", "https://localhost:1"]
    {
        let request = mallory.request_with(&helper.verified(&arena.world), |request| {
            request.address = address.parse().unwrap();
        });
        let refused = mallory.post(&helper, REQUEST, &request).await;
        assert_eq!(refused.refusal(), (401, "handshake_failed".into()), "{address}");
    }
    let mut request = serde_json::to_value(mallory.request(&helper.verified(&arena.world)).message).unwrap();
    let port = canary.local_addr().unwrap().port();
    for address in [
        format!("http://127.0.0.1:{port}"),
        format!("gopher://127.0.0.1:{port}"),
        "file:///etc/passwd".to_owned(),
        format!("https://0x7f.1:{port}"),
        format!("https://2130706433:{port}"),
        format!("https://[::ffff:127.0.0.1]:{port}"),
        format!("https://127.0.0.1:{port}/path"),
        format!("https://127.0.0.1:{port}?query"),
        format!("https://somebody@127.0.0.1:{port}"),
        format!("https://127.0.0.1:{port}#fragment"),
        format!("https://127.0.0.1:{port}\\@localhost"),
        format!("//127.0.0.1:{port}"),
    ] {
        request["address"] = address.as_str().into();
        let refused = mallory.raw.post(helper.socket, REQUEST, &request).await;
        assert!([400, 401].contains(&refused.refusal().0), "{address}");
    }
    // What was begun behind the answers has been done by then.
    mallory.connect(&arena.world, &helper).await;
    assert!(canary.accept().is_err(), "somebody was called");
}

/// Many good requests that name one victim, which is even certified.
#[tokio::test]
async fn t12_requests_make_the_agent_call_nobody() {
    let (arena, helper, mut mallory) = agent_and_mallory("helper").await;
    let victim = TcpListener::bind("127.0.0.1:0").unwrap();
    victim.set_nonblocking(true).unwrap();
    mallory.credential = arena.world.certify(&Certified {
        agent_id: mallory.credential.certificate().agent_id(),
        key_name: "mallory",
        address: &format!("https://{}", victim.local_addr().unwrap()).parse().unwrap(),
        tls_spki_sha256: mallory.server.tls_key.spki_sha256(),
        suites: &Suite::ALL,
        life: Duration::from_hours(1),
    });
    for _ in 0..50 {
        let request = mallory.request(&helper.verified(&arena.world)).message;
        let reply = mallory.post(&helper, REQUEST, &request).await;
        assert!(reply.status == 200 || reply.refusal() == (429, "busy".into()), "{reply:?}");
    }
    // What was begun behind the answers has been done by then.
    Mallory::join_as(&arena.world, "honest", "honest").await.connect(&arena.world, &helper).await;
    assert!(victim.accept().is_err(), "the victim was called");
}

/// What another reader might read otherwise.
#[tokio::test]
async fn t16_json_with_two_meanings_is_refused() {
    let (arena, mut helper, mallory) = agent_and_mallory("helper").await;
    let request = mallory.request(&helper.verified(&arena.world)).message;
    let good = serde_json::to_string(&request).unwrap();
    for bad in [
        good.replacen('{', r#"{"purpose":"twice","#, 1),
        good.replacen('{', r#"{"extra":1,"#, 1),
        good.replacen(r#""purpose""#, r#""Purpose""#, 1),
        good.replacen(r#""protocol_version":1"#, r#""protocol_version":1.0"#, 1),
        good.replacen(r#""protocol_version":1"#, r#""protocol_version":9007199254740993"#, 1),
        good.replacen(r#""purpose":"harm""#, r#""purpose":"\ud800""#, 1),
        good.replacen(r#""agent_card":{"#, r#""agent_card":{"extra":1,"#, 1),
        good.replacen(r#""agent_card":{"#, r#""agent_card":{"name":"twice","#, 1),
        // Serde would take this for the suite's name.
        good.replacen(r#""A2A-X25519-MLKEM768""#, r#"{"A2A-X25519-MLKEM768":null}"#, 1),
        format!("[{good}]"),
        format!("{good}x"),
    ] {
        assert_ne!(bad, good);
        let reply = mallory.raw.post_bytes(helper.socket, REQUEST, JSON, bad.clone().into()).await;
        assert_eq!(reply.refusal(), (400, "bad_json".into()), "{bad}");
    }
    // Serde would take the values in their order for the object.
    let frame = format!(r#"["{}",0,0,"text","AAAA"]"#, uuid::Uuid::nil()).into_bytes();
    let reply = mallory.raw.post_bytes(helper.socket, SEND, JSON, frame).await;
    assert_eq!(reply.refusal(), (400, "bad_json".into()));

    let controller = format!("127.0.0.1:{}", arena.controller.address.port()).parse().unwrap();
    let of_agent = [REQUEST, KEY_EXCHANGE, SEND, CLOSE].map(|path| (helper.socket, path));
    let of_controller = ["/controller/challenge", "/controller/register"].map(|path| (controller, path));
    for (socket, path) in of_agent.into_iter().chain(of_controller) {
        let deep = format!("{}{}", "[".repeat(17), "]".repeat(17));
        for bad in
            ["", "{}", "null", "[]", r#"{"agent_id":"\u0000"}"#, "{\"a\":1,\"a\":1}", &deep, "\u{feff}{}"]
        {
            let reply = mallory.raw.post_bytes(socket, path, JSON, bad.into()).await;
            assert_eq!(reply.refusal(), (400, "bad_json".into()), "{path}: {bad}");
        }
    }
    assert_eq!(helper.sessions("pending").await, 0);
    assert_eq!(mallory.post(&helper, REQUEST, &request).await.status, 200);
}

/// One peer gets one question, and five get one each; the person is not asked until they say yes.
#[tokio::test]
async fn t19_a_flood_of_requests_asks_once() {
    let arena = Arena::start().await;
    let mut helper = arena.agent("helper", &["--accept", "ask"]).await;
    let mallory = Mallory::join(&arena.world).await;
    let shown = helper.verified(&arena.world);
    let socket = helper.socket;
    let ask = |peer: &Mallory| {
        let (raw, request) = (peer.raw.clone(), peer.request(&shown).message);
        async move { raw.post(socket, REQUEST, &request).await }
    };
    let waiting = tokio::spawn(ask(&mallory));
    helper.repl.notice("request").await;
    for _ in 0..20 {
        assert_eq!(ask(&mallory).await.refusal(), (429, "busy".into()));
    }
    let asked = helper.repl.notices().await;
    assert!(asked.iter().all(|notice| notice["event"] != "request"), "{asked:?}");
    let mut others = Vec::new();
    for number in 0..4 {
        let other = Mallory::join_as(&arena.world, &format!("other{number}"), "other").await;
        others.push(tokio::spawn(ask(&other)));
        helper.repl.notice("request").await;
    }
    let sixth = Mallory::join_as(&arena.world, "sixth", "sixth").await;
    assert_eq!(ask(&sixth).await.refusal(), (429, "busy".into()));
    helper.done("n").await;
    assert!(matches!(waiting.await.unwrap().read_as(), Response::Rejected(_)));
    assert_eq!(helper.sessions("pending").await, 0);
}

#[tokio::test]
async fn t20_a_request_is_good_once() {
    let (arena, mut helper, mallory) = agent_and_mallory("helper").await;
    let agreed = mallory.agree(&arena.world, &helper).await;
    let again = mallory.post(&helper, REQUEST, &agreed.request).await;
    assert_eq!(again.read_as::<Response>(), agreed.response, "the same answer, and no second session");
    let other = mallory.request_with(&helper.verified(&arena.world), |request| {
        request.nonce = agreed.request.nonce;
    });
    let replayed = (409, "replayed_request".to_owned());
    assert_eq!(mallory.post(&helper, REQUEST, &other).await.refusal(), replayed);
    assert_eq!(helper.sessions("pending").await, 1);
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &start(agreed.accepted).message).await.status, 200);
    assert_eq!(mallory.post(&helper, REQUEST, &agreed.request).await.refusal(), replayed);
    let by = Duration::from_mins(4);
    let moves: [fn(UnixTime, Duration) -> UnixTime; 2] = [UnixTime::saturating_add, UnixTime::saturating_sub];
    for (moved, code) in moves.into_iter().zip(["not_fresh", "stale_request"]) {
        let out_of_time = mallory.request_with(&helper.verified(&arena.world), |request| {
            request.timestamp = moved(request.timestamp, by);
            request.expires = moved(request.expires, by);
        });
        assert_eq!(mallory.post(&helper, REQUEST, &out_of_time).await.refusal(), (409, code.into()));
    }
    // Nothing from before its start either, though its memory is new.
    let socket = helper.socket.to_string();
    helper.kill().await;
    let mut helper = arena.agent_again("helper", &["--accept", "all", "--listen", &socket]).await;
    for request in [&agreed.request, &other] {
        let stale = mallory.post(&helper, REQUEST, request).await;
        assert_eq!(stale.refusal(), (409, "stale_request".into()));
    }
    assert_eq!(helper.sessions("pending").await, 0);
}

#[tokio::test]
async fn t21_a_request_for_another_agent_is_refused() {
    let (arena, mut helper, mallory) = agent_and_mallory("helper").await;
    for change in [
        |request: &mut Request| {
            request.peer_agent_id = "worker_agent_001".parse().unwrap();
        },
        |request: &mut Request| {
            let another = keys::signing_key("another", available()[0]);
            request.peer_key_id = another.public_key().key_id();
        },
    ] {
        let request = mallory.request_with(&helper.verified(&arena.world), change);
        let refused = mallory.post(&helper, REQUEST, &request).await;
        assert_eq!(refused.refusal(), (421, "wrong_recipient".into()));
    }
    assert_eq!(helper.sessions("pending").await, 0);
}

/// Four sessions without keys; the fifth has to wait (or, after half a minute, takes the place of her own first), and takes none
/// from anybody else.
#[tokio::test]
async fn t23_one_peer_cannot_fill_the_table() {
    let (arena, mut helper, mallory) = agent_and_mallory("helper").await;
    for number in 0..24 {
        let request = mallory.request(&helper.verified(&arena.world)).message;
        let reply = mallory.post(&helper, REQUEST, &request).await;
        assert!(reply.status == 200 || number >= 4 && reply.refusal() == (429, "busy".into()), "{reply:?}");
    }
    assert_eq!(helper.sessions("pending").await, 4);
    // Nor does she get into a session of which she knows the id.
    let honest = Mallory::join_as(&arena.world, "honest", "honest").await;
    let agreed = honest.agree(&arena.world, &helper).await;
    let (transcript, init) = (agreed.transcript(), start(agreed.accepted).message);
    let mut hers = init.clone();
    mallory.sign_init(&transcript, &mut hers);
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &hers).await.refusal(), (401, "handshake_failed".into()));
    assert_eq!(honest.post(&helper, KEY_EXCHANGE, &init).await.status, 200);
}

#[tokio::test]
async fn t34_bodies_over_their_limits_are_refused() {
    let (_arena, helper, _) = agent_and_mallory("helper").await;
    let raw = Raw::default();
    for (path, limit) in [
        (REQUEST, a2a_core::wire::MAX_HANDSHAKE_BODY),
        (KEY_EXCHANGE, a2a_core::wire::MAX_HANDSHAKE_BODY),
        (SEND, a2a_core::wire::MAX_SEND_BODY),
        (CLOSE, a2a_core::wire::MAX_SEND_BODY),
    ] {
        let over = raw.post_bytes(helper.socket, path, JSON, vec![b' '; limit + 1]).await;
        assert_eq!(over.refusal(), (413, "too_large".into()), "{path}");
    }
    assert_eq!(raw.get(helper.socket, "/live").await.status, 200);
}
