//! Lists, successions, renewals, tokens and words with one flaw each.

use a2a_core::certificate::fingerprint::from_words;
use a2a_core::certificate::{
    CertificateError, ControllerInfo, JoinToken, RenewalRequest, RevocationError, RevocationList, Succession,
    SuccessionError,
};
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::{self, SignatureLabel};
use a2a_core::time::UnixTime;
use a2a_core::wire::{self, MAX_HANDSHAKE_BODY};
use data_encoding::BASE64;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{LATER, by_hand, read, text};
use crate::world::*;

/// Whether a list's flaw is under its signature.
type Sign = Option<(Key, SignatureLabel)>;

const AS_DUE: Sign = Some((Key::Impostor, SignatureLabel::RevocationList));

pub(super) fn make(vector: &Value) -> Value {
    let mut cases = Vec::new();
    let mut add = |name: &str, place: &str, now: UnixTime, body: Value| {
        let mut case = json!({"name": name, "place": place, "now": now, "body": body});
        let reason = receive(vector, &case, available()[0]).expect_err(name);
        case["reason"] = json!(reason);
        cases.push(case);
    };
    let list = &vector["list"]["body"];
    for (name, sign, change) in lists() {
        add(name, "list", LATER, changed(list, change, &["signature"], sign));
    }
    add("list_that_has_ended", "list", LATER.saturating_add(7 * DAY), list.clone());
    add("list_from_the_future", "list", before(1), list.clone());
    let step = &vector["succession"]["body"];
    for (name, steps) in ways(step) {
        add(name, "successions", LATER, steps);
    }
    let mut info = vector["info"]["body"].clone();
    info["successions"] = json!([]);
    add("info_without_its_successions", "info", LATER, info);
    for (name, body) in renewals(&vector["renewal"]["body"]) {
        add(name, "renewal", LATER, body);
    }
    for (name, body) in tokens(text(&vector["join_token"]["text"])) {
        add(name, "join token", LATER, json!(body));
    }
    for (name, body) in words(text(&vector["fingerprints"][2]["words"])) {
        add(name, "words", LATER, json!(body));
    }
    json!(cases)
}

pub(super) fn check(vector: &Value, provider: Provider) {
    let cases = vector["refused"].as_array().unwrap();
    assert!(cases.len() > 30);
    for case in cases {
        assert_eq!(
            receive(vector, case, provider),
            Err(text(&case["reason"]).to_owned()),
            "{}",
            case["name"]
        );
    }
}

