//! Plays a whole session with the real state machines and writes down what is said.

use std::sync::Arc;

use a2a_core::certificate::AgentCertificate;
use a2a_core::crypto::kx::{InitiatorKeys, ResponderKeys, Suite};
use a2a_core::crypto::provider::{Provider, by_name};
use a2a_core::handshake::messages::{
    DecidedBy, Established, KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply, Request, Response,
};
use a2a_core::handshake::{Credential, Step};
use a2a_core::session::frame::{FrameType, encode_frames};
use a2a_core::session::{CloseReason, Frame, RekeyPolicy, RekeyStep, Session};
use a2a_core::wire;
use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::kem::KemRecord;
use crate::script::{Script, ScriptedKey};
use crate::world::*;

/// Two agents under scripted providers.
pub(crate) struct Cast {
    pub(crate) pair: Pair,
    initiator: &'static Script,
    responder: &'static Script,
}

/// Signs for real. Needs the provider whose ML-KEM takes fixed randomness.
pub(crate) fn recording(suite: Suite) -> Cast {
    let inner = by_name("rustcrypto").expect("vectors are made with --all-features");
    let agent = |name, draft: Draft| {
        let script = Script::new(name, suite, inner, vec![]);
        let key = ScriptedKey::recording(draft.key.load(inner), inner);
        (script, credential(script, key, draft.certificate()))
    };
    cast(suite, agent("initiator", traveller()), agent("responder", helper()))
}

/// Says again what a vector holds.
pub(crate) fn replaying(vector: &Value, (initiator, responder): (Provider, Provider)) -> Cast {
    let suite = Suite::deserialize(&vector["suite"]).unwrap();
    let agent = |name: &'static str, inner: Provider, key: Key, message: &str| {
        let script = Script::new(name, suite, inner, kems(vector));
        let key = ScriptedKey::replaying(key.load(inner), inner, signatures(vector, name));
        let certificate = AgentCertificate::deserialize(&vector["messages"][message]["certificate"]).unwrap();
        (script, credential(script, key, certificate))
    };
    cast(
        suite,
        agent("initiator", initiator, Key::Traveller, "m1"),
        agent("responder", responder, Key::Helper, "m2"),
    )
}

