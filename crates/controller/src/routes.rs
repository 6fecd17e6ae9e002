//! The controller's endpoints. Handlers translate and delegate.

use std::net::SocketAddr;
use std::sync::Arc;

use a2a_core::certificate::enrolment::{
    Challenge, ChallengeRequest, ControllerInfo, Directory, EnrolmentRequest, EnrolmentResponse,
};
use a2a_core::certificate::revocation::RevocationList;
use a2a_node::http::{ApiError, WireJson};
use axum::extract::{ConnectInfo, State};
use axum::routing::{get, post};
use axum::{Json, Router};

use crate::state::Controller;

/// Every endpoint there is, besides `GET /live`.
pub(crate) fn routes(controller: Arc<Controller>) -> Router {
    Router::new()
        .route("/controller/info", get(info))
        .route("/controller/challenge", post(challenge))
        .route("/controller/register", post(register))
        .route("/controller/agents", get(agents))
        .route("/controller/revocations", get(revocations))
        .with_state(controller)
}

type Shared = State<Arc<Controller>>;
type Source = ConnectInfo<SocketAddr>;

async fn info(State(controller): Shared) -> Json<ControllerInfo> {
    Json(controller.info().clone())
}

async fn challenge(
    State(controller): Shared,
    ConnectInfo(source): Source,
    WireJson { value, .. }: WireJson<ChallengeRequest>,
) -> Result<Json<Challenge>, ApiError> {
    controller.limit(source.ip())?;
    controller.challenge(value.agent_id).map(Json)
}

async fn register(
    State(controller): Shared,
    ConnectInfo(source): Source,
    WireJson { value, .. }: WireJson<EnrolmentRequest>,
) -> Result<Json<EnrolmentResponse>, ApiError> {
    controller.limit(source.ip())?;
    controller.register(value).await.map(Json)
}

async fn revocations(State(controller): Shared) -> Result<Json<RevocationList>, ApiError> {
    controller.revocations().map(Json)
}

async fn agents(State(controller): Shared) -> Json<Directory> {
    Json(Directory { agents: controller.agents() })
}
