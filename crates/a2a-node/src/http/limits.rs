//! What every route has around it: limits of size and time, a log line, and one shape for every error.

use std::time::Duration;

use a2a_core::wire::MAX_SEND_BODY;
use axum::http::header::{ALLOW, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use super::{ApiError, Operations};

/// `routes` and `GET /live`, with everything around them. The log names method, path and status, never a body.
pub(super) fn limits(routes: Router, operations: Option<Operations>) -> Router {
    let mut routes = routes.route("/live", get(live));
    if let Some(operations) = &operations {
        routes = routes.merge(operations.routes());
    }
    routes = routes
        .layer(RequestBodyLimitLayer::new(MAX_SEND_BODY))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .layer(map_response(in_one_shape));
    // Outside of all that, so that what is refused there counts as well.
    if let Some(operations) = operations {
        routes = operations.measuring(routes);
    }
    routes.layer(TraceLayer::new_for_http())
}

async fn live() -> Json<Value> {
    Json(json!({"status": "live"}))
}

/// Gives the shape of [`ApiError`] to errors of the framework: no such route, a wrong method, a limit passed.
async fn in_one_shape(response: Response) -> Response {
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
