//! AES-256-GCM: keys, nonces, and the interface that both providers implement.

use std::fmt::{self, Debug};

use zeroize::{Zeroize, ZeroizeOnDrop};

use super::CryptoError;

/// Bytes in an AES-256 key.
pub const KEY_LEN: usize = 32;
/// Bytes in a GCM nonce.
pub const NONCE_LEN: usize = 12;
/// Bytes in a GCM tag, appended to the ciphertext.
pub const TAG_LEN: usize = 16;

/// A traffic key. Held by one direction of one session for one epoch.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct AeadKey(pub(crate) [u8; KEY_LEN]);

impl Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AeadKey(..)")
    }
}

/// An AEAD under one key. The caller sees to it that no nonce comes twice.
pub trait Aead: Debug + Send + Sync {
    /// Encrypts `buffer` in place and appends the tag of [`TAG_LEN`] bytes.
    fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError>;

    /// Decrypts `buffer` in place and cuts the tag off; on [`CryptoError::BadTag`] the buffer is emptied.
    fn open(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError>;
}
