//! What is signed and how it is written, as `docs/PROTOCOL.md` has it and without the crate's types.

use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::PublicKey;
use bip39::Language;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;

use super::text;
use crate::play::base64;
use crate::primitives::sha256;

pub(super) fn check(vector: &Value, provider: Provider) {
    let verify = |key: &str, label: &str, message: &Value, signature: &Value| {
        let key = PublicKey::from_pem(text(&vector["keys"][key]["public_key"])).unwrap();
        let content =
            [&[b' '; 64], &b"a2a/1 "[..], label.as_bytes(), &[0], text(message).as_bytes()].concat();
        provider.verify_pss(&key, &content, &base64(signature)).unwrap();
    };
    let (enrolment, renewal) = (&vector["enrolment"], &vector["renewal"]);
    for request in [enrolment, renewal] {
        let stated = serde_json::json!({"agent_card": request["body"]["agent_card"], "nonce": request["body"]["nonce"]});
        assert_eq!(jcs(&stated), text(&request["signed"]));
    }
    verify("agent", "enrolment", &enrolment["signed"], &enrolment["body"]["agent_signature"]);
    verify("rekeyed", "enrolment", &renewal["signed"], &renewal["body"]["agent_signature"]);
    verify("agent", "rekey", &renewal["signed"], &renewal["body"]["former_signature"]);

    let (list, step, info) = (&vector["list"], &vector["succession"], &vector["info"]);
    let certificates = vector["certificates"].as_object().unwrap().values();
    for certificate in certificates.clone() {
        verify(
            "controller",
            "certificate",
            &certificate["signed"],
            &certificate["body"]["controller_signature"],
        );
    }
    verify("successor", "revocation-list", &list["signed"], &list["body"]["signature"]);
    verify("controller", "succession", &step["signed"], &step["body"]["former_signature"]);
    verify("successor", "successor", &step["signed"], &step["body"]["signature"]);
    verify("successor", "controller-info", &info["signed"], &info["body"]["signature"]);
    for statement in certificates.chain([list, step, info]) {
        assert_eq!(without_signatures(&statement["body"]), text(&statement["signed"]));
    }

    let token = &vector["join_token"];
    let (fingerprint, secret) = (hex(&token["fingerprint"]), hex(&token["secret"]));
    assert_eq!(token["hash"], HEXLOWER.encode(&sha256(&[&secret])));
    assert_eq!(enrolment["body"]["join_token"], BASE64URL_NOPAD.encode(&secret));
    let both = BASE64URL_NOPAD.encode(&[fingerprint, secret].concat());
    assert_eq!(token["text"], format!("a2a-join-1.{}.{both}", text(&token["agent_id"])));
    for entry in vector["fingerprints"].as_array().unwrap() {
        assert_eq!(words(&hex(&entry["hex"])), text(&entry["words"]));
    }
}

/// JCS of an object without the signatures that cover it. A certificate's `agent_signature` is covered.
pub(super) fn without_signatures(body: &Value) -> String {
    let mut members = body.as_object().unwrap().clone();
    for signature in ["signature", "former_signature", "controller_signature"] {
        members.remove(signature);
    }
    jcs(&Value::Object(members))
}

/// PEM of an RSA key with this modulus and e = 65537.
pub(super) fn public_key_pem(modulus: &[u8]) -> String {
    let header = "30820122300d06092a864886f70d01010105000382010f003082010a0282010100";
    let der = [&HEXLOWER.decode(header.as_bytes()).unwrap(), modulus, &[2, 3, 1, 0, 1]].concat();
    let base64 = BASE64.encode(&der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", lines.join("\n"))
}

/// BIP-39: 256 bits and the first 8 of their SHA-256, 11 at a time.
fn words(fingerprint: &[u8]) -> String {
    let bits: Vec<u8> = [fingerprint, &sha256(&[fingerprint])[..1]].concat();
    let bit = |at: usize| usize::from(bits[at / 8] >> (7 - at % 8) & 1);
    let word =
        |at: usize| Language::English.word_list()[(at..at + 11).fold(0, |number, at| 2 * number + bit(at))];
    (0..264).step_by(11).map(word).collect::<Vec<_>>().join(" ")
}

fn jcs(value: &Value) -> String {
    serde_json_canonicalizer::to_string(value).unwrap()
}

fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(text(value).as_bytes()).unwrap()
}
