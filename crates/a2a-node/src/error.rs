//! What can go wrong for the person or script that runs an agent, each with the next thing to do.

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::signature::KeyId;
use thiserror::Error;

/// Why an operation of an agent or of the controller's client side failed.
///
/// `Display` says what happened; [`NodeError::next_step`] says what to do; [`NodeError::code`] is for scripts.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NodeError {
    /// No certificate yet.
    #[error("this agent has no certificate yet")]
    NotEnrolled,
    /// The certificate has ended.
    #[error("this agent's certificate has expired")]
    CertificateExpired,
    /// First contact: nobody has vouched for this controller.
    #[error("the controller's fingerprint {fingerprint} is not known to this agent")]
    ControllerUnconfirmed {
        /// What the controller presents.
        fingerprint: KeyId,
    },
    /// The controller's key is not the pinned one.
    #[error("the controller's key has changed: pinned {pinned}, presented {presented}")]
    ControllerChanged {
        /// What first contact pinned.
        pinned: KeyId,
        /// What is presented now.
        presented: KeyId,
    },
    /// At first contact: the controller's fingerprint is not the one that was given.
    #[error("the controller's fingerprint is {presented}, not {expected} as given")]
    ControllerMismatch {
        /// What was given.
        expected: KeyId,
        /// What is presented.
        presented: KeyId,
    },
    /// At first contact: a root is at hand, and whoever answers does not hold it.
    #[error("whoever answers at {url} is not the controller whose root stands in {file}")]
    ControllerNotOfRoot {
        /// Where it was sought.
        url: String,
        /// The file with the root.
        file: String,
    },
    /// The controller gave no answer.
    #[error("no answer from the controller at {url}: {reason}")]
    ControllerUnreachable {
        /// Where it was sought.
        url: String,
        /// What the connection said.
        reason: String,
    },
    /// The controller answered, with a refusal.
    #[error("the controller refused: {message}")]
    ControllerRefused {
        /// Its error code.
        code: String,
        /// Its text, filtered.
        message: String,
    },
    /// The peer gave no answer.
    #[error("no answer from {address}: {reason}")]
    PeerUnreachable {
        /// Where it was sought.
        address: String,
        /// What the connection said.
        reason: String,
    },
    /// The peer answers, but has no certificate.
    #[error("the agent at {address} has no certificate yet")]
    PeerNotEnrolled {
        /// Where.
        address: String,
    },
    /// The peer's certificate does not verify.
    #[error("the certificate of the agent at {address} is not acceptable: {reason}")]
    PeerCertificate {
        /// Where.
        address: String,
        /// Which check failed.
        reason: String,
    },
    /// Another agent lives at that address.
    #[error("the agent at {address} is {found}, not {expected}")]
    WrongPeer {
        /// Where.
        address: String,
        /// Who was sought.
        expected: AgentId,
        /// Who was found.
        found: AgentId,
    },
    /// The peer is this agent itself, or holds its key.
    #[error("that is this agent itself")]
    SelfPeer,
    /// A person or policy on the other side said no.
    #[error("{peer} rejected the request")]
    Rejected {
        /// Who.
        peer: AgentId,
    },
    /// Nobody on the other side answered in time.
    #[error("the request to {peer} expired without an answer")]
    RequestExpired {
        /// Who.
        peer: AgentId,
    },
    /// The peer answered with an error.
    #[error("{peer} refused: {message}")]
    PeerRefused {
        /// Who.
        peer: AgentId,
        /// Its error code.
        code: String,
        /// Its text, filtered.
        message: String,
    },
    /// A peer's message does not fit the protocol.
    #[error("the handshake with {peer} failed: {reason}")]
    Handshake {
        /// Who.
        peer: AgentId,
        /// Why, for this side alone.
        reason: String,
    },
    /// No live session with that id.
    #[error("there is no session {0}")]
    UnknownSession(String),
    /// The session has no keys yet.
    #[error("the session with {peer} has no keys yet")]
    NoKeys {
        /// Who.
        peer: AgentId,
    },
    /// The session has its keys already, or the peer is the one to start the exchange.
    #[error("{0}")]
    WrongStage(String),
    /// The session has ended meanwhile.
    #[error("the session with {peer} has ended")]
    SessionEnded {
        /// Who.
        peer: AgentId,
    },
    /// Too many messages wait to be sent already.
    #[error("too many messages to {peer} wait to be sent")]
    QueueFull {
        /// Who.
        peer: AgentId,
    },
    /// The peer has not acknowledged in time. The message is kept, and sent again before the next one.
    #[error("{peer} has not acknowledged the message: {reason}")]
    Unacknowledged {
        /// Who.
        peer: AgentId,
        /// What the connection said.
        reason: String,
    },
    /// The message is too long.
    #[error("a message of {found} bytes is over the limit of {limit} bytes")]
    TooLong {
        /// Bytes given.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The machine: disk, port, files.
    #[error("{0}")]
    Environment(String),
}

