//! Sealing what lies on disk under a passphrase: Argon2id (RFC 9106) makes a key of it, AES-256-GCM does the rest.
//!
//! A sealed file says itself how it was made, so that the cost can rise and old files stay readable:
//!
//! ```text
//! magic 8 | version 1 | memory in KiB 4 | passes 4 | lanes 4 | salt 16 | nonce 12 | check 16 | ciphertext, tag 16
//! ```
//!
//! Numbers are big-endian. Argon2id yields 48 bytes: the key, and the check by which a wrong passphrase is told from a
//! damaged file; whoever has the file could tell as much from the tag. Everything before the ciphertext, and what the
//! file is for (`purpose`), are associated data: a sealed key cannot stand where a sealed backup should.
//!
//! Which files are sealed, `keys` decides; what is in them, neither knows.

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::aead::{AeadKey, KEY_LEN, NONCE_LEN};
use a2a_core::crypto::provider::{Provider, aws_lc};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use subtle::ConstantTimeEq;
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::passphrase::Passphrase;

/// Seals `plaintext`. A fresh salt makes a fresh key each time. Takes the passphrase's [`Cost`]: not for an async
/// worker.
pub fn seal(passphrase: &Passphrase, purpose: &str, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut header = Header { cost: passphrase.cost(), ..Header::default() };
    PROVIDER.fill_random(&mut header.salt)?;
    PROVIDER.fill_random(&mut header.nonce)?;
    let derived = derive(passphrase, &header)?;
    header.check = derived.check;
    let header_bytes = header.to_bytes();
    // Room for the tag from the start: a buffer that grows would leave a copy of the plaintext behind.
    let mut buffer = Vec::with_capacity(plaintext.len() + TAG_ROOM);
    buffer.extend_from_slice(plaintext);
    let aead = PROVIDER.aes_256_gcm(&derived.key)?;
    aead.seal(&header.nonce, &associated(&header_bytes, purpose), &mut buffer)?;
    Ok([&header_bytes[..], &buffer].concat())
}

/// Opens what [`seal`] made for the same `purpose`.
pub fn open(passphrase: &Passphrase, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let (header_bytes, ciphertext) = sealed.split_at_checked(HEADER_LEN).ok_or(SealError::Damaged)?;
    let header = Header::read(header_bytes)?;
    let derived = derive(passphrase, &header)?;
    if !bool::from(derived.check.ct_eq(&header.check)) {
        return Err(SealError::WrongPassphrase);
    }
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let aead = PROVIDER.aes_256_gcm(&derived.key)?;
    match aead.open(&header.nonce, &associated(header_bytes, purpose), &mut buffer) {
        Ok(()) => Ok(buffer),
        Err(CryptoError::BadTag) => Err(SealError::Damaged),
        Err(error) => Err(error.into()),
    }
}

/// Whether these are the first bytes of something sealed. No key in DER begins like it.
pub fn is_sealed(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// What one guess at the passphrase costs (RFC 9106, section 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory, in KiB.
    pub memory: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes that could be filled at once.
    pub lanes: u32,
}

impl Cost {
    /// What programs seal with: 64 MiB and three passes (RFC 9106, section 4, for little memory, in one lane).
    pub const DEFAULT: Self = Self { memory: 64 * 1024, passes: 3, lanes: 1 };
    /// Next to nothing, for tests: protects nothing.
    pub const FOR_TESTS: Self = Self { memory: 8, passes: 1, lanes: 1 };

    /// A file's own numbers could otherwise take all the memory or all the time there is.
    fn is_bearable(self) -> bool {
        self.memory <= MAX_MEMORY && self.passes <= MAX_PASSES && self.lanes <= MAX_LANES
    }
}

/// Why something cannot be sealed or opened.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// It was sealed under another passphrase.
    #[error("the passphrase is not the one that it was sealed under")]
    WrongPassphrase,
    /// The passphrase is right, or it is no sealed file at all.
    #[error("it is damaged, or was not sealed for this use")]
    Damaged,
    /// A later version wrote it.
    #[error("it was sealed by a later version of this program")]
    Version,
    /// It asks for more memory or time than any honest file.
    #[error("it asks for more memory or time than is allowed")]
    Cost,
    /// The library or the machine failed.
    #[error("{0}")]
    Library(#[from] CryptoError),
}

