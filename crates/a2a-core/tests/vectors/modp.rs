//! Diffie-Hellman in group 14 against cases of an oracle that shares no code with this crate: `modp/make.py`. The arithmetic
//! is the same under every provider; what is refused is refused by whole exchanges under each.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::modp::{DhPublicKey, DhSecret};
use a2a_core::crypto::kx::{InitiatorKeys, InitiatorShare, ResponderKeys, ResponderShare, Suite};
use a2a_core::crypto::provider::{Provider, available};
use data_encoding::HEXLOWER;
use serde_json::Value;

/// The cases of each group, which are as many as the file says.
fn groups() -> Vec<(String, Vec<Value>)> {
    let file = super::read("modp/cases.json");
    let groups: Vec<_> = file["testGroups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| (group["type"].as_str().unwrap().to_owned(), group["tests"].as_array().unwrap().clone()))
        .collect();
    let count: usize = groups.iter().map(|(_, cases)| cases.len()).sum();
    assert_eq!((file["numberOfTests"].as_u64(), count), (Some(105), 105));
    groups
}

fn bytes(case: &Value, field: &str) -> Vec<u8> {
    HEXLOWER.decode(case[field].as_str().unwrap().as_bytes()).unwrap()
}

fn secret(case: &Value) -> Result<DhSecret, CryptoError> {
    DhSecret::from_be_bytes(&bytes(case, "private").try_into().unwrap())
}

#[test]
fn every_case_of_the_oracle() {
    for (group, cases) in groups() {
        for case in &cases {
            let name = format!("case {}, {group}: {}", case["tcId"], case["comment"]);
            assert_eq!(case["result"] == "valid", case["shared"].is_string(), "{name}");
            match group.as_str() {
                "OutOfRange" | "WrongGroup" | "WrongEncoding" => refused(&group, case, &name),
                "ZeroPrivateKey" => assert!(secret(case).is_err(), "{name}"),
                _ => agreed(case, &name),
            }
        }
    }
}

fn agreed(case: &Value, name: &str) {
    let der = bytes(case, "public");
    let peer = DhPublicKey::from_spki_der(&der).expect(name);
    assert_eq!(peer.to_spki_der().unwrap(), der, "{name}");
    assert_eq!(secret(case).unwrap().agree(&peer).to_vec(), bytes(case, "shared"), "{name}");
    let own = secret(case).unwrap().public_key().to_spki_der().unwrap();
    // The value stands last in DER, without its leading zeros.
    let value: Vec<u8> = bytes(case, "own").into_iter().skip_while(|byte| *byte == 0).collect();
    assert!(own.ends_with(&value), "{name}");
    for provider in available() {
        let offer = InitiatorShare { dh_public_key: der.clone(), kem_public_key: None };
        assert!(responder(*provider).respond(&offer).is_ok(), "{} {name}", provider.name());
    }
}

fn refused(group: &str, case: &Value, name: &str) {
    let der = bytes(case, "public");
    let error = DhPublicKey::from_spki_der(&der).expect_err(name);
    assert_eq!(error == CryptoError::BadGroup, group == "WrongGroup", "{name}: {error}");
    assert!(matches!(error, CryptoError::BadGroup | CryptoError::BadShare(_)), "{name}");
    for provider in available() {
        let offer = InitiatorShare { dh_public_key: der.clone(), kem_public_key: None };
        assert_eq!(responder(*provider).respond(&offer).err(), Some(error.clone()), "{name}");
        let (secrets, _) = InitiatorKeys::generate(Suite::Modp2048, *provider).unwrap().into_parts();
        let reply = ResponderShare { dh_public_key: der.clone(), kem_ciphertext: None };
        assert_eq!(secrets.agree(&reply).err(), Some(error.clone()), "{name}");
    }
}

fn responder(provider: Provider) -> ResponderKeys {
    ResponderKeys::generate(Suite::Modp2048, provider).unwrap()
}
