//! An agent's endpoints. Handlers translate and delegate; what they mean is decided in `respond`.

use std::net::SocketAddr;

use a2a_core::certificate::card::AgentCertificate;
use a2a_core::handshake::messages::{KeyExchange, Request};
use a2a_core::session::frame::{FRAMES_MEDIA_TYPE, FrameReader};
use a2a_core::session::{Ack, Frame, FrameType};
use a2a_core::wire::MAX_SEND_BODY;
use axum::body::Bytes;
use axum::extract::{self, ConnectInfo, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;

use super::AgentNode;
use super::refusals::{bad_frame, not_enrolled};
use crate::http::{ApiError, WireJson, read_body, read_parts, require_json};

/// All endpoints of an agent.
pub(crate) fn routes(node: AgentNode) -> Router {
    Router::new()
        .route("/agent/certificate", get(certificate))
        .route("/agent/communicate/request", post(request))
        .route("/agent/communicate/keyexchange", post(key_exchange))
        .route("/agent/communicate/send", post(send))
        .route("/agent/communicate/close", post(close))
        .with_state(node)
}

async fn certificate(State(node): State<AgentNode>) -> Result<Json<AgentCertificate>, ApiError> {
    node.certificate().map(Json).ok_or_else(not_enrolled)
}

async fn request(
    State(node): State<AgentNode>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
    body: WireJson<Request>,
) -> Result<Response, ApiError> {
    match node.answer_request(body.value, &body.bytes, source.ip()).await? {
        Some(answer) => Ok(json_bytes(answer)),
        None => Ok((StatusCode::ACCEPTED, Json(json!({"status": "pending"}))).into_response()),
    }
}

async fn key_exchange(
    State(node): State<AgentNode>,
    body: WireJson<KeyExchange>,
) -> Result<Response, ApiError> {
    node.answer_key_exchange(body.value, &body.bytes).await.map(json_bytes)
}

/// One frame as JSON, or many in one binary body; never a close.
async fn send(State(node): State<AgentNode>, request: extract::Request) -> Result<Json<Ack>, ApiError> {
    let is_binary = request.headers().get(CONTENT_TYPE).is_some_and(|value| value == FRAMES_MEDIA_TYPE);
    let frames = if is_binary {
        let mut reader = FrameReader::default();
        read_parts(request.into_body(), MAX_SEND_BODY, |part| Ok(reader.push(part)?)).await?;
        reader.finish()?
    } else {
        require_json(request.headers())?;
        let body = read_body(request.into_body(), MAX_SEND_BODY).await?;
        vec![Frame::from_json(&body, MAX_SEND_BODY)?]
    };
    if frames.iter().any(|frame| frame.frame_type == FrameType::Close) {
        return Err(bad_frame());
    }
    node.answer_frames(frames).await.map(Json)
}

async fn close(State(node): State<AgentNode>, body: WireJson<Frame>) -> Result<Json<Ack>, ApiError> {
    if body.value.frame_type != FrameType::Close {
        return Err(bad_frame());
    }
    node.answer_frames(vec![body.value]).await.map(Json)
}

fn json_bytes(body: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}
