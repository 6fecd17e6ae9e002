//! Key exchanges.

use a2a_core::crypto::kx::modp::{GROUP_14, VALUE_LEN};
use a2a_core::crypto::kx::{InitiatorKeys, Suite};
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::messages::{KeyExchangeInit, KeyExchangeReply};
use a2a_core::session::{Frame, FrameType};
use a2a_test::arena::{AgentProcess, Arena};
use a2a_test::der::modp_share;
use a2a_test::mallory::{
    Agreed, KEY_EXCHANGE, Mallory, REQUEST, SEND, Target, forged_finish, forged_init, start,
};
use a2a_test::raw::Reply;
use tokio::task::JoinHandle;

use super::agent_and_mallory;

async fn exponentiations(agent: &AgentProcess) -> u64 {
    agent.counter("a2a_exponentiations_total").await
}

/// A share with a good signature in another session's place.
#[tokio::test]
async fn t02_a_signed_share_is_good_in_its_own_session_alone() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let first = start(mallory.agree(&arena.world, &helper).await.accepted).message;
    let second = mallory.agree(&arena.world, &helper).await.accepted.session_id();
    let replayed = KeyExchangeInit { session_id: second, ..first.clone() };
    let before = exponentiations(&helper).await;
    let refused = mallory.post(&helper, KEY_EXCHANGE, &replayed).await;
    assert_eq!(refused.refusal(), (401, "handshake_failed".into()));
    assert_eq!(exponentiations(&helper).await, before);
    mallory.post(&helper, KEY_EXCHANGE, &first).await.read_as::<KeyExchangeReply>();
}

/// M3 that she has signed for something else.
#[tokio::test]
async fn t03_a_signature_for_another_use_is_refused() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let agreed = mallory.agree(&arena.world, &helper).await;
    let transcript = agreed.transcript();
    let init = start(agreed.accepted).message;
    for label in SignatureLabel::ALL {
        let mut mislabelled = init.clone();
        let mut signed = transcript.clone();
        signed.absorb_message(&mislabelled);
        mislabelled.signature = mallory.sign(label, &signed);
        if label != SignatureLabel::KeyExchangeInit {
            let refused = mallory.post(&helper, KEY_EXCHANGE, &mislabelled).await;
            assert_eq!(refused.refusal(), (401, "handshake_failed".into()), "{label:?}");
        }
    }
    mallory.post(&helper, KEY_EXCHANGE, &init).await.read_as::<KeyExchangeReply>();
}

#[tokio::test]
async fn t08_any_group_but_the_one_is_refused() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let prime = GROUP_14.prime();
    let (mut composite, mut below) = (prime.to_vec(), prime.to_vec());
    composite[VALUE_LEN - 1] -= 2;
    below[VALUE_LEN - 1] -= 1;
    let before = exponentiations(&helper).await;
    for (modulus, generator) in [
        (&composite[..], &[2][..]),
        (&prime[..64], &[2]),
        (&[23], &[5]),
        (&prime, &[0]),
        (&prime, &[1]),
        (&prime, &[5]),
        (&prime, &below),
    ] {
        let agreed = mallory.agree(&arena.world, &helper).await;
        let share = modp_share(modulus, generator, &[4]);
        let refused = mallory.post(&helper, KEY_EXCHANGE, &with_share(&mallory, agreed, share)).await;
        assert_eq!(refused.refusal(), (401, "handshake_failed".into()), "{generator:?}");
    }
    assert_eq!(exponentiations(&helper).await, before);
}

/// M3 of hers with this share, well signed.
fn with_share(mallory: &Mallory, agreed: Agreed, share: Vec<u8>) -> KeyExchangeInit {
    let transcript = agreed.transcript();
    let mut init = start(agreed.accepted).message;
    init.dh_public_key = share.into();
    mallory.sign_init(&transcript, &mut init);
    init
}

#[tokio::test]
async fn t09_degenerate_shares_are_refused() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let prime = GROUP_14.prime();
    let (mut below, mut above) = (prime.to_vec(), prime.to_vec());
    below[VALUE_LEN - 1] -= 1;
    // The last bits of the prime are all ones: it goes on in the last eight bytes.
    above[VALUE_LEN - 8..].fill(0);
    above[VALUE_LEN - 9] += 1;
    let power = [&[1], &[0; VALUE_LEN][..]].concat();
    let before = exponentiations(&helper).await;
    for value in [&[0][..], &[1], &below, &prime, &above, &[0xff; VALUE_LEN], &power] {
        let agreed = mallory.agree(&arena.world, &helper).await;
        let init = with_share(&mallory, agreed, modp_share(&prime, &[2], value));
        let refused = mallory.post(&helper, KEY_EXCHANGE, &init).await;
        assert_eq!(refused.refusal(), (401, "handshake_failed".into()), "{value:?}");
    }
    assert_eq!(exponentiations(&helper).await, before);
    // Its coefficients are over the modulus.
    let agreed = mallory.agree(&arena.world, &helper).await;
    let (transcript, mut init) = (agreed.transcript(), start(agreed.accepted).message);
    init.kem_public_key = Some(vec![0xff; 1184].into());
    mallory.sign_init(&transcript, &mut init);
    let refused = mallory.post(&helper, KEY_EXCHANGE, &init).await;
    assert_eq!(refused.refusal(), (401, "handshake_failed".into()));
}