impl NodeError {
    /// A stable word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotEnrolled => "not_enrolled",
            Self::CertificateExpired => "certificate_expired",
            Self::ControllerUnconfirmed { .. } => "controller_unconfirmed",
            Self::ControllerChanged { .. } => "controller_changed",
            Self::ControllerMismatch { .. } => "controller_mismatch",
            Self::ControllerNotOfRoot { .. } => "controller_not_of_root",
            Self::ControllerUnreachable { .. } => "controller_unreachable",
            Self::ControllerRefused { .. } => "controller_refused",
            Self::PeerUnreachable { .. } => "peer_unreachable",
            Self::PeerNotEnrolled { .. } => "peer_not_enrolled",
            Self::PeerCertificate { .. } => "peer_certificate",
            Self::WrongPeer { .. } => "wrong_peer",
            Self::SelfPeer => "self_peer",
            Self::Rejected { .. } => "rejected",
            Self::RequestExpired { .. } => "request_expired",
            Self::PeerRefused { .. } => "peer_refused",
            Self::Handshake { .. } => "handshake_failed",
            Self::UnknownSession(_) => "unknown_session",
            Self::NoKeys { .. } => "no_keys",
            Self::WrongStage(_) => "wrong_stage",
            Self::SessionEnded { .. } => "session_ended",
            Self::QueueFull { .. } => "queue_full",
            Self::Unacknowledged { .. } => "unacknowledged",
            Self::TooLong { .. } => "too_long",
            Self::Environment(_) => "environment",
        }
    }

    /// The next thing to do, as an instruction.
    pub fn next_step(&self) -> String {
        match self {
            Self::NotEnrolled | Self::CertificateExpired => "run `setup`".into(),
            Self::ControllerUnconfirmed { .. } => {
                "compare it with what the controller shows on `info`, then give it with \
                 --controller-fingerprint, or answer y in a terminal"
                    .into()
            }
            Self::ControllerChanged { .. } => {
                "stop here and ask whoever runs the controller; only if the change was planned, remove \
                 trust.json from the data directory and run `setup` again"
                    .into()
            }
            Self::ControllerMismatch { .. } => {
                "check the address and the fingerprint with whoever runs the controller".into()
            }
            Self::ControllerNotOfRoot { .. } => {
                "check the address; if the file is from another controller, name the right one with --ca-file, \
                 or give the fingerprint with --controller-fingerprint"
                    .into()
            }
            Self::ControllerUnreachable { .. } => {
                "start the controller, or give its address with --controller".into()
            }
            Self::ControllerRefused { .. } => "mend what it names and run `setup` again".into(),
            Self::PeerUnreachable { .. } => "check the address and that the agent runs there".into(),
            Self::PeerNotEnrolled { .. } => "run `setup` on that agent, then try again".into(),
            Self::PeerCertificate { .. } => {
                "run `setup` on that agent again, under the same controller".into()
            }
            Self::WrongPeer { .. } => "check the address and the id; `agents` lists both".into(),
            Self::SelfPeer => "name another agent; `agents` lists them".into(),
            Self::Rejected { .. } => "ask the person on the other side before you try again".into(),
            Self::RequestExpired { .. } => {
                "make sure that somebody is there to answer, then `request` again".into()
            }
            Self::Handshake { .. } => {
                "`request` a new session; if it fails again, distrust the network".into()
            }
            Self::UnknownSession(_) => "`sessions` lists what there is; `request` makes a new one".into(),
            Self::NoKeys { .. } => "run `keyexchange` first".into(),
            Self::WrongStage(_) => "`sessions` shows where it stands".into(),
            Self::SessionEnded { .. } => "`request` a new session".into(),
            Self::QueueFull { .. } => "wait for those to arrive, then send again".into(),
            Self::Unacknowledged { .. } => {
                "do not send it again: it goes out before your next message; `close` gives it up".into()
            }
            Self::TooLong { .. } => "send it in parts".into(),
            Self::PeerRefused { .. } | Self::Environment(_) => "mend what it names, then try again".into(),
        }
    }
}
