//! Agents that enrol, rightly and wrongly, where enrolment is open.

use std::fs;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::card::AgentCard;
use a2a_core::certificate::enrolment::EnrolmentResponse;
use a2a_core::wire::{Base64, Hex, MAX_HANDSHAKE_BODY};
use a2a_node::args::{ControllerConfig, EnrolmentMode};
use a2a_node::client::ClientError;
use a2a_node::clock::Clock;
use a2a_node::error::NodeError;
use a2a_node::tls::{ServerTls, TlsKey, certificate_key_sha256, client};
use controller::ControllerNode;
use tempfile::TempDir;

use crate::world::{Agent, TIMEOUT, World, config, provider};

/// Something done to a card behind its agent's back.
type Change = fn(&mut AgentCard);

#[tokio::test]
async fn an_agent_is_certified_and_listed() {
    let mut world = World::start().await;
    let info = world.info().await;
    let anchor = info.verify(provider()).unwrap();
    assert_eq!(info.fingerprint(), world.node.fingerprint());
    let agent = Agent::new("helper_agent_001");
    let response = world.enrol(&agent).await.unwrap();
    let now = world.clock.now();
    let verified = anchor.verify(provider(), response.certificate, Some(&agent.id), now).unwrap();
    assert_eq!(verified.expires_at(), now.saturating_add(Duration::from_hours(24)));
    assert_eq!(world.agents().await, ["helper_agent_001"]);
    let notice = world.notices.recv().await.unwrap();
    assert_eq!((notice.agent_id, notice.key_id, notice.first), (agent.id, verified.key_id(), true));
    let status = world.node.status().await.unwrap();
    assert_eq!((status.agents_enrolled, status.agents_valid), (1, 1));
    assert_eq!(status.serving.unwrap().enrolments, 1);
}

#[tokio::test]
async fn the_tls_certificate_is_for_the_agents_key_and_host_alone() {
    let world = World::start().await;
    let agent = Agent::new("helper_agent_001");
    let chain = world.enrol(&agent).await.unwrap().tls_chain;
    assert_eq!(certificate_key_sha256(&chain).unwrap(), agent.tls.spki_sha256());
    let tls = ServerTls::new(&agent.tls, &chain).unwrap();
    let server = a2a_node::http::Server::bind(SocketAddr::from(([127, 0, 0, 1], 0)), tls).await.unwrap();
    let port = server.local_addr().port();
    tokio::spawn(server.run(axum::Router::new(), std::future::pending()));
    // The client resolves every name to the agent's server: only the certificate tells them apart.
    let ca = fs::read_to_string(world.node.ca_file()).unwrap();
    let loopback = SocketAddr::from(([127, 0, 0, 1], port));
    let client = reqwest::Client::builder()
        .tls_backend_preconfigured(client::rooted(&ca).unwrap())
        .resolve("elsewhere.example", loopback)
        .no_proxy()
        .build()
        .unwrap();
    for (host, good) in [("localhost", true), ("127.0.0.1", true), ("elsewhere.example", false)] {
        let answer = client.get(format!("https://{host}:{port}/live")).send().await;
        assert_eq!(answer.is_ok(), good, "{host}: {answer:?}");
    }
}

