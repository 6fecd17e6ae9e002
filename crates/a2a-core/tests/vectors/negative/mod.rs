//! Messages with one flaw each, what a receiver is in the middle of when they come, and what it says.

mod exchange;
mod reason;
mod request;
mod response;
mod session;

use a2a_core::crypto::kx::{ResponderKeys, Suite};
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::handshake::messages::{Established, KeyExchange, KeyExchangeReply, Request, Response};
use a2a_core::handshake::responder::PendingRequest;
use a2a_core::session::frame::decode_frames;
use a2a_core::session::{Ack, Frame, RekeyPolicy};
use a2a_core::time::UnixTime;
use a2a_core::wire::{MAX_SEND_BODY, from_json};
use data_encoding::HEXLOWER;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use self::reason::Reason;
use crate::play;
use crate::vector;
use crate::world::*;

/// One flawed message.
pub(crate) struct Case {
    name: &'static str,
    /// Which vector it belongs to.
    suite: Suite,
    /// As what it comes: `M1` to `M6`, `frame`, `ack` or `frames`.
    place: &'static str,
    now: UnixTime,
    body: String,
}

impl Case {
    fn new(name: &'static str, suite: Suite, place: &'static str, body: String) -> Self {
        Self { name, suite, place, now: NOW, body }
    }
}

/// All of them, as they stand in the file.
pub(crate) fn make() -> Value {
    let cases = [request::cases(), response::cases(), exchange::cases(), session::cases()];
    let cases: Vec<Value> = cases.into_iter().flatten().map(|case| as_json(&case)).collect();
    json!({"warning": "each body is refused, for the one flaw that its name says", "cases": cases})
}

fn as_json(case: &Case) -> Value {
    let reason = receive(case, available()[0]).expect_err(case.name);
    json!({
        "name": case.name,
        "vector": format!("handshake-{}.json", case.suite),
        "place": case.place,
        "now": case.now,
        "body": case.body,
        "reason": reason,
    })
}

/// Every flawed message is refused for its reason, under every provider.
pub(crate) fn check(file: &Value) {
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 80);
    for entry in cases {
        let text = |field: &str| entry[field].as_str().unwrap();
        let names_vector = |suite: &Suite| format!("handshake-{suite}.json") == text("vector");
        let place = ["M1", "M2", "M3", "M4", "M5", "M6", "frame", "ack", "frames"];
        let case = Case {
            name: "",
            suite: Suite::ALL.into_iter().find(names_vector).unwrap(),
            place: place.into_iter().find(|place| *place == text("place")).unwrap(),
            now: UnixTime::from_secs(entry["now"].as_u64().unwrap()),
            body: text("body").to_owned(),
        };
        for provider in available() {
            assert_eq!(receive(&case, *provider), Err(text("reason").to_owned()), "{}", text("name"));
        }
    }
}

/// A vector played again, up to wherever a test wants.
fn replayed(suite: Suite, provider: Provider) -> Pair {
    play::replaying(vector(suite), (provider, provider)).pair
}

/// Plays the vector up to the case's place and hands its body over.
fn receive(case: &Case, provider: Provider) -> Result<(), String> {
    let pair = replayed(case.suite, provider);
    match case.place {
        "M1" => {
            let request: Request = read(&case.body)?;
            PendingRequest::verify(pair.responder, verifier(), request, case.now).map(drop).map_err(shown)
        }
        "M2" => {
            let response: Response = read(&case.body)?;
            pair.decided().initiator.receive(&response, verifier(), case.now).map(drop).map_err(shown)
        }
        "M3" | "M5" => receive_key_exchange(&pair, case),
        "M4" => {
            let reply: KeyExchangeReply = read(&case.body)?;
            pair.replied().initiator.finish(&reply).map(drop).map_err(shown)
        }
        "M6" => {
            let established: Established = read(&case.body)?;
            let opening = pair.opening();
            opening.initiator.establish(established, pair.policy, case.now).map(drop).map_err(shown)
        }
        _ => receive_in_session(&pair, case),
    }
}

fn receive_key_exchange(pair: &Pair, case: &Case) -> Result<(), String> {
    let message: KeyExchange = read(&case.body)?;
    match message {
        KeyExchange::Init(init) => {
            let responder = pair.begun().responder;
            let proof = responder.authenticate(&init).map_err(shown)?;
            let keys = ResponderKeys::generate(case.suite, pair.responder.provider()).unwrap();
            responder.reply(proof, keys).map(drop).map_err(shown)
        }
        KeyExchange::Finish(finish) => {
            let responder = pair.finished().responder;
            let proof = responder.authenticate(&finish).map_err(shown)?;
            let established = responder.establish(proof, RekeyPolicy::default(), case.now);
            established.map(drop).map_err(shown)
        }
    }
}

/// The responder awaits the initiator's first frame; the initiator has sealed three.
fn receive_in_session(pair: &Pair, case: &Case) -> Result<(), String> {
    let (mut initiator, mut responder) = pair.established();
    match case.place {
        "frame" => {
            let frame: Frame = read(&case.body)?;
            responder.opener.open(frame, case.now).map(drop).map_err(shown)
        }
        "ack" => {
            let ack: Ack = read(&case.body)?;
            seal_many(&mut initiator.sealer, 3);
            initiator.sealer.accept(&ack).map(drop).map_err(shown)
        }
        "frames" => {
            let body = HEXLOWER.decode(case.body.as_bytes()).unwrap();
            decode_frames(&body).map(drop).map_err(|_| "bad frames".to_owned())
        }
        other => panic!("no place {other}"),
    }
}

/// What is wrong with the JSON is for the reader's library to say.
fn read<T: Serialize + DeserializeOwned>(body: &str) -> Result<T, String> {
    from_json(body.as_bytes(), MAX_SEND_BODY).map_err(|_| "bad json".to_owned())
}

#[expect(clippy::needless_pass_by_value, reason = "it maps errors")]
fn shown(error: impl Reason) -> String {
    error.reason()
}

/// The message as JSON text, with one change.
fn text_with<T: Serialize>(message: &T, change: impl FnOnce(&mut Value)) -> String {
    let mut value = json!(message);
    let before = value.clone();
    change(&mut value);
    assert_ne!(value, before);
    value.to_string()
}
