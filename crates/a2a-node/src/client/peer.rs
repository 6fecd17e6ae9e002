//! Calls to one known peer, over connections of HTTP/1.1 that are kept.
//!
//! One call at a time goes over a connection, and as many connections are opened as there are calls at once. Under load
//! this takes half the CPU of a general client's HTTP/2. There is nothing else that a general client does: the peer's
//! key and address are known.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use a2a_core::agent_id::AgentAddress;
use a2a_core::wire::Hex;
use axum::body::Bytes;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::http::{HeaderValue, Method, Request, Response, Uri};
use bytes::buf::Chain;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Buf, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Answer, CONNECT_TIMEOUT, ClientError, JSON, MAX_ERROR, api_error, connection_error, read_json};
use crate::error::NodeError;
use crate::tls::client::pinned;

/// Reaches one peer, and nobody else: its TLS key is pinned. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub(crate) struct PeerClient(Arc<Inner>);

struct Inner {
    address: AgentAddress,
    host: HeaderValue,
    name: ServerName<'static>,
    tls: TlsConnector,
    idle: Mutex<Vec<Idle>>,
}

/// A connection without a call.
struct Idle {
    connection: Connection,
    since: Instant,
}

type Connection = SendRequest<Sent>;
type Sent = Full<Chain<Chain<Bytes, Bytes>, Bytes>>;

/// A body that stands in up to three places, and is put together nowhere but on the wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parts {
    /// What comes first; all of it, if there is nothing else.
    pub(crate) head: Bytes,
    /// What follows.
    pub(crate) middle: Bytes,
    /// The end.
    pub(crate) tail: Bytes,
}

impl From<Bytes> for Parts {
    fn from(head: Bytes) -> Self {
        Self { head, ..Self::default() }
    }
}

impl PeerClient {
    /// A client for whoever holds the TLS key with this hash, at this address.
    pub(crate) fn new(address: AgentAddress, spki_sha256: Hex<32>) -> Result<Self, NodeError> {
        let mut tls = pinned(spki_sha256)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let unusable = |error: &dyn std::fmt::Display| NodeError::Environment(format!("{address}: {error}"));
        let authority = format!("{}:{}", address.host(), address.port());
        let host = HeaderValue::try_from(authority).map_err(|error| unusable(&error))?;
        let name =
            ServerName::try_from(unbracketed(&address).to_owned()).map_err(|error| unusable(&error))?;
        let tls = TlsConnector::from(Arc::new(tls));
        Ok(Self(Arc::new(Inner { address, host, name, tls, idle: Mutex::default() })))
    }

    /// Fetches JSON of at most `limit` bytes, read strictly.
    pub(crate) async fn get_json<T>(
        &self,
        path: &'static str,
        limit: usize,
        timeout: Duration,
    ) -> Result<T, ClientError>
    where
        T: DeserializeOwned + Serialize,
    {
        read_json(&self.answer_to(Call::Get(path), limit, timeout).await?, limit)
    }

    /// Sends JSON and reads JSON of at most `limit` bytes, strictly.
    pub(crate) async fn post_json<T>(
        &self,
        path: &'static str,
        body: &(impl Serialize + Sync),
        limit: usize,
        timeout: Duration,
    ) -> Result<T, ClientError>
    where
        T: DeserializeOwned + Serialize,
    {
        let bytes = serde_json::to_vec(body).map_err(|error| ClientError::BadAnswer(error.to_string()))?;
        read_json(&self.post(path, JSON, Bytes::from(bytes), limit, timeout).await?, limit)
    }

    /// Sends a body as it stands and reads an answer of at most `limit` bytes. The body may go out twice, when a
    /// connection that was kept turns out to be gone.
    pub(crate) async fn post(
        &self,
        path: &'static str,
        content_type: &'static str,
        body: impl Into<Parts>,
        limit: usize,
        timeout: Duration,
    ) -> Result<Answer, ClientError> {
        self.answer_to(Call::Post { path, content_type, body: body.into() }, limit, timeout).await
    }

    async fn answer_to(&self, call: Call, limit: usize, timeout: Duration) -> Result<Answer, ClientError> {
        let calling = self.call(&call, limit);
        tokio::time::timeout(timeout, calling).await.unwrap_or(Err(ClientError::Timeout))
    }

    async fn call(&self, call: &Call, limit: usize) -> Result<Answer, ClientError> {
        let request = || call.request(&self.0.host);
        if let Some(mut connection) = self.0.take_idle().await
            && let Ok(response) = connection.send_request(request()).await
        {
            return self.read(connection, response, limit).await;
        }
        let mut connection = self.0.connect().await?;
        let response = connection.send_request(request()).await.map_err(|error| connection_error(&error))?;
        self.read(connection, response, limit).await
    }

