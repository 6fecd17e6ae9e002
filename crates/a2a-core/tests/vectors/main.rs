//! The test vectors: whole handshakes and sessions with fixed secrets, and flawed messages with their refusals.
//!
//! Each vector is checked three ways. The real state machines play it again under every pair of providers, with its
//! secrets and signatures, and must say the same bytes. Everything derived is computed anew from the secrets and the
//! messages by `derive`, which is written from `docs/PROTOCOL.md` and shares no code with the crate. And each flawed
//! message is refused with the recorded reason.
//!
//! To make them anew: `A2A_WRITE_VECTORS=1 cargo test -p a2a-core --all-features --test vectors`. Signatures have random
//! salts, so all of them change.

#![allow(clippy::unwrap_used)]

#[path = "../world/mod.rs"]
mod world;

mod derive;
mod identity;
mod kem;
mod modp;
mod negative;
mod play;
mod primitives;
mod script;
mod wycheproof;

use std::path::PathBuf;
use std::sync::LazyLock;

use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::available;
use serde_json::Value;

use crate::world::pairs;

/// One for each suite, in the order of [`Suite::ALL`].
static VECTORS: LazyLock<[Value; 3]> = LazyLock::new(|| {
    Suite::ALL.map(|suite| {
        let name = format!("handshake-{suite}.json");
        if writing() {
            let mut vector = play::play(&play::recording(suite), suite);
            vector["derived"] = derive::derive(&vector, available()[0]);
            write(&name, &vector);
        }
        read(&name)
    })
});

fn vector(suite: Suite) -> &'static Value {
    VECTORS.iter().find(|vector| vector["suite"] == suite.as_str()).unwrap()
}

fn writing() -> bool {
    std::env::var_os("A2A_WRITE_VECTORS").is_some()
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors").join(name)
}

fn read(name: &str) -> Value {
    serde_json::from_slice(&std::fs::read(path(name)).unwrap()).unwrap()
}

fn write(name: &str, value: &Value) {
    std::fs::write(path(name), laid_out(value, 0) + "\n").unwrap();
}

/// Members of the outer objects and elements of arrays on a line each; what is further within on one.
fn laid_out(value: &Value, depth: usize) -> String {
    let indent = "  ".repeat(depth);
    let lines = |lines: Vec<String>| lines.join(&format!(",\n{indent}  "));
    match value {
        Value::Object(members) if depth < 3 => {
            let member =
                |(name, value): (&String, &Value)| format!("{name:?}: {}", laid_out(value, depth + 1));
            format!("{{\n{indent}  {}\n{indent}}}", lines(members.iter().map(member).collect()))
        }
        Value::Array(elements) if depth < 3 => {
            format!("[\n{indent}  {}\n{indent}]", lines(elements.iter().map(Value::to_string).collect()))
        }
        _ => value.to_string(),
    }
}

/// The real code says the same bytes again, whichever libraries it runs on.
#[test]
fn every_pair_of_providers_plays_the_vectors() {
    for suite in Suite::ALL {
        let mut expected = vector(suite).clone();
        expected.as_object_mut().unwrap().remove("derived").unwrap();
        for providers in pairs() {
            assert_eq!(play::play(&play::replaying(vector(suite), providers), suite), expected, "{suite}");
        }
    }
}

/// What is derived follows from the secrets and the messages, by the protocol's text alone.
#[test]
fn everything_derived_follows_from_the_secrets_and_the_messages() {
    for vector in VECTORS.iter() {
        for provider in available() {
            assert_eq!(derive::derive(vector, *provider), vector["derived"]);
        }
    }
}

#[test]
fn identities_live_as_the_protocol_says() {
    if writing() {
        write("identity.json", &identity::make());
    }
    identity::check(&read("identity.json"));
}

#[test]
fn every_flawed_message_is_refused_for_its_flaw() {
    if writing() {
        write("negative.json", &negative::make());
    }
    negative::check(&read("negative.json"));
}
