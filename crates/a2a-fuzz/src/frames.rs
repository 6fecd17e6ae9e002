//! Frames: one as JSON, many in one binary body.

use a2a_core::session::frame::{FrameReader, decode_frames, encode_frames, skip_frames};
use a2a_core::session::{Ack, Frame};
use a2a_core::wire::{MAX_SEND_BODY, from_json};

use crate::messages::strictly;

/// The fast reader of frames takes what the strict one takes, and nothing else; so with what it writes.
pub(crate) fn json(bytes: &[u8]) {
    let fast = Frame::from_json(bytes, MAX_SEND_BODY).ok();
    assert_eq!(fast, from_json(bytes, MAX_SEND_BODY).ok(), "two readers of one frame");
    strictly::<Ack>(bytes, MAX_SEND_BODY);
    let Some(frame) = fast else { return };
    strictly::<Frame>(bytes, MAX_SEND_BODY);
    let written = frame.to_json();
    assert_eq!(Some(&written), serde_json::to_string(&frame).ok().as_ref());
    assert_eq!(Frame::from_json(written.as_bytes(), MAX_SEND_BODY), Ok(frame));
}

/// A binary body has one reading, whole or in parts, and that is written as the same bytes.
pub(crate) fn binary(bytes: &[u8]) {
    let whole = decode_frames(bytes);
    let part = 1 + usize::from(bytes.first().copied().unwrap_or_default()) % 48;
    let mut reader = FrameReader::default();
    let pushed = bytes.chunks(part).try_for_each(|part| reader.push(part));
    assert_eq!(pushed.and_then(|()| reader.finish()).ok(), whole.as_ref().ok().cloned());
    let Ok(frames) = whole else { return };
    let session_id = frames[0].session_id;
    assert!(frames.iter().all(|frame| frame.session_id == session_id));
    assert_eq!(encode_frames(session_id, &frames), bytes);
    for count in 0..frames.len() {
        assert_eq!(skip_frames(bytes, count), encode_frames(session_id, &frames[count..]));
    }
}
