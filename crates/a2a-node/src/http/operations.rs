//! What whoever operates a node asks of it: its numbers, and whether it is ready to serve.
//!
//! `GET /live`, which says nothing but that the process answers, is in `limits`.

use std::fmt::{self, Debug};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use clap::ValueEnum;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use super::ApiError;
use crate::metrics::{self, Metrics};

/// Who may read `GET /metrics`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum MetricsReach {
    /// Who asks from this machine
    #[default]
    Loopback,
    /// Whoever reaches the port
    All,
    /// Nobody
    Off,
}

/// What a node brings to answer its operator. Cheap to clone.
#[derive(Clone)]
pub struct Operations {
    metrics: Arc<Metrics>,
    reach: MetricsReach,
    readiness: Readiness,
    last: Arc<Mutex<Option<Looked>>>,
}

/// Looks whether a node can do its work.
pub type Readiness = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Vec<Check>> + Send>> + Send + Sync>;

/// One thing that has to be well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// `database`, `key`, `revocation_list`, ...
    pub name: &'static str,
    /// Or why it is not: for the log, not for whoever asks.
    pub result: Result<(), String>,
}

/// What was found, and when.
#[derive(Debug, Clone)]
struct Looked {
    at: Instant,
    checks: Vec<Check>,
}

impl Operations {
    /// `readiness` is asked at most once a second, however many ask.
    pub fn new(metrics: Arc<Metrics>, reach: MetricsReach, readiness: Readiness) -> Self {
        Self { metrics, reach, readiness, last: Arc::default() }
    }

    /// `GET /metrics` and `GET /ready`.
    pub(super) fn routes(&self) -> Router {
        Router::new().route("/metrics", get(show)).route("/ready", get(ready)).with_state(self.clone())
    }

    /// Where requests are counted.
    pub(super) fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    async fn checks(&self) -> Vec<Check> {
        // Held while it looks: who comes meanwhile gets the same answer.
        let mut last = self.last.lock().await;
        if let Some(looked) = last.as_ref().filter(|looked| looked.at.elapsed() < LOOK_AGAIN) {
            return looked.checks.clone();
        }
        let checks = (self.readiness)().await;
        for Check { name, result } in &checks {
            if let Err(reason) = result {
                tracing::warn!(check = name, %reason, "not ready");
            }
        }
        *last = Some(Looked { at: Instant::now(), checks: checks.clone() });
        checks
    }
}

impl Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operations").field("reach", &self.reach).finish_non_exhaustive()
    }
}

async fn show(
    State(operations): State<Operations>,
    ConnectInfo(source): ConnectInfo<SocketAddr>,
) -> Result<Response, ApiError> {
    match operations.reach {
        MetricsReach::All => {}
        MetricsReach::Loopback if source.ip().to_canonical().is_loopback() => {}
        MetricsReach::Loopback | MetricsReach::Off => return Err(ApiError::of_status(StatusCode::NOT_FOUND)),
    }
    Ok(([(CONTENT_TYPE, metrics::CONTENT_TYPE)], operations.metrics.text()).into_response())
}

async fn ready(State(operations): State<Operations>) -> (StatusCode, Json<Value>) {
    let checks = operations.checks().await;
    let is_ready = checks.iter().all(|check| check.result.is_ok());
    let word = |check: &Check| if check.result.is_ok() { "ok" } else { "failed" };
    let checks: Map<_, _> = checks.iter().map(|check| (check.name.to_owned(), word(check).into())).collect();
    let (code, status) =
        if is_ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not_ready") };
    (code, Json(json!({"status": status, "checks": checks})))
}

