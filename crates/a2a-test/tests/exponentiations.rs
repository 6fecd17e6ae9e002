//! T10: what a stranger or a forger sends costs no modular exponentiation. The count is the process's, so
//! this test has one to itself.

#![allow(clippy::unwrap_used)]

use a2a_core::crypto::kx::modp::exponentiations;
use a2a_core::handshake::messages::{KeyExchangeInit, KeyExchangeReply};
use a2a_node::args::Accept;
use a2a_test::mallory::{KEY_EXCHANGE, Mallory, REQUEST, forged_init, start};
use a2a_test::world::World;

#[tokio::test]
async fn nothing_forged_or_repeated_costs_an_exponentiation() {
    let world = World::start().await;
    let mallory = Mallory::join(&world).await;
    let helper = world.agent_with("helper", |settings| settings.config.accept = Accept::All).await;
    let before = exponentiations();
    let mut forged = mallory.request(&helper.certificate(&world)).message;
    forged.purpose = "altered".parse().unwrap();
    assert_eq!(mallory.post(&helper, REQUEST, &forged).await.status, 401);
    let first = mallory.agree(&world, &helper).await;
    let second = mallory.agree(&world, &helper).await;
    assert_eq!(exponentiations(), before, "requests and consent");

    let (transcript, session_id) = (second.transcript(), second.accepted.session_id());
    let step = start(first.accepted);
    let after_start = exponentiations();
    assert_eq!(after_start, before + 1, "her own share");
    for _ in 0..50 {
        assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &forged_init(&step.message)).await.status, 401);
    }
    let replayed = KeyExchangeInit { session_id, ..step.message.clone() };
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &replayed).await.status, 401);
    let mut composite = replayed.clone();
    let mut share = composite.dh_public_key.as_bytes().to_vec();
    share[100] ^= 1;
    composite.dh_public_key = share.into();
    mallory.sign_init(&transcript, &mut composite);
    assert_eq!(mallory.post(&helper, KEY_EXCHANGE, &composite).await.status, 401, "a bad group, well signed");
    assert_eq!(exponentiations(), after_start, "forgeries, replays, bad groups");

    let reply: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &step.message).await.read_as();
    assert_eq!(exponentiations(), after_start + 2, "the helper's share and agreement");
    for _ in 0..5 {
        let again: KeyExchangeReply = mallory.post(&helper, KEY_EXCHANGE, &step.message).await.read_as();
        assert_eq!(again, reply);
    }
    assert_eq!(exponentiations(), after_start + 2, "the same bytes again");
}