/// With these points whoever listens knows the result.
#[tokio::test]
async fn t09_points_of_low_order_are_refused() {
    let arena = Arena::start().await;
    let helper = arena.agent("helper", &["--accept", "all", "--suites", "A2A-X25519-MLKEM768"]).await;
    let mallory = Mallory::join(&arena.world).await;
    for first in [0, 1] {
        let agreed = mallory.agree(&arena.world, &helper).await;
        let (transcript, mut init) = (agreed.transcript(), start(agreed.accepted).message);
        let mut point = init.dh_public_key.as_bytes().to_vec();
        point[12..].fill(0);
        point[12] = first;
        init.dh_public_key = point.into();
        mallory.sign_init(&transcript, &mut init);
        let refused = mallory.post(&helper, KEY_EXCHANGE, &init).await;
        assert_eq!(refused.refusal(), (401, "handshake_failed".into()), "{first}");
    }
}

#[tokio::test]
async fn t10_a_forged_share_costs_no_exponentiation() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let init = start(mallory.agree(&arena.world, &helper).await.accepted).message;
    let before = exponentiations(&helper).await;
    for _ in 0..50 {
        let refused = mallory.post(&helper, KEY_EXCHANGE, &forged_init(&init)).await;
        assert_eq!(refused.refusal(), (401, "handshake_failed".into()));
    }
    assert_eq!(exponentiations(&helper).await, before);
    mallory.post(&helper, KEY_EXCHANGE, &init).await.read_as::<KeyExchangeReply>();
    assert!(exponentiations(&helper).await > before, "the counter counts");
}

/// Many M3 at once, each well signed, and then many M5.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t22_of_many_shares_at_once_one_is_taken() {
    let (arena, mut helper, mallory) = agent_and_mallory("helper").await;
    let agreed = mallory.agree(&arena.world, &helper).await;
    let (transcript, step) = (agreed.transcript(), start(agreed.accepted));
    let init = step.message;
    let kem = Suite::ALL.map(|suite| InitiatorKeys::generate(suite, available()[0]).unwrap().into_parts().1);
    let mut posts = Vec::new();
    for _ in 0..8 {
        for share in &kem {
            let mut other = init.clone();
            other.kem_public_key = share.kem_public_key.clone().map(Into::into).or(other.kem_public_key);
            mallory.sign_init(&transcript, &mut other);
            posts.push(tokio::spawn(mallory.post(&helper, KEY_EXCHANGE, &other)));
        }
    }
    // Signatures are salted: no two are the same bytes.
    assert_eq!(taken(posts).await, 1);
    assert_eq!(helper.sessions("pending").await, 1);

    let step = start(mallory.agree(&arena.world, &helper).await.accepted);
    let init = step.message;
    let reply: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &init).await.read_as();
    let finish = step.next.finish(&reply).unwrap().message;
    let id = init.session_id;
    let early = Frame {
        session_id: id,
        epoch: 0,
        seq: 0,
        frame_type: FrameType::Text,
        ciphertext: vec![0; 40].into(),
    };
    assert_eq!(mallory.post(&helper, SEND, &early).await.refusal(), (409, "wrong_state".into()));
    let posts: Vec<_> = (0..16).map(|_| tokio::spawn(mallory.post(&helper, KEY_EXCHANGE, &finish))).collect();
    assert_eq!(taken(posts).await, 16, "the same bytes get the same answer");
    assert_eq!(helper.sessions("established").await, 1);
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &init).await.refusal(), (409, "wrong_state".into()));
}

/// How many were taken. The others came at the wrong time.
async fn taken(posts: Vec<JoinHandle<Reply>>) -> usize {
    let mut taken = 0;
    for post in posts {
        let reply = post.await.unwrap();
        if reply.status == 200 {
            taken += 1;
        } else {
            assert_eq!(reply.refusal(), (409, "wrong_state".into()));
        }
    }
    taken
}

/// Whichever check failed, status and body are the same.
#[tokio::test]
async fn t29_cryptographic_failures_all_look_the_same() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let certificate = helper.verified(&arena.world);
    let moved = mallory.request_with(&certificate, |request| {
        request.address = "https://localhost:1".parse().unwrap();
    });
    let altered = mallory.request_with(&certificate, |request| {
        request.certificate.agent_card.name = "Another".parse().unwrap();
    });
    let mut replies = Vec::new();
    for request in [&moved, &altered] {
        replies.push(mallory.post(&helper, REQUEST, request).await);
    }
    for flaw in 0..4 {
        let agreed = mallory.agree(&arena.world, &helper).await;
        let (transcript, step) = (agreed.transcript(), start(agreed.accepted));
        let mut init = step.message.clone();
        match flaw {
            0 => init = forged_init(&init),
            1 => {
                init.dh_public_key = vec![1].into();
                mallory.sign_init(&transcript, &mut init);
            }
            _ => {
                let reply: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &init).await.read_as();
                let mut finish = step.next.finish(&reply).unwrap().message;
                match flaw {
                    2 => finish = forged_finish(&finish),
                    _ => finish.confirm = vec![0; 32].into(),
                }
                replies.push(mallory.post(&helper, KEY_EXCHANGE, &finish).await);
                continue;
            }
        }
        replies.push(mallory.post(&helper, KEY_EXCHANGE, &init).await);
    }
    for reply in &replies {
        assert_eq!(reply.refusal(), (401, "handshake_failed".into()));
        assert_eq!(reply.text(), replies[0].text());
    }
}