/// How long an answer about readiness is good.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::tests::World;
    use super::*;
    use crate::metrics::NodeKind;

    /// Operations of which the database is well or not, and how often it was looked at.
    fn operations(reach: MetricsReach, is_well: bool) -> (Operations, Arc<AtomicUsize>) {
        let looks = Arc::new(AtomicUsize::new(0));
        let counted = looks.clone();
        let readiness: Readiness = Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            let result = if is_well { Ok(()) } else { Err("canary: disk full".to_owned()) };
            Box::pin(async {
                vec![Check { name: "key", result: Ok(()) }, Check { name: "database", result }]
            })
        });
        (Operations::new(Arc::new(Metrics::new(NodeKind::Controller)), reach, readiness), looks)
    }

    #[tokio::test]
    async fn readiness_is_a_status_and_a_list_without_reasons() {
        for (is_well, status, text) in [
            (true, 200, r#"{"checks":{"database":"ok","key":"ok"},"status":"ready"}"#),
            (false, 503, r#"{"checks":{"database":"failed","key":"ok"},"status":"not_ready"}"#),
        ] {
            let (operations, looks) = operations(MetricsReach::Off, is_well);
            let world = World::operated(Some(operations)).await;
            for _ in 0..20 {
                let answer = world.get("/ready").await;
                assert_eq!(answer.status(), status);
                assert_eq!(answer.text().await.unwrap(), text);
            }
            // Twenty requests over loopback take less than a few seconds, but who knows the machine.
            assert!(looks.load(Ordering::Relaxed) < 20);
        }
    }

    #[tokio::test]
    async fn numbers_are_for_this_machine_unless_said_otherwise() {
        let show = async |reach, source: &str| {
            let (operations, _) = operations(reach, true);
            let answer = show(State(operations), ConnectInfo(source.parse().unwrap())).await;
            answer.into_response().status().as_u16()
        };
        for (reach, here, elsewhere) in
            [(MetricsReach::Loopback, 200, 404), (MetricsReach::All, 200, 200), (MetricsReach::Off, 404, 404)]
        {
            for (source, status) in [
                ("127.0.0.1:1", here),
                ("[::1]:1", here),
                ("[::ffff:127.0.0.1]:1", here),
                ("192.0.2.1:1", elsewhere),
                ("[2001:db8::1]:1", elsewhere),
            ] {
                assert_eq!(show(reach, source).await, status, "{reach:?} {source}");
            }
        }
    }

    #[tokio::test]
    async fn what_is_asked_is_measured() {
        let (operations, _) = operations(MetricsReach::Loopback, true);
        let world = World::operated(Some(operations)).await;
        world.get("/live").await;
        world.get("/fails").await;
        let answer = world.get("/metrics").await;
        assert_eq!(answer.headers()["content-type"], metrics::CONTENT_TYPE);
        let text = answer.text().await.unwrap();
        for line in [
            "a2a_http_request_seconds_count{route=\"/live\",status=\"2xx\"} 1",
            "a2a_http_request_seconds_count{route=\"/fails\",status=\"5xx\"} 1",
            "a2a_rejects_total{reason=\"internal\"} 1",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }

    #[tokio::test]
    async fn no_label_comes_from_the_wire() {
        let (operations, _) = operations(MetricsReach::Loopback, true);
        let world = World::operated(Some(operations)).await;
        for number in 0..50 {
            let canary = format!("canary{number}");
            for path in [format!("/{canary}"), format!("/live/{canary}"), format!("/live?{canary}=1")] {
                world.get(&path).await;
            }
            for (method, body) in [(canary.as_str(), "{}"), ("POST", canary.as_str()), ("POST", "{}")] {
                let request =
                    world.client.request(method.parse().unwrap(), format!("{}/greet", world.origin));
                let request = request.header("content-type", "application/json").header("x-id", &canary);
                request.body(body.to_owned()).send().await.unwrap();
            }
        }
        let text = world.get("/metrics").await.text().await.unwrap();
        assert!(!text.contains("canary"), "{text}");
        let values = |label: &str| {
            let label = format!("{label}=\"");
            let values = text.lines().filter_map(|line| line.split_once(&label)?.1.split('"').next());
            values.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(values("route"), ["/greet", "/live", "none"].into());
        assert_eq!(values("status"), ["2xx", "4xx"].into());
        assert_eq!(values("reason"), ["bad_json", "method_not_allowed", "not_found"].into());
    }
}
