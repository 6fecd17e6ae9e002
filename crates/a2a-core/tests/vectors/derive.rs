//! Everything that a vector derives, from its secrets and messages, step by step as `docs/PROTOCOL.md` has it; and the
//! checks that a peer would make on the way.

use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::PublicKey;
use data_encoding::{BASE32, BASE64, HEXLOWER};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::kem;
use crate::play::{base64, hex};
use crate::primitives::{Hash, absorb, aead_open, aead_seal, diffie_hellman, expand, extract, hmac, sha256};

/// The member `derived` of a vector.
pub(crate) fn derive(vector: &Value, provider: Provider) -> Value {
    let messages = &vector["messages"];
    let suite = vector["suite"].as_str().unwrap();
    let (initiator, responder) = (certified(&messages["m1"]), certified(&messages["m2"]));
    let th0 = sha256(&[b"a2a/1"]);
    let th1 = absorb(&th0, &jcs(&messages["m1"]));
    verify(provider, &initiator, "request", &th1, &messages["m1"]);
    let th1_signed = absorb(&th1, &base64(&messages["m1"]["signature"]));
    let th2 = absorb(&th1_signed, &jcs(&messages["m2"]));
    verify(provider, &responder, "accept", &th2, &messages["m2"]);
    let th2_signed = absorb(&th2, &base64(&messages["m2"]["signature"]));

    let context = Context { provider, suite, initiator, responder };
    let first = context.exchange(&th2_signed, None, &vector["secrets"], messages);
    let (rekey, end) = (hex(&first["rekey"]), hex(&first["TH5 signed confirmed"]));
    let fresh = &vector["fresh_exchange"];
    let second = context.exchange(&end, Some(&rekey), &fresh["secrets"], fresh);
    assert_eq!(vector["safety_code"], safety_code(&first["sas"]));
    let epochs =
        json!({"i2r": epochs(&first["i2r"], &second["i2r"]), "r2i": epochs(&first["r2i"], &second["r2i"])});
    let session_id: Uuid = messages["m2"]["session_id"].as_str().unwrap().parse().unwrap();
    check_frame(
        provider,
        session_id,
        &epochs,
        &json!({"direction": "r2i", "frame": messages["m6"]["frame"], "payload": ""}),
    );
    let frames = vector["frames"].as_array().unwrap().iter();
    let frames: Vec<Value> = frames.map(|entry| check_frame(provider, session_id, &epochs, entry)).collect();
    let (former, last) = vector["acks"].as_array().unwrap().split_at(2);
    for ack in former {
        check_ack(session_id, &first, ack);
    }
    for ack in last {
        check_ack(session_id, &second, ack);
    }
    check_binary_body(vector, session_id);
    json!({
        "TH0": shown(&th0), "TH1": shown(&th1), "TH1 signed": shown(&th1_signed),
        "TH2": shown(&th2), "TH2 signed": shown(&th2_signed),
        "exchange": first, "fresh_exchange": second, "epochs": epochs, "frames": frames,
    })
}

fn certified(message: &Value) -> PublicKey {
    PublicKey::deserialize(&message["certificate"]["agent_card"]["public_key"]).unwrap()
}

/// JCS of a message without its signature and its confirmation.
fn jcs(message: &Value) -> Vec<u8> {
    let mut fields = message.as_object().unwrap().clone();
    fields.remove("signature").unwrap();
    fields.remove("confirm");
    serde_json_canonicalizer::to_vec(&fields).unwrap()
}

/// Section 1.4.
fn verify(provider: Provider, key: &PublicKey, label: &str, message: &[u8], signed: &Value) {
    let content = [&[b' '; 64], &b"a2a/1 "[..], label.as_bytes(), &[0], message].concat();
    provider.verify_pss(key, &content, &base64(&signed["signature"])).unwrap();
}

struct Context<'a> {
    provider: Provider,
    suite: &'a str,
    initiator: PublicKey,
    responder: PublicKey,
}