    async fn read(
        &self,
        connection: Connection,
        response: Response<Incoming>,
        limit: usize,
    ) -> Result<Answer, ClientError> {
        let (head, body) = response.into_parts();
        let limit = if head.status.is_success() { limit } else { MAX_ERROR };
        let body = read_body(body, limit).await?;
        self.0.keep(connection);
        if !head.status.is_success() {
            return Err(api_error(head.status.as_u16(), &body));
        }
        Ok(Answer { status: head.status.as_u16(), body })
    }
}

/// What is asked of the peer.
enum Call {
    Get(&'static str),
    Post { path: &'static str, content_type: &'static str, body: Parts },
}

impl Call {
    fn request(&self, host: &HeaderValue) -> Request<Sent> {
        let (method, path, content_type, body) = match self {
            Self::Get(path) => (Method::GET, path, None, Parts::default()),
            Self::Post { path, content_type, body } => {
                (Method::POST, path, Some(*content_type), body.clone())
            }
        };
        let Parts { head, middle, tail } = body;
        let mut request = Request::new(Full::new(head.chain(middle).chain(tail)));
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_static(path);
        let headers = request.headers_mut();
        headers.insert(HOST, host.clone());
        if let Some(content_type) = content_type {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        request
    }
}

async fn read_body(body: Incoming, limit: usize) -> Result<Bytes, ClientError> {
    let too_long = || ClientError::BadAnswer(format!("longer than {limit} bytes"));
    if body.size_hint().lower() > limit as u64 {
        return Err(too_long());
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => match error.downcast_ref::<hyper::Error>() {
            Some(error) => Err(connection_error(error)),
            None => Err(too_long()),
        },
    }
}

impl Inner {
    /// A kept connection that can be used, the last one kept first. The others are dropped when they have been idle for
    /// too long or the peer has closed them.
    async fn take_idle(&self) -> Option<Connection> {
        loop {
            let Idle { mut connection, since } = self.idle().pop()?;
            if since.elapsed() < IDLE_TIMEOUT && connection.ready().await.is_ok() {
                return Some(connection);
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() >= MAX_IDLE {
            // The one that has been idle for the longest.
            idle.remove(0);
        }
        idle.push(Idle { connection, since: Instant::now() });
    }

    async fn connect(&self) -> Result<Connection, ClientError> {
        tokio::time::timeout(CONNECT_TIMEOUT, self.open()).await.unwrap_or(Err(ClientError::Timeout))
    }

    async fn open(&self) -> Result<Connection, ClientError> {
        let failed = |error: io::Error| connection_error(&error);
        let stream =
            TcpStream::connect((unbracketed(&self.address), self.address.port())).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let stream = self.tls.connect(self.name.clone(), stream).await.map_err(failed)?;
        let handshake =
            http1::Builder::new().max_headers(MAX_HEADER_COUNT).handshake(TokioIo::new(stream)).await;
        let (connection, serving) = handshake.map_err(|error| connection_error(&error))?;
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::debug!(%error, "a connection to a peer has ended");
            }
        });
        Ok(connection)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PeerClient({})", self.address)
    }
}

/// The host as a resolver takes it.
fn unbracketed(address: &AgentAddress) -> &str {
    let host = address.host();
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// How long a connection is kept without a call.
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);
/// Connections that are kept to one peer.
const MAX_IDLE: usize = 64;
/// Header fields of an answer.
const MAX_HEADER_COUNT: usize = 64;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::pending;
    use std::net::SocketAddr;

    use axum::extract::ConnectInfo;
    use axum::http::StatusCode;
    use axum::routing::{get, post};
    use axum::{Json, Router};
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::oneshot;

    use super::*;
    use crate::http::{ApiError, Server};
    use crate::tls::{ServerTls, TlsKey};

    const TIMEOUT: Duration = Duration::from_secs(20);

    fn routes() -> Router {
        Router::new()
            .route("/echo", post(|body: Json<Value>| async { body }))
            .route(
                "/port",
                post(|ConnectInfo(from): ConnectInfo<SocketAddr>| async move { Json(from.port()) }),
            )
            .route("/value", get(|| async { Json(json!({"a": 1})) }))
            .route("/long", post(|| async { "x".repeat(2000) }))
            .route("/never", post(pending::<Json<Value>>))
            .route("/refuses", post(async || ApiError::new(StatusCode::CONFLICT, "id_taken", "no", "go")))
    }

    fn address(port: u16) -> AgentAddress {
        format!("https://127.0.0.1:{port}").parse().unwrap()
    }

