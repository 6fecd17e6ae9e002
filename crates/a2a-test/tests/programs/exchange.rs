//! Key exchanges.

use a2a_core::crypto::kx::modp::{GROUP_14, VALUE_LEN};
use a2a_core::crypto::kx::{InitiatorKeys, Suite};
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::SignatureLabel;
use a2a_core::handshake::messages::{KeyExchangeInit, KeyExchangeReply};
use a2a_test::der::modp_share;
use a2a_test::mallory::{KEY_EXCHANGE, REQUEST, Target, forged_finish, forged_init, start};

use super::agent_and_mallory;

/// A share with a good signature in another session's place.
#[tokio::test]
async fn t02_a_signed_share_is_good_in_its_own_session_alone() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let first = start(mallory.agree(&arena.world, &helper).await.accepted).message;
    let second = mallory.agree(&arena.world, &helper).await.accepted.session_id();
    let replayed = KeyExchangeInit { session_id: second, ..first.clone() };
    let refused = mallory.post(&helper, KEY_EXCHANGE, &replayed).await;
    assert_eq!(refused.refusal(), (401, "handshake_failed".into()));
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
    let mut composite = prime.to_vec();
    composite[VALUE_LEN - 1] -= 2;
    let value = [4];
    for (modulus, generator) in
        [(&composite[..], 2), (&prime[..64], 2), (&prime, 0), (&prime, 1), (&prime, 5)]
    {
        let agreed = mallory.agree(&arena.world, &helper).await;
        let transcript = agreed.transcript();
        let mut init = start(agreed.accepted).message;
        init.dh_public_key = modp_share(modulus, generator, &value).into();
        mallory.sign_init(&transcript, &mut init);
        let refused = mallory.post(&helper, KEY_EXCHANGE, &init).await;
        assert_eq!(refused.refusal(), (401, "handshake_failed".into()), "{generator}");
    }
}

#[tokio::test]
async fn t09_degenerate_shares_are_refused() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let prime = GROUP_14.prime();
    let (mut below, one) = (prime.to_vec(), [1]);
    below[VALUE_LEN - 1] -= 1;
    for value in [&[0][..], &one, &below, &prime, &[0xff; VALUE_LEN]] {
        let agreed = mallory.agree(&arena.world, &helper).await;
        let transcript = agreed.transcript();
        let mut init = start(agreed.accepted).message;
        init.dh_public_key = modp_share(&prime, 2, value).into();
        mallory.sign_init(&transcript, &mut init);
        let refused = mallory.post(&helper, KEY_EXCHANGE, &init).await;
        assert_eq!(refused.refusal(), (401, "handshake_failed".into()), "{value:?}");
    }
}

#[tokio::test]
async fn t10_a_forged_share_costs_no_exponentiation() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let init = start(mallory.agree(&arena.world, &helper).await.accepted).message;
    let before = helper.counter("a2a_exponentiations_total").await;
    for _ in 0..50 {
        let refused = mallory.post(&helper, KEY_EXCHANGE, &forged_init(&init)).await;
        assert_eq!(refused.refusal(), (401, "handshake_failed".into()));
    }
    assert_eq!(helper.counter("a2a_exponentiations_total").await, before);
    mallory.post(&helper, KEY_EXCHANGE, &init).await.read_as::<KeyExchangeReply>();
    assert!(helper.counter("a2a_exponentiations_total").await > before, "the counter counts");
}

/// Many M3 at once, each well signed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn t22_of_many_shares_at_once_one_is_taken() {
    let (arena, mut helper, mallory) = agent_and_mallory("helper").await;
    let agreed = mallory.agree(&arena.world, &helper).await;
    let (transcript, init) = (agreed.transcript(), start(agreed.accepted).message);
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
    let mut taken = 0;
    for post in posts {
        let reply = post.await.unwrap();
        if reply.status == 200 {
            taken += 1;
        } else {
            assert_eq!(reply.refusal(), (409, "wrong_state".into()));
        }
    }
    assert_eq!(taken, 1);
    assert_eq!(helper.sessions("pending").await, 1);
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
        assert_eq!(reply.body, replies[0].body);
    }
}
