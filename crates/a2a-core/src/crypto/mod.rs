//! The only list of algorithms, and the seam behind which two libraries implement them.

pub mod aead;
pub mod kdf;
pub mod kx;
pub mod provider;
mod public_key;
pub mod signature;
mod weak_key;

use thiserror::Error;

/// Why a cryptographic operation failed. A peer never sees which: it gets one code for all.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CryptoError {
    /// A key is malformed, of a size or exponent that is not accepted, or not canonical DER.
    #[error("unacceptable key: {0}")]
    BadKey(&'static str),
    /// Diffie-Hellman parameters other than RFC 3526 group 14 with generator 2.
    #[error("diffie-hellman parameters are not RFC 3526 group 14")]
    BadGroup,
    /// A public share out of range, of the wrong length, or one that gives a degenerate secret.
    #[error("unacceptable key exchange share: {0}")]
    BadShare(&'static str),
    /// A signature that does not verify.
    #[error("signature does not verify")]
    BadSignature,
    /// A ciphertext or MAC that does not verify.
    #[error("authentication tag does not verify")]
    BadTag,
    /// The library refused something it should not refuse (our fault or the environment's).
    #[error("crypto library failure: {0}")]
    Library(&'static str),
}
