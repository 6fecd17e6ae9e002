//! Why somebody is not certified: each reason with a word for programs, what happened and what to do.

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::enrolment::EnrolmentError;
use a2a_node::error::NodeError;
use a2a_node::http::ApiError;
use axum::http::StatusCode;
use thiserror::Error;

use crate::challenges::ChallengeFlaw;
use crate::store::{AgentStatus, AgentsFull, ApprovalError, IssueError, StoreError, TokenError};

/// See the module.
#[derive(Debug, Error)]
pub(crate) enum Refusal {
    /// The challenge is none of this controller's, or another agent's.
    #[error("the challenge was not given to this agent")]
    ForgedChallenge,
    /// The challenge is too old.
    #[error("the challenge has expired")]
    ExpiredChallenge,
    /// The challenge stands in a certificate already.
    #[error("the challenge has been used")]
    UsedChallenge,
    /// What the request itself tells.
    #[error(transparent)]
    Request(EnrolmentError),
    /// The TLS request is none, or for another key.
    #[error("{0}")]
    BadCsr(String),
    /// The key is one of the controller's own former ones.
    #[error("the card holds a key of the controller's own")]
    ControllersKey,
    /// The id belongs to another key.
    #[error("{0} belongs to another key")]
    IdTaken(AgentId),
    /// The agent may not certify.
    #[error("{} is {}", .0, shown(*.1))]
    Agent(AgentId, AgentStatus),
    /// Every certificate of this key is void.
    #[error("the key has been revoked")]
    KeyRevoked,
    /// A renewal for whom nobody knows.
    #[error("{0} is not enrolled")]
    NotEnrolled(AgentId),
    /// No token was shown, and one is needed.
    #[error("a join token is needed")]
    TokenRequired,
    /// A token was shown, and buys nothing.
    #[error("{0}")]
    Token(TokenError),
    /// The operator said no.
    #[error("the operator has rejected this enrolment")]
    Rejected,
    /// There is no room for more who wait.
    #[error("{0}")]
    ApprovalsFull(ApprovalError),
    /// There is no room for another agent.
    #[error("{0}")]
    Full(AgentsFull),
    /// Others were always faster.
    #[error("the controller is busy")]
    Busy,
    /// A fault on this side.
    #[error(transparent)]
    Fault(#[from] NodeError),
}

/// What a refusal says besides its reason.
struct Words {
    status: StatusCode,
    code: &'static str,
    next: &'static str,
}

impl Refusal {
    /// Its word for programs.
    pub(crate) fn code(&self) -> &'static str {
        self.words().code
    }

    /// Whether it looks like an attempt to guess: that costs the source something.
    pub(crate) fn is_guess(&self) -> bool {
        match self {
            Self::ForgedChallenge => true,
            Self::Request(error) => matches!(error, EnrolmentError::Possession | EnrolmentError::Continuity),
            Self::Token(error) => matches!(error, TokenError::Unknown | TokenError::WrongAgent),
            _ => false,
        }
    }

    /// Whether it is a fault on this side, and no decision.
    pub(crate) fn is_fault(&self) -> bool {
        matches!(self, Self::Busy | Self::Fault(_))
    }

    fn words(&self) -> Words {
        let (status, code, next) = match self {
            Self::ForgedChallenge | Self::ExpiredChallenge | Self::UsedChallenge => {
                let next = "ask for a new challenge; it is good for two minutes and one certificate";
                (StatusCode::FORBIDDEN, "bad_challenge", next)
            }
            Self::Request(error) => return request_words(error),
            Self::BadCsr(_) => {
                let next = "send a PKCS#10 request signed by the card's TLS key";
                (StatusCode::BAD_REQUEST, "bad_csr", next)
            }
            Self::ControllersKey => (StatusCode::BAD_REQUEST, "key_taken", "make a key for the agent alone"),
            Self::IdTaken(_) => (
                StatusCode::CONFLICT,
                "id_taken",
                "choose another id with --agent-id, or restore the data directory of the agent that had this one",
            ),
            Self::Agent(_, AgentStatus::Banned) => {
                let next = "choose another id with --agent-id: this one never comes back";
                (StatusCode::FORBIDDEN, "agent_revoked", next)
            }
            Self::Agent(..) => {
                let next = "ask whoever runs the controller: after `reinstate` it may certify again";
                (StatusCode::FORBIDDEN, "agent_revoked", next)
            }
            Self::KeyRevoked => {
                let next = "make a new key: move the agent's data directory away, then run `setup` again";
                (StatusCode::FORBIDDEN, "key_revoked", next)
            }
            Self::NotEnrolled(_) => (StatusCode::NOT_FOUND, "not_enrolled", "run `setup`"),
            Self::TokenRequired => {
                let next =
                    "ask whoever runs the controller for one (`token AGENT`), and give it with --join-token";
                (StatusCode::FORBIDDEN, "token_required", next)
            }
            Self::Token(error) => return token_words(error),
            Self::Rejected => {
                let next = "ask whoever runs the controller; compare the fingerprint of this agent's key";
                (StatusCode::FORBIDDEN, "approval_rejected", next)
            }
            Self::ApprovalsFull(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "busy",
                "try again in ten minutes; ask whoever runs the controller to decide on those who wait",
            ),
            Self::Full(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "registry_full",
                "ask whoever runs the controller for another way to enrol than `open`",
            ),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "busy", "try again"),
            Self::Fault(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "try again later"),
        };
        Words { status, code, next }
    }
}