#[tokio::test]
async fn a_restart_keeps_keys_and_register() {
    let world = World::start().await;
    let (first, second) = (Agent::new("first"), Agent::new("second"));
    world.enrol(&first).await.unwrap();
    let before = world.info().await;
    let unused = world.challenge(&second.id).await.unwrap().nonce;
    let world = world.restart().await;
    assert_eq!(world.info().await.tls_root, before.tls_root);
    assert_eq!(world.info().await.fingerprint(), before.fingerprint());
    assert_eq!(world.agents().await, ["first"]);
    // A challenge of before is good: nothing was kept that could have been lost.
    world.register(&second.request(unused, world.clock.now())).await.unwrap();
    assert_eq!(world.agents().await, ["first", "second"]);
    for secret in ["controller.key", "controller.secret", "tls_root.key", "tls.key", "controller.db"] {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(world.dir.path().join("data").join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
}

#[tokio::test]
async fn an_id_belongs_to_its_first_key() {
    let mut world = World::start().await;
    let (owner, thief) = (Agent::new("helper_agent_001"), Agent::new("helper_agent_001"));
    let first = world.enrol(&owner).await.unwrap().certificate;
    let refused = world.enrol(&thief).await.unwrap_err();
    assert!(
        matches!(&refused, ClientError::Api { status: 409, code, message, .. }
            if code == "id_taken" && message.contains("--agent-id")),
        "{refused:?}"
    );
    let mut world = {
        assert!(world.notices.recv().await.unwrap().first);
        world.restart().await
    };
    assert!(world.enrol(&thief).await.is_err());
    let again = world.enrol(&owner).await.unwrap().certificate;
    assert_ne!(first.serial, again.serial);
    assert!(!world.notices.recv().await.unwrap().first);
    let own = Agent::new("controller_001");
    assert!(world.enrol(&own).await.is_err(), "the controller's own id");
}

#[tokio::test]
async fn two_keys_that_race_for_an_id_get_one_certificate() {
    let world = World::start().await;
    let racers: Vec<_> = (0..4).map(|_| Agent::new("helper_agent_001")).collect();
    let mut requests = Vec::new();
    for racer in &racers {
        let nonce = world.challenge(&racer.id).await.unwrap().nonce;
        requests.push(racer.request(nonce, world.clock.now()));
    }
    let mut racing = tokio::task::JoinSet::new();
    for request in requests {
        let (client, url) = (world.client.clone(), world.node.address().join("/controller/register"));
        racing.spawn(async move {
            client.post_json::<EnrolmentResponse>(&url, &request, MAX_HANDSHAKE_BODY, TIMEOUT).await.is_ok()
        });
    }
    assert_eq!(racing.join_all().await.into_iter().filter(|won| *won).count(), 1);
}

#[tokio::test]
async fn a_challenge_is_good_once_for_its_agent_and_not_for_long() {
    let world = World::start().await;
    let (agent, other) = (Agent::new("helper_agent_001"), Agent::new("other"));
    let refused = (403, "bad_challenge".to_owned());
    let unknown = agent.request(Hex::random(provider()).unwrap(), world.clock.now());
    assert_eq!(world.refusal(&unknown).await, refused, "unknown");
    let nonce = world.challenge(&other.id).await.unwrap().nonce;
    assert_eq!(world.refusal(&agent.request(nonce, world.clock.now())).await, refused, "another agent's");
    let challenge = world.challenge(&agent.id).await.unwrap();
    world.clock.advance(challenge.expires_at.since(world.clock.now()));
    let late = agent.request(challenge.nonce, world.clock.now());
    assert_eq!(world.refusal(&late).await, refused, "expired");
    let nonce = world.challenge(&agent.id).await.unwrap().nonce;
    let request = agent.request(nonce, world.clock.now());
    world.register(&request).await.unwrap();
    let reused = world.register(&request).await.unwrap_err();
    assert!(matches!(reused, ClientError::Api { code, .. } if code == "bad_challenge"));
}

#[tokio::test]
async fn the_tls_request_must_be_for_the_cards_key() {
    let world = World::start().await;
    let agent = Agent::new("helper_agent_001");
    let refused = (400, "bad_csr".to_owned());
    let nonce = world.challenge(&agent.id).await.unwrap().nonce;
    let card = agent.card(world.clock.now());
    let other = agent.request_with(card, nonce, &TlsKey::generate().unwrap());
    assert_eq!(world.refusal(&other).await, refused, "another key's request");
    let nonce = world.challenge(&agent.id).await.unwrap().nonce;
    let mut request = agent.request(nonce, world.clock.now());
    request.tls_csr = with_a_broken_signature(&request.tls_csr);
    let unsigned = world.register(&request).await.unwrap_err();
    assert!(unsigned.to_string().contains("signature"), "{unsigned}");
    assert!(world.agents().await.is_empty(), "a request that the key did not sign");
    let nonce = world.challenge(&agent.id).await.unwrap().nonce;
    let mut request = agent.request(nonce, world.clock.now());
    request.tls_csr = "no request".into();
    assert_eq!(world.refusal(&request).await, refused, "no request at all");
}

#[tokio::test]
async fn a_card_that_was_changed_after_signing_is_refused() {
    let world = World::start().await;
    let agent = Agent::new("helper_agent_001");
    let now = world.clock.now();
    let changes: [(Change, &str); 4] = [
        (|card| card.address = "https://evil.example:443".parse().unwrap(), "bad_possession"),
        (|card| card.name = "Somebody Else".parse().unwrap(), "bad_possession"),
        (|card| card.name = "\u{202e}evil".parse().unwrap(), "bad_name"),
        (|card| card.expires_at = card.expires_at.saturating_add(Duration::from_secs(1)), "life_too_long"),
    ];
    for (change, code) in changes {
        let nonce = world.challenge(&agent.id).await.unwrap().nonce;
        let mut request = agent.request(nonce, now);
        change(&mut request.agent_card);
        assert_eq!(world.refusal(&request).await, (400, code.to_owned()));
    }
}

#[tokio::test]
async fn the_directory_holds_what_is_valid_now() {
    let world = World::start().await;
    world.enrol(&Agent::new("early")).await.unwrap();
    world.clock.advance(Duration::from_hours(23));
    world.enrol(&Agent::new("late")).await.unwrap();
    assert_eq!(world.agents().await, ["early", "late"]);
    world.clock.advance(Duration::from_hours(1));
    assert_eq!(world.agents().await, ["late"]);
    assert_eq!(world.node.status().await.unwrap().agents_enrolled, 2);
}

#[tokio::test]
async fn a_flood_from_one_source_is_slowed_down() {
    let world = World::with(|config| config.source_rate = NonZeroU32::new(20).unwrap()).await;
    let id: AgentId = "helper_agent_001".parse().unwrap();
    let mut codes = Vec::new();
    for _ in 0..1000 {
        if let Err(ClientError::Api { status, code, .. }) = world.challenge(&id).await {
            codes.push((status, code));
            break;
        }
    }
    assert_eq!(codes, [(429, "rate_limited".to_owned())]);
}

#[tokio::test]
async fn what_cannot_start_says_what_to_do() {
    let refusal = async |config: ControllerConfig| -> String {
        match ControllerNode::start(config, Clock::System, provider()).await {
            Err(NodeError::Environment(text)) => text,
            other => panic!("{other:?}"),
        }
    };
    let dir = TempDir::new().unwrap();
    for listen in ["0.0.0.0:0", "[::]:0", "192.0.2.1:5000"] {
        for enrolment in [None, Some(EnrolmentMode::Open)] {
            let open = ControllerConfig { listen: listen.parse().unwrap(), enrolment, ..config(dir.path()) };
            let text = refusal(open).await;
            assert!(text.contains("--enrolment token") && text.contains("127.0.0.1"), "{text}");
            assert!(!dir.path().join("data").exists(), "nothing was made");
        }
    }
    let world = World::start().await;
    let text = refusal(config(world.dir.path())).await;
    assert!(text.contains("in use") && text.contains("--data-dir"), "{text}");
    let other_dir = TempDir::new().unwrap();
    let same_ca = ControllerConfig { ca_file: world.node.ca_file().into(), ..config(other_dir.path()) };
    let text = refusal(same_ca).await;
    assert!(text.contains("another controller") && text.contains("--ca-file"), "{text}");
    let port = world.node.address().port();
    let same_port = ControllerConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], port)),
        ca_file: other_dir.path().join("ca.pem"),
        ..config(other_dir.path())
    };
    let text = refusal(same_port).await;
    assert!(text.contains(&port.to_string()) && text.contains("--listen"), "{text}");
}

/// The same request with the last bit of its signature changed.
fn with_a_broken_signature(pem: &str) -> String {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let mut der = body.parse::<Base64>().unwrap().into_vec();
    *der.last_mut().unwrap() ^= 1;
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n", Base64::from(der))
}
