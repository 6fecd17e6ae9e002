//! Two controllers on one database, SQLite's and PostgreSQL's: whichever answers, they are one.

use std::sync::Arc;
use std::time::Duration;

use a2a_core::certificate::enrolment::EnrolmentResponse;
use a2a_core::certificate::revocation::Standing;
use a2a_core::wire::MAX_HANDSHAKE_BODY;
use a2a_node::args::EnrolmentMode;
use a2a_node::client::ClientError;
use a2a_test::postgres::Postgres;
use controller::ControllerNode;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::world::{Agent, TIMEOUT, World, code, provider};

/// A first controller on each database there is, in token mode.
async fn worlds() -> Vec<World> {
    let mut worlds = vec![
        World::with(|config| {
            config.enrolment = Some(EnrolmentMode::Token);
            let file = config.data_dir.join("controller.db");
            config.database = Some(format!("sqlite:{}", file.display()).into());
        })
        .await,
    ];
    if let Some(server) = Postgres::shared() {
        let url = server.url(&server.create_database());
        let postgres = World::with(|config| {
            config.enrolment = Some(EnrolmentMode::Token);
            config.database = Some(url.into());
        });
        worlds.push(postgres.await);
    }
    worlds
}

impl World {
    /// Waits until this controller has seen what another has committed.
    async fn sees(&self, number: u64) {
        while self.list(None).await.number < number {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn any_of_two_controllers_does_it() {
    for first in worlds().await {
        let second = first.second().await;
        assert_eq!(first.node.fingerprint(), second.node.fingerprint());
        let agent = Agent::new("helper");
        let token = first.token("helper").await;
        // A challenge of one is known to the other.
        let nonce = first.nonce(&agent.id).await;
        let mut request = agent.request(nonce, second.clock.now());
        request.join_token = Some(token.secret.clone());
        let certificate = second.register(&request).await.unwrap().certificate;
        assert_eq!(code(first.register(&request).await), "bad_challenge", "it is used, whoever took it");
        assert_eq!(first.agents().await, ["helper"]);
        let revoked = second.command("revoke helper").await["list_number"].as_u64().unwrap();
        first.sees(revoked).await;
        assert_eq!(first.revocations().await.standing(&certificate), Standing::Revoked);
        assert_eq!(code(first.renew(&agent).await), "agent_revoked");
        assert_eq!(first.command("audit verify").await["whole"], true);
        assert_eq!(second.command("audit verify").await["whole"], true);
    }
}

#[tokio::test]
async fn a_rotation_at_one_is_followed_by_the_other() {
    for first in worlds().await {
        let second = first.second().await;
        let token = first.token("helper").await;
        let agent = Agent::new("helper");
        let anchor = first.info().await.verify(provider()).unwrap();
        second.enrol_with(&agent, &token).await.unwrap();
        first.command("rotate").await;
        let now = first.node.fingerprint();
        // Whether it has noticed or not: nothing is certified under the former key any more.
        let certificate = second.renew(&agent).await.unwrap().certificate;
        assert_eq!((certificate.controller_key_id, second.node.fingerprint()), (now, now));
        let info = second.info().await;
        anchor.follow(provider(), &info.successions, now, second.clock.now()).unwrap();
        assert_eq!(second.ready().await.0, 200);
    }
}

#[tokio::test]
async fn without_the_new_key_a_controller_is_not_ready_and_certifies_nothing() {
    for first in worlds().await {
        let mut config = first.config.clone();
        config.data_dir = first.dir.path().join("second");
        config.key_dir = first.dir.path().join("copied keys");
        std::fs::create_dir(&config.key_dir).unwrap();
        for file in ["controller.key", "controller.secret", "tls_root.key", "tls_root.pem"] {
            std::fs::copy(first.config.key_dir.join(file), config.key_dir.join(file)).unwrap();
        }
        let second = World::start_in(first.dir.clone(), config, first.clock.clone()).await;
        let (agent, token) = (Agent::new("helper"), first.token("helper").await);
        second.enrol_with(&agent, &token).await.unwrap();
        first.command("rotate").await;
        assert_eq!(code(second.renew(&agent).await), "internal");
        let (status, checks) = second.ready().await;
        assert_eq!(status, 503, "{checks}");
        let file = format!("controller-{}.key", &first.node.fingerprint().to_string()[..16]);
        let (from, to) = (first.config.key_dir.join(&file), second.config.key_dir.join(&file));
        std::fs::copy(from, to).unwrap();
        second.renew(&agent).await.unwrap();
    }
}

#[tokio::test]
async fn a_controller_without_the_others_secrets_does_not_start_and_makes_none() {
    for first in worlds().await {
        let mut config = first.config.clone();
        config.data_dir = first.dir.path().join("stranger");
        config.key_dir = first.dir.path().join("own keys");
        let start = || async {
            let started = ControllerNode::start(config.clone(), first.clock.clone(), provider()).await;
            started.map(drop).unwrap_err().to_string()
        };
        let refused = start().await;
        assert!(refused.contains("controller.secret"), "{refused}");
        // The identity key alone is not enough.
        std::fs::copy(first.config.key_dir.join("controller.key"), config.key_dir.join("controller.key"))
            .unwrap();
        let refused = start().await;
        assert!(refused.contains("controller.secret"), "{refused}");
        for file in ["controller.secret", "tls_root.key", "tls_root.pem"] {
            assert!(!config.key_dir.join(file).exists(), "{file}");
        }
        assert_eq!(first.command("audit verify").await["whole"], true);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn racers_for_a_token_get_one_certificate_and_each_loser_is_told_why() {
    for first in worlds().await {
        let second = first.second().await;
        let token = first.token("helper").await;
        let racers: Vec<_> = (0..8).map(|_| Agent::new("helper")).collect();
        let (mut racing, start) = (JoinSet::new(), Arc::new(Barrier::new(racers.len())));
        for (number, racer) in racers.iter().enumerate() {
            let world = if number % 2 == 0 { &first } else { &second };
            let mut request = racer.request(first.nonce(&racer.id).await, first.clock.now());
            request.join_token = Some(token.secret.clone());
            let (client, url) = (world.client.clone(), world.url("/controller/register"));
            let start = start.clone();
            racing.spawn(async move {
                start.wait().await;
                client.post_json::<EnrolmentResponse>(&url, &request, MAX_HANDSHAKE_BODY, TIMEOUT).await
            });
        }
        let outcomes: Vec<Result<EnrolmentResponse, ClientError>> = racing.join_all().await;
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
        for loser in outcomes.into_iter().filter(Result::is_err) {
            assert_eq!(code(loser), "token_spent");
        }
        // Nobody was punished for being late.
        first.clock.advance(Duration::from_secs(1));
        assert!(first.challenge(&racers[0].id).await.is_ok());
        let spent = first.command("audit --event token_spent").await;
        assert_eq!(spent.as_array().unwrap().len(), 1);
    }
}
