//! What every route has around it: limits of size and time, a log line, numbers, and one shape for every error.
//!
//! All of it is one layer, because each one costs every message a little. How long a body may be at most, its reader says.

use std::sync::Arc;
use std::time::{Duration, Instant};

use a2a_core::wire::MAX_SEND_BODY;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::error::Code;
use super::{ApiError, Operations};
use crate::metrics::{Metrics, Route};

/// `routes` and `GET /live`, with everything around them.
pub(super) fn limits(routes: Router, operations: Option<Operations>) -> Router {
    let mut routes = routes.route("/live", get(live));
    let metrics = operations.as_ref().map(Operations::metrics);
    if let Some(operations) = operations {
        routes = routes.merge(operations.routes());
    }
    routes.layer((from_fn_with_state(metrics, around), DefaultBodyLimit::max(MAX_SEND_BODY)))
}

/// The log names method, path and status, never a body.
async fn around(State(metrics): State<Option<Arc<Metrics>>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let route = metrics.is_some().then(|| Route::of(request.extensions().get::<MatchedPath>()));
    let line = tracing::enabled!(tracing::Level::DEBUG)
        .then(|| (request.method().clone(), request.uri().path().to_owned()));
    let answered = tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await;
    let response = answered.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response());
    let (response, took) = (in_one_shape(response), started.elapsed());
    if let (Some(metrics), Some(route)) = (metrics, route) {
        if let Some(Code(code)) = response.extensions().get() {
            metrics.reject(code);
        }
        metrics.http(route, class(response.status()), took);
    }
    if let Some((method, path)) = line {
        tracing::debug!(%method, %path, status = response.status().as_u16(), ?took, "answered");
    }
    response
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        2 => "2xx",
        4 => "4xx",
        5 => "5xx",
        _ => "other",
    }
}

async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// Gives the shape of [`ApiError`] to errors of the framework: no such route, a wrong method, a limit passed.
fn in_one_shape(response: Response) -> Response {
    let status = response.status();
    let shaped = response.headers().get(CONTENT_TYPE) == Some(&HeaderValue::from_static("application/json"));
    if shaped || !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let mut answer = ApiError::of_status(status).into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        answer.headers_mut().insert(ALLOW, allow.clone());
    }
    answer
}

/// How long an answer may take: longer than the 25 s for which a request for consent is held.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
