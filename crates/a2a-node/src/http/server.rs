//! Binding, serving and ending. A server is bound before anything else happens, so its address is known and whoever
//! is told of it finds it open.

use std::future::{Future, Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum_server::Handle;
use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use tokio::net::{TcpListener, TcpStream};

use super::limits;
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
}

impl Server {
    /// Opens the port.
    pub async fn bind(listen: SocketAddr, tls: ServerTls) -> Result<BoundServer, NodeError> {
        let listener = TcpListener::bind(listen).await.map_err(|error| cannot_bind(listen, &error))?;
        let local_addr = listener.local_addr().map_err(|error| cannot_bind(listen, &error))?;
        Ok(BoundServer { listener, local_addr, tls })
    }
}

impl BoundServer {
    /// Where it listens, the port as the system chose it.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Serves `routes`, inside [`limits`], until `shutdown` is ready; then refuses new connections and gives the open
    /// ones [`DRAIN_TIMEOUT`] to end.
    pub async fn run(
        self,
        routes: Router,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), NodeError> {
        let handle = Handle::new();
        let acceptor = RustlsAcceptor::new(self.tls.rustls())
            .handshake_timeout(HEADER_TIMEOUT)
            .acceptor(Capped(handle.clone()));
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
        let service = limits(routes).into_make_service_with_connect_info::<SocketAddr>();
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

/// Turns away connections over [`MAX_CONNECTIONS`], and sends small answers at once (`TCP_NODELAY`).
#[derive(Debug, Clone)]
struct Capped(Handle<SocketAddr>);

impl<S> Accept<TcpStream, S> for Capped {
    type Stream = TcpStream;
    type Service = S;
    type Future = Ready<io::Result<(TcpStream, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        if self.0.connection_count() > MAX_CONNECTIONS {
            return ready(Err(io::Error::other("too many connections")));
        }
        ready(stream.set_nodelay(true).map(|()| (stream, service)))
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
