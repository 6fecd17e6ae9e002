//! Identity keys, and signatures that are none.

use a2a_core::PROTOCOL_VERSION;
use a2a_core::certificate::enrolment::{Challenge, ChallengeRequest};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::signature::{Signature, SignatureLabel};
use a2a_core::handshake::messages::KeyExchangeReply;
use a2a_core::wire::canonical_json;
use a2a_node::clock::Clock;
use a2a_node::tls::TlsKey;
use a2a_test::arena::Arena;
use a2a_test::keys;
use a2a_test::mallory::{KEY_EXCHANGE, Mallory, start};
use a2a_test::raw::{Raw, Reply};
use a2a_test::rsa_by_hand::{RsaByHand, pkcs1_v15, pss, signed_content};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA512};
use serde_json::json;

use super::agent_and_mallory;

/// Enrols with a key whose owner can prove that it is theirs.
async fn enrol(arena: &Arena, key: &RsaByHand) -> Reply {
    let controller = format!("127.0.0.1:{}", arena.controller.address.port()).parse().unwrap();
    let (raw, tls_key) = (Raw::default(), TlsKey::generate().unwrap());
    let ask = ChallengeRequest { agent_id: "mallory_agent_001".parse().unwrap() };
    let challenge: Challenge = raw.post(controller, "/controller/challenge", &ask).await.read_as();
    let now = Clock::System.now().as_secs();
    let card = json!({
        "agent_id": ask.agent_id,
        "name": "Somebody",
        "public_key": key.public_pem(),
        "methods": [],
        "address": "https://localhost:5001",
        "tls_spki_sha256": tls_key.spki_sha256(),
        "suites": Suite::ALL,
        "issued_at": now,
        "expires_at": now + challenge.certificate_life,
        "protocol_version": PROTOCOL_VERSION,
    });
    let message = canonical_json(&json!({"agent_card": card, "nonce": challenge.nonce})).unwrap();
    let encoded = pss(&signed_content("enrolment", &message), &SHA256, 32);
    let body = json!({
        "agent_card": card,
        "agent_signature": Signature(key.sign(&encoded).into()),
        "nonce": challenge.nonce,
        "tls_csr": tls_key.csr_pem(&["localhost".to_owned()]).unwrap(),
    });
    raw.post(controller, "/controller/register", &body).await
}

/// Mallory makes a key of her own under which what the helper has signed is something else, and proves that she holds it.
#[tokio::test]
async fn t04_a_crafted_key_is_not_certified() {
    let arena = Arena::start().await;
    let helper = arena.agent("helper", &[]).await;
    let signature = helper.certificate().agent_signature.0.as_bytes().to_vec();
    let hers = pss(b"what the helper has never said", &SHA256, 32);
    let forged = tokio::task::spawn_blocking(move || {
        let key = RsaByHand::forged_for(&signature, &hers);
        assert_eq!(key.open(&signature), hers, "under her key, the signature is the helper's word");
        key
    });
    for (what, key, code) in [
        ("with another exponent", RsaByHand::with_exponent(17), "bad_json"),
        ("made for a signature", forged.await.unwrap(), "bad_json"),
        ("of two primes that anybody finds", RsaByHand::with_close_primes(), "weak_key"),
    ] {
        assert_eq!(enrol(&arena, &key).await.refusal().1, code, "{what}");
    }
    let honest = RsaByHand::from_pkcs8(&keys::pkcs8("mallory"));
    assert_eq!(enrol(&arena, &honest).await.status, 200);
}

/// Signatures of M3 with Mallory's own certified key, by every other way to sign with RSA.
#[tokio::test]
async fn t14_a_signature_of_another_kind_is_refused() {
    let (arena, helper, mallory) = agent_and_mallory("helper").await;
    let agreed = mallory.agree(&arena.world, &helper).await;
    let (mut transcript, init) = (agreed.transcript(), start(agreed.accepted).message);
    transcript.absorb_message(&init);
    let signed = signed_content(SignatureLabel::KeyExchangeInit.as_str(), transcript.hash());
    let key = RsaByHand::from_pkcs8(&keys::pkcs8("mallory"));
    let mac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key.public_pem().as_bytes());
    for (what, signature) in [
        ("PKCS #1 v1.5", key.sign(&pkcs1_v15(&signed))),
        ("SHA-1", key.sign(&pss(&signed, &SHA1_FOR_LEGACY_USE_ONLY, 20))),
        ("SHA-512", key.sign(&pss(&signed, &SHA512, 64))),
        ("no salt", key.sign(&pss(&signed, &SHA256, 0))),
        ("a short salt", key.sign(&pss(&signed, &SHA256, 20))),
        ("the longest salt", key.sign(&pss(&signed, &SHA256, 222))),
        ("HMAC under the public key", aws_lc_rs::hmac::sign(&mac, &signed).as_ref().to_vec()),
        ("none", Vec::new()),
    ] {
        let mut other = init.clone();
        other.signature = Signature(signature.into());
        let refused = mallory.post(&helper, KEY_EXCHANGE, &other).await;
        assert_eq!(refused.refusal(), (401, "handshake_failed".into()), "{what}");
    }
    let mut right = init;
    right.signature = Signature(key.sign(&pss(&signed, &SHA256, 32)).into());
    mallory.post(&helper, KEY_EXCHANGE, &right).await.read_as::<KeyExchangeReply>();
}

/// A fault in half of an RSA computation gives the key away (Boneh, `DeMillo` and Lipton, 1997): neither does one in the key's
/// file get as far as a signature, nor does a signature leave that does not verify.
#[tokio::test]
async fn t15_no_signature_with_a_fault_leaves() {
    let arena = Arena::start().await;
    let dir = arena.world.path().join("helper");
    let mut faulty = keys::pkcs8("faulty");
    // The last member is the coefficient that puts the two halves together.
    *faulty.last_mut().unwrap() ^= 1;
    keys::put_secret(&dir, "identity.key", &faulty);
    let said = arena.refused("helper", &[]).await;
    assert!(said.contains("identity.key"), "{said}");

    std::fs::remove_file(dir.join("identity.key")).unwrap();
    let helper = arena.agent("helper", &["--accept", "all"]).await;
    // Mallory verifies whatever the helper signs, and the helper what the controller has signed.
    Mallory::join(&arena.world).await.connect(&arena.world, &helper).await;
}
