//! Every suite between every pair of crypto providers, over real nodes and the whole conversation.
//!
//! `cargo test -p a2a-test --test provider_matrix -- --nocapture` prints the table.

#![allow(clippy::unwrap_used)]

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::{Provider, available};
use a2a_node::agent::report::{CloseCause, SessionStage};
use a2a_test::talk::connect;
use a2a_test::world::World;

#[tokio::test]
async fn every_suite_and_pair_of_providers_holds_a_whole_conversation() {
    let providers = available();
    assert_eq!(providers.len(), 2, "both providers must be compiled in");
    let row = |suite: &str, one: &str, other: &str, result: &str| {
        format!("{suite:<22} {one:<11} {other:<11} {result}")
    };
    let mut table = vec![row("suite", "initiator", "responder", "result")];
    for suite in Suite::ALL {
        for initiator in providers {
            for responder in providers {
                converse(suite, *initiator, *responder).await;
                table.push(row(suite.as_str(), initiator.name(), responder.name(), "ok"));
            }
        }
    }
    show(&table.join("\n"));
}

async fn converse(suite: Suite, initiator: Provider, responder: Provider) {
    let world = World::start().await;
    let mut traveller = world.agent_with("traveller", |settings| settings.provider = initiator).await;
    let mut helper = world
        .agent_with("helper", |settings| {
            settings.provider = responder;
            settings.config.suites = vec![suite];
        })
        .await;
    assert_eq!(traveller.node.status().crypto_provider, initiator.name());
    assert_eq!(helper.node.status().crypto_provider, responder.name());

    let id = connect(&mut traveller, &mut helper).await;
    let (ours, theirs) = (traveller.session(id), helper.session(id));
    assert_eq!((ours.suite, theirs.suite), (suite, suite));
    assert_eq!((ours.stage, theirs.stage), (SessionStage::Established, SessionStage::Established));
    assert!(ours.safety_code.is_some() && ours.safety_code == theirs.safety_code);
    traveller.say(id, "Grüße").await;
    helper.hears("Grüße").await;
    helper.say(id, "你好").await;
    traveller.hears("你好").await;
    assert!(traveller.node.close(id).await.unwrap().confirmed);
    assert_eq!(helper.closed().await.cause, CloseCause::ClosedByPeer);
}

#[allow(clippy::print_stdout)]
fn show(table: &str) {
    println!("{table}");
}
