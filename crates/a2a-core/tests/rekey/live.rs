//! Two sessions that exchange keys by frames, as their drivers would.

use a2a_core::session::{Frame, FrameType, Opened, RekeyStep, Session, SessionError};

use crate::world::*;

/// Seals a rekey payload.
pub(crate) fn wrapped(session: &mut Session, payload: Vec<u8>) -> Frame {
    session.sealer.seal(FrameType::Rekey, payload, NOW).unwrap()
}

/// The payload of a rekey frame that is new.
pub(crate) fn unwrapped(session: &mut Session, frame: &Frame) -> Vec<u8> {
    match open(&mut session.opener, frame).unwrap() {
        Opened::New { frame_type: FrameType::Rekey, payload, .. } => payload,
        other => panic!("{other:?}"),
    }
}

/// Does what a step says, in its order, and gives the frame to send.
pub(crate) fn act(session: &mut Session, step: RekeyStep) -> Option<Frame> {
    if let Some(keys) = step.opener {
        session.opener.switch(keys, NOW).unwrap();
    }
    let frame = step.reply.map(|payload| wrapped(session, payload));
    if let Some(keys) = step.sealer {
        session.sealer.switch(keys, NOW).unwrap();
    }
    frame
}

/// Takes a rekey frame and gives the one that answers it.
pub(crate) fn take(session: &mut Session, frame: &Frame) -> Option<Frame> {
    let payload = unwrapped(session, frame);
    let step = session.rekey.receive(&payload).unwrap();
    act(session, step)
}

/// The frame with M3'.
pub(crate) fn begin(session: &mut Session) -> Frame {
    let payload = session.rekey.begin().unwrap().unwrap();
    wrapped(session, payload)
}

/// One whole exchange.
pub(crate) fn exchange(initiator: &mut Session, responder: &mut Session) {
    let init = begin(initiator);
    let reply = take(responder, &init).unwrap();
    let finish = take(initiator, &reply).unwrap();
    let done = take(responder, &finish).unwrap();
    assert!(take(initiator, &done).is_none());
    assert!(!initiator.rekey.is_under_way() && !responder.rekey.is_under_way());
}

/// The payloads of one whole exchange, M3' to M6'.
pub(crate) fn recorded_exchange(initiator: &mut Session, responder: &mut Session) -> [Vec<u8>; 4] {
    let init = initiator.rekey.begin().unwrap().unwrap();
    let reply = responder.rekey.receive(&init).unwrap().reply.unwrap();
    let finish = initiator.rekey.receive(&reply).unwrap().reply.unwrap();
    let done = responder.rekey.receive(&finish).unwrap().reply.unwrap();
    assert!(initiator.rekey.receive(&done).unwrap().complete);
    [init, reply, finish, done]
}

/// The session cannot go on, and makes no further exchange.
pub(crate) fn assert_failed(session: &mut Session, error: &SessionError) {
    assert!(error.is_fatal(), "{error}");
    assert!(session.rekey.is_under_way());
    assert_eq!(session.rekey.begin().unwrap(), None);
}
