//! The messages as JSON: no field more, none less, none null, none twice, none of the wrong kind.

use a2a_core::crypto::kx::Suite;
use a2a_core::handshake::messages::{
    DecidedBy, Established, KeyExchange, KeyExchangeReply, Request, Response,
};
use a2a_core::wire::{WireError, canonical_json, from_json};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::world::*;

const SUITE: Suite = Suite::Modp2048MlKem768;

type Read = fn(&[u8]) -> Result<(), WireError>;

fn read<T: Serialize + DeserializeOwned>(json: &[u8]) -> Result<(), WireError> {
    from_json::<T>(json, 65_536).map(|_| ())
}

/// Every message with the reader of its endpoint.
fn messages() -> Vec<(&'static str, Value, Read)> {
    let pair = pair(SUITE);
    let asked = pair.asked();
    let rejection = pair.verify(&asked.message).unwrap().reject(DecidedBy::Operator, NOW).unwrap();
    vec![
        ("M1", json!(asked.message), read::<Request>),
        ("M2 accepted", json!(pair.decided().message), read::<Response>),
        ("M2 rejected", json!(rejection), read::<Response>),
        ("M3", json!(pair.begun().message), read::<KeyExchange>),
        ("M4", json!(pair.replied().message), read::<KeyExchangeReply>),
        ("M5", json!(pair.finished().message), read::<KeyExchange>),
        ("M6", json!(pair.opening().message), read::<Established>),
    ]
}

/// The paths of all objects within.
fn objects(value: &Value, path: &str) -> Vec<String> {
    let Some(fields) = value.as_object() else { return vec![] };
    let within = fields.iter().flat_map(|(name, field)| objects(field, &format!("{path}/{name}")));
    std::iter::once(path.to_owned()).chain(within).collect()
}

fn with(message: &Value, path: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>)) -> Vec<u8> {
    let mut changed = message.clone();
    change(changed.pointer_mut(path).unwrap().as_object_mut().unwrap());
    serde_json::to_vec(&changed).unwrap()
}

#[test]
fn a_good_message_is_read() {
    for (name, message, read) in messages() {
        assert_eq!(read(&serde_json::to_vec(&message).unwrap()), Ok(()), "{name}");
    }
}

#[test]
fn an_unknown_field_at_any_depth_is_refused() {
    for (name, message, read) in messages() {
        for path in objects(&message, "") {
            let json = with(&message, &path, |fields| drop(fields.insert("extra".into(), json!(1))));
            assert!(read(&json).is_err(), "{name}{path}");
        }
    }
}

#[test]
fn a_null_a_missing_field_and_one_of_another_kind_are_refused() {
    for (name, message, read) in messages() {
        for path in objects(&message, "") {
            let fields = message.pointer(&path).unwrap().as_object().unwrap().keys();
            for field in fields {
                for wrong in [json!(null), json!(true), json!({}), json!([null]), json!(-1), json!(0.5)] {
                    let json = with(&message, &path, |fields| fields[field] = wrong.clone());
                    assert!(read(&json).is_err(), "{name}{path}/{field}: {wrong}");
                }
                let json = with(&message, &path, |fields| drop(fields.remove(field)));
                let may_miss = ["kem_public_key", "kem_ciphertext"].contains(&field.as_str());
                assert_eq!(read(&json).is_ok(), may_miss, "{name}{path}/{field}");
            }
        }
    }
}

#[test]
fn a_duplicate_field_at_any_depth_is_refused() {
    for (name, message, read) in messages() {
        for path in objects(&message, "") {
            for (field, value) in message.pointer(&path).unwrap().as_object().unwrap() {
                let json = String::from_utf8(with(&message, &path, |fields| {
                    fields.insert("twice".into(), value.clone());
                }))
                .unwrap();
                let json = json.replacen("\"twice\"", &format!("\"{field}\""), 1);
                assert!(!json.contains("twice"));
                assert!(read(json.as_bytes()).is_err(), "{name}{path}/{field}");
            }
        }
    }
}