    /// A client of a server that stops when the sender is used or dropped.
    async fn world() -> (PeerClient, oneshot::Sender<()>, ServerTls, TlsKey) {
        let key = TlsKey::generate().unwrap();
        let tls = ServerTls::new(&key, &key.self_signed(&["localhost".into()]).unwrap()).unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), tls.clone()).await.unwrap();
        let client = PeerClient::new(address(server.local_addr().port()), key.spki_sha256()).unwrap();
        let (stop, stopped) = oneshot::channel();
        tokio::spawn(server.run(routes(), async { drop(stopped.await) }));
        (client, stop, tls, key)
    }

    async fn call(client: &PeerClient, path: &'static str) -> Result<Value, ClientError> {
        client.post_json(path, &json!({"text": "é"}), 1000, TIMEOUT).await
    }

    #[tokio::test]
    async fn calls_one_after_the_other_share_a_connection_and_calls_at_once_do_not() {
        let (client, _stop, ..) = world().await;
        assert_eq!(call(&client, "/echo").await.unwrap(), json!({"text": "é"}));
        let port = call(&client, "/port").await.unwrap();
        assert_eq!(call(&client, "/port").await.unwrap(), port);
        let (one, two) = tokio::join!(call(&client, "/port"), call(&client, "/port"));
        assert_ne!(one.unwrap(), two.unwrap());
        assert_eq!(client.0.idle().len(), 2);
    }

    #[tokio::test]
    async fn what_is_fetched_shares_the_connection() {
        let (client, _stop, ..) = world().await;
        let fetched: Value = client.get_json("/value", 1000, TIMEOUT).await.unwrap();
        assert_eq!(fetched, json!({"a": 1}));
        assert_eq!(call(&client, "/echo").await.unwrap(), json!({"text": "é"}));
        assert_eq!(client.0.idle().len(), 1);
    }

    #[tokio::test]
    async fn an_error_is_an_error_and_the_connection_is_kept() {
        let (client, _stop, ..) = world().await;
        let refused = call(&client, "/refuses").await.unwrap_err();
        assert!(
            matches!(&refused, ClientError::Api { status: 409, code, .. } if code == "id_taken"),
            "{refused:?}"
        );
        assert_eq!(client.0.idle().len(), 1);
    }

    #[tokio::test]
    async fn an_answer_is_bounded_in_size_and_time() {
        let (client, _stop, ..) = world().await;
        let long = call(&client, "/long").await.unwrap_err();
        assert!(
            matches!(&long, ClientError::BadAnswer(text) if text == "longer than 1000 bytes"),
            "{long:?}"
        );
        let never = client.post("/never", JSON, Bytes::new(), 1000, Duration::from_millis(50)).await;
        assert_eq!(never.unwrap_err(), ClientError::Timeout);
        assert!(client.0.idle().is_empty(), "what an answer may still come over is not used again");
    }

    #[tokio::test]
    async fn nobody_but_the_peer_is_spoken_to() {
        let (client, _stop, ..) = world().await;
        let other = TlsKey::generate().unwrap().spki_sha256();
        let refused =
            call(&PeerClient::new(client.0.address.clone(), other).unwrap(), "/echo").await.unwrap_err();
        assert!(
            matches!(&refused, ClientError::Tls(reason) if reason.contains("not the one")),
            "{refused:?}"
        );
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let gone = call(&PeerClient::new(address(free.port()), other).unwrap(), "/echo").await.unwrap_err();
        assert!(matches!(gone, ClientError::Unreachable(_)), "{gone:?}");
    }

    /// The peer takes a call over a kept connection and hangs up without an answer, as one does that is restarted.
    #[tokio::test]
    async fn a_kept_connection_that_is_gone_costs_nothing_but_a_new_one() {
        let (_, _stop, tls, key) = world().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let client = PeerClient::new(address(port), key.spki_sha256()).unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(tls.rustls().get_inner());
        tokio::spawn(async move {
            for answers in [1, 9] {
                let (stream, _) = listener.accept().await.unwrap();
                let mut stream = acceptor.accept(stream).await.unwrap();
                for _ in 0..answers {
                    read_call(&mut stream).await;
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n7").await.unwrap();
                }
                read_call(&mut stream).await;
            }
        });
        for _ in 0..3 {
            assert_eq!(call(&client, "/echo").await.unwrap(), json!(7));
        }
    }

    async fn read_call(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
        let mut read = Vec::new();
        while !read.ends_with("{\"text\":\"é\"}".as_bytes()) {
            assert_ne!(stream.read_buf(&mut read).await.unwrap(), 0);
        }
    }
}