type Agent = (&'static Script, Credential);

fn cast(suite: Suite, initiator: Agent, responder: Agent) -> Cast {
    let policy = RekeyPolicy { frames: 3, ..RekeyPolicy::default() };
    let pair = Pair { policy, ..Pair::new(initiator.1, responder.1, suite) };
    Cast { pair, initiator: initiator.0, responder: responder.0 }
}

fn credential(script: &'static Script, key: ScriptedKey, certificate: AgentCertificate) -> Credential {
    let certificate = anchor().verify(script, certificate, None, NOW).unwrap();
    Credential::new(script, Arc::new(key), certificate).unwrap()
}

fn signatures(vector: &Value, side: &str) -> Vec<Vec<u8>> {
    let fresh = &vector["fresh_exchange"];
    let messages = &vector["messages"];
    let signed = match side {
        "initiator" => vec![&messages["m1"], &messages["m3"], &messages["m5"], &fresh["m3"], &fresh["m5"]],
        _ => vec![&messages["m2"], &messages["m4"], &fresh["m4"]],
    };
    signed.into_iter().map(|message| base64(&message["signature"])).collect()
}

fn kems(vector: &Value) -> Vec<KemRecord> {
    if vector["secrets"]["kem_seed"].is_null() {
        return vec![];
    }
    let record = |secrets: &Value, m3: &Value, m4: &Value, derived: &Value| KemRecord {
        encapsulation_key: base64(&m3["kem_public_key"]),
        decapsulation_key: hex(&secrets["kem_decapsulation_key"]),
        ciphertext: base64(&m4["kem_ciphertext"]),
        shared_secret: hex(&derived["kem"]).try_into().unwrap(),
    };
    let (messages, fresh, derived) = (&vector["messages"], &vector["fresh_exchange"], &vector["derived"]);
    vec![
        record(&vector["secrets"], &messages["m3"], &messages["m4"], &derived["exchange"]),
        record(&fresh["secrets"], &fresh["m3"], &fresh["m4"], &derived["fresh_exchange"]),
    ]
}

/// The whole session, but for what is derived.
pub(crate) fn play(cast: &Cast, suite: Suite) -> Value {
    let (mut initiator, mut responder, messages) = handshake(&cast.pair);
    let safety_code = initiator.info.safety_code.clone();
    assert_eq!(safety_code, responder.info.safety_code);

    let mut log = Log::default();
    for (frame_type, payload) in [
        (FrameType::Text, &b"hello"[..]),
        (FrameType::Data, &[0, 255, 7]),
        (FrameType::Text, b""),
        (FrameType::Text, b"epoch 1"),
    ] {
        log.send("i2r", &mut initiator, &mut responder, frame_type, payload);
    }
    for said in ["hello yourself", "grüß Gott", "epoch 1"] {
        log.send("r2i", &mut responder, &mut initiator, FrameType::Text, said.as_bytes());
    }
    let binary_body = encode_frames(initiator.info.session_id, log.sent_by("i2r").iter());
    log.acknowledge(&initiator, &responder);
    let fresh = fresh_exchange(&mut log, &mut initiator, &mut responder);
    log.send("i2r", &mut initiator, &mut responder, FrameType::Text, b"epoch 2");
    log.send("r2i", &mut responder, &mut initiator, FrameType::Text, b"epoch 2");
    let renewed = wire::canonical_json(cast.pair.initiator.certificate().certificate()).unwrap();
    log.send("i2r", &mut initiator, &mut responder, FrameType::Certificate, &renewed);
    let received = initiator.opener.received();
    let (_, close) = initiator.sealer.close(CloseReason::Done, received, NOW).unwrap();
    let payload = format!(r#"{{"reason":"done","received":{received},"sent":{}}}"#, close.seq);
    open(&mut responder.opener, &close).unwrap();
    log.note("i2r", &close, payload.as_bytes());
    log.acks.push(json!({"direction": "i2r", "ack": responder.opener.acknowledge()}));

    let (first, second) = secrets(cast, suite);
    json!({
        "warning": "test keys: all of them are public",
        "suite": suite,
        "now": NOW,
        "controller": {"controller_id": "controller", "private_key": private(Key::Controller)},
        "initiator": {"private_key": private(Key::Traveller)},
        "responder": {"private_key": private(Key::Helper)},
        "messages": messages,
        "secrets": first,
        "safety_code": safety_code,
        "frames": log.frames,
        "acks": log.acks,
        "binary_body": HEXLOWER.encode(&binary_body),
        "fresh_exchange": {"secrets": second, "m3": fresh[0], "m4": fresh[1], "m5": fresh[2]},
    })
}

pub(crate) fn private(key: Key) -> String {
    let provider = a2a_core::crypto::provider::available()[0];
    BASE64.encode(&key.load(provider).to_pkcs8_der().unwrap())
}

fn handshake(pair: &Pair) -> (Session, Session, Value) {
    let Step { next: asking, message: m1 } = pair.asked();
    let pending = pair.verify(&m1).unwrap();
    let Step { next: consenting, message: m2 } = pending.accept(DecidedBy::Operator, PATIENCE, NOW).unwrap();
    let starting = accept(asking, &m2).unwrap();
    let keys = InitiatorKeys::generate(starting.suite(), pair.initiator.provider()).unwrap();
    let Step { next: starting, message: m3 } = starting.start(keys).unwrap();
    let proof = consenting.authenticate(&m3).unwrap();
    let keys = ResponderKeys::generate(consenting.suite(), pair.responder.provider()).unwrap();
    let Step { next: replying, message: m4 } = consenting.reply(proof, keys).unwrap();
    let Step { next: finishing, message: m5 } = starting.finish(&m4).unwrap();
    let proof = replying.authenticate(&m5).unwrap();
    let Step { next: responder, message: m6 } = replying.establish(proof, pair.policy, NOW).unwrap();
    let initiator = finishing.establish(sent(&m6), pair.policy, NOW).unwrap();
    (initiator, responder, as_json(&m1, &m2, (&m3, &m4, &m5), &m6))
}

fn as_json(
    m1: &Request,
    m2: &Response,
    (m3, m4, m5): (&KeyExchangeInit, &KeyExchangeReply, &KeyExchangeFinish),
    m6: &Established,
) -> Value {
    json!({"m1": m1, "m2": m2, "m3": m3, "m4": m4, "m5": m5, "m6": m6})
}

/// What was drawn, by what it was for: request or session id, nonce, then for each exchange the KEM's and the DH secret.
fn secrets(cast: &Cast, suite: Suite) -> (Value, Value) {
    let (mut initiator, mut responder) =
        (cast.initiator.drawn().into_iter(), cast.responder.drawn().into_iter());
    for drawn in [&mut initiator, &mut responder] {
        assert_eq!([16, 32].map(|_| drawn.next().unwrap().len()), [16, 32]);
    }
    let mut kem_keys = cast.initiator.kem_keys().into_iter();
    let mut exchange = || {
        let mut secrets = json!({});
        if suite.is_hybrid() {
            secrets["kem_seed"] = json!(HEXLOWER.encode(&initiator.next().unwrap()));
            secrets["kem_decapsulation_key"] = json!(HEXLOWER.encode(&kem_keys.next().unwrap()));
            secrets["kem_randomness"] = json!(HEXLOWER.encode(&responder.next().unwrap()));
        }
        secrets["initiator_dh"] = json!(HEXLOWER.encode(&initiator.next().unwrap()));
        secrets["responder_dh"] = json!(HEXLOWER.encode(&responder.next().unwrap()));
        secrets
    };
    (exchange(), exchange())
}

/// M3' to M5' as messages; the frames that carry them are in the log.
fn fresh_exchange(log: &mut Log, initiator: &mut Session, responder: &mut Session) -> [Value; 3] {
    let init = initiator.rekey.begin().unwrap().unwrap();
    log.send("i2r", initiator, responder, FrameType::Rekey, &init);
    let step = responder.rekey.receive(&init).unwrap();
    let reply = log.act("r2i", responder, initiator, step);
    let step = initiator.rekey.receive(&reply).unwrap();
    let finish = log.act("i2r", initiator, responder, step);
    let step = responder.rekey.receive(&finish).unwrap();
    let done = log.act("r2i", responder, initiator, step);
    let step = initiator.rekey.receive(&done).unwrap();
    initiator.opener.switch(step.opener.unwrap(), NOW).unwrap();
    [(init, "init"), (reply, "reply"), (finish, "finish")]
        .map(|(payload, name)| serde_json::from_slice::<Value>(&payload).unwrap()[name].take())
}

/// What goes to and fro in the session.
#[derive(Default)]
struct Log {
    frames: Vec<Value>,
    acks: Vec<Value>,
}

impl Log {
    fn note(&mut self, direction: &str, frame: &Frame, payload: &[u8]) {
        self.frames.push(json!({"direction": direction, "frame": frame, "payload": BASE64.encode(payload)}));
    }

    fn send(
        &mut self,
        direction: &str,
        from: &mut Session,
        to: &mut Session,
        frame_type: FrameType,
        payload: &[u8],
    ) {
        let frame = from.sealer.seal(frame_type, payload.to_vec(), NOW).unwrap();
        open(&mut to.opener, &frame).unwrap();
        self.note(direction, &frame, payload);
    }

    /// Does what a step says, and gives the payload that it sends.
    fn act(&mut self, direction: &str, from: &mut Session, to: &mut Session, step: RekeyStep) -> Vec<u8> {
        if let Some(keys) = step.opener {
            from.opener.switch(keys, NOW).unwrap();
        }
        let payload = step.reply.unwrap();
        self.send(direction, from, to, FrameType::Rekey, &payload);
        if let Some(keys) = step.sealer {
            from.sealer.switch(keys, NOW).unwrap();
        }
        payload
    }

    fn acknowledge(&mut self, initiator: &Session, responder: &Session) {
        self.acks.push(json!({"direction": "i2r", "ack": responder.opener.acknowledge()}));
        self.acks.push(json!({"direction": "r2i", "ack": initiator.opener.acknowledge()}));
    }

    fn sent_by(&self, direction: &str) -> Vec<Frame> {
        let sent = self.frames.iter().filter(|entry| entry["direction"] == direction);
        sent.map(|entry| Frame::deserialize(&entry["frame"]).unwrap()).collect()
    }
}

pub(crate) fn hex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

pub(crate) fn base64(value: &Value) -> Vec<u8> {
    BASE64.decode(value.as_str().unwrap().as_bytes()).unwrap()
}
