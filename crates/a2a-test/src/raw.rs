//! An HTTPS client without manners: it believes any TLS key and sends what it is told to.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use a2a_node::http::ErrorBody;
use a2a_node::tls::client::unauthenticated;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::soon;

/// The client.
#[derive(Debug, Clone)]
pub struct Raw(reqwest::Client);

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The declared content type.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Default for Raw {
    fn default() -> Self {
        Self::from_address(Ipv4Addr::LOCALHOST)
    }
}

impl Raw {
    /// One that calls from an address of its own on loopback, for those who are counted by their address.
    pub fn from_elsewhere() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Self::from_address(Ipv4Addr::new(127, 1, high, low))
    }

    fn from_address(address: Ipv4Addr) -> Self {
        let builder = reqwest::Client::builder().tls_backend_preconfigured(unauthenticated().unwrap());
        let builder = builder.no_proxy().local_address(IpAddr::from(address));
        Self(builder.redirect(reqwest::redirect::Policy::none()).build().unwrap())
    }

    /// Sends JSON.
    pub async fn post(&self, to: SocketAddr, path: &str, body: &impl Serialize) -> Reply {
        self.post_bytes(to, path, JSON, serde_json::to_vec(body).unwrap()).await
    }

    /// Sends bytes.
    pub async fn post_bytes(&self, to: SocketAddr, path: &str, content_type: &str, body: Vec<u8>) -> Reply {
        let request = self.0.post(format!("https://{to}{path}")).header("content-type", content_type);
        Reply::of(request.body(body)).await.unwrap()
    }

    /// Sends bytes, or fetches if there are none, when nobody may be there; `None` if there is no answer.
    pub async fn attempt(
        &self,
        to: SocketAddr,
        path: &str,
        content_type: &str,
        body: Option<Vec<u8>>,
    ) -> Option<Reply> {
        let url = format!("https://{to}{path}");
        let request = match body {
            Some(body) => self.0.post(url).header("content-type", content_type).body(body),
            None => self.0.get(url),
        };
        Reply::of(request).await.ok()
    }

    /// Fetches.
    pub async fn get(&self, from: SocketAddr, path: &str) -> Reply {
        Reply::of(self.0.get(format!("https://{from}{path}"))).await.unwrap()
    }
}

impl Reply {
    /// An answer in JSON.
    pub fn json(status: u16, body: &impl Serialize) -> Self {
        Self { status, content_type: JSON.into(), body: serde_json::to_vec(body).unwrap() }
    }

    /// An answer of a server that has lost the real one.
    pub fn lost() -> Self {
        let error = ErrorBody { error: "lost".into(), code: "lost".into(), message: "try again".into() };
        Self::json(502, &error)
    }

    /// No answer at all: the connection breaks.
    pub fn cut() -> Self {
        Self { status: 0, content_type: JSON.into(), body: Vec::new() }
    }

    async fn of(request: reqwest::RequestBuilder) -> reqwest::Result<Self> {
        soon("an answer", async {
            let response = request.send().await?;
            let content_type = response.headers().get("content-type");
            Ok(Self {
                status: response.status().as_u16(),
                content_type: content_type
                    .map(|value| value.to_str().unwrap().to_owned())
                    .unwrap_or_default(),
                body: response.bytes().await?.to_vec(),
            })
        })
        .await
    }

    /// What it says, if it is a success.
    pub fn read_as<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The error that it is, in the one shape.
    pub fn error(&self) -> ErrorBody {
        assert!(
            self.status >= 400 && self.content_type == JSON,
            "no refusal: {} {}",
            self.status,
            self.text()
        );
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and code of the error that it is.
    pub fn refusal(&self) -> (u16, String) {
        (self.status, self.error().code)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// The content type of nearly everything.
pub const JSON: &str = "application/json";
