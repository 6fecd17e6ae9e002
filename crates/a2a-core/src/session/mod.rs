//! A session: what two agents say to each other once both have confirmed the same keys.
//!
//! Each direction stands by itself: a [`Sealer`] on one side, an [`Opener`] on the other, each with its own keys,
//! epoch and sequence numbers, so that sending never waits for receiving. A frame is taken only if it is exactly the
//! next one, and nothing changes before its tag has verified. Acknowledgements are authenticated, so "delivered" cannot
//! be forged on the way.
//!
//! This module holds no queue and resends nothing: whoever drives it keeps a sealed frame until it is acknowledged and
//! sends the same bytes again.

pub mod frame;
pub mod opener;
pub mod rekey;
pub mod sealer;

mod close;
mod epoch;
#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod model;

pub use close::{Close, CloseReason};
pub use epoch::RekeyPolicy;
pub use frame::{Ack, Frame, FrameType};
pub use opener::{Opened, Opener};
pub use rekey::{DirectionKeys, Rekey, RekeyStep};
pub use sealer::{ClosingSealer, Sealer};

use thiserror::Error;
use uuid::Uuid;

use crate::certificate::verify::VerifiedCertificate;
use crate::crypto::CryptoError;
use crate::crypto::kx::Suite;
use crate::handshake::HandshakeError;
use crate::handshake::exchange::Exchanged;
use crate::handshake::key_schedule::{Role, SAFETY_CODE_LEN};
use crate::time::UnixTime;
use frame::Direction;

/// An established session, in the parts that its driver keeps behind separate locks.
#[derive(Debug)]
pub struct Session {
    /// What does not change.
    pub info: SessionInfo,
    /// What this side sends with.
    pub sealer: Sealer,
    /// What this side receives with.
    pub opener: Opener,
    /// What makes fresh keys inside the session.
    pub rekey: Rekey,
}

/// What does not change in a session.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// The responder's UUID.
    pub session_id: Uuid,
    /// Which side this agent is on.
    pub role: Role,
    /// The other agent.
    pub peer: VerifiedCertificate,
    /// The suite of the key exchange.
    pub suite: Suite,
    /// A short string that is the same on both sides, for two people to compare: `ABCD-EFGH` (40 bits, base32).
    pub safety_code: String,
}

impl Session {
    pub(crate) fn new(
        role: Role,
        exchanged: Exchanged,
        policy: RekeyPolicy,
        now: UnixTime,
    ) -> Result<Self, SessionError> {
        let Exchanged { parties, secrets } = exchanged;
        let (provider, session_id) = (parties.local.provider(), parties.session_id);
        let (sending, receiving) = match role {
            Role::Initiator => (secrets.i2r, secrets.r2i),
            Role::Responder => (secrets.r2i, secrets.i2r),
        };
        let direction = Direction::sent_by(role);
        Ok(Self {
            info: SessionInfo {
                session_id,
                role,
                peer: parties.peer.clone(),
                suite: parties.suite,
                safety_code: shown_safety_code(secrets.safety_code),
            },
            sealer: Sealer::new(provider, session_id, direction, sending, policy, now)?,
            opener: Opener::new(provider, session_id, direction.opposite(), receiving, policy, now)?,
            rekey: Rekey::new(role, parties, secrets.rekey, secrets.transcript),
        })
    }
}

fn shown_safety_code(bytes: [u8; SAFETY_CODE_LEN]) -> String {
    let code = data_encoding::BASE32.encode(&bytes);
    format!("{}-{}", &code[..4], &code[4..])
}

/// Why a frame, an acknowledgement or a rekey message is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// Peer misbehaved or the network did: not the next frame. The receiver's state is unchanged.
    #[error("frame {found} came where {expected} was due")]
    OutOfOrder {
        /// The sequence number that was due.
        expected: u64,
        /// The one that came.
        found: u64,
    },
    /// Peer misbehaved or the network did: wrong session, epoch or tag. The receiver's state is unchanged.
    #[error("frame does not verify")]
    BadFrame,
    /// Peer misbehaved or the network did: an acknowledgement that does not verify, or of frames never sent.
    #[error("acknowledgement does not verify")]
    BadAck,
    /// Peer misbehaved: a verified frame whose content does not fit its type. The session must end.
    #[error("frame content does not fit its type: {0}")]
    BadContent(&'static str),
    /// Our misuse: a payload over [`crate::wire::MAX_PLAINTEXT`].
    #[error("payload of {0} bytes is over the limit")]
    TooLong(usize),
    /// Either side used a key for too long, or too many frames failed to verify. The session must end.
    #[error("a key's limit of use is reached")]
    Exhausted,
    /// The fresh exchange inside the session failed. The session must end.
    #[error("rekey: {0}")]
    Rekey(#[from] HandshakeError),
    /// The crypto library failed.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl SessionError {
    /// Whether the session cannot go on. The other errors leave it as it was.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Self::BadContent(_) | Self::Exhausted | Self::Rekey(_) | Self::Crypto(_))
    }
}
