//! What a peer is told when its message is not taken. Before it is authenticated it learns one word for every
//! cryptographic failure; the log holds the reason.

use a2a_core::certificate::verify::CertificateError;
use a2a_core::handshake::HandshakeError;
use axum::http::StatusCode;

use crate::error::NodeError;
use crate::http::ApiError;

pub(crate) fn from_handshake(error: &HandshakeError) -> ApiError {
    tracing::debug!(%error, "handshake message refused");
    match error {
        HandshakeError::WrongRecipient => ApiError::new(
            StatusCode::MISDIRECTED_REQUEST,
            "wrong_recipient",
            "The request is for another agent",
            "fetch this agent's certificate and ask again",
        ),
        HandshakeError::SelfPeer => ApiError::new(
            StatusCode::BAD_REQUEST,
            "self_peer",
            "An agent has no session with itself",
            "ask another agent",
        ),
        HandshakeError::Version(_) => ApiError::new(
            StatusCode::BAD_REQUEST,
            "unsupported_version",
            "This protocol version is not spoken here",
            "use protocol version 1",
        ),
        HandshakeError::NoCommonSuite => ApiError::new(
            StatusCode::BAD_REQUEST,
            "no_common_suite",
            "No common key exchange suite",
            "offer one of the suites in this agent's card",
        ),
        HandshakeError::NotFresh => ApiError::new(
            StatusCode::CONFLICT,
            "not_fresh",
            "The request is too old, from the future, or lives too long",
            "set the clock and ask again; a request lives for 120 s at most",
        ),
        _ => handshake_failed(),
    }
}

/// Whether an M1 was refused for what nobody sends by mistake. What a wrong clock, a renewal under way or a list that has
/// not arrived can cause is none.
pub(crate) fn looks_like_a_guess(error: &HandshakeError) -> bool {
    match error {
        HandshakeError::Crypto(_) => true,
        HandshakeError::Certificate(error) => !matches!(
            error,
            CertificateError::Validity(_) | CertificateError::Superseded | CertificateError::Revocations(_)
        ),
        _ => false,
    }
}

pub(crate) fn handshake_failed() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "handshake_failed",
        "The message is not acceptable",
        "request a new session; if it fails again, have your certificate renewed",
    )
}

pub(crate) fn bad_frame() -> ApiError {
    ApiError::new(
        StatusCode::UNAUTHORIZED,
        "bad_frame",
        "The frame is not acceptable",
        "send the frame again as it was sealed, or request a new session",
    )
}

pub(crate) fn out_of_order() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "out_of_order",
        "The frame is not the next one",
        "send the frames before it first",
    )
}

pub(crate) fn unknown_session() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "unknown_session",
        "There is no such session",
        "request a new session",
    )
}

pub(crate) fn wrong_state() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "wrong_state",
        "The session is not at this step",
        "finish the key exchange first, or request a new session",
    )
}

/// This agent cannot judge anybody now; the log says why.
pub(crate) fn not_ready(error: &NodeError) -> ApiError {
    tracing::warn!(%error, "a request cannot be judged");
    match error {
        NodeError::RevocationsStale { .. } => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not_ready",
            "This agent cannot tell now who has been revoked",
            "try again later; its operator sees to it that it reaches its controller",
        ),
        NodeError::NotEnrolled => not_enrolled(),
        _ => ApiError::new(
            StatusCode::NOT_FOUND,
            "certificate_not_issued",
            "This agent's certificate does not hold now",
            "its operator looks at its clock, and runs setup",
        ),
    }
}

pub(crate) fn not_enrolled() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "certificate_not_issued",
        "Certificate not yet issued",
        "Agent must register with controller first",
    )
}

pub(crate) fn stale() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "stale_request",
        "The request was made before this agent started",
        "make a new request",
    )
}

pub(crate) fn replayed() -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "replayed_request",
        "A request with this nonce has been seen",
        "make a new request",
    )
}

pub(crate) fn busy() -> ApiError {
    ApiError::new(
        StatusCode::TOO_MANY_REQUESTS,
        "busy",
        "Too many requests or sessions wait already",
        "wait until yours has been answered, then try again",
    )
}
