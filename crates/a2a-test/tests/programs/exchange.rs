//! Key exchanges.

use a2a_core::crypto::kx::modp::{GROUP_14, VALUE_LEN};
use a2a_core::handshake::messages::{KeyExchangeInit, KeyExchangeReply};
use a2a_test::der::modp_share;
use a2a_test::mallory::{KEY_EXCHANGE, forged_init, start};

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
