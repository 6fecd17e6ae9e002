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

/// A key: held by one direction of one session for one epoch, or by whoever seals a file.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct AeadKey(pub(crate) [u8; KEY_LEN]);

impl AeadKey {
    /// Takes a key that was derived elsewhere, as from a passphrase; the caller wipes the original.
    pub fn from_bytes(bytes: &[u8; KEY_LEN]) -> Self {
        Self(*bytes)
    }
}

impl Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AeadKey(..)")
    }
}

/// An AEAD under one key. The caller sees to it that no nonce comes twice.
pub trait Aead: Debug + Send + Sync {
    /// Encrypts `buffer` in place; the tag belongs behind it.
    fn seal_detached(
        &self,
        nonce: &[u8; NONCE_LEN],
        aad: &[u8],
        buffer: &mut [u8],
    ) -> Result<[u8; TAG_LEN], CryptoError>;

    /// Encrypts `buffer` in place and appends the tag of [`TAG_LEN`] bytes.
    fn seal(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError> {
        let tag = self.seal_detached(nonce, aad, buffer)?;
        buffer.extend_from_slice(&tag);
        Ok(())
    }

    /// Decrypts `buffer` in place and cuts the tag off; on [`CryptoError::BadTag`] the buffer is emptied.
    fn open(&self, nonce: &[u8; NONCE_LEN], aad: &[u8], buffer: &mut Vec<u8>) -> Result<(), CryptoError>;
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use data_encoding::HEXLOWER;

    use super::*;
    use crate::crypto::provider::{Provider, available};

    #[test]
    fn known_answers_of_the_gcm_specification() {
        for provider in available() {
            for [key, nonce, aad, plaintext, sealed] in KNOWN_ANSWERS {
                let aead = provider.aes_256_gcm(&AeadKey(array(key))).unwrap();
                let mut buffer = hex(plaintext);
                aead.seal(&array(nonce), &hex(aad), &mut buffer).unwrap();
                assert_eq!(HEXLOWER.encode(&buffer), sealed);
                aead.open(&array(nonce), &hex(aad), &mut buffer).unwrap();
                assert_eq!(HEXLOWER.encode(&buffer), plaintext);
            }
        }
    }

    #[test]
    fn what_one_provider_seals_every_provider_opens() {
        for (sealer, opener) in pairs() {
            for len in [0, 1, 15, 16, 17, 1000, 1 << 20] {
                let plaintext: Vec<u8> = (0..=255).cycle().take(len).collect();
                let mut buffer = plaintext.clone();
                sealer.aes_256_gcm(&KEY).unwrap().seal(&NONCE, b"aad", &mut buffer).unwrap();
                assert_eq!(buffer.len(), len + TAG_LEN);
                opener.aes_256_gcm(&KEY).unwrap().open(&NONCE, b"aad", &mut buffer).unwrap();
                assert_eq!(buffer, plaintext);
            }
        }
    }

    #[test]
    fn a_change_anywhere_is_refused_and_the_buffer_emptied() {
        for (sealer, opener) in pairs() {
            let mut sealed = b"attack at dawn".to_vec();
            sealer.aes_256_gcm(&KEY).unwrap().seal(&NONCE, b"aad", &mut sealed).unwrap();
            let opener = opener.aes_256_gcm(&KEY).unwrap();
            let refused = |nonce: &[u8; NONCE_LEN], aad: &[u8], mut buffer: Vec<u8>| {
                assert_eq!(opener.open(nonce, aad, &mut buffer), Err(CryptoError::BadTag));
                assert!(buffer.is_empty());
            };
            for i in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[i] ^= 1;
                refused(&NONCE, b"aad", changed);
                refused(&NONCE, b"aad", sealed[..i].to_vec());
            }
            refused(&NONCE, b"aae", sealed.clone());
            refused(&NONCE, b"", sealed.clone());
            refused(&[8; NONCE_LEN], b"aad", sealed.clone());
            refused(&NONCE, b"aad", [&sealed[..], &[0]].concat());
            opener.open(&NONCE, b"aad", &mut sealed).unwrap();
            assert_eq!(sealed, b"attack at dawn");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{KEY:?}"), "AeadKey(..)");
        for provider in available() {
            assert_eq!(format!("{:?}", provider.aes_256_gcm(&KEY).unwrap()), "Aes256Gcm(..)");
        }
    }

    fn pairs() -> impl Iterator<Item = (Provider, Provider)> {
        available().iter().flat_map(|a| available().iter().map(|b| (*a, *b)))
    }

    fn hex(text: &str) -> Vec<u8> {
        HEXLOWER.decode(text.as_bytes()).unwrap()
    }

    fn array<const N: usize>(text: &str) -> [u8; N] {
        hex(text).try_into().unwrap()
    }

    const KEY: AeadKey = AeadKey([42; KEY_LEN]);
    const NONCE: [u8; NONCE_LEN] = [7; NONCE_LEN];

    /// "The Galois/Counter Mode of Operation" (submitted to NIST in 2005), appendix B, test cases 13, 14 and
    /// 16: key, nonce, associated data, plaintext, ciphertext and tag.
    const KNOWN_ANSWERS: [[&str; 5]; 3] = [
        [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "000000000000000000000000",
            "",
            "",
            "530f8afbc74536b9a963b4f1c4cb738b",
        ],
        [
            "0000000000000000000000000000000000000000000000000000000000000000",
            "000000000000000000000000",
            "",
            "00000000000000000000000000000000",
            "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919",
        ],
        [
            "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
            "cafebabefacedbaddecaf888",
            "feedfacedeadbeeffeedfacedeadbeefabaddad2",
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72\
             1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa\
             8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b",
        ],
    ];
}
