//! The floor: the same axum, axum-server and rustls with one bare route, and the fastest plain client, bare hyper over
//! HTTP/1.1 on a connection of its own. The same texts, made and checked by the same code; no encryption of ours, no
//! acknowledgement that means anything, no limits.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use a2a_core::wire::MAX_SEND_BODY;
use a2a_node::tls::TlsKey;
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HOST};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::{Deserialize, Serialize};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

use crate::failure::{Failure, OrFail};
use crate::process::{Account, answer_with, cpu, resident_kib, say};
use crate::text::{HEADER, Ledger};

/// Where the floor is, and the certificate that it shows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Whereabouts {
    pub(crate) address: SocketAddr,
    pub(crate) certificate: String,
}

/// The floor's process: says where it is, then gives its account whenever it is asked.
pub(crate) async fn serve() -> Result<(), Failure> {
    let key = TlsKey::generate().or_fail(|| "a TLS key".into())?;
    let certificate = key.self_signed(&["localhost".into()]).or_fail(|| "a TLS certificate".into())?;
    let listener = TcpListener::bind("127.0.0.1:0").await.or_fail(|| "a port".into())?;
    let address = listener.local_addr().or_fail(|| "a port".into())?;
    let tls = RustlsConfig::from_config(Arc::new(server_config(&key, &certificate)?));
    let acceptor = RustlsAcceptor::new(tls).acceptor(NoDelayAcceptor::new());
    let ledger: Arc<Mutex<Ledger>> = Arc::default();
    let entering = Arc::clone(&ledger);
    let route = post(move |request| receive(request, Arc::clone(&entering)));
    let routes = Router::new().route("/text", route);
    let server = axum_server::Server::<SocketAddr>::from_listener(listener).acceptor(acceptor);
    tokio::spawn(server.serve(routes.into_make_service()));
    say(&Whereabouts { address, certificate }).await?;
    let account = || {
        let ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
        Account {
            texts: ledger.texts,
            bytes: ledger.bytes,
            faults: ledger.faults.clone(),
            cpu_us: u64::try_from(cpu().as_micros()).unwrap_or(u64::MAX),
            resident_kib: resident_kib(std::process::id()),
        }
    };
    answer_with(account).await
}

/// A body of one text, or of many of the size that a header names.
async fn receive(request: axum::extract::Request, ledger: Arc<Mutex<Ledger>>) -> Response {
    let size = request.headers().get(SIZE).and_then(|size| size.to_str().ok()?.parse::<usize>().ok());
    let Ok(body) = to_bytes(Body::new(request.into_body()), MAX_SEND_BODY).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    for text in body.chunks(size.unwrap_or(body.len()).max(1)) {
        match std::str::from_utf8(text).ok().and_then(|text| Some((text, line(text)?))) {
            Some((text, line)) => ledger.enter(line.into(), line, text),
            None => ledger.accuse("a text without a number".to_owned()),
        }
    }
    ([(CONTENT_TYPE, "application/json")], ACKNOWLEDGEMENT).into_response()
}

fn line(text: &str) -> Option<u32> {
    u32::from_str_radix(text.get(..HEADER / 2)?, 16).ok()
}

/// A connection to the floor, for one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    /// Opens one.
    pub(crate) async fn open(floor: &Whereabouts) -> Result<Self, Failure> {
        let unreachable = || "the floor cannot be reached".to_owned();
        let tcp = TcpStream::connect(floor.address).await.or_fail(unreachable)?;
        tcp.set_nodelay(true).or_fail(unreachable)?;
        let name = ServerName::try_from("localhost").or_fail(unreachable)?;
        let connector = TlsConnector::from(Arc::new(client_config(&floor.certificate)?));
        let tls = connector.connect(name, tcp).await.or_fail(unreachable)?;
        let (sender, connection) = handshake(TokioIo::new(tls)).await.or_fail(unreachable)?;
        tokio::spawn(connection);
        Ok(Self { sender, host: floor.address.to_string() })
    }

    /// Sends a text, or many of `size` bytes each, and waits for the answer.
    pub(crate) async fn send(&mut self, body: String, size: Option<usize>) -> Result<(), Failure> {
        let failed = || "the floor gives no answer".to_owned();
        let mut request = Request::post("/text").header(HOST, &self.host).header(CONTENT_TYPE, "text/plain");
        if let Some(size) = size {
            request = request.header(SIZE, size);
        }
        let request = request.body(Full::new(Bytes::from(body))).or_fail(failed)?;
        self.sender.ready().await.or_fail(failed)?;
        let answer = self.sender.send_request(request).await.or_fail(failed)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.or_fail(failed)?.to_bytes();
        if status.is_success() && body.len() == ACKNOWLEDGEMENT.len() {
            return Ok(());
        }
        Err(Failure::new(format!("the floor answers {status}")))
    }
}

fn server_config(key: &TlsKey, certificate: &str) -> Result<ServerConfig, Failure> {
    let failed = || "the floor's TLS".to_owned();
    let chain = CertificateDer::pem_slice_iter(certificate.as_bytes()).collect::<Result<Vec<_>, _>>();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.key_pair().serialize_der()));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .or_fail(failed)?
        .with_no_client_auth()
        .with_single_cert(chain.or_fail(failed)?, key)
        .or_fail(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// What believes the floor and nobody else.
pub(crate) fn client_config(certificate: &str) -> Result<ClientConfig, Failure> {
    let failed = || "the floor's certificate".to_owned();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(certificate.as_bytes()).or_fail(failed)?).or_fail(failed)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .or_fail(failed)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// How long each text in a body of many is.
const SIZE: &str = "x-text-size";
/// As many bytes as an acknowledgement has.
const ACKNOWLEDGEMENT: &str = r#"{"received":1234567,"mac":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}"#;
