//! Frames and acknowledgements on the wire: one frame as JSON, many in one binary body.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::handshake::key_schedule::Role;
use crate::handshake::messages::strict_uuid;
use crate::wire::{self, Base64, WireError};

/// The media type of a binary body of frames.
pub const FRAMES_MEDIA_TYPE: &str = "application/vnd.a2a.frames";

/// A sealed message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Frame {
    /// The session.
    #[serde(with = "strict_uuid")]
    pub session_id: Uuid,
    /// Which key of this direction sealed it: 0 for the first, one more after each rekey.
    pub epoch: u32,
    /// The frame's number in this direction, from 0, running on across epochs; at most 2^53 - 1.
    #[serde(deserialize_with = "wire::safe_u64")]
    pub seq: u64,
    /// What the payload is.
    #[serde(rename = "type")]
    pub frame_type: FrameType,
    /// The sealed payload: as long as the payload, and 16 bytes more.
    pub ciphertext: Base64,
}

/// What a frame carries. Number 3 is reserved for parts of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum FrameType {
    /// M6's frame: empty; it shows that the responder has the keys.
    Confirm = 0,
    /// UTF-8 text.
    Text = 1,
    /// Bytes.
    Data = 2,
    /// The end of the session.
    Close = 4,
    /// A message of a fresh exchange inside the session.
    Rekey = 5,
    /// The sender's renewed certificate, canonical JSON of at most [`MAX_CERTIFICATE`](crate::wire::MAX_CERTIFICATE)
    /// bytes: for [`Verifier::verify_renewal`](crate::certificate::Verifier::verify_renewal).
    Certificate = 6,
}

/// How far one direction has been received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// The sequence number that the receiver awaits next: all below it have been received, verified and delivered.
    #[serde(deserialize_with = "wire::safe_u64")]
    pub received: u64,
    /// `HMAC(ack, "a2a/1 ack" || session id || direction || u64 received)`, 32 bytes.
    pub mac: Base64,
}

/// Which way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Direction {
    /// From the initiator to the responder.
    InitiatorToResponder = 0,
    /// From the responder to the initiator.
    ResponderToInitiator = 1,
}

impl Direction {
    /// The direction in which `role` sends.
    pub fn sent_by(role: Role) -> Self {
        match role {
            Role::Initiator => Self::InitiatorToResponder,
            Role::Responder => Self::ResponderToInitiator,
        }
    }

    /// The other one.
    #[must_use]
    pub fn opposite(self) -> Self {
        match self {
            Self::InitiatorToResponder => Self::ResponderToInitiator,
            Self::ResponderToInitiator => Self::InitiatorToResponder,
        }
    }
}

impl TryFrom<u8> for FrameType {
    type Error = WireError;

    fn try_from(number: u8) -> Result<Self, WireError> {
        [Self::Confirm, Self::Text, Self::Data, Self::Close, Self::Rekey, Self::Certificate]
            .into_iter()
            .find(|frame_type| *frame_type as u8 == number)
            .ok_or(WireError::Frames("a frame of an unknown type"))
    }
}

/// What a frame's tag covers besides its payload: `"a2a/1 frame" || session id || direction || u32 epoch || u64 seq ||
/// type`, 41 bytes.
pub(crate) fn associated_data(
    session_id: Uuid,
    direction: Direction,
    epoch: u32,
    seq: u64,
    frame_type: FrameType,
) -> [u8; AAD_LEN] {
    let mut aad = [0; AAD_LEN];
    aad[..11].copy_from_slice(b"a2a/1 frame");
    aad[11..27].copy_from_slice(session_id.as_bytes());
    aad[27] = direction as u8;
    aad[28..32].copy_from_slice(&epoch.to_be_bytes());
    aad[32..40].copy_from_slice(&seq.to_be_bytes());
    aad[40] = frame_type as u8;
    aad
}

/// What an acknowledgement's MAC covers, 34 bytes.
pub(crate) fn acknowledged_data(session_id: Uuid, direction: Direction, received: u64) -> [u8; ACK_LEN] {
    let mut data = [0; ACK_LEN];
    data[..9].copy_from_slice(b"a2a/1 ack");
    data[9..25].copy_from_slice(session_id.as_bytes());
    data[25] = direction as u8;
    data[26..].copy_from_slice(&received.to_be_bytes());
    data
}