impl Context<'_> {
    /// Sections 5.5 to 5.7 and 7.
    fn exchange(&self, start: &[u8], rekey: Option<&[u8]>, secrets: &Value, messages: &Value) -> Value {
        let [m3, m4, m5] = ["m3", "m4", "m5"].map(|name| &messages[name]);
        let th3 = absorb(start, &jcs(m3));
        verify(self.provider, &self.initiator, "ke-init", &th3, m3);
        let th3_signed = absorb(&th3, &base64(&m3["signature"]));
        let th4 = absorb(&th3_signed, &jcs(m4));
        verify(self.provider, &self.responder, "ke-resp", &th4, m4);

        let (dh, kem) = (self.dh(secrets, m3, m4), self.kem(secrets, m3, m4));
        let input = [rekey.unwrap_or_default(), kem.as_deref().unwrap_or_default(), &dh].concat();
        let prk = extract(&th4, &input);
        let (fin_i, fin_r) = (expand(&prk, "fin i", b"", 32), expand(&prk, "fin r", b"", 32));
        check_confirm(&fin_r, b"R", &th4, m4);
        let th4_signed = absorb(&th4, &base64(&m4["signature"]));
        let th4_confirmed = absorb(&th4_signed, &base64(&m4["confirm"]));
        let th5 = absorb(&th4_confirmed, &jcs(m5));
        verify(self.provider, &self.initiator, "ke-fin", &th5, m5);
        check_confirm(&fin_i, b"I", &th5, m5);
        let th5_signed = absorb(&th5, &base64(&m5["signature"]));
        let th5_confirmed = absorb(&th5_signed, &base64(&m5["confirm"]));

        let master = expand(&prk, "master", &th5_confirmed, 32);
        let mut derived = json!({
            "TH3": shown(&th3), "TH3 signed": shown(&th3_signed),
            "TH4": shown(&th4), "TH4 signed": shown(&th4_signed), "TH4 signed confirmed": shown(&th4_confirmed),
            "TH5": shown(&th5), "TH5 signed": shown(&th5_signed), "TH5 signed confirmed": shown(&th5_confirmed),
            "dh": shown(&dh), "input": shown(&input), "PRK": shown(&prk),
            "fin i": shown(&fin_i), "fin r": shown(&fin_r), "master": shown(&master),
        });
        if let Some(kem) = kem {
            derived["kem"] = shown(&kem);
        }
        for (label, length) in
            [("i2r", 32), ("r2i", 32), ("ack i2r", 32), ("ack r2i", 32), ("sas", 5), ("rekey", 32)]
        {
            derived[label] = shown(&expand(&master, label, b"", length));
        }
        derived
    }

    fn dh(&self, secrets: &Value, m3: &Value, m4: &Value) -> Vec<u8> {
        let (offered, replied) = (base64(&m3["dh_public_key"]), base64(&m4["dh_public_key"]));
        let side = |secret, peer| diffie_hellman(self.provider, self.suite, &hex(&secrets[secret]), peer);
        let (initiator, responder) = (side("initiator_dh", &replied), side("responder_dh", &offered));
        assert_eq!((initiator.own, responder.own), (offered, replied));
        assert_eq!(initiator.dh, responder.dh);
        initiator.dh
    }

    /// The decapsulated secret; where a library computes with fixed randomness, the seed and the randomness give the
    /// messages' values too.
    fn kem(&self, secrets: &Value, m3: &Value, m4: &Value) -> Option<Vec<u8>> {
        if m3["kem_public_key"].is_null() {
            return None;
        }
        let (key, ciphertext) = (base64(&m3["kem_public_key"]), base64(&m4["kem_ciphertext"]));
        let decapsulation_key = hex(&secrets["kem_decapsulation_key"]);
        let secret = kem::decapsulate(self.provider, &decapsulation_key, &ciphertext);
        if let Some(pair) = kem::expand(&hex(&secrets["kem_seed"]).try_into().unwrap()) {
            assert_eq!(pair, (key.clone(), decapsulation_key));
        }
        if let Some(pair) = kem::encapsulate_with(&key, &hex(&secrets["kem_randomness"]).try_into().unwrap())
        {
            assert_eq!(pair, (ciphertext, secret));
        }
        Some(secret.to_vec())
    }
}

fn check_confirm(key: &[u8], side: &[u8], th: &[u8], message: &Value) {
    let signature = sha256(&[&base64(&message["signature"])]);
    assert_eq!(base64(&message["confirm"]), hmac(key, &[side, th, &signature]));
}

fn safety_code(sas: &Value) -> String {
    let code = BASE32.encode(&hex(sas));
    format!("{}-{}", &code[..4], &code[4..])
}

