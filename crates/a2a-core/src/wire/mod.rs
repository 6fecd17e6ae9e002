//! Encodings and limits: canonical JSON, strict base64, lower-case hexadecimal.
//!
//! Everything is read strictly, so that two readers of one body never see two meanings (RFC 8259 leaves
//! duplicate keys, nulls and number forms to the implementation; we refuse what is not the one form). Nothing
//! here knows what a message means.

mod base64;
mod hex;
mod json;

use thiserror::Error;

pub use base64::Base64;
pub use hex::Hex;
pub(crate) use json::from_flat_json;
pub use json::{canonical_json, canonical_json_without, from_json, present, safe_u64};

/// Why bytes from outside, or a value of ours, did not fit the encoding.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// The body is longer than its limit, both in bytes.
    #[error("body of {found} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// The most that is allowed.
        limit: usize,
        /// What came.
        found: usize,
    },
    /// Arrays and objects nested deeper than [`MAX_DEPTH`].
    #[error("json nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
    /// Not the JSON that was expected; the text names field and place, and never quotes a whole body.
    #[error("unacceptable json: {0}")]
    Json(String),
    /// Understood, but not written as this protocol writes it: a null, an array in an object's place.
    #[error("json does not have the one accepted form")]
    NotCanonical,
    /// Not base64 with the standard alphabet and padding (RFC 4648, section 4).
    #[error("not strict base64")]
    Base64,
    /// Not lower-case hexadecimal, or of another length, in digits.
    #[error("expected {digits} lower-case hexadecimal digits")]
    Hex {
        /// How many digits there should be.
        digits: usize,
    },
    /// Not a body of binary frames.
    #[error("not a body of frames: {0}")]
    Frames(&'static str),
    /// A value of ours that has no canonical JSON: our misuse.
    #[error("value has no canonical json: {0}")]
    Unencodable(String),
}

/// Body limit of everything but `send`, in bytes: 64 KiB.
pub const MAX_HANDSHAKE_BODY: usize = 64 * 1024;
/// Body limit of `POST /agent/communicate/send`, in bytes: 1.5 MiB, which holds [`MAX_PLAINTEXT`] in base64.
pub const MAX_SEND_BODY: usize = 1536 * 1024;
/// Limit of one frame's plaintext, in bytes: 1 MiB.
pub const MAX_PLAINTEXT: usize = 1024 * 1024;
/// Limit of a certificate as JSON, in bytes: 16 KiB. With RSA-4096 keys and 32 methods it takes less than 6
/// KiB.
pub const MAX_CERTIFICATE: usize = 16 * 1024;
/// Deepest nesting of arrays and objects that is accepted.
pub const MAX_DEPTH: usize = 16;
/// 2^53 - 1, the largest integer that every JSON reader keeps exact (RFC 7493, section 2.2).
pub const MAX_SAFE_INTEGER: u64 = (1 << 53) - 1;
