//! Join tokens and fingerprints as people hand them on.

use a2a_core::certificate::fingerprint::{from_words, to_words};
use a2a_core::certificate::token::JoinTokenError;
use a2a_core::certificate::{EnrolmentRequest, JoinSecret, JoinToken};
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::KeyId;
use a2a_core::wire::{self, WireError};
use data_encoding::BASE64URL_NOPAD;

use crate::world::{id, worlds};

/// For this agent, with a fingerprint of 01s and a secret of 02s.
fn text() -> String {
    let bytes = [[1; 32], [2; 32]].concat();
    format!("a2a-join-1.traveller_agent_001.{}", BASE64URL_NOPAD.encode(&bytes))
}

fn secret(byte: u8) -> JoinSecret {
    let json = format!("\"{}\"", BASE64URL_NOPAD.encode(&[byte; 32]));
    serde_json::from_str(&json).unwrap()
}

#[test]
fn a_token_is_read_and_written_the_same() {
    let token: JoinToken = text().parse().unwrap();
    assert_eq!(token.agent_id, id("traveller_agent_001"));
    assert_eq!(token.fingerprint, KeyId::from_bytes([1; 32]));
    assert_eq!(token.secret, secret(2));
    assert_eq!(token.to_string(), text());
    assert_eq!(text().len(), 117);
    // SHA-256 of 32 bytes 02, as coreutils has it.
    let hash = "75877bb41d393b5fb8455ce60ecd8dda001d06316496b14dfa7f895656eeca4a";
    assert_eq!(token.secret.hash().to_string(), hash);
}

#[test]
fn whatever_else_is_no_token() {
    let good = text();
    let rest = good.rsplit('.').next().unwrap().to_owned();
    for bad in [
        String::new(),
        rest.clone(),
        good[..good.len() - 1].to_owned(),
        format!("{good}A"),
        format!("{good}="),
        format!("{good}."),
        format!("{good}.x"),
        format!(" {good}"),
        format!("{good}\n"),
        good.replacen("a2a-join-1", "a2a-join-2", 1),
        good.replacen("a2a-join-1", "A2A-JOIN-1", 1),
        good.replacen("traveller", "Traveller", 1),
        good.replacen("traveller_agent_001", "", 1),
        format!("a2a-join-1.a.b.{rest}"),
        good.replacen('I', "+", 1),
        // The last digit holds four bits that must be zero.
        format!("{}h", &good[..good.len() - 1]),
    ] {
        assert_ne!(bad, good);
        assert_eq!(bad.parse::<JoinToken>().unwrap_err(), JoinTokenError, "{bad:?}");
    }
}

#[test]
fn secrets_are_random_compared_whole_and_never_shown() {
    for provider in available() {
        let one = JoinSecret::random(*provider).unwrap();
        assert_eq!(one, one.clone());
        assert_ne!(one, JoinSecret::random(*provider).unwrap());
        assert_ne!(one.hash(), JoinSecret::random(*provider).unwrap().hash());
    }
    for at in [0, 31] {
        let mut bytes = [2; 32];
        bytes[at] ^= 1;
        let json = format!("\"{}\"", BASE64URL_NOPAD.encode(&bytes));
        assert_ne!(secret(2), serde_json::from_str(&json).unwrap(), "{at}");
    }
    let token: JoinToken = text().parse().unwrap();
    let shown = format!("{token:?}");
    assert!(shown.contains("JoinSecret(..)"), "{shown}");
    let digits = BASE64URL_NOPAD.encode(&[2; 32]);
    assert!(!shown.contains(&digits[..8]) && !shown.contains("2, 2"), "{shown}");
    let error = format!("{}x", text()).parse::<JoinToken>().unwrap_err();
    assert!(!error.to_string().contains(&digits[..8]), "a token with one slip is still a secret");
}

#[test]
fn the_secret_goes_along_with_an_enrolment() {
    let world = worlds().next().unwrap();
    let read = |json: &str| wire::from_json::<EnrolmentRequest>(json.as_bytes(), 10_000);
    let mut request = world.request(world.card());
    let without = serde_json::to_string(&request).unwrap();
    assert!(!without.contains("join_token"), "absent, not null");
    request.join_token = Some(secret(2));
    let with = serde_json::to_string(&request).unwrap();
    let digits = BASE64URL_NOPAD.encode(&[2; 32]);
    assert!(with.contains(&format!("\"join_token\":\"{digits}\"")));
    assert_eq!(read(&with), Ok(request.clone()));
    assert_eq!(
        request.verify_possession(world.provider),
        Ok(()),
        "it is not signed: it is no one's but the token's"
    );
    for bad in [&digits[1..], &format!("{digits}A"), &format!("{digits}="), "", &digits.replacen('A', "+", 1)]
    {
        let json = with.replacen(&digits, bad, 1);
        assert!(matches!(read(&json), Err(WireError::Json(_))), "{bad}");
    }
    assert!(read(&without.replacen("\"nonce\":", "\"join_token\":null,\"nonce\":", 1)).is_err());
}

/// The vectors that BIP-39 itself gives for 256 bits.
const WORDS: [(u8, &str); 3] = [
    (
        0x00,
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon \
         abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon art",
    ),
    (
        0x7f,
        "legal winner thank year wave sausage worth useful legal winner thank year wave sausage worth useful legal \
         winner thank year wave sausage worth title",
    ),
    (
        0xff,
        "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo vote",
    ),
];

#[test]
fn a_fingerprint_is_24_words_and_back() {
    for (byte, words) in WORDS {
        let fingerprint = KeyId::from_bytes([byte; 32]);
        assert_eq!(to_words(&fingerprint), words);
        assert_eq!(from_words(words), Ok(fingerprint));
        assert_eq!(from_words(&format!("\n {} ", words.to_uppercase().replace(' ', " \t"))), Ok(fingerprint));
    }
    for world in worlds() {
        let fingerprint = world.anchor().fingerprint();
        assert_eq!(from_words(&to_words(&fingerprint)), Ok(fingerprint));
    }
}

#[test]
fn other_words_are_no_fingerprint() {
    let (_, words) = WORDS[1];
    for bad in [
        String::new(),
        words.replacen("title", "", 1),
        format!("{words} title"),
        words.replacen("winner", "thank", 1),
        words.replacen("legal winner", "winner legal", 1),
        words.replacen("winner", "win", 1),
        words.replacen("winner", "winners", 1),
        words.replace(' ', "-"),
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
            .to_owned(),
    ] {
        assert!(from_words(&bad).is_err(), "{bad:?}");
    }
    let twelve = "legal winner thank year wave sausage worth useful legal winner thank yellow";
    assert_eq!(from_words(twelve).unwrap_err().to_string(), "not a fingerprint in 24 words: 24 are needed");
}
