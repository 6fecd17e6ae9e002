//! Sessions that the peer has closed lately: a close that is sent again gets the same acknowledgement again.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2a_core::session::{Ack, Frame};
use a2a_core::time::UnixTime;
use uuid::Uuid;

/// What is remembered of each.
#[derive(Debug, Default)]
pub(crate) struct Closed(Mutex<HashMap<Uuid, Last>>);

#[derive(Debug)]
struct Last {
    close: Frame,
    ack: Ack,
    forget_at: UnixTime,
}

impl Closed {
    /// Takes note of a session's last frame and the answer to it.
    pub(crate) fn remember(&self, session_id: Uuid, close: Option<Frame>, ack: Ack, now: UnixTime) {
        if let Some(close) = close {
            let forget_at = now.saturating_add(MEMORY);
            self.lock().insert(session_id, Last { close, ack, forget_at });
        }
    }

    /// The answer, if this is the frame that ended the session.
    pub(crate) fn repeated(&self, session_id: Uuid, close: &Frame) -> Option<Ack> {
        let closed = self.lock();
        let last = closed.get(&session_id)?;
        (*close == last.close).then(|| last.ack.clone())
    }

    pub(crate) fn sweep(&self, now: UnixTime) {
        self.lock().retain(|_, last| now <= last.forget_at);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Last>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longer than any sender goes on trying.
const MEMORY: Duration = Duration::from_mins(2);
