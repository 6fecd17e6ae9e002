//! M3 and M5: forged, replayed, out of order, many at once, with bad groups and shares.

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::kx::modp::{GROUP_14, VALUE_LEN};
use a2a_core::handshake::messages::{Established, KeyExchangeInit, KeyExchangeReply};
use a2a_core::session::{FrameType, RekeyPolicy};
use a2a_core::wire::Base64;
use a2a_node::agent::report::{CloseCause, SessionStage};
use a2a_test::der::modp_share;
use a2a_test::mallory::{CLOSE, KEY_EXCHANGE, Mallory, SEND, forged_finish, forged_init, start};
use serde_json::json;

use super::helper_and_mallory;

fn failed() -> (u16, String) {
    (401, "handshake_failed".into())
}

fn wrong_state() -> (u16, String) {
    (409, "wrong_state".into())
}

/// T10, T22: a forgery, whoever sends it, costs the honest peer nothing.
#[tokio::test]
async fn forged_messages_do_not_disturb_the_honest_exchange() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let agreed = mallory.agree(&world, &helper).await;
    let id = helper.created().await.session_id;
    let step = start(agreed.accepted);
    for _ in 0..3 {
        let forged = mallory.post(&helper, KEY_EXCHANGE, &forged_init(&step.message)).await;
        assert_eq!(forged.refusal(), failed());
    }
    let reply: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &step.message).await.read_as();
    let step = step.next.finish(&reply).unwrap();
    for _ in 0..3 {
        let forged = mallory.post(&helper, KEY_EXCHANGE, &forged_finish(&step.message)).await;
        assert_eq!(forged.refusal(), failed());
    }
    assert_eq!(helper.session(id).stage, SessionStage::Pending);
    let established: Established = mallory.post(&helper, KEY_EXCHANGE, &step.message).await.read_as();
    let now = world.clock.now();
    step.next.establish(established, RekeyPolicy::default(), now).unwrap();
    assert_eq!(helper.established().await.session_id, id);
    helper.hears_nothing();
}

/// T02: a signed share is good in its own session alone.
#[tokio::test]
async fn a_share_from_one_session_is_refused_in_another() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let first = start(mallory.agree(&world, &helper).await.accepted);
    let second = mallory.agree(&world, &helper).await;
    let replayed = KeyExchangeInit { session_id: second.accepted.session_id(), ..first.message.clone() };
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &replayed).await.refusal(), failed());
    let reply: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &first.message).await.read_as();
    let finish = first.next.finish(&reply).unwrap().message;
    let second = start(second.accepted);
    let reply: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &second.message).await.read_as();
    let mut replayed = finish;
    replayed.session_id = reply.session_id;
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &replayed).await.refusal(), failed());
    for _ in 0..2 {
        helper.created().await;
    }
    helper.hears_nothing();
}

/// T22
#[tokio::test]
async fn messages_out_of_their_order_are_refused_and_change_nothing() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let other = start(mallory.agree(&world, &helper).await.accepted);
    helper.created().await;
    let reply: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &other.message).await.read_as();
    let mut early = other.next.finish(&reply).unwrap().message;

    let agreed = mallory.agree(&world, &helper).await;
    let (transcript, id) = (agreed.transcript(), helper.created().await.session_id);
    early.session_id = id;
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &early).await.refusal(), wrong_state(), "M5 before M3");
    let frame = json!({"session_id": id, "epoch": 0, "seq": 0, "type": "text", "ciphertext": "AAAA"});
    assert_eq!(mallory.post(&helper, SEND, &frame).await.refusal(), wrong_state(), "a frame before the keys");
    let close = json!({"session_id": id, "epoch": 0, "seq": 0, "type": "close", "ciphertext": "AAAA"});
    assert_eq!(
        mallory.post(&helper, CLOSE, &close).await.refusal(),
        wrong_state(),
        "a close before the keys"
    );

    let init = start(agreed.accepted);
    let reply: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &init.message).await.read_as();
    let mut second = init.message.clone();
    second.kem_public_key = other.message.kem_public_key.clone();
    mallory.sign_init(&transcript, &mut second);
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &second).await.refusal(), wrong_state(), "another M3");
    assert_eq!(mallory.post(&helper, SEND, &frame).await.refusal(), wrong_state(), "a frame before M5");

    let finish = init.next.finish(&reply).unwrap();
    let established: Established = mallory.post(&helper, KEY_EXCHANGE, &finish.message).await.read_as();
    assert_eq!(helper.established().await.session_id, id);
    for message in [&init.message, &second] {
        assert_eq!(
            mallory.post(&helper, KEY_EXCHANGE, message).await.refusal(),
            wrong_state(),
            "M3 after M5"
        );
    }
    let again: Established = mallory.post(&helper, KEY_EXCHANGE, &finish.message).await.read_as();
    assert_eq!(again, established, "M5 again");
    let forged = mallory.post(&helper, KEY_EXCHANGE, &forged_finish(&finish.message)).await;
    assert_eq!(forged.refusal(), wrong_state(), "another M5");

    let now = world.clock.now();
    let mut session = finish.next.establish(established, RekeyPolicy::default(), now).unwrap();
    let frame = session.sealer.seal(FrameType::Text, b"all is well".to_vec(), now).unwrap();
    assert_eq!(mallory.post(&helper, SEND, &frame).await.status, 200);
    helper.hears("all is well").await;
    let late = mallory.post(&helper, KEY_EXCHANGE, &finish.message).await;
    assert_eq!(late.refusal(), wrong_state(), "M5 once a frame has shown that M6 has come");
}

