//! Frames and acknowledgements on the wire: one frame as JSON, many in one binary body.

use std::fmt::{self, Write};

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::crypto::aead::TAG_LEN;
use crate::handshake::key_schedule::Role;
use crate::handshake::messages::strict_uuid;
use crate::wire::{self, Base64, MAX_PLAINTEXT, WireError};

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

impl Frame {
    /// Reads a frame as JSON, of at most `limit` bytes, as strictly as [`wire::from_json`] in a single pass.
    pub fn from_json(bytes: &[u8], limit: usize) -> Result<Self, WireError> {
        wire::from_flat_json(bytes, limit)
    }

    /// The frame as JSON, as serde would write it.
    pub fn to_json(&self) -> String {
        let Self { session_id, epoch, seq, frame_type, ciphertext } = self;
        let mut json = String::with_capacity(JSON_OVERHEAD + ciphertext.as_bytes().len() * 4 / 3);
        let type_name = frame_type.as_str();
        // Writing to a string does not fail.
        let _ = write!(
            json,
            r#"{{"session_id":"{session_id}","epoch":{epoch},"seq":{seq},"type":"{type_name}","ciphertext":""#
        );
        ciphertext.append_to(&mut json);
        json.push_str("\"}");
        json
    }
}

/// What a frame carries. Number 3 is reserved for parts of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
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

impl FrameType {
    const ALL: [Self; 6] =
        [Self::Confirm, Self::Text, Self::Data, Self::Close, Self::Rekey, Self::Certificate];

    /// The name that stands in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Confirm => "confirm",
            Self::Text => "text",
            Self::Data => "data",
            Self::Close => "close",
            Self::Rekey => "rekey",
            Self::Certificate => "certificate",
        }
    }
}

impl From<FrameType> for &'static str {
    fn from(frame_type: FrameType) -> Self {
        frame_type.as_str()
    }
}

/// From the name alone: what serde derives would also read `{"text":null}`.
impl<'de> Deserialize<'de> for FrameType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = FrameType;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a frame type")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<FrameType, E> {
                let found = FrameType::ALL.into_iter().find(|frame_type| frame_type.as_str() == name);
                found.ok_or_else(|| E::custom("a frame of an unknown type"))
            }
        }

        deserializer.deserialize_str(Name)
    }
}

impl TryFrom<u8> for FrameType {
    type Error = WireError;

    fn try_from(number: u8) -> Result<Self, WireError> {
        Self::ALL
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
    let mut body = begin_frames(session_id, 0);
    for frame in frames {
        let ciphertext = frame.ciphertext.as_bytes();
        push_header(&mut body, (frame.epoch, frame.seq, frame.frame_type), ciphertext.len());
        body.extend_from_slice(ciphertext);
    }
    body
}

/// The beginning of a binary body, with room for `capacity` bytes of frames, for [`Sealer`](super::Sealer) to seal into.
pub fn begin_frames(session_id: Uuid, capacity: usize) -> Vec<u8> {
    let mut body = Vec::with_capacity(SESSION_ID_LEN + capacity);
    body.extend_from_slice(session_id.as_bytes());
    body
}

/// The same body, which is whole, without its first `count` frames.
pub fn skip_frames(body: &[u8], count: usize) -> Vec<u8> {
    let mut end = SESSION_ID_LEN;
    for _ in 0..count {
        let length =
            body[end + FRAME_HEADER_LEN - 4..end + FRAME_HEADER_LEN].try_into().map_or(0, u32::from_be_bytes);
        end += FRAME_HEADER_LEN + length as usize;
    }
    [&body[..SESSION_ID_LEN], &body[end..]].concat()
}

pub(super) fn push_header(
    body: &mut Vec<u8>,
    (epoch, seq, frame_type): (u32, u64, FrameType),
    length: usize,
) {
    let length = u32::try_from(length).expect("a sealed payload is about 1 MiB at most");
    body.extend_from_slice(&epoch.to_be_bytes());
    body.extend_from_slice(&seq.to_be_bytes());
    body.push(frame_type as u8);
    body.extend_from_slice(&length.to_be_bytes());
}

/// Reads a whole body: see [`FrameReader`].
pub fn decode_frames(body: &[u8]) -> Result<Vec<Frame>, WireError> {
    let mut reader = FrameReader::default();
    reader.push(body)?;
    reader.finish()
}

/// Reads what [`encode_frames`] writes, as it arrives: each ciphertext is copied once, to where it will be opened.
#[derive(Debug, Default)]
pub struct FrameReader {
    session_id: Option<Uuid>,
    /// What has come of the session id, or of the next frame's header.
    head: Vec<u8>,
    under_way: Option<UnderWay>,
    frames: Vec<Frame>,
}

/// A frame of which the header has come, and a part of the ciphertext.
#[derive(Debug)]
struct UnderWay {
    epoch: u32,
    seq: u64,
    frame_type: FrameType,
    length: usize,
    ciphertext: Vec<u8>,
}

impl FrameReader {
    /// Takes the next part of the body. After an error the rest is of no use.
    pub fn push(&mut self, mut part: &[u8]) -> Result<(), WireError> {
        while !part.is_empty() {
            if let Some(frame) = &mut self.under_way {
                let missing = frame.length - frame.ciphertext.len();
                let (of_this, after) = part.split_at(missing.min(part.len()));
                frame.ciphertext.extend_from_slice(of_this);
                part = after;
            } else {
                let wanted = if self.session_id.is_some() { FRAME_HEADER_LEN } else { SESSION_ID_LEN };
                let (of_this, after) = part.split_at((wanted - self.head.len()).min(part.len()));
                self.head.extend_from_slice(of_this);
                part = after;
                self.take_head()?;
            }
            self.take_frame();
        }
        Ok(())
    }