#[test]
fn a_field_of_the_other_phase_is_refused() {
    let all = messages();
    let message = |name: &str| all.iter().find(|entry| entry.0 == name).unwrap();
    let (_, init, read) = message("M3");
    let (_, finish, _) = message("M5");
    for field in ["suite", "dh_public_key", "kem_public_key"] {
        let json = with(finish, "", |fields| drop(fields.insert(field.into(), init[field].clone())));
        assert!(read(&json).is_err(), "M5 with {field}");
    }
    let json = with(init, "", |fields| drop(fields.insert("confirm".into(), finish["confirm"].clone())));
    assert!(read(&json).is_err(), "M3 with confirm");
    for (message, phase) in [(init, "finish"), (finish, "init"), (init, "Init"), (init, "rekey"), (init, "")]
    {
        let json = with(message, "", |fields| fields["phase"] = json!(phase));
        assert!(read(&json).is_err(), "phase {phase}");
    }
}

#[test]
fn a_field_of_the_other_answer_is_refused() {
    let all = messages();
    let message = |name: &str| all.iter().find(|entry| entry.0 == name).unwrap();
    let (_, accepted, read) = message("M2 accepted");
    let (_, rejected, _) = message("M2 rejected");
    for (message, status) in [(accepted, "rejected"), (rejected, "accepted"), (accepted, "pending")] {
        let json = with(message, "", |fields| fields["status"] = json!(status));
        assert!(read(&json).is_err(), "status {status}");
    }
    for field in ["session_id", "suite", "nonce", "expires"] {
        let json = with(rejected, "", |fields| drop(fields.insert(field.into(), accepted[field].clone())));
        assert!(read(&json).is_err(), "a rejection with {field}");
    }
}

#[test]
fn values_have_one_spelling() {
    for (name, message, read) in messages() {
        let fields = message.as_object().unwrap();
        for (field, value) in fields {
            let Some(text) = value.as_str() else { continue };
            let wrong = match field.as_str() {
                "purpose" | "agent_id" | "peer_agent_id" | "address" => continue,
                "session_id" | "request_id" | "nonce" | "peer_key_id" => vec![
                    text.to_uppercase(),
                    text.replace('-', "") + "0",
                    format!("{{{text}}}"),
                    format!(" {text}"),
                ],
                "suite" | "status" | "phase" => vec![text.to_lowercase() + " ", swapped_case(text)],
                _ => vec![
                    format!("{text}="),
                    format!("{text}\n"),
                    text[1..].into(),
                    text.replace('=', "") + "!",
                ],
            };
            for wrong in wrong {
                let json = with(&message, "", |fields| fields[field] = json!(wrong));
                assert!(read(&json).is_err(), "{name} {field}: {wrong:?}");
            }
        }
    }
}

fn swapped_case(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect()
}

#[test]
fn a_body_over_the_limit_or_with_something_after_it_is_refused() {
    for (name, message, read) in messages() {
        let json = canonical_json(&message).unwrap();
        assert!(read(&[&json[..], b"{}"].concat()).is_err(), "{name}");
        assert!(read(&json[..json.len() - 1]).is_err(), "{name}");
        let padded = [vec![b' '; 65_537 - json.len()], json].concat();
        assert!(matches!(read(&padded), Err(WireError::TooLarge { .. })), "{name}");
        assert_eq!(read(&padded[1..]), Ok(()), "{name}");
    }
}

/// Order and white space are free, since what is signed is the canonical form.
#[test]
fn a_reordered_request_has_the_same_signature() {
    let pair = pair(SUITE);
    let request = pair.asked().message;
    let Value::Object(fields) = json!(request) else { panic!("not an object") };
    let reversed: Vec<String> =
        fields.iter().rev().map(|(name, value)| format!("\"{name}\" : {value}")).collect();
    let reversed = format!("{{\n{}\n}}", reversed.join(" ,\n"));
    let read: Request = from_json(reversed.as_bytes(), 65_536).unwrap();
    assert_eq!(read, request);
    pair.verify(&read).unwrap();
}
