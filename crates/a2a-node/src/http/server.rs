//! Binding, serving and ending. A server is bound before anything else happens, so its address is known and whoever
//! is told of it finds it open.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::tls_rustls::RustlsAcceptor;
use tokio::net::TcpListener;

use super::Operations;
use super::connections::Connections;
use super::limits::limits;
use crate::error::NodeError;
use crate::tls::ServerTls;

/// An HTTPS server that is still to be bound.
#[derive(Debug)]
pub struct Server;

/// An HTTPS server whose port is open: connections wait until it runs.
#[derive(Debug)]
pub struct BoundServer {
    listener: TcpListener,
    local_addr: SocketAddr,
    tls: ServerTls,
    operations: Option<Operations>,
    max_connections: usize,
}

impl Server {
    /// Opens the port.
    pub async fn bind(listen: SocketAddr, tls: ServerTls) -> Result<BoundServer, NodeError> {
        let listener = TcpListener::bind(listen).await.map_err(|error| cannot_bind(listen, &error))?;
        let local_addr = listener.local_addr().map_err(|error| cannot_bind(listen, &error))?;
        Ok(BoundServer { listener, local_addr, tls, operations: None, max_connections: MAX_CONNECTIONS })
    }
}

impl BoundServer {
    /// Where it listens, the port as the system chose it.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The same, with `GET /metrics` and `GET /ready`, and every request measured.
    #[must_use]
    pub fn operated(self, operations: Operations) -> Self {
        Self { operations: Some(operations), ..self }
    }

    /// The same, with room for so many connections at a time, of which one source may have half.
    #[must_use]
    pub fn with_room(self, max_connections: usize) -> Self {
        Self { max_connections, ..self }
    }

    /// Serves `routes`, inside limits of size and time, until `shutdown` is ready; then refuses new connections and gives the open
    /// ones 5 s to end.
    pub async fn run(
        self,
        routes: Router,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), NodeError> {
        let handle = Handle::new();
        let acceptor = RustlsAcceptor::new(self.tls.rustls())
            .handshake_timeout(HEADER_TIMEOUT)
            .acceptor(Connections::new(self.max_connections));
        let mut server = axum_server::Server::<SocketAddr>::from_listener(self.listener)
            .acceptor(acceptor)
            .handle(handle.clone())
            .first_request_timeout(HEADER_TIMEOUT)
            .accept_error_handler(|peer, error| tracing::debug!(?peer, %error, "connection not accepted"));
        let http = server.http_builder();
        http.http1()
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(MAX_HEADERS)
            .max_headers(MAX_HEADER_COUNT);
        http.http2()
            .max_concurrent_streams(MAX_STREAMS)
            .max_header_list_size(MAX_HEADERS_H2)
            .keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        let service = limits(routes, self.operations).into_make_service_with_connect_info::<SocketAddr>();
        let mut serving = std::pin::pin!(server.serve(service));
        tokio::select! {
            ended = &mut serving => ended,
            () = shutdown => {
                handle.graceful_shutdown(Some(DRAIN_TIMEOUT));
                serving.await
            }
        }
        .map_err(|error| NodeError::Environment(format!("the server on {} failed: {error}", self.local_addr)))
    }
}

fn cannot_bind(listen: SocketAddr, error: &io::Error) -> NodeError {
    NodeError::Environment(match error.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} on {} is in use: stop the program that holds it, or choose another port with --listen",
            listen.port(),
            listen.ip()
        ),
        io::ErrorKind::PermissionDenied => {
            format!("port {} needs privileges: choose one from 1024 on with --listen", listen.port())
        }
        _ => format!("cannot listen on {listen}: {error}; choose another address with --listen"),
    })
}

/// How long open connections may go on after the end has been called for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a TLS handshake, and then a request's header, may take; also how long HTTP/1.1 connections may be idle.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// How often an idle HTTP/2 peer is asked whether it is still there, and how long it may take to answer.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
const MAX_CONNECTIONS: usize = 512;
const MAX_STREAMS: u32 = 64;
/// Bytes of an HTTP/1.1 request's header, which also bounds the read buffer; of an HTTP/2 request's.
const MAX_HEADERS: usize = 64 * 1024;
const MAX_HEADERS_H2: u32 = 16 * 1024;
const MAX_HEADER_COUNT: usize = 64;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::future::pending;
    use std::io::{Read, Write};
    use std::sync::Arc;

    use axum::body::Body;
    use axum::routing::post;
    use rustls::pki_types::ServerName;
    use rustls::{ClientConnection, StreamOwned};
    use tokio::io::AsyncReadExt;
    use tokio::net::TcpStream;
    use tokio::sync::Notify;

    use super::super::read_body;
    use super::*;
    use crate::tls::{TlsKey, client};

    async fn bound() -> BoundServer {
        let key = TlsKey::generate().unwrap();
        let tls = ServerTls::new(&key, &key.self_signed(&["localhost".into()]).unwrap()).unwrap();
        Server::bind("127.0.0.1:0".parse().unwrap(), tls).await.unwrap()
    }

    #[tokio::test]
    async fn one_connection_too_many_is_turned_away() {
        let server = BoundServer { max_connections: 1, ..bound().await };
        let live = format!("https://{}/live", server.local_addr());
        tokio::spawn(server.run(Router::new(), pending()));
        let connect = async || {
            let tls = client::unauthenticated().unwrap();
            let client =
                reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().unwrap();
            client.get(&live).send().await.map(|answer| (client, answer.status()))
        };
        // The client keeps its connection open for the next call.
        let (_first, status) = connect().await.unwrap();
        assert_eq!(status, 200);
        assert!(connect().await.is_err());
    }

    #[tokio::test]
    async fn who_says_nothing_is_hung_up_on() {
        let server = bound().await;
        let mut connection = TcpStream::connect(server.local_addr()).await.unwrap();
        let serving = tokio::spawn(server.run(Router::new(), pending()));
        // With the clock paused, time passes as soon as everybody waits.
        tokio::time::pause();
        let started = tokio::time::Instant::now();
        let _ = connection.read(&mut [0; 64]).await;
        assert!(started.elapsed() <= HEADER_TIMEOUT + Duration::from_secs(1));
        serving.abort();
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_is_not_waited_for() {
        let server = bound().await;
        let address = server.local_addr();
        let waits = Arc::new(Notify::new());
        let waiting = waits.clone();
        let slow = post(move |body: Body| async move {
            waiting.notify_one();
            read_body(body, 64).await
        });
        tokio::spawn(server.run(Router::new().route("/slow", slow), pending()));
        let connection = tokio::task::spawn_blocking(move || {
            let mut tls = client::unauthenticated().unwrap();
            tls.alpn_protocols.clear();
            let name = ServerName::try_from("localhost").unwrap();
            let client = ClientConnection::new(Arc::new(tls), name).unwrap();
            let socket = std::net::TcpStream::connect(address).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            let mut stream = StreamOwned::new(client, socket);
            stream
                .write_all(b"POST /slow HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\n{")
                .unwrap();
            stream.flush().unwrap();
            stream
        });
        let mut connection = connection.await.unwrap();
        waits.notified().await;
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(11)).await;
        let answer = tokio::task::spawn_blocking(move || {
            let mut answer = vec![0; 4096];
            let len = connection.read(&mut answer).unwrap();
            String::from_utf8_lossy(&answer[..len]).into_owned()
        });
        let answer = answer.await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    }
}
