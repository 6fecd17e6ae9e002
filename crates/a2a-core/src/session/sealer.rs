//! The sending half of a session.

use uuid::Uuid;
use zeroize::Zeroize;

use super::close::{Close, CloseReason};
use super::epoch::{Epoch, RekeyPolicy};
use super::frame::{
    Ack, Direction, FRAME_OVERHEAD, Frame, FrameType, acknowledged_data, begin_frames, push_header,
};
use super::rekey::DirectionKeys;
use super::{SessionError, epoch};
use crate::crypto::aead::TAG_LEN;
use crate::crypto::kdf::Secret;
use crate::crypto::provider::Provider;
use crate::handshake::key_schedule::DirectionSecrets;
use crate::time::UnixTime;
use crate::wire::{self, MAX_PLAINTEXT, MAX_SAFE_INTEGER};

/// Seals frames in one direction and checks their acknowledgements.
///
/// Each sequence number is used for one payload: a retry sends the sealed frame again, it never seals again.
#[derive(Debug)]
pub struct Sealer {
    session_id: Uuid,
    direction: Direction,
    policy: RekeyPolicy,
    epoch: Epoch,
    next_seq: u64,
    acks: AckVerifier,
}

/// What is left of a sealer once it has sealed the close frame: enough to check the last acknowledgement. The traffic
/// keys are gone.
#[derive(Debug)]
pub struct ClosingSealer {
    acks: AckVerifier,
    next_seq: u64,
}

#[derive(Debug)]
struct AckVerifier {
    session_id: Uuid,
    direction: Direction,
    key: Secret,
    /// The key before the last fresh exchange, until the new one has been used.
    previous: Option<Secret>,
    acknowledged: u64,
}

impl Sealer {
    pub(super) fn new(
        provider: Provider,
        session_id: Uuid,
        direction: Direction,
        secrets: DirectionSecrets,
        policy: RekeyPolicy,
        now: UnixTime,
    ) -> Result<Self, SessionError> {
        let acks = AckVerifier { session_id, direction, key: secrets.ack, previous: None, acknowledged: 0 };
        let epoch = epoch::Epoch::new(provider, 0, secrets.traffic, now)?;
        Ok(Self { session_id, direction, policy, epoch, next_seq: 0, acks })
    }

    /// Seals a payload of at most [`MAX_PLAINTEXT`] bytes into the next frame. At a limit of the policy it moves to the
    /// next epoch first.
    pub fn seal(
        &mut self,
        frame_type: FrameType,
        payload: Vec<u8>,
        now: UnixTime,
    ) -> Result<Frame, SessionError> {
        self.make_ready(payload.len(), now)?;
        let mut payload = payload;
        let (seq, tag) = self.seal_next(frame_type, &mut payload)?;
        payload.extend_from_slice(&tag);
        let epoch = self.epoch.number();
        Ok(Frame { session_id: self.session_id, epoch, seq, frame_type, ciphertext: payload.into() })
    }

    /// As [`Sealer::seal`], behind the frames in `body`, which [`begin_frames`] has begun: for
    /// many payloads at once. Returns the frame's sequence number. On an error `body` is as it was.
    pub fn seal_into(
        &mut self,
        body: &mut Vec<u8>,
        frame_type: FrameType,
        payload: &[u8],
        now: UnixTime,
    ) -> Result<u64, SessionError> {
        self.make_ready(payload.len(), now)?;
        let start = body.len();
        body.reserve(FRAME_OVERHEAD + payload.len());
        push_header(body, (self.epoch.number(), self.next_seq, frame_type), payload.len() + TAG_LEN);
        let payload_at = body.len();
        body.extend_from_slice(payload);
        match self.seal_next(frame_type, &mut body[payload_at..]) {
            Ok((seq, tag)) => {
                body.extend_from_slice(&tag);
                Ok(seq)
            }
            Err(error) => {
                body[start..].zeroize();
                body.truncate(start);
                Err(error)
            }
        }
    }

    /// As [`Sealer::seal`], in place: for a payload too large to be copied. Returns the frame's sequence number, and what
    /// stands before and behind the payload in a binary body of this frame alone. On an error the payload is lost.
    pub fn seal_in_place(
        &mut self,
        frame_type: FrameType,
        payload: &mut [u8],
        now: UnixTime,
    ) -> Result<(u64, Vec<u8>, [u8; TAG_LEN]), SessionError> {
        self.make_ready(payload.len(), now)?;
        let mut head = begin_frames(self.session_id, FRAME_OVERHEAD);
        let id = (self.epoch.number(), self.next_seq, frame_type);
        push_header(&mut head, id, payload.len() + TAG_LEN);
        let (seq, tag) = self.seal_next(frame_type, payload)?;
        Ok((seq, head, tag))
    }