/// T22
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_equal_messages_at_once_make_one_session_and_get_equal_answers() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let step = start(mallory.agree(&world, &helper).await.accepted);
    let id = helper.created().await.session_id;
    let replies = storm(&mallory, &helper, &step.message).await;
    let step = step.next.finish(&replies).unwrap();
    let established: Established = storm(&mallory, &helper, &step.message).await;
    step.next.establish(established, RekeyPolicy::default(), world.clock.now()).unwrap();
    assert_eq!(helper.established().await.session_id, id);
    helper.hears_nothing();
    assert_eq!(helper.node.sessions().len(), 1);
}

/// The same message 64 times at once; the one answer to all of them.
async fn storm<T: serde::de::DeserializeOwned>(
    mallory: &Mallory,
    helper: &a2a_test::agent::Agent,
    message: &(impl serde::Serialize + 'static),
) -> T {
    let posts: Vec<_> = (0..64).map(|_| tokio::spawn(mallory.post(helper, KEY_EXCHANGE, message))).collect();
    let mut replies = Vec::new();
    for post in posts {
        replies.push(post.await.unwrap());
    }
    assert!(replies.iter().all(|reply| reply == &replies[0]));
    replies[0].read_as()
}

/// T08, T09: a group or share that is not acceptable, though well signed, ends the session with the one code.
#[tokio::test]
async fn bad_groups_and_shares_are_refused_with_the_one_code() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let prime = GROUP_14.prime();
    let mut composite = prime;
    composite[VALUE_LEN - 1] ^= 2;
    let good = [&[1], &[0_u8; VALUE_LEN - 1][..]].concat();
    let mut less_one = prime.to_vec();
    less_one[VALUE_LEN - 1] -= 1;
    let mut shares = vec![
        ("a composite modulus", modp_share(&composite, &[2], &good)),
        ("a short modulus", modp_share(&prime[..64], &[2], &good[..63])),
        ("generator 1", modp_share(&prime, &[1], &good)),
        ("generator 5", modp_share(&prime, &[5], &good)),
        ("y = 0", modp_share(&prime, &[2], &[0])),
        ("y = 1", modp_share(&prime, &[2], &[1])),
        ("y = p - 1", modp_share(&prime, &[2], &less_one)),
        ("y = p", modp_share(&prime, &[2], &prime)),
        ("y > p", modp_share(&prime, &[2], &[0xff; VALUE_LEN])),
        ("not DER", b"no key".to_vec()),
        ("nothing", Vec::new()),
    ];
    shares.push(("a trailing byte", [modp_share(&prime, &[2], &good), vec![0]].concat()));
    for (flaw, share) in shares {
        let agreed = mallory.agree(&world, &helper).await;
        assert_eq!(agreed.accepted.suite(), Suite::Modp2048MlKem768);
        let (transcript, id) = (agreed.transcript(), helper.created().await.session_id);
        let mut init = start(agreed.accepted).message;
        init.dh_public_key = share.into();
        mallory.sign_init(&transcript, &mut init);
        assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &init).await.refusal(), failed(), "{flaw}");
        let closed = helper.closed().await;
        assert_eq!((closed.session_id, closed.cause), (id, CloseCause::Lost), "{flaw}");
    }
    assert!(helper.node.sessions().is_empty());
}

/// T09: the other half of a hybrid.
#[tokio::test]
async fn bad_kem_keys_and_low_order_points_are_refused() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    for kem in [None, Some(vec![0; 1183]), Some(vec![0xff; 1184]), Some(Vec::new())] {
        let agreed = mallory.agree(&world, &helper).await;
        helper.created().await;
        let transcript = agreed.transcript();
        let mut init = start(agreed.accepted).message;
        init.kem_public_key = kem.map(Base64::from);
        mallory.sign_init(&transcript, &mut init);
        assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &init).await.refusal(), failed());
        helper.closed().await;
    }
    let x25519 = world
        .agent_with("worker", |settings| {
            super::willing(settings);
            settings.config.suites = vec![Suite::X25519MlKem768];
        })
        .await;
    for point in [[0; 32], {
        let mut one = [0; 32];
        one[0] = 1;
        one
    }] {
        let agreed = mallory.agree(&world, &x25519).await;
        let transcript = agreed.transcript();
        let mut init = start(agreed.accepted).message;
        let start = init.dh_public_key.as_bytes()[..12].to_vec();
        init.dh_public_key = [start, point.to_vec()].concat().into();
        mallory.sign_init(&transcript, &mut init);
        assert_eq!(mallory.post(&x25519, KEY_EXCHANGE, &init).await.refusal(), failed());
    }
    assert!(x25519.node.sessions().is_empty());
}

/// T13 in M3: the suite is the one agreed on, though she signs another.
#[tokio::test]
async fn another_suite_than_the_one_agreed_on_is_refused() {
    let (world, helper, mallory) = helper_and_mallory().await;
    let agreed = mallory.agree(&world, &helper).await;
    let transcript = agreed.transcript();
    let good = start(agreed.accepted);
    let mut init = good.message.clone();
    (init.suite, init.kem_public_key) = (Suite::Modp2048, None);
    mallory.sign_init(&transcript, &mut init);
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &init).await.refusal(), failed());
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &good.message).await.status, 200);
}

#[tokio::test]
async fn a_wrong_confirmation_though_signed_ends_the_session() {
    let (world, mut helper, mallory) = helper_and_mallory().await;
    let step = start(mallory.agree(&world, &helper).await.accepted);
    helper.created().await;
    let reply: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &step.message).await.read_as();
    let mut finish = step.next.finish(&reply).unwrap().message;
    // The confirmation is not under the signature; it is checked by itself.
    finish.confirm = vec![0; 32].into();
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &finish).await.refusal(), failed());
    assert_eq!(helper.closed().await.cause, CloseCause::Lost);
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &finish).await.refusal(), (404, "unknown_session".into()));
}
