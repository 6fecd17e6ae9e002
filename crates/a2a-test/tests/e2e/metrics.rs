//! What an agent counts of its handshakes, sessions and messages.

use a2a_core::crypto::kx::Suite;
use a2a_node::http::MetricsReach;
use a2a_test::agent::{Agent, Settings};
use a2a_test::mallory::{KEY_EXCHANGE, Mallory, REQUEST};
use a2a_test::man::Man;
use a2a_test::raw::{Raw, Reply};
use a2a_test::soon;
use a2a_test::talk::{Talk, agree, connect};
use a2a_test::world::World;

fn measured(settings: &mut Settings) {
    settings.config.metrics = MetricsReach::Loopback;
}

/// What the agent shows now, having swept.
async fn shown(agent: &Agent) -> Vec<String> {
    agent.node.sweep().await;
    let text = Raw::default().get(agent.local_addr(), "/metrics").await.text();
    text.lines().map(str::to_owned).collect()
}

async fn shows(agent: &Agent, line: &str) {
    let shown = shown(agent).await;
    assert!(shown.iter().any(|found| found == line), "{line}\n{}", shown.join("\n"));
}

fn handshakes(suite: Suite, role: &str, outcome: &str) -> String {
    format!("a2a_handshakes_total{{suite=\"{suite}\",role=\"{role}\",outcome=\"{outcome}\"}} 1")
}

#[tokio::test]
async fn sessions_handshakes_and_messages_are_counted_on_both_sides() {
    let Talk { traveller, mut helper, id, .. } = Talk::start_with(|_, settings| {
        settings.config.suites = vec![Suite::X25519MlKem768];
        measured(settings);
    })
    .await;
    for _ in 0..3 {
        traveller.say(id, "to be counted").await;
        helper.hears("to be counted").await;
    }
    for (agent, role, direction) in [(&traveller, "initiator", "sent"), (&helper, "responder", "received")] {
        shows(agent, &handshakes(Suite::X25519MlKem768, role, "done")).await;
        shows(agent, "a2a_handshake_seconds_count 1").await;
        shows(agent, "a2a_sessions 1").await;
        shows(agent, &format!("a2a_messages_total{{direction=\"{direction}\"}} 3")).await;
        shows(agent, "a2a_queue_length{queue=\"outbox\"} 0").await;
    }
    traveller.node.close(id).await.unwrap();
    shows(&traveller, "a2a_sessions 0").await;
    helper.closed().await;
}

#[tokio::test]
async fn what_fails_and_what_waits_is_counted() {
    let man = Man::start().await;
    let world = World::start().await;
    let mut traveller = world.agent_with("traveller", measured).await;
    let mut helper = world
        .agent_with("helper", |settings| {
            measured(settings);
            man.stand_inside(settings);
        })
        .await;
    man.pass_on_to(helper.local_addr());
    let id = agree(&mut traveller, &mut helper).await;
    man.on_call(|call| (call.path == KEY_EXCHANGE).then(Reply::lost));
    traveller.exchange(id).await.unwrap_err();
    shows(&traveller, "a2a_handshake_seconds_count 1").await;
    let mallory = Mallory::join(&world).await;
    let mut request = mallory.request(&helper.certificate(&world)).message;
    request.purpose = "altered".parse().unwrap();
    assert_eq!(mallory.post(&helper, REQUEST, &request).await.status, 401);
    shows(&helper, "a2a_rejects_total{reason=\"handshake_failed\"} 1").await;
    man.behave();
    let asking = tokio::spawn(traveller.ask(&helper));
    let question = helper.question().await;
    shows(&helper, "a2a_queue_length{queue=\"consent\"} 1").await;
    question.answer.send(false).unwrap();
    asking.await.unwrap().unwrap_err();
    soon("the question's end", async {
        while helper.node.status().requests_waiting > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    shows(&helper, "a2a_queue_length{queue=\"consent\"} 0").await;
}

#[tokio::test]
async fn frames_that_wait_are_counted_until_they_are_acknowledged_or_their_session_ends() {
    let man = Man::start().await;
    let world = World::start().await;
    let mut traveller = world.agent_with("traveller", measured).await;
    let mut helper = world.agent_with("helper", |settings| man.stand_inside(settings)).await;
    man.pass_on_to(helper.local_addr());
    let id = connect(&mut traveller, &mut helper).await;
    for is_over in [false, true] {
        man.on_call(|_| Some(Reply::lost()));
        assert_eq!(traveller.node.send(id, "held up").await.unwrap_err().code(), "unacknowledged");
        shows(&traveller, "a2a_queue_length{queue=\"outbox\"} 1").await;
        if is_over {
            traveller.node.close(id).await.unwrap();
        } else {
            man.behave();
            traveller.say(id, "after it").await;
            helper.hears("held up").await;
            helper.hears("after it").await;
        }
        shows(&traveller, "a2a_queue_length{queue=\"outbox\"} 0").await;
    }
}
