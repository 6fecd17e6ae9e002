//! The keys of one direction for one epoch, and how long they may serve.

use std::time::Duration;

use uuid::Uuid;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::frame::{Direction, FrameType, associated_data};
use crate::crypto::CryptoError;
use crate::crypto::aead::{Aead, AeadKey, KEY_LEN, NONCE_LEN, TAG_LEN};
use crate::crypto::kdf::{KdfLabel, Secret};
use crate::crypto::provider::Provider;
use crate::time::UnixTime;

/// How long keys may serve. A sender moves on at these limits; a receiver refuses at twice them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RekeyPolicy {
    /// Frames under one key (NIST SP 800-38D and RFC 9846 allow more; 2^20 keeps the bound far away).
    pub frames: u64,
    /// Payload bytes under one key.
    pub bytes: u64,
    /// Age of one key.
    pub age: Duration,
    /// Age of one key exchange, after which the initiator makes a fresh one inside the session.
    pub exchange_age: Duration,
}

impl Default for RekeyPolicy {
    fn default() -> Self {
        Self {
            frames: 1 << 20,
            bytes: 64 << 30,
            age: Duration::from_mins(15),
            exchange_age: Duration::from_hours(1),
        }
    }
}

/// One direction's keys in one epoch, and how much they have been used.
pub(super) struct Epoch {
    provider: Provider,
    number: u32,
    traffic: Secret,
    aead: Box<dyn Aead>,
    iv: Iv,
    frames: u64,
    bytes: u64,
    began: UnixTime,
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct Iv([u8; NONCE_LEN]);

impl Epoch {
    pub(super) fn new(
        provider: Provider,
        number: u32,
        traffic: Secret,
        now: UnixTime,
    ) -> Result<Self, CryptoError> {
        let mut key = AeadKey([0; KEY_LEN]);
        traffic.expand(KdfLabel::Key, b"", &mut key.0);
        let mut iv = Iv([0; NONCE_LEN]);
        traffic.expand(KdfLabel::Iv, b"", &mut iv.0);
        let aead = provider.aes_256_gcm(&key)?;
        Ok(Self { provider, number, traffic, aead, iv, frames: 0, bytes: 0, began: now })
    }

    /// The epoch after this one, by the `upd` derivation.
    pub(super) fn updated(&self, now: UnixTime) -> Result<Self, CryptoError> {
        self.succeeded_by(self.traffic.derive(KdfLabel::Update, b""), now)
    }

    /// The epoch after this one, with a traffic secret from a fresh exchange.
    pub(super) fn succeeded_by(&self, traffic: Secret, now: UnixTime) -> Result<Self, CryptoError> {
        let number = self.number.checked_add(1).ok_or(CryptoError::Library("epochs are used up"))?;
        Self::new(self.provider, number, traffic, now)
    }

    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Whether the use so far has reached `factor` times the policy's limits.
    pub(super) fn is_spent(&self, policy: &RekeyPolicy, factor: u32, now: UnixTime) -> bool {
        let factor_64 = u64::from(factor);
        self.frames >= policy.frames.saturating_mul(factor_64)
            || self.bytes >= policy.bytes.saturating_mul(factor_64)
            || now.since(self.began) >= policy.age.saturating_mul(factor)
    }

    /// Seals `payload` in place; the tag belongs behind it.
    pub(super) fn seal(
        &mut self,
        (session_id, direction): (Uuid, Direction),
        (seq, frame_type): (u64, FrameType),
        payload: &mut [u8],
    ) -> Result<[u8; TAG_LEN], CryptoError> {
        let aad = associated_data(session_id, direction, self.number, seq, frame_type);
        let tag = self.aead.seal_detached(&self.nonce(seq), &aad, payload)?;
        self.count(payload.len() as u64);
        Ok(tag)
    }

    /// Opens `ciphertext` in place; nothing changes unless its tag verifies.
    pub(super) fn open(
        &mut self,
        (session_id, direction): (Uuid, Direction),
        (seq, frame_type): (u64, FrameType),
        ciphertext: &mut Vec<u8>,
    ) -> Result<(), CryptoError> {
        let aad = associated_data(session_id, direction, self.number, seq, frame_type);
        self.aead.open(&self.nonce(seq), &aad, ciphertext)?;
        self.count(ciphertext.len() as u64);
        Ok(())
    }

    fn count(&mut self, bytes: u64) {
        self.frames = self.frames.saturating_add(1);
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// `iv XOR seq`, the number right-aligned and big-endian (as RFC 8446, section 5.3): derived, so never repeated.
    fn nonce(&self, seq: u64) -> [u8; NONCE_LEN] {
        let mut nonce = self.iv.0;
        for (byte, number) in nonce[NONCE_LEN - 8..].iter_mut().zip(seq.to_be_bytes()) {
            *byte ^= number;
        }
        nonce
    }
}

impl std::fmt::Debug for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Epoch({})", self.number)
    }
}