type Lists = [(&'static str, Sign, fn(&mut Value)); 12];

fn lists() -> Lists {
    let signed_by = |key| Some((key, SignatureLabel::RevocationList));
    [
        ("list_with_another_number", None, |list| list["number"] = json!(1)),
        ("list_with_a_serial_left_out", None, |list| drop(list["serials"].as_array_mut().unwrap().pop())),
        ("list_with_another_end", None, |list| list["next_update"] = json!(after(99_999_999))),
        ("list_of_another_key", signed_by(Key::Mallory), |_| {}),
        ("list_signed_as_a_certificate", Some((Key::Impostor, SignatureLabel::Certificate)), |_| {}),
        ("list_of_the_former_key", signed_by(Key::Controller), |list| {
            list["controller_key_id"] = json!(anchor().fingerprint());
        }),
        ("list_of_another_name", AS_DUE, |list| list["controller_id"] = json!("other")),
        ("list_out_of_order", AS_DUE, |list| list["serials"].as_array_mut().unwrap().reverse()),
        ("list_with_a_key_twice", AS_DUE, |list| {
            let key_ids = list["key_ids"].as_array_mut().unwrap();
            key_ids.push(key_ids[0].clone());
        }),
        ("list_without_a_life", AS_DUE, |list| list["next_update"] = list["this_update"].clone()),
        ("list_with_an_unknown_member", AS_DUE, |list| list["reasons"] = json!([])),
        ("list_with_a_number_over_2_to_the_53", AS_DUE, |list| list["number"] = json!(1_u64 << 53)),
    ]
}

/// From the first key to its successor, but for one flaw.
fn ways(step: &Value) -> [(&'static str, Value); 7] {
    let stated = ["former_signature", "signature"];
    let mut unsigned = step.clone();
    unsigned["former_until"] = json!(after(99_999_999));
    let mut not_agreed = step.clone();
    not_agreed["signature"] = step["former_signature"].clone();
    let mut not_named = step.clone();
    not_named["former_signature"] = step["signature"].clone();
    let message = by_hand::without_signatures(step);
    let sign = |key: Key, label| shown_signature(key, label, message.as_bytes());
    let mut other_label = step.clone();
    other_label["former_signature"] = sign(Key::Controller, SignatureLabel::Successor);
    let mut renamed = changed(step, |step| step["controller_id"] = json!("other"), &stated, None);
    let message = by_hand::without_signatures(&renamed);
    renamed["former_signature"] =
        shown_signature(Key::Controller, SignatureLabel::Succession, message.as_bytes());
    renamed["signature"] = shown_signature(Key::Impostor, SignatureLabel::Successor, message.as_bytes());
    [
        ("succession_with_a_later_end", json!([unsigned])),
        ("succession_without_the_successors_consent", json!([not_agreed])),
        ("succession_without_the_former_keys_word", json!([not_named])),
        ("succession_signed_for_another_use", json!([other_label])),
        ("succession_of_another_controller", json!([renamed])),
        ("no_succession", json!([])),
        (
            "succession_with_an_unknown_member",
            json!([changed(step, |step| step["why"] = json!(1), &stated, None)]),
        ),
    ]
}

fn renewals(renewal: &Value) -> [(&'static str, Value); 5] {
    let with = |signature: Option<Value>| {
        let mut renewal = renewal.clone();
        match signature {
            Some(signature) => renewal["former_signature"] = signature,
            None => drop(renewal.as_object_mut().unwrap().remove("former_signature")),
        }
        renewal
    };
    let card: a2a_core::certificate::AgentCard = read(&renewal["agent_card"]);
    let message = card.enrolment_message(&read(&renewal["nonce"])).unwrap();
    let mut other_nonce = renewal.clone();
    other_nonce["nonce"] = json!("08".repeat(32));
    [
        ("rekey_without_the_former_keys_consent", with(None)),
        (
            "rekey_with_a_strangers_consent",
            with(Some(shown_signature(Key::Helper, SignatureLabel::Rekey, &message))),
        ),
        (
            "rekey_signed_as_an_enrolment",
            with(Some(shown_signature(Key::Traveller, SignatureLabel::Enrolment, &message))),
        ),
        ("rekey_of_another_challenge", other_nonce),
        ("rekey_with_null", with(Some(Value::Null))),
    ]
}

fn tokens(token: &str) -> [(&'static str, String); 6] {
    [
        ("token_cut_short", token[..token.len() - 1].to_owned()),
        ("token_with_one_digit_more", format!("{token}A")),
        ("token_of_another_version", token.replacen("join-1", "join-2", 1)),
        ("token_for_no_agent", token.replacen("traveller_agent_001", "", 1)),
        ("token_padded", format!("{token}==")),
        ("token_with_a_line_break", format!("{token}\n")),
    ]
}

fn words(words: &str) -> [(&'static str, String); 4] {
    let all: Vec<_> = words.split(' ').collect();
    let mut swapped = all.clone();
    swapped.swap(0, 1);
    [
        ("words_one_too_few", all[1..].join(" ")),
        ("words_swapped", swapped.join(" ")),
        ("words_with_one_that_is_not_in_the_list", words.replacen(all[3], "controller", 1)),
        ("words_for_128_bits", "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong".to_owned()),
    ]
}

fn changed(body: &Value, change: impl FnOnce(&mut Value), unsigned: &[&str], sign: Sign) -> Value {
    let mut body = body.clone();
    change(&mut body);
    if let Some((key, label)) = sign {
        let message = wire::canonical_json_without(&body, unsigned).unwrap();
        body["signature"] = shown_signature(key, label, &message);
    }
    body
}

fn shown_signature(key: Key, label: SignatureLabel, message: &[u8]) -> Value {
    let signature = signature::sign(&*key.load(available()[0]), label, message).unwrap();
    json!(BASE64.encode(signature.0.as_bytes()))
}

/// What an agent that trusts the successor, or the controller, makes of the case's body.
fn receive(vector: &Value, case: &Value, provider: Provider) -> Result<(), String> {
    let (body, now) = (&case["body"], UnixTime::from_secs(case["now"].as_u64().unwrap()));
    match text(&case["place"]) {
        "list" => {
            let trusted = read::<ControllerInfo>(&vector["info"]["body"]).verify(provider).unwrap();
            let list: RevocationList = parsed(body)?;
            list.verify(provider, &trusted, now).map(drop).map_err(|error| of_list(&error).to_owned())
        }
        "successions" => {
            let presented = text(&vector["keys"]["successor"]["key_id"]).parse().unwrap();
            let steps: Vec<Succession> = parsed(body)?;
            let followed = anchor().follow(provider, &steps, presented, now);
            followed.map(drop).map_err(|error| of_succession(&error).to_owned())
        }
        "info" => {
            let info: ControllerInfo = parsed(body)?;
            assert_eq!(info.verify(provider), Err(CertificateError::ControllerSignature));
            Err("signature".to_owned())
        }
        "renewal" => {
            let renewal: RenewalRequest = parsed(body)?;
            let known = Key::Traveller.load(provider);
            renewal.verify_continuity(provider, known.public_key()).map_err(|_| "continuity".to_owned())
        }
        "join token" => text(body).parse::<JoinToken>().map(drop).map_err(|_| "malformed".to_owned()),
        "words" => from_words(text(body)).map(drop).map_err(|_| "malformed".to_owned()),
        other => panic!("no place {other}"),
    }
}

fn of_list(error: &RevocationError) -> &'static str {
    match error {
        RevocationError::Unsorted => "order",
        RevocationError::WrongController { .. } => "controller",
        RevocationError::WrongControllerName { .. } => "controller's name",
        RevocationError::Signature => "signature",
        RevocationError::Validity(_) => "validity",
        other => panic!("no flaw leads to {other:?}"),
    }
}

fn of_succession(error: &SuccessionError) -> &'static str {
    match error {
        SuccessionError::NotASuccessor { .. } => "no way",
        SuccessionError::Malformed => "contradiction",
        SuccessionError::Signature(_) => "signature",
        other => panic!("no flaw leads to {other:?}"),
    }
}

fn parsed<T: Serialize + DeserializeOwned>(body: &Value) -> Result<T, String> {
    wire::from_json(body.to_string().as_bytes(), MAX_HANDSHAKE_BODY).map_err(|_| "bad json".to_owned())
}