/// What stands before the ciphertext, without magic and version.
struct Header {
    cost: Cost,
    salt: [u8; SALT_LEN],
    nonce: [u8; NONCE_LEN],
    check: [u8; CHECK_LEN],
}

impl Default for Header {
    fn default() -> Self {
        Self { cost: Cost::DEFAULT, salt: [0; SALT_LEN], nonce: [0; NONCE_LEN], check: [0; CHECK_LEN] }
    }
}

impl Header {
    fn to_bytes(&self) -> Vec<u8> {
        let Cost { memory, passes, lanes } = self.cost;
        let numbers = [memory, passes, lanes].map(u32::to_be_bytes).concat();
        [&MAGIC[..], &[VERSION], &numbers, &self.salt, &self.nonce, &self.check].concat()
    }

    fn read(bytes: &[u8]) -> Result<Self, SealError> {
        let mut rest = bytes.strip_prefix(MAGIC).ok_or(SealError::Damaged)?;
        if take::<1>(&mut rest)? != [VERSION] {
            return Err(SealError::Version);
        }
        let [memory, passes, lanes] =
            [take(&mut rest)?, take(&mut rest)?, take(&mut rest)?].map(u32::from_be_bytes);
        let cost = Cost { memory, passes, lanes };
        if !cost.is_bearable() {
            return Err(SealError::Cost);
        }
        Ok(Self { cost, salt: take(&mut rest)?, nonce: take(&mut rest)?, check: take(&mut rest)? })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SealError> {
    let (taken, left) = rest.split_first_chunk().ok_or(SealError::Damaged)?;
    *rest = left;
    Ok(*taken)
}

struct Derived {
    key: AeadKey,
    check: [u8; CHECK_LEN],
}

fn derive(passphrase: &Passphrase, header: &Header) -> Result<Derived, SealError> {
    let Cost { memory, passes, lanes } = header.cost;
    let params =
        Params::new(memory, passes, lanes, Some(KEY_LEN + CHECK_LEN)).map_err(|_| SealError::Cost)?;
    let mut blocks = Wiped(vec![Block::new(); params.block_count()]);
    let mut out = Zeroizing::new([0; KEY_LEN + CHECK_LEN]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase.as_bytes(), &header.salt, &mut *out, &mut blocks.0)
        .map_err(|_| SealError::Cost)?;
    let mut rest = out.as_slice();
    let key = Zeroizing::new(take::<KEY_LEN>(&mut rest)?);
    Ok(Derived { key: AeadKey::from_bytes(&key), check: take(&mut rest)? })
}

/// The memory that Argon2 works in, from which the key could be computed.
struct Wiped(Vec<Block>);

impl Drop for Wiped {
    fn drop(&mut self) {
        self.0.iter_mut().for_each(Zeroize::zeroize);
    }
}

fn associated(header: &[u8], purpose: &str) -> Vec<u8> {
    [header, purpose.as_bytes()].concat()
}

/// Files are read and written without a session, so without a session's provider.
const PROVIDER: Provider = aws_lc::PROVIDER;
const MAGIC: &[u8; 8] = b"A2A-SEAL";
const VERSION: u8 = 1;
const SALT_LEN: usize = 16;
const CHECK_LEN: usize = 16;
const HEADER_LEN: usize = MAGIC.len() + 1 + 3 * 4 + SALT_LEN + NONCE_LEN + CHECK_LEN;
const TAG_ROOM: usize = 16;
/// 1 GiB, in KiB.
const MAX_MEMORY: u32 = 1024 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 16;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.as_bytes().to_vec().into()).unwrap().with_cost(Cost::FOR_TESTS)
    }

    #[test]
    fn what_is_sealed_opens_and_shows_nothing() {
        for len in [0, 1, 32, 5000] {
            let plaintext: Vec<u8> = b"plain ".iter().copied().cycle().take(len).collect();
            let sealed = seal(&passphrase("right"), "key", &plaintext).unwrap();
            assert_eq!(sealed.len(), HEADER_LEN + len + 16);
            assert!(is_sealed(&sealed) && !is_sealed(&plaintext));
            assert!(!sealed.windows(6).any(|window| window == b"plain "));
            assert_eq!(*open(&passphrase("right"), "key", &sealed).unwrap(), plaintext);
        }
    }

    #[test]
    fn the_same_is_never_sealed_alike() {
        let sealed = || seal(&passphrase("right"), "key", b"secret").unwrap();
        let (one, two) = (sealed(), sealed());
        let differs = |range: std::ops::Range<usize>| one[range.clone()] != two[range];
        assert!(differs(21..37) && differs(37..49) && differs(49..65) && differs(65..one.len()));
    }

    #[test]
    fn a_wrong_passphrase_is_told_from_damage() {
        let sealed = seal(&passphrase("right"), "key", b"secret").unwrap();
        assert_eq!(open(&passphrase("wrong"), "key", &sealed), Err(SealError::WrongPassphrase));
        assert_eq!(open(&passphrase("right"), "backup", &sealed), Err(SealError::Damaged));
        assert_eq!(open(&passphrase("right"), "key", b"MIIE"), Err(SealError::Damaged));
    }

    #[test]
    fn a_change_anywhere_is_refused() {
        let sealed = seal(&passphrase("right"), "key", b"secret").unwrap();
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            // The lowest bit: of the numbers, the cost stays bearable.
            changed[place] ^= 1;
            assert!(open(&passphrase("right"), "key", &changed).is_err(), "byte {place}");
            assert!(open(&passphrase("right"), "key", &sealed[..place]).is_err(), "cut at {place}");
        }
        let mut later = sealed.clone();
        later[8] = 2;
        assert_eq!(open(&passphrase("right"), "key", &later), Err(SealError::Version));
    }

    #[test]
    fn a_file_cannot_ask_for_all_memory_or_time() {
        let sealed = seal(&passphrase("right"), "key", b"secret").unwrap();
        for (place, limit) in [(9, MAX_MEMORY), (13, MAX_PASSES), (17, MAX_LANES)] {
            for number in [limit + 1, u32::MAX] {
                let mut bomb = sealed.clone();
                bomb[place..place + 4].copy_from_slice(&number.to_be_bytes());
                assert_eq!(open(&passphrase("right"), "key", &bomb), Err(SealError::Cost));
            }
        }
        let mut nothing = sealed;
        nothing[9..21].fill(0);
        assert_eq!(open(&passphrase("right"), "key", &nothing), Err(SealError::Cost));
    }

    #[test]
    fn programs_seal_at_full_cost_and_files_say_their_own() {
        let people = Passphrase::new(b"right".to_vec().into()).unwrap();
        let sealed = seal(&people, "key", b"secret").unwrap();
        let numbers: Vec<u32> =
            sealed[9..21].chunks_exact(4).map(|four| u32::from_be_bytes(four.try_into().unwrap())).collect();
        assert_eq!(numbers, [65_536, 3, 1]);
        assert_eq!(*open(&passphrase("right"), "key", &sealed).unwrap(), b"secret");
    }

    /// Another implementation made it: so much for what the text above says.
    #[test]
    fn a_sealed_file_of_today_stays_readable() {
        let sealed = data(KEPT);
        assert_eq!(*open(&passphrase("correct horse"), "key", &sealed).unwrap(), b"kept");
    }

    fn data(hex: &str) -> Vec<u8> {
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(byte).collect()
    }

    /// 64 KiB, two passes, two lanes; made with argon2-cffi 25.1 and Python's cryptography.
    const KEPT: &str = "4132412d5345414c01000000400000000200000002000102030405060708090a0b0c0d0e0f202122232425262728292a2b\
                        f1a318d8a913c65121aee192d98d420910856b7f0944e8e0ab676e1beb63bb99108672d5";
}
