//! The narrow seam between the protocol and a crypto library.
//!
//! Only what libraries really do differently stands here. SHA-256, HMAC and HKDF (`sha2`, `hmac`, `hkdf`) and
//! the modular exponentiation (`crypto-bigint`) are the same under every provider, so they are not part of
//! the seam.

#[cfg(feature = "aws_lc")]
pub mod aws_lc;
#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;

#[cfg(not(any(feature = "aws_lc", feature = "rustcrypto")))]
compile_error!("a2a-core needs a crypto provider: enable the feature `aws_lc` or `rustcrypto`");

use std::fmt::{self, Debug};

use zeroize::Zeroizing;

use super::CryptoError;
use super::aead::{Aead, AeadKey};
use super::signature::{PublicKey, SigningKey};

/// The provider that a node runs on: chosen once at start-up, alive as long as the process.
pub type Provider = &'static dyn CryptoProvider;

/// The providers compiled in, the preferred one first; never empty.
pub fn available() -> &'static [Provider] {
    const AVAILABLE: &[Provider] = &[
        #[cfg(feature = "aws_lc")]
        aws_lc::PROVIDER,
        #[cfg(feature = "rustcrypto")]
        rustcrypto::PROVIDER,
    ];
    AVAILABLE
}

/// The provider that calls itself `name`, if it is compiled in.
pub fn by_name(name: &str) -> Option<Provider> {
    available().iter().copied().find(|provider| provider.name() == name)
}

/// What a crypto library has to offer for `a2a/1`.
///
/// Randomness is the provider's own, because a FIPS-style library signs and encapsulates with its own
/// generator and takes none from outside; every implementation reads the operating system's generator.
pub trait CryptoProvider: Debug + Send + Sync + 'static {
    /// `aws_lc` or `rustcrypto`.
    fn name(&self) -> &'static str;

    /// Fills `out` from the operating system's generator.
    fn fill_random(&self, out: &mut [u8]) -> Result<(), CryptoError> {
        getrandom::fill(out).map_err(|_| CryptoError::Library("the system's random generator failed"))
    }

    /// Makes an RSA-2048 key with e = 65537.
    fn generate_signing_key(&self) -> Result<Box<dyn SigningKey>, CryptoError>;

    /// Reads a private key from PKCS#8 DER (RFC 5958, version 1, no attributes: as
    /// [`SigningKey::to_pkcs8_der`] and OpenSSL write it); RSA 2048, 3072 or 4096 bits with e = 65537.
    /// Anything else is [`CryptoError::BadKey`].
    fn load_signing_key(&self, pkcs8_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError>;

    /// Verifies RSASSA-PSS with SHA-256, MGF1-SHA-256 and a salt of exactly 32 bytes (RFC 8017, section
    /// 8.1.2).
    fn verify_pss(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError>;

    /// The X25519 public value of a secret scalar (RFC 7748, section 6.1).
    fn x25519_public(&self, secret: &[u8; 32]) -> Result<[u8; 32], CryptoError>;

    /// X25519 agreement (RFC 7748, section 6.1); an all-zero result is [`CryptoError::BadShare`].
    fn x25519_agree(&self, secret: &[u8; 32], peer: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, CryptoError>;

    /// Makes an ML-KEM-768 key pair (FIPS 203), used for one decapsulation.
    fn generate_ml_kem_768(&self) -> Result<Box<dyn Decapsulator>, CryptoError>;

    /// Encapsulates to a 1184-byte encapsulation key; a key of another length, or one that fails FIPS 203's
    /// modulus check, is [`CryptoError::BadShare`].
    fn encapsulate_ml_kem_768(&self, encapsulation_key: &[u8]) -> Result<Encapsulated, CryptoError>;

    /// AES-256-GCM under `key` (NIST SP 800-38D).
    fn aes_256_gcm(&self, key: &AeadKey) -> Result<Box<dyn Aead>, CryptoError>;
}

/// An ML-KEM-768 decapsulation key: ephemeral, consumed by its one use.
pub trait Decapsulator: Debug + Send + Sync {
    /// The encapsulation key to send: 1184 bytes.
    fn encapsulation_key(&self) -> Vec<u8>;

    /// Recovers the secret from a ciphertext of 1088 bytes; another length is [`CryptoError::BadShare`]. A
    /// ciphertext of the right length never fails (FIPS 203's implicit rejection): a forged one gives a
    /// secret that nobody else has.
    fn decapsulate(self: Box<Self>, ciphertext: &[u8]) -> Result<Zeroizing<[u8; 32]>, CryptoError>;
}

/// What encapsulating yields.
pub struct Encapsulated {
    /// 1088 bytes, for the peer.
    pub ciphertext: Vec<u8>,
    /// 32 bytes, for the key schedule.
    pub shared_secret: Zeroizing<[u8; 32]>,
}

impl Debug for Encapsulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Encapsulated(..)")
    }
}

/// Refuses what a library reads leniently (PKCS#1, trailing bytes, CRT values that do not belong to the
/// primes), so that every provider takes the same keys.
fn require_canonical(key: Box<dyn SigningKey>, pkcs8_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
    if *key.to_pkcs8_der()? == pkcs8_der { Ok(key) } else { Err(BAD_PRIVATE_KEY) }
}

/// Bytes in an ML-KEM-768 encapsulation key (FIPS 203, table 3).
pub const ML_KEM_768_KEY_LEN: usize = 1184;
/// Bytes in an ML-KEM-768 ciphertext (FIPS 203, table 3).
pub const ML_KEM_768_CIPHERTEXT_LEN: usize = 1088;

// What the providers say when a library refuses, the same words under each.
const BAD_PRIVATE_KEY: CryptoError = CryptoError::BadKey("not canonical PKCS#8 of an RSA private key");
const BAD_KEM_KEY: CryptoError = CryptoError::BadShare("unacceptable ML-KEM-768 encapsulation key");
const BAD_KEM_CIPHERTEXT: CryptoError = CryptoError::BadShare("ML-KEM-768 ciphertext is not of 1088 bytes");
const LOW_ORDER_POINT: CryptoError = CryptoError::BadShare("X25519 gives an all-zero secret");
