//! The controller's endpoints. Handlers translate and delegate.

use std::net::SocketAddr;
use std::sync::Arc;

use a2a_core::certificate::enrolment::{
    Challenge, ChallengeRequest, ControllerInfo, EnrolmentRequest, RenewalRequest,
};
use a2a_node::http::{ApiError, WireJson};
use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use crate::enrolment::Petition;
use crate::serving::{Answer, Serving};

/// Every endpoint there is, besides those that every node has.
pub(crate) fn routes(serving: Arc<Serving>) -> Router {
    Router::new()
        .route("/controller/info", get(info))
        .route("/controller/challenge", post(challenge))
        .route("/controller/register", post(register))
        .route("/controller/renew", post(renew))
        .route("/controller/agents", get(agents))
        .route("/controller/revocations", get(revocations))
        .with_state(serving)
}

type Shared = State<Arc<Serving>>;
type Source = ConnectInfo<SocketAddr>;

/// What `GET /controller/revocations` may be asked with.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    /// The number that is known.
    after: Option<u64>,
}

async fn info(State(serving): Shared) -> Json<ControllerInfo> {
    Json(serving.info())
}

async fn challenge(
    State(serving): Shared,
    ConnectInfo(source): Source,
    WireJson { value, .. }: WireJson<ChallengeRequest>,
) -> Result<Json<Challenge>, ApiError> {
    serving.challenge(source.ip(), &value.agent_id).map(Json)
}

async fn register(
    State(serving): Shared,
    ConnectInfo(source): Source,
    WireJson { value, .. }: WireJson<EnrolmentRequest>,
) -> Result<Response, ApiError> {
    serving.certify(source.ip(), Petition::enrolment(value)).await.map(answer)
}

async fn renew(
    State(serving): Shared,
    ConnectInfo(source): Source,
    WireJson { value, .. }: WireJson<RenewalRequest>,
) -> Result<Response, ApiError> {
    serving.certify(source.ip(), Petition::renewal(value)).await.map(answer)
}

async fn agents(State(serving): Shared, ConnectInfo(source): Source) -> Result<Response, ApiError> {
    serving.agents(source.ip()).await.map(as_json)
}

async fn revocations(
    State(serving): Shared,
    ConnectInfo(source): Source,
    query: Result<Query<After>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(After { after }) = query.map_err(|error| {
        let next = "name the number that is known, as in ?after=1, or leave it out";
        ApiError::new(StatusCode::BAD_REQUEST, "bad_query", error.body_text(), next)
    })?;
    serving.revocations(source.ip(), after).await.map(as_json)
}

fn answer(answer: Answer) -> Response {
    match answer {
        Answer::Certified(response) => Json(response).into_response(),
        Answer::Pending => (StatusCode::ACCEPTED, Json(json!({ "status": "pending" }))).into_response(),
    }
}

fn as_json(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
