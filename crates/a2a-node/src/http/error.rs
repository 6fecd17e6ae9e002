//! The one shape of every error: `{"error": what happened, "code": a word for programs, "message": what to do}`.

use std::fmt::Display;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: StatusCode,
    /// A stable word for programs: `[a-z0-9_]`.
    pub code: &'static str,
    /// What happened.
    pub error: String,
    /// What to do about it.
    pub message: String,
    /// After how long it makes sense to ask again: the header `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// Goes along with an answer that is an error, for whoever counts them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code(pub(super) &'static str);

/// The error as it goes over the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorBody {
    /// What happened.
    pub error: String,
    /// A stable word for programs.
    pub code: String,
    /// What to do about it.
    pub message: String,
}

impl ApiError {
    /// An error with its words.
    pub fn new(
        status: StatusCode,
        code: &'static str,
        error: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self { status, code, error: error.into(), message: message.into(), retry_after: None }
    }

    /// The same, saying after how long it makes sense to ask again; whole seconds go over the wire.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..self }
    }

    /// A fault on this side: the reason goes to the log, and not to the peer.
    pub fn internal(reason: impl Display) -> Self {
        tracing::error!(%reason, "a request failed through a fault on this side");
        Self::of_status(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What the server itself says when it refuses a request before any route has seen it, or when a route gives
    /// nothing but a status.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        let (code, message) = match status {
            StatusCode::NOT_FOUND => ("not_found", "check the path; docs/PROTOCOL.md lists the endpoints"),
            StatusCode::METHOD_NOT_ALLOWED => {
                ("method_not_allowed", "use a method that the header Allow names")
            }
            StatusCode::REQUEST_TIMEOUT => ("request_timeout", "send the request again"),
            StatusCode::PAYLOAD_TOO_LARGE => ("too_large", "send a shorter body"),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => {
                ("unsupported_media_type", "send Content-Type: application/json")
            }
            StatusCode::TOO_MANY_REQUESTS => ("rate_limited", "wait a little, then try again"),
            status if status.is_client_error() => {
                ("bad_request", "mend the request; docs/PROTOCOL.md describes it")
            }
            _ => ("internal", "try again later; the log of this program holds the reason"),
        };
        Self::new(status, code, status.canonical_reason().unwrap_or("Error"), message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = ErrorBody { error: self.error, code: self.code.to_owned(), message: self.message };
        let mut response = (self.status, Json(body)).into_response();
        response.extensions_mut().insert(Code(self.code));
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, wait.as_secs().into());
        }
        response
    }
}