/// Writes frames of one session as one body: the session id (16 bytes), then for each frame `u32 epoch || u64 seq ||
/// u8 type || u32 length || ciphertext`, all big-endian.
pub fn encode_frames<'a>(session_id: Uuid, frames: impl IntoIterator<Item = &'a Frame>) -> Vec<u8> {
    let mut body = session_id.as_bytes().to_vec();
    for frame in frames {
        let ciphertext = frame.ciphertext.as_bytes();
        let length = u32::try_from(ciphertext.len()).expect("a sealed payload is about 1 MiB at most");
        body.extend_from_slice(&frame.epoch.to_be_bytes());
        body.extend_from_slice(&frame.seq.to_be_bytes());
        body.push(frame.frame_type as u8);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(ciphertext);
    }
    body
}

/// How many bytes a frame takes in [`encode_frames`].
pub fn encoded_len(frame: &Frame) -> usize {
    FRAME_HEADER_LEN + frame.ciphertext.as_bytes().len()
}

/// Reads what [`encode_frames`] writes. At least one frame; nothing may be left over.
pub fn decode_frames(body: &[u8]) -> Result<Vec<Frame>, WireError> {
    let truncated = || WireError::Frames("a body that ends within a frame");
    let (session_id, mut rest) = body.split_first_chunk::<16>().ok_or_else(truncated)?;
    let session_id = Uuid::from_bytes(*session_id);
    let mut frames = Vec::new();
    while !rest.is_empty() {
        let (header, after) = rest.split_first_chunk::<FRAME_HEADER_LEN>().ok_or_else(truncated)?;
        let [e0, e1, e2, e3, seq @ .., frame_type, l0, l1, l2, l3] = *header;
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        let (ciphertext, after) = after.split_at_checked(length).ok_or_else(truncated)?;
        let seq = u64::from_be_bytes(seq);
        if seq > wire::MAX_SAFE_INTEGER {
            return Err(WireError::Frames("a sequence number over 2^53 - 1"));
        }
        frames.push(Frame {
            session_id,
            epoch: u32::from_be_bytes([e0, e1, e2, e3]),
            seq,
            frame_type: frame_type.try_into()?,
            ciphertext: ciphertext.to_vec().into(),
        });
        rest = after;
    }
    if frames.is_empty() {
        return Err(WireError::Frames("a body without a frame"));
    }
    Ok(frames)
}

/// Bytes before each ciphertext in a binary body.
const FRAME_HEADER_LEN: usize = 17;
const AAD_LEN: usize = 41;
const ACK_LEN: usize = 34;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn frame(seq: u64) -> Frame {
        let ciphertext = vec![u8::try_from(seq).unwrap(); 20].into();
        Frame { session_id: Uuid::from_u128(7), epoch: 3, seq, frame_type: FrameType::Text, ciphertext }
    }

    #[test]
    fn frames_survive_the_binary_body() {
        let frames = [frame(1), frame(2)];
        let body = encode_frames(Uuid::from_u128(7), &frames);
        assert_eq!(decode_frames(&body).unwrap(), frames);
        assert_eq!(body.len(), 16 + frames.iter().map(encoded_len).sum::<usize>());
    }

    #[test]
    fn a_body_cut_anywhere_is_refused() {
        let body = encode_frames(Uuid::from_u128(7), &[frame(1), frame(2)]);
        let whole_frames = [16 + encoded_len(&frame(1)), body.len()];
        for length in 0..body.len() {
            assert_eq!(decode_frames(&body[..length]).is_ok(), whole_frames.contains(&length), "{length}");
        }
    }

    #[test]
    fn an_unknown_type_is_refused() {
        let mut body = encode_frames(Uuid::from_u128(7), &[frame(1)]);
        body[16 + 12] = 3;
        assert_eq!(decode_frames(&body), Err(WireError::Frames("a frame of an unknown type")));
    }

    #[test]
    fn a_sequence_number_over_the_safe_integers_is_refused() {
        let mut body = encode_frames(Uuid::from_u128(7), &[frame(1)]);
        body[16 + 4] = 0xff;
        assert!(decode_frames(&body).is_err());
    }
}
