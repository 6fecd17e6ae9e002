//! What can go wrong for the person or script that runs an agent, each with the next thing to do.

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::verify::CertificateError;
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
    /// The certificate begins in the future.
    #[error("this agent's certificate is not valid yet: {0}")]
    CertificateNotYetValid(String),
    /// The stored certificate says something else of this agent than what it was started with.
    #[error("the stored certificate does not fit: {reason}")]
    CertificateMisfit {
        /// What differs.
        reason: String,
    },
    /// The controller has revoked this agent.
    #[error("the controller has revoked this agent")]
    Revoked,
    /// The revocation list at hand is too old or from the future.
    #[error("which agents are revoked is not known: {reason}")]
    RevocationsStale {
        /// What is wrong with it.
        reason: String,
    },
    /// The join token is for another agent.
    #[error("the join token is for {token}, and this agent is {agent}")]
    TokenForAnotherAgent {
        /// Whom the token names.
        token: AgentId,
        /// This agent.
        agent: AgentId,
    },
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
    /// Somebody answers, and does not prove to be the controller.
    #[error("whoever answers at {url} is not the controller that this agent trusts: {reason}")]
    ControllerNotTrusted {
        /// Where it was sought.
        url: String,
        /// What TLS had against it.
        reason: String,
    },
    /// The controller answered, with a refusal.
    #[error("the controller refused: {message}")]
    ControllerRefused {
        /// Its error code.
        code: String,
        /// Its text, filtered.
        message: String,
        /// What it says to do, filtered.
        next: String,
    },
    /// The controller answered with something that does not verify.
    #[error("the controller's {what} is not acceptable: {reason}")]
    ControllerMisbehaved {
        /// Certificate, list or statement.
        what: &'static str,
        /// Which check failed.
        reason: String,
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
        /// What to do about it.
        next: &'static str,
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
    /// Why the certificate of the peer at `address` is not good.
    pub fn peer_certificate(address: String, error: &CertificateError) -> Self {
        let next = match error {
            CertificateError::Revoked => {
                "do not talk to it; whoever runs the controller can tell why, and `reinstate` it there"
            }
            CertificateError::Superseded => {
                "try again; if that does not help, another agent shows its former certificate: tell its operator"
            }
            CertificateError::Revocations(_) => {
                "have the controller reached: the list is fetched by itself, and `status` shows until when it holds"
            }
            CertificateError::Validity(_) => {
                "compare the clocks of both machines; if they agree, run `renew` on that agent"
            }
            CertificateError::WrongController { .. } | CertificateError::WrongControllerName { .. } => {
                "compare the controller's fingerprint in `status` on both agents"
            }
            CertificateError::WrongName { .. } => "check the address and the id; `agents` lists both",
            _ => SETUP_THERE,
        };
        Self::PeerCertificate { address, reason: error.to_string(), next }
    }

    /// A stable word for scripts.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotEnrolled => "not_enrolled",
            Self::CertificateExpired => "certificate_expired",
            Self::CertificateNotYetValid(_) => "certificate_not_yet_valid",
            Self::CertificateMisfit { .. } => "certificate_misfit",
            Self::Revoked => "revoked",
            Self::RevocationsStale { .. } => "revocations_stale",
            Self::TokenForAnotherAgent { .. } => "token_for_another_agent",
            Self::ControllerUnconfirmed { .. } => "controller_unconfirmed",
            Self::ControllerChanged { .. } => "controller_changed",
            Self::ControllerMismatch { .. } => "controller_mismatch",
            Self::ControllerNotOfRoot { .. } => "controller_not_of_root",
            Self::ControllerUnreachable { .. } => "controller_unreachable",
            Self::ControllerNotTrusted { .. } => "controller_not_trusted",
            Self::ControllerRefused { .. } => "controller_refused",
            Self::ControllerMisbehaved { .. } => "controller_misbehaved",
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
            Self::Unacknowledged { .. } => "unacknowledged",
            Self::TooLong { .. } => "too_long",
            Self::Environment(_) => "environment",
        }
    }

    /// The next thing to do, as an instruction; empty where the error itself says it.
    pub fn next_step(&self) -> String {
        match self {
            Self::TokenForAnotherAgent { token, agent } => {
                format!("start with --agent-id {token}, or ask for a token for {agent}")
            }
            Self::ControllerRefused { next, .. } => next.clone(),
            other => other
                .step_of_its_own()
                .or_else(|| other.step_with_the_controller())
                .unwrap_or_else(|| other.step_with_a_peer())
                .to_owned(),
        }
    }

    fn step_of_its_own(&self) -> Option<&'static str> {
        Some(match self {
            Self::NotEnrolled | Self::CertificateMisfit { .. } => "run `setup`",
            Self::CertificateExpired => {
                "run `renew`; if the controller does not answer, have it started first"
            }
            Self::CertificateNotYetValid(_) => "set this machine's clock, then try again",
            Self::Revoked => "ask whoever runs the controller; after `reinstate` there, run `setup` here",
            Self::RevocationsStale { .. } => {
                "have the controller reached: the list is fetched by itself, and `status` shows until when it \
                 holds; then try again"
            }
            Self::SelfPeer => "name another agent; `agents` lists them",
            Self::UnknownSession(_) => "`sessions` lists what there is; `request` makes a new one",
            Self::NoKeys { .. } => "run `keyexchange` first",
            Self::WrongStage(_) => "`sessions` shows where it stands",
            Self::SessionEnded { .. } => "`request` a new session",
            Self::TooLong { .. } => "send it in parts",
            _ => return None,
        })
    }

    fn step_with_the_controller(&self) -> Option<&'static str> {
        Some(match self {
            Self::ControllerUnconfirmed { .. } => {
                "compare it with what the controller shows on `info`, then give it with \
                 --controller-fingerprint, or answer y in a terminal"
            }
            Self::ControllerChanged { .. } => {
                "stop here and ask whoever runs the controller: a planned change would have been followed. Only if \
                 it is a new controller, remove trust.json from the data directory and run `setup` again"
            }
            Self::ControllerMismatch { .. } => {
                "check the address and the fingerprint with whoever runs the controller"
            }
            Self::ControllerNotOfRoot { .. } => {
                "check the address; if the file is from another controller, name the right one with --ca-file, \
                 or give the fingerprint with --controller-fingerprint"
            }
            Self::ControllerUnreachable { .. } => {
                "start the controller, or give its address with --controller"
            }
            Self::ControllerNotTrusted { .. } => {
                "check the address given with --controller; if the controller's TLS root has changed, run `setup`"
            }
            Self::ControllerMisbehaved { .. } => {
                "compare the clocks of agent and controller, then try again; if it fails again, ask whoever runs \
                 the controller"
            }
            _ => return None,
        })
    }

    fn step_with_a_peer(&self) -> &'static str {
        match self {
            Self::PeerUnreachable { .. } => "check the address and that the agent runs there",
            Self::PeerNotEnrolled { .. } => "run `setup` on that agent, then try again",
            Self::PeerCertificate { next, .. } => next,
            Self::WrongPeer { .. } => "check the address and the id; `agents` lists both",
            Self::Rejected { .. } => "ask the person on the other side before you try again",
            Self::RequestExpired { .. } => "make sure that somebody is there to answer, then `request` again",
            Self::Handshake { .. } => "`request` a new session; if it fails again, distrust the network",
            Self::Unacknowledged { .. } => {
                "do not send it again: it goes out before your next message; `close` gives it up"
            }
            // The peer's own words, and those of the machine's errors, say what to do.
            _ => "",
        }
    }
}

/// What to do about a certificate that the agent made badly, or that is none.
pub(crate) const SETUP_THERE: &str = "run `setup` on that agent again, under the same controller";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_it_itself_has_no_filler_for_a_next_step() {
        assert_eq!(NodeError::Environment("the disk is full".into()).next_step(), "");
    }

    #[test]
    fn the_controllers_own_words_come_first() {
        let (code, message, next) = ("token_spent".into(), "spent".into(), "ask for another".to_owned());
        assert_eq!(NodeError::ControllerRefused { code, message, next: next.clone() }.next_step(), next);
        for error in [NodeError::Revoked, NodeError::CertificateExpired, NodeError::NotEnrolled] {
            assert!(!error.next_step().is_empty(), "{error}");
        }
    }
}
