//! The running hash over everything said, which every signature and every key covers.

use std::fmt;

use serde::Serialize;

use crate::crypto::kdf::{HASH_LEN, sha256};
use crate::crypto::signature::Signature;
use crate::wire;

/// `TH0 = SHA-256("a2a/1")`; absorbing `b` makes `TH = SHA-256(TH || u32 length of b || b)`, lengths big-endian.
#[derive(Clone, PartialEq, Eq)]
pub struct Transcript([u8; HASH_LEN]);

impl Transcript {
    /// TH0.
    pub fn new() -> Self {
        Self(sha256(&[b"a2a/1"]))
    }

    /// Goes on from a hash, for the next exchange of a session.
    pub(crate) fn resume(hash: [u8; HASH_LEN]) -> Self {
        Self(hash)
    }

    /// Absorbs a message: its canonical JSON without `signature` and `confirm`. The hash is then what it signs.
    pub fn absorb_message<T: Serialize>(&mut self, message: &T) {
        let mut value =
            serde_json::to_value(message).expect("a message has string keys and no failing field");
        if let Some(fields) = value.as_object_mut() {
            fields.remove("signature");
            fields.remove("confirm");
        }
        self.absorb(&wire::canonical_json(&value).expect("a message has no number beyond 2^53 - 1"));
    }

    /// Absorbs a signature that has been made or verified.
    pub fn absorb_signature(&mut self, signature: &Signature) {
        self.absorb(signature.0.as_bytes());
    }

    /// Absorbs a byte string.
    pub fn absorb(&mut self, bytes: &[u8]) {
        let length = u32::try_from(bytes.len()).expect("a message is far below 4 GiB").to_be_bytes();
        self.0 = sha256(&[&self.0, &length, bytes]);
    }

    /// The hash so far: 32 bytes.
    pub fn hash(&self) -> &[u8; HASH_LEN] {
        &self.0
    }
}

impl Default for Transcript {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transcript({})", data_encoding::HEXLOWER.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_the_hash() {
        let transcript = Transcript::new();
        let hash = data_encoding::HEXLOWER.encode(transcript.hash());
        assert_eq!(format!("{transcript:?}"), format!("Transcript({hash})"));
    }
}
