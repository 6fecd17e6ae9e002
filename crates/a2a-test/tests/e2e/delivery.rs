//! Messages arrive once and in order, whatever the way between does to them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use a2a_core::session::frame::{FRAMES_MEDIA_TYPE, decode_frames, encode_frames};
use a2a_node::agent::report::CloseCause;
use a2a_test::mallory::{CLOSE, KEY_EXCHANGE, SEND};
use a2a_test::man::Man;
use a2a_test::raw::{Raw, Reply};
use a2a_test::soon;
use a2a_test::talk::{Talk, agree, connect};
use a2a_test::world::World;
use tokio::sync::watch;

/// A man inside TLS before the helper, so that tests see and lose what passes.
async fn watched() -> (Talk, Man) {
    let man = Man::start().await;
    let world = World::start().await;
    let mut traveller = world.agent("traveller").await;
    let mut helper = world.agent_with("helper", |settings| man.stand_inside(settings)).await;
    man.pass_on_to(helper.local_addr());
    let id = connect(&mut traveller, &mut helper).await;
    (Talk { world, traveller, helper, id }, man)
}

/// Loses the first `count` answers to what is sent to `path`, after the agent has seen the request.
fn lose_answers(man: &Man, path: &'static str, count: usize) {
    let left = AtomicUsize::new(count);
    man.on_reply(move |call, reply| {
        let taken = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            if call.path == path { left.checked_sub(1) } else { None }
        });
        if taken.is_ok() {
            *reply = Reply::lost();
        }
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_burst_from_many_tasks_arrives_once_in_order_and_in_batches() {
    let (Talk { traveller, mut helper, id, .. }, man) = watched().await;
    let traveller = Arc::new(traveller);
    let senders = (0..4).map(|task| {
        let node = traveller.node.clone();
        tokio::spawn(async move {
            let sending = (0..50).map(|number| {
                let node = node.clone();
                tokio::spawn(async move { node.send(id, &format!("{task} {number}")).await.unwrap().seq })
            });
            let mut acknowledged = Vec::new();
            for sent in sending.collect::<Vec<_>>() {
                acknowledged.push(sent.await.unwrap());
            }
            acknowledged
        })
    });
    let senders: Vec<_> = senders.collect();
    let mut heard = Vec::new();
    for expected in 0..200 {
        let message = helper.message().await;
        assert_eq!(message.seq, expected);
        heard.push(message.text);
    }
    let mut acknowledged = Vec::new();
    for sender in senders {
        acknowledged.extend(sender.await.unwrap());
    }
    acknowledged.sort_unstable();
    assert!(acknowledged.into_iter().eq(0..200));
    heard.sort_unstable();
    heard.dedup();
    assert_eq!(heard.len(), 200);
    helper.hears_nothing();
    assert_eq!((traveller.session(id).sent, helper.session(id).received), (200, 200));

    let sent = man.passed_to(SEND);
    let largest = sent.iter().filter(|(call, _)| call.content_type == FRAMES_MEDIA_TYPE);
    let largest = largest.map(|(call, _)| decode_frames(&call.body).unwrap().len()).max();
    assert!(
        sent.len() < 100 && largest.is_some_and(|frames| frames > 2),
        "{} bodies, {largest:?}",
        sent.len()
    );
}

/// A reader who takes his time slows the sender down: what is under way has its bounds, and none of it is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_more_than_there_is_room_for_waits() {
    let Talk { traveller, mut helper, id, .. } = Talk::start().await;
    let taken = Arc::new(AtomicUsize::new(0));
    let (node, counted) = (traveller.node.clone(), taken.clone());
    let texts = (0..12_000).map(move |number| {
        counted.fetch_add(1, Ordering::SeqCst);
        format!("{number:01024}")
    });
    let sending = tokio::spawn(async move { node.send_all(id, texts).await });
    for heard in 0..12_000 {
        let message = helper.message().await;
        assert_eq!((message.seq, message.text), (heard as u64, format!("{heard:01024}")));
        let under_way = taken.load(Ordering::SeqCst) - heard;
        assert!(under_way < 8000, "{under_way} messages under way");
    }
    assert_eq!(sending.await.unwrap().unwrap(), 12_000);
    helper.hears_nothing();
    assert_eq!((traveller.session(id).sent, helper.session(id).received), (12_000, 12_000));
}