    /// The frames; at least one, and nothing may be left over.
    pub fn finish(self) -> Result<Vec<Frame>, WireError> {
        if self.session_id.is_none() || !self.head.is_empty() || self.under_way.is_some() {
            return Err(WireError::Frames("a body that ends within a frame"));
        }
        if self.frames.is_empty() {
            return Err(WireError::Frames("a body without a frame"));
        }
        Ok(self.frames)
    }

    fn take_head(&mut self) -> Result<(), WireError> {
        if self.session_id.is_none() {
            if let Ok(id) = Uuid::from_slice(&self.head) {
                self.session_id = Some(id);
                self.head.clear();
            }
            return Ok(());
        }
        let Ok(header) = <[u8; FRAME_HEADER_LEN]>::try_from(&self.head[..]) else { return Ok(()) };
        self.head.clear();
        let [e0, e1, e2, e3, seq @ .., frame_type, l0, l1, l2, l3] = header;
        let (epoch, seq) = (u32::from_be_bytes([e0, e1, e2, e3]), u64::from_be_bytes(seq));
        if seq > wire::MAX_SAFE_INTEGER {
            return Err(WireError::Frames("a sequence number over 2^53 - 1"));
        }
        let length = u32::from_be_bytes([l0, l1, l2, l3]) as usize;
        if length > MAX_PLAINTEXT + TAG_LEN {
            return Err(WireError::Frames("a frame longer than there may be"));
        }
        let (frame_type, ciphertext) = (frame_type.try_into()?, Vec::with_capacity(length));
        self.under_way = Some(UnderWay { epoch, seq, frame_type, length, ciphertext });
        Ok(())
    }

