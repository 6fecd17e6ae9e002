//! The HTTPS clients: bounded in time and size, and willing to follow nobody elsewhere. [`HttpsClient`] is for the
//! controller and for strangers, `peer::PeerClient` for a peer whose key is known.
//!
//! Whom they believe is the TLS configuration's affair ([`crate::tls::client`]). They take no redirects, no proxy from
//! the environment and no compressed answers, and keep connections open for the next call.

pub(crate) mod peer;

use std::io;
use std::time::Duration;

use a2a_core::text::shown;
use a2a_core::wire;
use axum::body::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, RequestBuilder, Response, redirect};
use rustls::{CertificateError, ClientConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use crate::error::NodeError;
use crate::http::ErrorBody;

/// An HTTPS client. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct HttpsClient(Client);

/// A successful answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status, from 200 to 299.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

impl HttpsClient {
    /// A client that believes whom `tls` believes.
    pub fn new(tls: ClientConfig) -> Result<Self, NodeError> {
        Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .redirect(redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .tcp_nodelay(true)
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_idle_timeout(POOL_IDLE_TIMEOUT)
            .http2_max_header_list_size(MAX_HEADERS)
            .build()
            .map(Self)
            .map_err(|error| NodeError::Environment(format!("the HTTPS client cannot start: {error}")))
    }

    /// Fetches JSON of at most `limit` bytes, read strictly.
    pub async fn get_json<T>(&self, url: &str, limit: usize, timeout: Duration) -> Result<T, ClientError>
    where
        T: DeserializeOwned + Serialize,
    {
        read_json(&answer(self.0.get(url), limit, timeout).await?, limit)
    }

    /// Sends JSON and reads JSON of at most `limit` bytes, strictly.
    pub async fn post_json<T>(
        &self,
        url: &str,
        body: &(impl Serialize + Sync),
        limit: usize,
        timeout: Duration,
    ) -> Result<T, ClientError>
    where
        T: DeserializeOwned + Serialize,
    {
        let bytes = serde_json::to_vec(body).map_err(|error| ClientError::BadAnswer(error.to_string()))?;
        read_json(&self.post_bytes(url, JSON, bytes, limit, timeout).await?, limit)
    }

    /// Sends a body as it stands and reads an answer of at most `limit` bytes.
    pub async fn post_bytes(
        &self,
        url: &str,
        content_type: &str,
        body: Vec<u8>,
        limit: usize,
        timeout: Duration,
    ) -> Result<Answer, ClientError> {
        answer(self.0.post(url).header(CONTENT_TYPE, content_type).body(body), limit, timeout).await
    }
}

/// Why a call brought no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// Nobody listens there, or the connection broke.
    #[error("{0}")]
    Unreachable(String),
    /// It took too long.
    #[error("no answer in time")]
    Timeout,
    /// The server is not the one that is believed, or speaks no TLS.
    #[error("TLS: {0}")]
    Tls(String),
    /// The server answered with an error; its words are filtered for display.
    #[error("{error} ({message})")]
    Api {
        /// The HTTP status.
        status: u16,
        /// Its word for programs: `[a-z0-9_]`.
        code: String,
        /// What happened, in its words.
        error: String,
        /// What to do, in its words.
        message: String,
    },
    /// The server answered with something else than it should.
    #[error("unintelligible answer: {0}")]
    BadAnswer(String),
}

async fn answer(request: RequestBuilder, limit: usize, timeout: Duration) -> Result<Answer, ClientError> {
    let mut response = request.timeout(timeout).send().await.map_err(call_error)?;
    let status = response.status();
    if !status.is_success() {
        return Err(api_error(status.as_u16(), &read(&mut response, MAX_ERROR).await?));
    }
    Ok(Answer { status: status.as_u16(), body: read(&mut response, limit).await?.into() })
}

async fn read(response: &mut Response, limit: usize) -> Result<Vec<u8>, ClientError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(call_error)? {
        if body.len() + chunk.len() > limit {
            return Err(ClientError::BadAnswer(format!("longer than {limit} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn read_json<T: DeserializeOwned + Serialize>(answer: &Answer, limit: usize) -> Result<T, ClientError> {
    // The parser's words may quote the peer's.
    wire::from_json(&answer.body, limit).map_err(|error| ClientError::BadAnswer(filtered(&error.to_string())))
}

fn api_error(status: u16, body: &[u8]) -> ClientError {
    let is_code = |code: &str| {
        (1..=64).contains(&code.len())
            && code.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
    };
    match wire::from_json::<ErrorBody>(body, MAX_ERROR) {
        Ok(body) if is_code(&body.code) => ClientError::Api {
            status,
            code: body.code,
            error: filtered(&body.error),
            message: filtered(&body.message),
        },
        _ => ClientError::BadAnswer(format!("HTTP status {status}")),
    }
}

fn call_error(error: reqwest::Error) -> ClientError {
    if error.is_timeout() { ClientError::Timeout } else { connection_error(&error.without_url()) }
}

/// What became of a connection, said by the innermost error: `connection refused`, after layers of `client error`.
fn connection_error(error: &(dyn std::error::Error + 'static)) -> ClientError {
    if let Some(reason) = tls_reason(error) {
        return ClientError::Tls(reason);
    }
    let mut innermost = error;
    loop {
        if broke_off(innermost) {
            return ClientError::Unreachable("the connection broke off".to_owned());
        }
        match innermost.source() {
            Some(cause) => innermost = cause,
            None => return ClientError::Unreachable(innermost.to_string()),
        }
    }
}

/// Whether the other side has gone in the middle of it, which every layer says in words of its own.
fn broke_off(error: &(dyn std::error::Error + 'static)) -> bool {
    let kind = error.downcast_ref::<io::Error>().map(io::Error::kind);
    matches!(
        kind,
        Some(
            io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
        )
    )
}

/// What TLS had against the server, if it was TLS.
fn tls_reason(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        match error.downcast_ref::<rustls::Error>() {
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(judgement))) => {
                return Some(judgement.0.to_string());
            }
            Some(tls) => return Some(tls.to_string()),
            None => {}
        }
        // What an `io::Error` wraps is not its source.
        let wrapped = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = wrapped.map(|wrapped| wrapped as _).or_else(|| error.source());
    }
    None
}

fn filtered(text: &str) -> String {
    let end = text.char_indices().nth(MAX_WORDS).map_or(text.len(), |(index, _)| index);
    shown(&text[..end]).into_owned()
}

pub(crate) const JSON: &str = "application/json";
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const POOL_IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// Bytes of an HTTP/2 answer's header.
const MAX_HEADERS: u32 = 16 * 1024;
/// Bytes of an error's body.
const MAX_ERROR: usize = 8 * 1024;
/// Characters of a peer's explanation.
const MAX_WORDS: usize = 400;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::{pending, ready};

    use axum::http::StatusCode;
    use axum::response::Redirect;
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use serde_json::{Value, json};

    use super::*;
    use crate::http::{ApiError, Server};
    use crate::tls::{ServerTls, TlsKey, client};

    const TIMEOUT: Duration = Duration::from_secs(20);

    fn routes() -> Router {
        Router::new()
            .route("/value", get(|| async { Json(json!({"a": 1})) }))
            .route("/echo", post(|body: Json<Value>| async { body }))
            .route("/wild", get(|| async { r#"{"a":1,"a":2}"# }))
            .route("/long", get(|| async { "x".repeat(2000) }))
            .route("/redirect", get(|| async { Redirect::temporary("/value") }))
            .route("/strange", get(|| async { (StatusCode::BAD_GATEWAY, "<html>") }))
            .route("/never", get(pending::<Json<Value>>))
            .route(
                "/refuses",
                get(|| ready(ApiError::new(StatusCode::CONFLICT, "id_taken", "no \u{1b}[2J", "go\n"))),
            )
    }

    /// A server, and the key that it holds.
    async fn server() -> (String, TlsKey) {
        let key = TlsKey::generate().unwrap();
        let tls = ServerTls::new(&key, &key.self_signed(&["localhost".into()]).unwrap()).unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), tls).await.unwrap();
        let origin = format!("https://localhost:{}", server.local_addr().port());
        tokio::spawn(server.run(routes(), pending()));
        (origin, key)
    }

    async fn fetched(path: &str, timeout: Duration) -> Result<Value, ClientError> {
        let (origin, key) = server().await;
        let client = HttpsClient::new(client::pinned(key.spki_sha256()).unwrap()).unwrap();
        client.get_json(&format!("{origin}{path}"), 1000, timeout).await
    }

    #[tokio::test]
    async fn json_goes_and_comes() {
        assert_eq!(fetched("/value", TIMEOUT).await.unwrap(), json!({"a": 1}));
        let (origin, key) = server().await;
        let client = HttpsClient::new(client::pinned(key.spki_sha256()).unwrap()).unwrap();
        let sent = json!({"text": "é"});
        let echoed: Value = client.post_json(&format!("{origin}/echo"), &sent, 1000, TIMEOUT).await.unwrap();
        assert_eq!(echoed, sent);
    }

    #[tokio::test]
    async fn an_error_is_understood_and_filtered() {
        let expected = ClientError::Api {
            status: 409,
            code: "id_taken".into(),
            error: "no \\u{1b}[2J".into(),
            message: "go\\n".into(),
        };
        assert_eq!(fetched("/refuses", TIMEOUT).await, Err(expected));
    }

    #[test]
    fn an_error_in_another_shape_shows_its_status_alone() {
        for body in [
            "<html>",
            r#"{"error":"e","message":"m"}"#,
            r#"{"error":"e","code":"\u001b[2J","message":"m"}"#,
            r#"{"error":"e","code":"","message":"m"}"#,
            r#"{"error":"e","code":"c","message":"m","more":1}"#,
        ] {
            assert_eq!(
                api_error(502, body.as_bytes()),
                ClientError::BadAnswer("HTTP status 502".into()),
                "{body}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_no_answer_is_refused() {
        let long = fetched("/long", TIMEOUT).await;
        assert!(
            matches!(&long, Err(ClientError::BadAnswer(text)) if text == "longer than 1000 bytes"),
            "{long:?}"
        );
        for path in ["/redirect", "/wild"] {
            let answer = fetched(path, TIMEOUT).await;
            assert!(matches!(answer, Err(ClientError::BadAnswer(_))), "{path}: {answer:?}");
        }
        let answer = fetched("/strange", TIMEOUT).await;
        assert!(matches!(answer, Err(ClientError::Api { status: 502, .. })), "{answer:?}");
        assert_eq!(fetched("/never", Duration::from_millis(50)).await, Err(ClientError::Timeout));
    }

    #[tokio::test]
    async fn nobody_there_is_told_from_somebody_else() {
        let (origin, key) = server().await;
        let other =
            HttpsClient::new(client::pinned(TlsKey::generate().unwrap().spki_sha256()).unwrap()).unwrap();
        let refused = other.get_json::<Value>(&format!("{origin}/value"), 1000, TIMEOUT).await.unwrap_err();
        assert!(
            matches!(&refused, ClientError::Tls(reason) if reason.contains("not the one")),
            "{refused:?}"
        );
        let right = HttpsClient::new(client::pinned(key.spki_sha256()).unwrap()).unwrap();
        let plain = format!("{}/value", origin.replace("https", "http"));
        let refused = right.get_json::<Value>(&plain, 1000, TIMEOUT).await.unwrap_err();
        assert!(refused.to_string().contains("scheme"), "{refused:?}");
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let gone =
            right.get_json::<Value>(&format!("https://{free}/value"), 1000, TIMEOUT).await.unwrap_err();
        assert!(matches!(gone, ClientError::Unreachable(_)), "{gone:?}");
    }
}