/// What waits for room when the session ends is told of, and so is whoever sent it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_room_hears_of_the_end() {
    let (Talk { traveller, id, .. }, man) = watched().await;
    man.on_call(|_| Some(Reply::lost()));
    let sending: Vec<_> = (0..4)
        .map(|_| {
            let node = traveller.node.clone();
            tokio::spawn(async move { node.send_all(id, (0..3000).map(|_| "x".repeat(1024))).await })
        })
        .collect();
    soon("the first attempt", async {
        while man.passed_to(SEND).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let closed = traveller.node.close(id).await.unwrap();
    assert!(!closed.confirmed && closed.unacknowledged > 0, "{closed:?}");
    for sent in sending {
        let code = sent.await.unwrap().unwrap_err().code();
        assert!(["session_ended", "unacknowledged", "peer_unreachable"].contains(&code), "{code}");
    }
}

/// A body of which the peer takes a part: the rest goes again, and nothing else.
#[tokio::test]
async fn a_body_that_is_taken_in_part_goes_on_where_it_was_cut() {
    let (Talk { traveller, mut helper, id, .. }, man) = watched().await;
    let to = helper.local_addr();
    let cut = Arc::new(AtomicUsize::new(0));
    man.relay(move |call| {
        let cut = cut.clone();
        async move {
            let mut body = call.body;
            if call.content_type == FRAMES_MEDIA_TYPE {
                let mut frames = decode_frames(&body).unwrap();
                if frames.len() > 2 && cut.fetch_add(1, Ordering::SeqCst) == 0 {
                    frames.truncate(2);
                    body = encode_frames(frames[0].session_id, &frames);
                }
            }
            Raw::default().post_bytes(to, &call.path, &call.content_type, body).await
        }
    });
    let texts = (0..20).map(|number: u32| number.to_string());
    let (sent, ()) = tokio::join!(traveller.node.send_all(id, texts), async {
        for number in 0..20 {
            helper.hears(&number.to_string()).await;
        }
    });
    assert_eq!(sent.unwrap(), 20);
    helper.hears_nothing();
}

#[tokio::test]
async fn a_lost_acknowledgement_does_not_deliver_twice() {
    let (Talk { traveller, mut helper, id, .. }, man) = watched().await;
    lose_answers(&man, SEND, 2);
    traveller.say(id, "once").await;
    helper.hears("once").await;
    traveller.say(id, "and then").await;
    helper.hears("and then").await;
    helper.hears_nothing();
    let sent = man.passed_to(SEND);
    assert_eq!(sent.len(), 4);
    assert!(sent[..3].iter().all(|(call, _)| call.body == sent[0].0.body), "a retry is the same bytes");
}

/// Whoever sends drives what is sent. Given up half-way, the message is on its way all the same, and so is the next one.
#[tokio::test]
async fn a_message_whose_sender_goes_away_arrives_once() {
    let (Talk { traveller, mut helper, id, .. }, man) = watched().await;
    let (gate, to) = (watch::Sender::new(false), helper.local_addr());
    let shut = gate.clone();
    man.relay(move |call| {
        let mut opened = shut.subscribe();
        async move {
            let reply = Raw::default().post_bytes(to, &call.path, &call.content_type, call.body).await;
            opened.wait_for(|open| *open).await.unwrap();
            reply
        }
    });
    tokio::select! {
        _ = traveller.node.send(id, "on its way") => panic!("the answer is held"),
        () = helper.hears("on its way") => {}
    }
    gate.send_replace(true);
    traveller.say(id, "and the next").await;
    helper.hears("and the next").await;
    helper.hears_nothing();
    assert_eq!((traveller.session(id).sent, helper.session(id).received), (2, 2));
}

#[tokio::test]
async fn a_message_that_was_not_acknowledged_goes_out_before_the_next_one() {
    let (Talk { traveller, mut helper, id, .. }, man) = watched().await;
    man.on_call(|_| Some(Reply::lost()));
    assert_eq!(traveller.node.send(id, "first").await.unwrap_err().code(), "unacknowledged");
    man.behave();
    traveller.say(id, "second").await;
    helper.hears("first").await;
    helper.hears("second").await;
    helper.hears_nothing();
}

#[tokio::test]
async fn lost_answers_in_the_key_exchange_are_given_again() {
    let man = Man::start().await;
    let world = World::start().await;
    let mut traveller = world.agent("traveller").await;
    let mut helper = world.agent_with("helper", |settings| man.stand_inside(settings)).await;
    man.pass_on_to(helper.local_addr());
    let id = agree(&mut traveller, &mut helper).await;
    let step = AtomicUsize::new(0);
    man.on_reply(move |call, reply| {
        // The first answer to M3 and the first to M5 are lost; the second time they pass.
        if call.path == KEY_EXCHANGE && step.fetch_add(1, Ordering::SeqCst).is_multiple_of(2) {
            *reply = Reply::cut();
        }
    });
    traveller.exchange(id).await.unwrap();
    helper.established().await;
    traveller.say(id, "through").await;
    helper.hears("through").await;
    let passed = man.passed_to(KEY_EXCHANGE);
    assert_eq!(passed.len(), 4);
    assert_eq!((&passed[0].0, &passed[2].0), (&passed[1].0, &passed[3].0));
}

/// The responder has the keys before the initiator knows: what it says at once may arrive too early.
#[tokio::test]
async fn a_message_that_overtakes_the_end_of_the_set_up_is_sent_again() {
    let (before_helper, before_traveller) = (Man::start().await, Man::start().await);
    let world = World::start().await;
    let mut traveller =
        world.agent_with("traveller", |settings| before_traveller.stand_inside(settings)).await;
    let mut helper = world.agent_with("helper", |settings| before_helper.stand_inside(settings)).await;
    before_traveller.pass_on_to(traveller.local_addr());
    before_helper.pass_on_to(helper.local_addr());
    let id = agree(&mut traveller, &mut helper).await;
    let (gate, to) = (watch::Sender::new(false), helper.local_addr());
    let shut = gate.clone();
    before_helper.relay(move |call| {
        let mut opened = shut.subscribe();
        async move {
            let is_last = String::from_utf8_lossy(&call.body).contains("\"finish\"");
            let reply = Raw::default().post_bytes(to, &call.path, &call.content_type, call.body).await;
            if is_last {
                opened.wait_for(|open| *open).await.unwrap();
            }
            reply
        }
    });
    let node = traveller.node.clone();
    let exchanging = tokio::spawn(async move { node.key_exchange(id, &|_| {}).await });
    helper.established().await;
    let node = helper.node.clone();
    let sending = tokio::spawn(async move { node.send(id, "early").await });
    soon("the early message", async {
        while before_traveller.passed_to(SEND).is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    gate.send_replace(true);
    exchanging.await.unwrap().unwrap();
    sending.await.unwrap().unwrap();
    traveller.hears("early").await;
    assert_eq!(before_traveller.passed_to(SEND)[0].1.refusal(), (409, "wrong_state".into()));
}

#[tokio::test]
async fn a_close_whose_answer_is_lost_is_sent_again_and_confirmed() {
    let (Talk { traveller, mut helper, id, .. }, man) = watched().await;
    lose_answers(&man, CLOSE, 1);
    let closed = traveller.node.close(id).await.unwrap();
    assert!(closed.confirmed);
    assert_eq!(helper.closed().await.cause, CloseCause::ClosedByPeer);
    helper.hears_nothing();
    let passed = man.passed_to(CLOSE);
    assert_eq!((passed.len(), passed[1].1.status), (2, 200));
    assert_eq!(passed[0].0, passed[1].0);
}

#[tokio::test]
async fn a_peer_that_is_gone_does_not_keep_a_close_waiting_for_ever() {
    let Talk { traveller, helper, id, .. } = Talk::start().await;
    let address = helper.local_addr();
    helper.stop().await;
    // The helper said goodbye as it stopped.
    let mut traveller = traveller;
    assert_eq!(traveller.closed().await.cause, CloseCause::ClosedByPeer);
    assert_eq!(traveller.node.send(id, "anybody?").await.unwrap_err().code(), "unknown_session");
    assert!(std::net::TcpStream::connect(address).is_err());
}