    fn take_frame(&mut self) {
        let complete = self.under_way.take_if(|frame| frame.ciphertext.len() == frame.length);
        if let (Some(session_id), Some(frame)) = (self.session_id, complete) {
            let UnderWay { epoch, seq, frame_type, ciphertext, .. } = frame;
            self.frames.push(Frame { session_id, epoch, seq, frame_type, ciphertext: ciphertext.into() });
        }
    }
}

/// Bytes before the first frame in a binary body.
const SESSION_ID_LEN: usize = 16;
/// Bytes before each ciphertext in a binary body.
const FRAME_HEADER_LEN: usize = 17;
/// Bytes that a frame adds to its payload in a binary body: header and tag.
pub const FRAME_OVERHEAD: usize = FRAME_HEADER_LEN + TAG_LEN;
/// Bytes of a frame as JSON besides its ciphertext, at most.
const JSON_OVERHEAD: usize = 192;
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
        assert_eq!(body.len(), 16 + 2 * (FRAME_HEADER_LEN + 20));
    }

    #[test]
    fn a_body_cut_anywhere_is_refused() {
        let body = encode_frames(Uuid::from_u128(7), &[frame(1), frame(2)]);
        let whole_frames = [16 + FRAME_HEADER_LEN + 20, body.len()];
        for length in 0..body.len() {
            assert_eq!(decode_frames(&body[..length]).is_ok(), whole_frames.contains(&length), "{length}");
        }
    }

    #[test]
    fn an_unknown_type_is_refused() {
        let mut body = encode_frames(Uuid::from_u128(7), &[frame(1)]);
        body[16 + 12] = 3;
        assert_eq!(decode_frames(&body), Err(WireError::Frames("a frame of an unknown type")));
        let error = serde_json::from_str::<FrameType>("3").unwrap_err().to_string();
        assert!(error.contains("expected the name of a frame type"), "{error}");
    }

    #[test]
    fn a_sequence_number_over_the_safe_integers_is_refused() {
        let of = |seq| encode_frames(Uuid::from_u128(7), &[Frame { seq, ..frame(1) }]);
        assert!(decode_frames(&of(wire::MAX_SAFE_INTEGER)).is_ok());
        assert!(decode_frames(&of(wire::MAX_SAFE_INTEGER + 1)).is_err());
    }

    #[test]
    fn a_body_is_read_the_same_however_it_is_cut() {
        let mut empty = frame(2);
        empty.ciphertext = Vec::new().into();
        let frames = [frame(1), empty, frame(3)];
        let body = encode_frames(Uuid::from_u128(7), &frames);
        for size in 1..=body.len() {
            let mut reader = FrameReader::default();
            body.chunks(size).for_each(|part| reader.push(part).unwrap());
            assert_eq!(reader.finish().unwrap(), frames, "{size}");
        }
        for count in 0..3 {
            assert_eq!(decode_frames(&skip_frames(&body, count)).unwrap(), frames[count..]);
        }
    }

    #[test]
    fn a_frame_that_claims_too_much_is_refused_before_it_has_come() {
        let mut body = begin_frames(Uuid::from_u128(7), 0);
        push_header(&mut body, (0, 0, FrameType::Text), MAX_PLAINTEXT + TAG_LEN);
        assert_eq!(FrameReader::default().push(&body), Ok(()));
        *body.last_mut().unwrap() += 1;
        let refused = FrameReader::default().push(&body);
        assert_eq!(refused, Err(WireError::Frames("a frame longer than there may be")));
    }

    #[test]
    fn json_is_what_serde_writes_and_read_as_strictly_as_everything() {
        for frame_type in FrameType::ALL {
            let frame = Frame { frame_type, ..frame(9) };
            let json = frame.to_json();
            assert_eq!(json, serde_json::to_string(&frame).unwrap());
            assert_eq!(Frame::from_json(json.as_bytes(), json.len()).unwrap(), frame);
            assert!(Frame::from_json(json.as_bytes(), json.len() - 1).is_err());
        }
        let good = frame(9).to_json();
        for (old, new) in [
            (r#""type":"text""#, r#""type":{"text":null}"#),
            (r#""type":"text""#, r#""type":"texts""#),
            (r#""type":"text""#, r#""type":1"#),
            (r#""epoch":3"#, r#""epoch":3,"epoch":3"#),
            (r#""epoch":3"#, r#""epoch":null"#),
            (r#""epoch":3"#, r#""epoch":3.0"#),
            (r#""epoch":3"#, r#""epoch":[3]"#),
            (r#""epoch":3,"#, ""),
            (r#""epoch":3"#, r#""epoch":3,"more":1"#),
            (r#""seq":9"#, r#""seq":9007199254740992"#),
            ("-0000-", "-0000"),
            ("=\"}", "\"}"),
            ("\"}", "\"}}"),
        ] {
            assert!(good.contains(old), "{old}");
            let bad = good.replacen(old, new, 1);
            assert!(Frame::from_json(bad.as_bytes(), 1000).is_err(), "{bad}");
            assert!(wire::from_json::<Frame>(bad.as_bytes(), 1000).is_err(), "{bad}");
        }
        let value: serde_json::Value = serde_json::from_str(&good).unwrap();
        let members: Vec<_> =
            ["session_id", "epoch", "seq", "type", "ciphertext"].map(|name| value[name].clone()).into();
        let array = serde_json::to_vec(&members).unwrap();
        assert!(serde_json::from_slice::<Frame>(&array).is_ok(), "what serde lets pass");
        assert!(Frame::from_json(&array, 1000).is_err());
    }

    #[test]
    fn the_largest_frame_is_read_and_no_larger_one() {
        let of = |length| {
            encode_frames(Uuid::from_u128(7), &[Frame { ciphertext: vec![0; length].into(), ..frame(1) }])
        };
        let largest = of(MAX_PLAINTEXT + TAG_LEN);
        assert_eq!(largest.len(), 16 + FRAME_OVERHEAD + MAX_PLAINTEXT);
        assert!(decode_frames(&largest).is_ok());
        assert!(decode_frames(&of(MAX_PLAINTEXT + TAG_LEN + 1)).is_err());
    }
}
