//! The HTTPS server that every program has: how it is bound and ended, what it refuses, and how it says so.
//!
//! Which routes there are and what they do, an agent and the controller decide. This module knows neither.

mod connections;
mod error;
mod extract;
mod limits;
mod operations;
mod penalty;
mod server;

pub use error::{ApiError, ErrorBody};
pub use extract::{WireJson, read_body};
pub(crate) use extract::{read_parts, require_json};
pub use operations::{Check, MetricsReach, Operations, Readiness};
pub use penalty::{Rate, SourceLimits};
pub use server::{BoundServer, Server};

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use serde::{Deserialize, Serialize};
    use tokio::sync::oneshot;

    use super::*;
    use crate::tls::{ServerTls, TlsKey, client};

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Greeting {
        text: String,
    }

    fn busy() -> ApiError {
        ApiError::of_status(StatusCode::TOO_MANY_REQUESTS).with_retry_after(Duration::from_secs(7))
    }

    /// A real server with a few routes, and a client that believes it.
    pub(super) struct World {
        pub(super) origin: String,
        pub(super) client: reqwest::Client,
        stop: oneshot::Sender<()>,
        serving: tokio::task::JoinHandle<Result<(), crate::error::NodeError>>,
    }

    impl World {
        async fn start() -> Self {
            Self::operated(None).await
        }

        pub(super) async fn operated(operations: Option<Operations>) -> Self {
            let key = TlsKey::generate().unwrap();
            let tls = ServerTls::new(&key, &key.self_signed(&["localhost".into()]).unwrap()).unwrap();
            let server = Server::bind("127.0.0.1:0".parse().unwrap(), tls).await.unwrap();
            let server = match operations {
                Some(operations) => server.operated(operations),
                None => server,
            };
            let origin = format!("https://{}", server.local_addr());
            let routes = Router::new()
                .route("/greet", post(|greeting: WireJson<Greeting, 64>| async { Json(greeting.value) }))
                .route("/large", post(|body: axum::body::Bytes| async move { body.len().to_string() }))
                .route("/busy", get(|| async { busy() }))
                .route("/fails", get(|| async { ApiError::internal("the secret reason") }));
            let (stop, stopped) = oneshot::channel();
            let serving = tokio::spawn(server.run(routes, async { drop(stopped.await) }));
            let tls = client::pinned(key.spki_sha256()).unwrap();
            let client =
                reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
            Self { origin, client, stop, serving }
        }

        async fn post(
            &self,
            path: &str,
            content_type: &str,
            body: impl Into<reqwest::Body>,
        ) -> (u16, ErrorBody) {
            let request =
                self.client.post(format!("{}{path}", self.origin)).header("content-type", content_type);
            let answer = request.body(body).send().await.unwrap();
            assert_eq!(answer.headers()["content-type"], "application/json");
            (answer.status().as_u16(), answer.json().await.unwrap())
        }

        pub(super) async fn get(&self, path: &str) -> reqwest::Response {
            self.client.get(format!("{}{path}", self.origin)).send().await.unwrap()
        }
    }

    #[tokio::test]
    async fn it_lives_and_speaks_http_2_and_1() {
        let world = World::start().await;
        let answer = world.get("/live").await;
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        assert_eq!(answer.text().await.unwrap(), r#"{"status":"live"}"#);
        let old = reqwest::Client::builder()
            .tls_backend_preconfigured({
                let mut tls = client::unauthenticated().unwrap();
                tls.alpn_protocols.clear();
                tls
            })
            .no_proxy()
            .build()
            .unwrap();
        let answer = old.get(format!("{}/live", world.origin)).send().await.unwrap();
        assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_11, 200));
    }

    #[tokio::test]
    async fn every_error_has_the_one_shape() {
        let world = World::start().await;
        let answer = world.get("/nowhere").await;
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.json::<ErrorBody>().await.unwrap().code, "not_found");
        let answer = world.get("/greet").await;
        assert_eq!((answer.status().as_u16(), &answer.headers()["allow"]), (405, &"POST".parse().unwrap()));
        assert_eq!(answer.json::<ErrorBody>().await.unwrap().code, "method_not_allowed");
        let answer = world.get("/fails").await;
        assert_eq!(answer.status(), 500);
        let body = answer.text().await.unwrap();
        assert!(body.contains("\"code\":\"internal\"") && !body.contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn whoever_has_to_wait_is_told_how_long() {
        let world = World::start().await;
        let answer = world.get("/busy").await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["retry-after"]),
            (429, &"7".parse().unwrap())
        );
        assert_eq!(answer.json::<ErrorBody>().await.unwrap().code, "rate_limited");
    }

    #[tokio::test]
    async fn a_body_is_read_strictly_or_refused() {
        let world = World::start().await;
        let json = "application/json";
        for (content_type, body, status, code) in [
            (json, r#"{"text":"a","text":"b"}"#, 400, "bad_json"),
            (json, r#"{"text":"a","more":1}"#, 400, "bad_json"),
            (json, r#"["a"]"#, 400, "bad_json"),
            (json, "", 400, "bad_json"),
            ("text/plain", r#"{"text":"a"}"#, 415, "unsupported_media_type"),
            ("", r#"{"text":"a"}"#, 415, "unsupported_media_type"),
            (json, r#"{"text":"0123456789012345678901234567890123456789012345678901234"}"#, 413, "too_large"),
        ] {
            let (found, error) = world.post("/greet", content_type, body).await;
            assert_eq!((found, error.code.as_str()), (status, code), "{content_type} {body}");
        }
        let request = world.client.post(format!("{}/greet", world.origin));
        let request = request.header("content-type", "application/json; charset=utf-8");
        let answer = request.body(r#"{ "text": "a" }"#).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), r#"{"text":"a"}"#);
    }

    #[tokio::test]
    async fn no_route_gets_more_than_the_largest_body() {
        let world = World::start().await;
        let (status, error) = world.post("/large", "text/plain", vec![0; 1536 * 1024 + 1]).await;
        assert_eq!((status, error.code.as_str()), (413, "too_large"));
    }

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let key = TlsKey::generate().unwrap();
        let tls = ServerTls::new(&key, &key.self_signed(&["localhost".into()]).unwrap()).unwrap();
        let first = Server::bind("127.0.0.1:0".parse().unwrap(), tls.clone()).await.unwrap();
        let refused = Server::bind(first.local_addr(), tls).await.unwrap_err().to_string();
        let port = first.local_addr().port().to_string();
        assert!(refused.contains(&port) && refused.contains("--listen"), "{refused}");
    }

    #[tokio::test]
    async fn it_ends_when_told_and_frees_its_port() {
        let world = World::start().await;
        assert_eq!(world.get("/live").await.status(), 200);
        world.stop.send(()).unwrap();
        world.serving.await.unwrap().unwrap();
        assert!(world.client.get(format!("{}/live", world.origin)).send().await.unwrap_err().is_connect());
    }
}