/// Epochs 0 and 1 of the first exchange, and 2 of the fresh one.
fn epochs(first: &Value, fresh: &Value) -> Vec<Value> {
    let updated = expand(&hex(first), "upd", b"", 32);
    let epoch = |secret: Vec<u8>| {
        json!({
            "secret": shown(&secret),
            "key": shown(&expand(&secret, "key", b"", 32)),
            "iv": shown(&expand(&secret, "iv", b"", 12)),
            "upd": shown(&expand(&secret, "upd", b"", 32)),
        })
    };
    vec![epoch(hex(first)), epoch(updated), epoch(hex(fresh))]
}

/// Section 8.2: opens the frame, and gives its nonce and associated data.
fn check_frame(provider: Provider, session_id: Uuid, epochs: &Value, entry: &Value) -> Value {
    let (direction, frame) = (entry["direction"].as_str().unwrap(), &entry["frame"]);
    let (key, nonce, aad) = frame_keys(session_id, epochs, direction, frame);
    let opened = aead_open(provider, &key, &nonce, &aad, &base64(&frame["ciphertext"]));
    assert_eq!(opened, base64(&entry["payload"]));
    json!({"nonce": shown(&nonce), "aad": shown(&aad)})
}

/// Key, nonce and associated data of a frame.
fn frame_keys(
    session_id: Uuid,
    epochs: &Value,
    direction: &str,
    frame: &Value,
) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let (number, seq) = (frame["epoch"].as_u64().unwrap(), frame["seq"].as_u64().unwrap());
    let keys = &epochs[direction][usize::try_from(number).unwrap()];
    let padded = u128::from(seq).to_be_bytes();
    let nonce: Vec<u8> = hex(&keys["iv"]).iter().zip(&padded[4..]).map(|(iv, seq)| iv ^ seq).collect();
    let aad = [
        &b"a2a/1 frame"[..],
        session_id.as_bytes(),
        &[u8::from(direction == "r2i")],
        &u32::try_from(number).unwrap().to_be_bytes(),
        &seq.to_be_bytes(),
        &[type_number(&frame["type"])],
    ]
    .concat();
    (hex(&keys["key"]), nonce, aad)
}

/// The frame with another payload, sealed with the session's own keys: what only the peer itself can send.
pub(crate) fn resealed(vector: &Value, direction: &str, mut frame: Value, payload: &[u8]) -> Value {
    let session_id: Uuid = frame["session_id"].as_str().unwrap().parse().unwrap();
    let (key, nonce, aad) = frame_keys(session_id, &vector["derived"]["epochs"], direction, &frame);
    frame["ciphertext"] = json!(BASE64.encode(&aead_seal(available()[0], &key, &nonce, &aad, payload)));
    frame
}

fn type_number(name: &Value) -> u8 {
    match name.as_str().unwrap() {
        "confirm" => 0,
        "text" => 1,
        "data" => 2,
        "close" => 4,
        "rekey" => 5,
        "certificate" => 6,
        other => panic!("no type {other}"),
    }
}

/// Section 8.5.
fn check_ack(session_id: Uuid, secrets: &Value, entry: &Value) {
    let (direction, ack) = (entry["direction"].as_str().unwrap(), &entry["ack"]);
    let key = hex(&secrets[format!("ack {direction}")]);
    let received = ack["received"].as_u64().unwrap().to_be_bytes();
    let direction = [u8::from(direction == "r2i")];
    let mac: Hash = hmac(&key, &[b"a2a/1 ack", session_id.as_bytes(), &direction, &received]);
    assert_eq!(base64(&ack["mac"]), mac);
}

/// Section 8.3, of the initiator's frames before the fresh exchange.
fn check_binary_body(vector: &Value, session_id: Uuid) {
    let mut body = session_id.as_bytes().to_vec();
    let frames = vector["frames"].as_array().unwrap().iter();
    let plain = frames.take_while(|entry| entry["frame"]["type"] != "rekey");
    for entry in plain.filter(|entry| entry["direction"] == "i2r") {
        let frame = &entry["frame"];
        let ciphertext = base64(&frame["ciphertext"]);
        body.extend(u32::try_from(frame["epoch"].as_u64().unwrap()).unwrap().to_be_bytes());
        body.extend(frame["seq"].as_u64().unwrap().to_be_bytes());
        body.push(type_number(&frame["type"]));
        body.extend(u32::try_from(ciphertext.len()).unwrap().to_be_bytes());
        body.extend(ciphertext);
    }
    assert_eq!(hex(&vector["binary_body"]), body);
}

fn shown(bytes: &[u8]) -> Value {
    json!(HEXLOWER.encode(bytes))
}