    /// Checks that another frame of `length` bytes may be sealed, and goes on to the next epoch if it is time.
    fn make_ready(&mut self, length: usize, now: UnixTime) -> Result<(), SessionError> {
        if length > MAX_PLAINTEXT {
            return Err(SessionError::TooLong(length));
        }
        if self.next_seq >= MAX_SAFE_INTEGER {
            return Err(SessionError::Exhausted);
        }
        if self.epoch.is_spent(&self.policy, 1, now) {
            self.epoch = self.epoch.updated(now)?;
        }
        Ok(())
    }

    fn seal_next(
        &mut self,
        frame_type: FrameType,
        payload: &mut [u8],
    ) -> Result<(u64, [u8; TAG_LEN]), SessionError> {
        let seq = self.next_seq;
        let tag = self.epoch.seal((self.session_id, self.direction), (seq, frame_type), payload)?;
        self.next_seq += 1;
        Ok((seq, tag))
    }

    /// Takes keys of a fresh exchange for every frame from the next one on.
    pub fn switch(&mut self, keys: DirectionKeys, now: UnixTime) -> Result<(), SessionError> {
        self.epoch = self.epoch.succeeded_by(keys.0.traffic, now)?;
        self.acks.previous = Some(std::mem::replace(&mut self.acks.key, keys.0.ack));
        Ok(())
    }

    /// Checks an acknowledgement and returns how many frames have been received in all, so far.
    pub fn accept(&mut self, ack: &Ack) -> Result<u64, SessionError> {
        self.acks.accept(ack, self.next_seq)
    }

    /// How many frames have been sealed.
    pub fn sealed(&self) -> u64 {
        self.next_seq
    }

    /// How many frames the peer has acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acks.acknowledged
    }

    /// Seals the last frame. `received` is how many frames this side has received. The traffic keys are zeroised.
    pub fn close(
        mut self,
        reason: CloseReason,
        received: u64,
        now: UnixTime,
    ) -> Result<(ClosingSealer, Frame), SessionError> {
        let close = Close { reason, sent: self.next_seq, received };
        let payload = wire::canonical_json(&close).map_err(|_| SessionError::BadContent("close"))?;
        let frame = self.seal(FrameType::Close, payload, now)?;
        Ok((ClosingSealer { acks: self.acks, next_seq: self.next_seq }, frame))
    }
}

impl ClosingSealer {
    /// Checks that the peer has received everything through the close frame.
    pub fn accept(mut self, ack: &Ack) -> Result<(), SessionError> {
        if self.acks.accept(ack, self.next_seq)? == self.next_seq {
            Ok(())
        } else {
            Err(SessionError::BadAck)
        }
    }
}

impl AckVerifier {
    fn accept(&mut self, ack: &Ack, sealed: u64) -> Result<u64, SessionError> {
        let data = acknowledged_data(self.session_id, self.direction, ack.received);
        let mac = ack.mac.as_bytes();
        if self.key.verify_mac(&[&data], mac).is_ok() {
            self.previous = None;
        } else {
            let previous = self.previous.as_ref().ok_or(SessionError::BadAck)?;
            previous.verify_mac(&[&data], mac).map_err(|_| SessionError::BadAck)?;
        }
        if ack.received > sealed {
            return Err(SessionError::BadAck);
        }
        self.acknowledged = self.acknowledged.max(ack.received);
        Ok(self.acknowledged)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn verifier() -> AckVerifier {
        let (session_id, direction) = (Uuid::from_u128(7), Direction::InitiatorToResponder);
        AckVerifier { session_id, direction, key: Secret::extract(b"", b""), previous: None, acknowledged: 0 }
    }

    fn ack(received: u64) -> Ack {
        let data = acknowledged_data(Uuid::from_u128(7), Direction::InitiatorToResponder, received);
        Ack { received, mac: Secret::extract(b"", b"").mac(&[&data]).to_vec().into() }
    }

    /// Only a peer that lies can make one.
    #[test]
    fn a_verified_acknowledgement_of_frames_never_sent_is_refused() {
        let mut acks = verifier();
        for received in [4, 5, u64::MAX] {
            assert_eq!(acks.accept(&ack(received), 3), Err(SessionError::BadAck));
        }
        assert_eq!(acks.acknowledged, 0);
        assert_eq!(acks.accept(&ack(3), 3), Ok(3));
    }
}
