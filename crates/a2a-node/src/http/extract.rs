//! Reading a request's body: bounded in size and time, strict in form.

use std::time::Duration;

use a2a_core::wire::{self, MAX_HANDSHAKE_BODY, WireError};
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Limited};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ApiError;

/// A body of at most `LIMIT` bytes, declared as JSON and read strictly, and its bytes as they came.
#[derive(Debug)]
pub struct WireJson<T, const LIMIT: usize = MAX_HANDSHAKE_BODY> {
    /// What it says.
    pub value: T,
    /// How it says it: for comparing a retry with what it repeats.
    pub bytes: Bytes,
}

impl<S, T, const LIMIT: usize> FromRequest<S> for WireJson<T, LIMIT>
where
    S: Send + Sync,
    T: DeserializeOwned + Serialize,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        require_json(request.headers())?;
        let bytes = read_body(request.into_body(), LIMIT).await?;
        Ok(Self { value: wire::from_json(&bytes, LIMIT)?, bytes })
    }
}

/// A body of at most `limit` bytes that arrives within 10 s.
pub async fn read_body(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let Ok(read) = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, limit)).await else {
        return Err(ApiError::of_status(StatusCode::REQUEST_TIMEOUT));
    };
    // It fails when the limit is passed, and when the connection breaks, when nobody reads the answer.
    read.map_err(|_| too_large(limit))
}

/// The same, part by part as it arrives.
pub(crate) async fn read_parts(
    body: Body,
    limit: usize,
    mut take: impl FnMut(&[u8]) -> Result<(), ApiError> + Send,
) -> Result<(), ApiError> {
    let mut body = Limited::new(body, limit);
    let reading = async {
        while let Some(part) = body.frame().await {
            if let Ok(part) = part.map_err(|_| too_large(limit))?.into_data() {
                take(&part)?;
            }
        }
        Ok(())
    };
    let read = tokio::time::timeout(BODY_TIMEOUT, reading).await;
    read.unwrap_or_else(|_| Err(ApiError::of_status(StatusCode::REQUEST_TIMEOUT)))
}

/// Refuses a body that is not declared as JSON.
pub(crate) fn require_json(headers: &HeaderMap) -> Result<(), ApiError> {
    if is_json(headers) { Ok(()) } else { Err(ApiError::of_status(StatusCode::UNSUPPORTED_MEDIA_TYPE)) }
}

impl From<WireError> for ApiError {
    fn from(error: WireError) -> Self {
        match error {
            WireError::TooLarge { limit, .. } => too_large(limit),
            error => Self::new(
                StatusCode::BAD_REQUEST,
                "bad_json",
                error.to_string(),
                "mend the body; docs/PROTOCOL.md describes every field",
            ),
        }
    }
}

fn too_large(limit: usize) -> ApiError {
    let error = format!("the body is longer than {limit} bytes");
    ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error, "send a shorter body")
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = declared.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
