//! A controller's fingerprint in words that can be read over a telephone.

use bip39::{Language, Mnemonic};
use thiserror::Error;

use crate::crypto::signature::KeyId;

/// The 256 bits and a checksum of 8 as 24 words of BIP-39's English list, in lower case, with spaces between. No two
/// words of that list begin with the same four letters. They are no secret: here the list serves people alone.
pub fn to_words(fingerprint: &KeyId) -> String {
    Mnemonic::from_entropy_in(Language::English, fingerprint.as_bytes())
        .expect("32 bytes are a length that BIP-39 has")
        .to_string()
}

/// Reads what [`to_words`] writes; capitals and the amount of white space do not matter. One wrong word is found by
/// the checksum in all but one of 256 cases.
pub fn from_words(text: &str) -> Result<KeyId, WordsError> {
    let words = Mnemonic::parse_in_normalized(Language::English, &text.to_lowercase())
        .map_err(|error| WordsError(error.to_string()))?;
    let entropy: [u8; 32] = words.to_entropy().try_into().map_err(|_| WordsError("24 are needed".into()))?;
    Ok(KeyId::from_bytes(entropy))
}

/// Not the words of a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("not a fingerprint in 24 words: {0}")]
pub struct WordsError(String);
