//! A live session, behind a lock of its own. `table` holds all of them.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use a2a_core::certificate::verify::VerifiedCertificate;
use a2a_core::crypto::kx::Suite;
use a2a_core::handshake::initiator::Accepted;
use a2a_core::handshake::responder::{AwaitFinish, AwaitInit};
use a2a_core::time::UnixTime;
use axum::body::Bytes;
use tokio::sync::{Mutex, Notify};
use uuid::Uuid;

use super::channel::Channel;
use super::report::{SessionReport, SessionStage};

/// A session from the moment of consent to its end.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) session_id: Uuid,
    /// As it was when the session was agreed to.
    pub(crate) peer: VerifiedCertificate,
    pub(crate) suite: Suite,
    pub(crate) initiated: bool,
    pub(crate) created_at: UnixTime,
    /// When it ends if its keys are not exchanged by then.
    pending_until: UnixTime,
    pub(crate) stage: Mutex<Stage>,
    /// Set once, when both sides have confirmed the keys: messages pass without the lock of `stage`.
    pub(crate) channel: OnceLock<Arc<Channel>>,
    last_active: AtomicU64,
    /// A time-out has begun to end it.
    ending: AtomicBool,
    /// It is out of the table.
    over: AtomicBool,
    /// Told of that.
    ended: Notify,
}

/// How far the key exchange has come.
#[derive(Debug)]
pub(crate) enum Stage {
    /// This agent asked, and may begin the exchange.
    Accepted(Box<Accepted>),
    /// The peer asked, with a request of this hash, and has to begin.
    AwaitInit { state: Box<AwaitInit>, request: [u8; 32] },
    /// M4 has been sent.
    AwaitFinish { state: Box<AwaitFinish>, init: Replied, began: Instant },
    /// Both sides have confirmed the keys; what was answered, for retries, until the peer's first frame.
    Established { finish: Option<Replied> },
    /// Under way on this side, or failed.
    Spent,
}

/// A message that has been answered: the same bytes get the same answer.
#[derive(Debug)]
pub(crate) struct Replied {
    pub(crate) body_hash: [u8; 32],
    pub(crate) reply: Bytes,
}

impl Entry {
    pub(crate) fn new(
        (session_id, suite, peer): (Uuid, Suite, VerifiedCertificate),
        initiated: bool,
        stage: Stage,
        (now, pending_until): (UnixTime, UnixTime),
    ) -> Arc<Self> {
        Arc::new(Self {
            session_id,
            peer,
            suite,
            initiated,
            created_at: now,
            pending_until,
            stage: Mutex::new(stage),
            channel: OnceLock::new(),
            last_active: AtomicU64::new(now.as_secs()),
            ending: AtomicBool::new(false),
            over: AtomicBool::new(false),
            ended: Notify::new(),
        })
    }

    /// From when on it is ended if its keys have not been exchanged.
    pub(super) fn pending_end(&self) -> UnixTime {
        once_past(self.pending_until)
    }

    /// The peer has sent a frame, so it has M6, and will not ask for it again.
    pub(crate) fn forget_finish(&self) {
        if let Ok(mut stage) = self.stage.try_lock()
            && let Stage::Established { finish } = &mut *stage
        {
            *finish = None;
        }
    }

    /// Something was said, or acknowledged.
    pub(crate) fn touch(&self, now: UnixTime) {
        self.last_active.fetch_max(now.as_secs(), Ordering::Relaxed);
    }

    pub(crate) fn last_active(&self) -> UnixTime {
        UnixTime::from_secs(self.last_active.load(Ordering::Relaxed))
    }

    /// Whether the caller is the first whose time-out ends this session: the others leave it to that one.
    pub(crate) fn begin_to_end(&self) -> bool {
        !self.ending.swap(true, Ordering::SeqCst)
    }

    /// The peer's newest certificate that this session knows of.
    pub(crate) fn newest_peer(&self) -> VerifiedCertificate {
        self.channel.get().map_or_else(|| self.peer.clone(), |channel| channel.peer().certificate)
    }

    /// Whether it has ended: nothing more is taken or told.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// It is out of the table: nothing more is taken or told.
    pub(super) fn is_removed(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.ended.notify_waiters();
    }

    /// Waits for its end.
    pub(crate) async fn ended(&self) {
        // Listens before it looks: an end that comes in between is not missed.
        let mut ended = std::pin::pin!(self.ended.notified());
        ended.as_mut().enable();
        if !self.is_over() {
            ended.await;
        }
    }

    pub(crate) fn report(&self) -> SessionReport {
        let channel = self.channel.get();
        SessionReport {
            session_id: self.session_id,
            peer_agent_id: self.peer.agent_id().clone(),
            peer_address: self.newest_peer().address().clone(),
            initiated: self.initiated,
            stage: if channel.is_some() { SessionStage::Established } else { SessionStage::Pending },
            suite: self.suite,
            created_at: self.created_at,
            sent: channel.map_or(0, |channel| channel.counts.sent()),
            received: channel.map_or(0, |channel| channel.counts.received()),
            safety_code: channel.map(|channel| channel.info.safety_code.clone()),
        }
    }
}

/// When `at`, to which something still holds, is over: with the next second.
pub(super) fn once_past(at: UnixTime) -> UnixTime {
    at.saturating_add(Duration::from_secs(1))
}
