//! Two certified agents, a third of ill will, and every step of the handshake between them, so that a test can
//! spoil one message and see what becomes of it.
//!
//! Each message crosses as the bytes that the wire would carry. Nothing here is a test.

#![allow(dead_code, unused_imports, reason = "each test program uses a part")]

mod agents;
mod shares;
mod steps;
mod traffic;

pub(crate) use agents::*;
pub(crate) use shares::*;
pub(crate) use steps::*;
pub(crate) use traffic::*;

use a2a_core::crypto::signature::{self, Signature, SignatureLabel};
use a2a_core::handshake::Credential;
use a2a_core::handshake::transcript::Transcript;
use a2a_core::wire::{self, Base64, MAX_SEND_BODY};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Over the wire and back.
pub(crate) fn sent<T: Serialize + DeserializeOwned>(message: &T) -> T {
    wire::from_json(&wire::canonical_json(message).unwrap(), MAX_SEND_BODY).unwrap()
}

/// The message with its JSON changed.
pub(crate) fn edited<T: Serialize + DeserializeOwned>(message: &T, change: impl FnOnce(&mut Value)) -> T {
    let mut value = serde_json::to_value(message).unwrap();
    let before = value.clone();
    change(&mut value);
    assert_ne!(value, before, "the edit changes nothing");
    wire::from_json(&serde_json::to_vec(&value).unwrap(), MAX_SEND_BODY).unwrap()
}

/// The bytes with one bit changed in the middle.
pub(crate) fn flipped(bytes: &Base64) -> Base64 {
    let mut bytes = bytes.as_bytes().to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes.into()
}

/// What `who` signs for `message` after `transcript`: how a certified peer signs whatever it likes.
pub(crate) fn signed<T: Serialize>(
    who: &Credential,
    label: SignatureLabel,
    transcript: &Transcript,
    message: &T,
) -> Signature {
    let mut transcript = transcript.clone();
    transcript.absorb_message(message);
    signature::sign(&**who.key(), label, transcript.hash()).unwrap()
}
