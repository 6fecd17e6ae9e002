//! Frames to and fro.

use a2a_core::session::{Frame, FrameType, Opened, Opener, Sealer, Session, SessionError};

use super::{NOW, sent};

/// The next text frame.
pub(crate) fn seal(sealer: &mut Sealer, text: &str) -> Frame {
    sealer.seal(FrameType::Text, text.into(), NOW).unwrap()
}

/// As many of them as `count`, saying their number.
pub(crate) fn seal_many(sealer: &mut Sealer, count: u64) -> Vec<Frame> {
    let first = sealer.sealed();
    (first..first + count).map(|seq| seal(sealer, &seq.to_string())).collect()
}

pub(crate) fn open(opener: &mut Opener, frame: &Frame) -> Result<Opened, SessionError> {
    opener.open(sent(frame), NOW)
}

/// What the opener makes of a text that is new.
pub(crate) fn text(seq: u64, text: &str) -> Opened {
    Opened::New { frame_type: FrameType::Text, seq, payload: text.into() }
}

/// Says something, sees it arrive and its acknowledgement come back.
pub(crate) fn deliver(from: &mut Session, to: &mut Session, said: &str) {
    let frame = seal(&mut from.sealer, said);
    assert_eq!(open(&mut to.opener, &frame).unwrap(), text(frame.seq, said));
    assert_eq!(from.sealer.accept(&sent(&to.opener.acknowledge())).unwrap(), frame.seq + 1);
}
