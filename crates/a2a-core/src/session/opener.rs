//! The receiving half of a session.

use std::fmt;

use uuid::Uuid;

use super::SessionError;
use super::close::Close;
use super::epoch::{Epoch, RekeyPolicy};
use super::frame::{Ack, Direction, Frame, FrameType, acknowledged_data};
use super::rekey::DirectionKeys;
use crate::crypto::kdf::Secret;
use crate::crypto::provider::Provider;
use crate::handshake::key_schedule::DirectionSecrets;
use crate::time::UnixTime;
use crate::wire::{self, MAX_PLAINTEXT};

/// Opens frames in one direction, each exactly once and in order, and acknowledges them.
#[derive(Debug)]
pub struct Opener {
    session_id: Uuid,
    direction: Direction,
    policy: RekeyPolicy,
    epoch: Epoch,
    next_seq: u64,
    ack_key: Secret,
    failures: u32,
}

/// What a frame turned out to be. `Debug` shows a payload's length alone.
#[derive(PartialEq, Eq)]
pub enum Opened {
    /// The next frame: deliver it, once.
    New {
        /// What it carries.
        frame_type: FrameType,
        /// Its sequence number.
        seq: u64,
        /// The payload.
        payload: Vec<u8>,
    },
    /// The peer has closed the session.
    Closed {
        /// What it said.
        close: Close,
        /// How many frames before the close never arrived.
        missing: u64,
    },
    /// A frame that has been opened before: acknowledge it again, deliver nothing.
    Duplicate,
}

impl Opener {
    pub(super) fn new(
        provider: Provider,
        session_id: Uuid,
        direction: Direction,
        secrets: DirectionSecrets,
        policy: RekeyPolicy,
        now: UnixTime,
    ) -> Result<Self, SessionError> {
        let epoch = Epoch::new(provider, 0, secrets.traffic, now)?;
        Ok(Self { session_id, direction, policy, epoch, next_seq: 0, ack_key: secrets.ack, failures: 0 })
    }

    /// Opens a frame. Only the next frame is taken, but for a close, which may come after a gap and then tells how much
    /// is missing. Nothing changes before the tag has verified.
    pub fn open(&mut self, frame: Frame, now: UnixTime) -> Result<Opened, SessionError> {
        let Frame { session_id, epoch, seq, frame_type, ciphertext } = frame;
        if session_id != self.session_id {
            return Err(SessionError::BadFrame);
        }
        if seq < self.next_seq {
            return Ok(Opened::Duplicate);
        }
        if seq > self.next_seq && frame_type != FrameType::Close {
            return Err(SessionError::OutOfOrder { expected: self.next_seq, found: seq });
        }
        let overused = epoch == self.epoch.number() && self.epoch.is_spent(&self.policy, 2, now);
        let payload = self.decrypt(epoch, (seq, frame_type), ciphertext.into_vec(), now)?;
        if overused {
            return Err(SessionError::Exhausted);
        }
        let missing = seq - self.next_seq;
        self.next_seq = seq + 1;
        if frame_type == FrameType::Close {
            let close: Close =
                wire::from_json(&payload, MAX_PLAINTEXT).map_err(|_| SessionError::BadContent("close"))?;
            if close.sent != seq {
                return Err(SessionError::BadContent("close"));
            }
            return Ok(Opened::Closed { close, missing });
        }
        Ok(Opened::New { frame_type, seq, payload })
    }

    /// Takes keys of a fresh exchange: the next frame must be under them.
    pub fn switch(&mut self, keys: DirectionKeys, now: UnixTime) -> Result<(), SessionError> {
        self.epoch = self.epoch.succeeded_by(keys.0.traffic, now)?;
        self.ack_key = keys.0.ack;
        Ok(())
    }

    /// What to tell the sender: everything before this has been received.
    pub fn acknowledge(&self) -> Ack {
        let data = acknowledged_data(self.session_id, self.direction, self.next_seq);
        Ack { received: self.next_seq, mac: self.ack_key.mac(&[&data]).to_vec().into() }
    }

    /// How many frames have been received.
    pub fn received(&self) -> u64 {
        self.next_seq
    }

    fn decrypt(
        &mut self,
        epoch: u32,
        (seq, frame_type): (u64, FrameType),
        mut ciphertext: Vec<u8>,
        now: UnixTime,
    ) -> Result<Vec<u8>, SessionError> {
        let id = (self.session_id, self.direction);
        let opened = if epoch == self.epoch.number() {
            self.epoch.open(id, (seq, frame_type), &mut ciphertext)
        } else if Some(epoch) == self.epoch.number().checked_add(1) {
            let mut next = self.epoch.updated(now)?;
            let opened = next.open(id, (seq, frame_type), &mut ciphertext);
            if opened.is_ok() {
                self.epoch = next;
            }
            opened
        } else {
            return self.refuse();
        };
        match opened {
            Ok(()) => Ok(ciphertext),
            Err(_) => self.refuse(),
        }
    }

    /// Forgeries are counted, and fatal only where their number nears GCM's bound for them.
    fn refuse(&mut self) -> Result<Vec<u8>, SessionError> {
        self.failures = self.failures.saturating_add(1);
        Err(if self.failures >= MAX_FAILURES { SessionError::Exhausted } else { SessionError::BadFrame })
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New { frame_type, seq, payload } => {
                write!(f, "New({frame_type:?}, seq {seq}, {} bytes)", payload.len())
            }
            Self::Closed { close, missing } => write!(f, "Closed({close:?}, {missing} missing)"),
            Self::Duplicate => f.write_str("Duplicate"),
        }
    }
}

/// How many frames may fail to verify before the session ends.
const MAX_FAILURES: u32 = 1 << 20;