fn request_words(error: &EnrolmentError) -> Words {
    let (code, next) = match error {
        EnrolmentError::Card(_) => ("bad_card", "mend the card; docs/PROTOCOL.md describes it"),
        EnrolmentError::Name(_) => ("bad_name", "choose a name of plain characters with --name"),
        EnrolmentError::Validity(_) | EnrolmentError::Stale(_) => {
            ("bad_validity", "set the clocks of agent and controller, then try again")
        }
        EnrolmentError::TooLong { .. } => ("life_too_long", "ask for a shorter life"),
        EnrolmentError::ControllersKey => ("key_taken", "make a key for the agent alone"),
        EnrolmentError::WeakKey(_) => {
            ("weak_key", "make another key: move the agent's data directory away, then run `setup` again")
        }
        EnrolmentError::Possession => {
            ("bad_possession", "sign the card and a fresh challenge with the card's key")
        }
        EnrolmentError::Continuity => {
            let next = "renew with the key that is enrolled; if it is lost, ask whoever runs the controller";
            return Words { status: StatusCode::FORBIDDEN, code: "bad_continuity", next };
        }
        _ => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return Words { status, code: "internal", next: "try again later" };
        }
    };
    Words { status: StatusCode::BAD_REQUEST, code, next }
}

fn token_words(error: &TokenError) -> Words {
    let next = "ask whoever runs the controller for a new one (`token AGENT`)";
    let (code, next) = match error {
        TokenError::WrongAgent => {
            ("token_for_another_agent", "use the token that was made for this agent id")
        }
        TokenError::Expired => ("token_expired", next),
        TokenError::Spent => ("token_spent", next),
        _ => ("bad_token", next),
    };
    Words { status: StatusCode::FORBIDDEN, code, next }
}

/// The standing as a word in a sentence.
fn shown(status: AgentStatus) -> &'static str {
    match status {
        AgentStatus::Active => "enrolled",
        AgentStatus::Revoked => "revoked",
        AgentStatus::Banned => "banned",
        AgentStatus::Held => "held until an operator has looked at it",
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let Words { status, code, next } = refusal.words();
        match refusal {
            Refusal::Fault(reason) => Self::internal(reason),
            refusal if status.is_server_error() && code == "internal" => Self::internal(refusal),
            refusal => Self::new(status, code, refusal.to_string(), next),
        }
    }
}

impl From<ChallengeFlaw> for Refusal {
    fn from(flaw: ChallengeFlaw) -> Self {
        match flaw {
            ChallengeFlaw::Forged => Self::ForgedChallenge,
            ChallengeFlaw::Expired => Self::ExpiredChallenge,
        }
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Busy(_) => Self::Busy,
            error => Self::Fault(error.into()),
        }
    }
}

impl From<TokenError> for Refusal {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Store(error) => error.into(),
            error => Self::Token(error),
        }
    }
}

impl From<ApprovalError> for Refusal {
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Store(error) => error.into(),
            error => Self::ApprovalsFull(error),
        }
    }
}

impl From<IssueError> for Refusal {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::NonceUsed => Self::UsedChallenge,
            // Of 128 random bits: the generator fails, and nothing may be issued.
            IssueError::SerialUsed => Self::Fault(NodeError::Environment(error.to_string())),
            IssueError::Store(error) => error.into(),
        }
    }
}

impl From<AgentsFull> for Refusal {
    fn from(error: AgentsFull) -> Self {
        match error {
            AgentsFull::Store(error) => error.into(),
            error @ AgentsFull::Full(_) => Self::Full(error),
        }
    }
}
