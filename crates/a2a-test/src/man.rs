//! A man in the middle: an HTTPS server with a TLS key of its own choice that passes on, changes, answers or
//! loses what it gets, and remembers all of it. Without anybody behind it, it is a scripted server.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2a_core::agent_id::AgentAddress;
use a2a_node::http::Server;
use a2a_node::tls::{ServerTls, TlsKey};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use tokio::sync::watch;

use crate::agent::Settings;
use crate::keys;
use crate::raw::{JSON, Raw, Reply};

/// A request on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `GET` or `POST`.
    pub method: String,
    /// The path.
    pub path: String,
    /// The declared content type.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

/// Both halves of a call that has passed.
pub type Passed = (Call, Reply);

/// The man. Clones are the same man.
#[derive(Debug, Clone)]
pub struct Man {
    /// Where he pretends to be an agent.
    pub address: AgentAddress,
    /// The key that he shows.
    pub tls_key: Arc<TlsKey>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    behind: Option<SocketAddr>,
    on_call: Option<OnCall>,
    relay: Option<Relay>,
    on_reply: Option<OnReply>,
    passed: Vec<Passed>,
}

type OnCall = Arc<dyn Fn(&mut Call) -> Option<Reply> + Send + Sync>;
type Relay = Arc<dyn Fn(Call) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;
type OnReply = Arc<dyn Fn(&Call, &mut Reply) + Send + Sync>;

impl Man {
    /// Takes his place, with a TLS key of his own.
    pub async fn start() -> Self {
        Self::start_with(Arc::new(TlsKey::generate().unwrap())).await
    }

    /// Takes his place, with somebody's TLS key.
    pub async fn start_with(tls_key: Arc<TlsKey>) -> Self {
        let tls = ServerTls::new(&tls_key, &tls_key.self_signed(&["localhost".into()]).unwrap()).unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), tls).await.unwrap();
        let address = format!("https://localhost:{}", server.local_addr().port()).parse().unwrap();
        let man = Self { address, tls_key, inner: Arc::default() };
        let routes = Router::new().fallback(serve).with_state(man.clone());
        tokio::spawn(server.run(routes, std::future::pending()));
        man
    }

    /// Gives an agent his address, so that all its peers come to him.
    pub fn stand_before(&self, settings: &mut Settings) {
        settings.config.address = Some(self.address.clone());
    }

    /// Gives an agent his TLS key as well, as if he had stolen the agent's: TLS protects nothing any more.
    pub fn stand_inside(&self, settings: &mut Settings) {
        self.stand_before(settings);
        self.put_tls_key(&settings.config.data_dir);
    }

    /// Puts his TLS key into the folder of an agent that has not been started yet.
    pub fn put_tls_key(&self, folder: &Path) {
        keys::put_secret(folder, "tls.key", &self.tls_key.key_pair().serialize_der());
    }

    /// From now on everything goes on to `agent`.
    pub fn pass_on_to(&self, agent: SocketAddr) {
        self.lock().behind = Some(agent);
    }

    /// Changes what comes (or answers it himself, when there is a reply).
    pub fn on_call(&self, rule: impl Fn(&mut Call) -> Option<Reply> + Send + Sync + 'static) {
        self.lock().on_call = Some(Arc::new(rule));
    }

    /// Answers everything himself, taking his time about it.
    pub fn relay<F: Future<Output = Reply> + Send + 'static>(
        &self,
        rule: impl Fn(Call) -> F + Send + Sync + 'static,
    ) {
        self.lock().relay = Some(Arc::new(move |call| Box::pin(rule(call))));
    }

    /// Leaves calls to a path unanswered for ever. The future ends when one has come.
    pub fn swallow(&self, path: &'static str) -> impl Future<Output = ()> + use<> {
        let came = watch::Sender::new(false);
        let mut coming = came.subscribe();
        let behind = self.lock().behind;
        self.relay(move |call| {
            let came = came.clone();
            async move {
                if call.path == path {
                    came.send_replace(true);
                    return std::future::pending().await;
                }
                forward(behind.unwrap(), &call).await
            }
        });
        async move {
            // The sender lives in the rule.
            let _ = coming.wait_for(|came| *came).await;
        }
    }

    /// Changes what goes back.
    pub fn on_reply(&self, rule: impl Fn(&Call, &mut Reply) + Send + Sync + 'static) {
        self.lock().on_reply = Some(Arc::new(rule));
    }

    /// Passes everything on as it is.
    pub fn behave(&self) {
        let mut inner = self.lock();
        (inner.on_call, inner.on_reply) = (None, None);
    }

    /// All that has passed, with the answers that went back.
    pub fn passed(&self) -> Vec<Passed> {
        self.lock().passed.clone()
    }

    /// What has passed to one path.
    pub fn passed_to(&self, path: &str) -> Vec<Passed> {
        self.passed().into_iter().filter(|(call, _)| call.path == path).collect()
    }

    async fn answer(&self, mut call: Call) -> Reply {
        let (behind, on_call, relay, on_reply) = {
            let inner = self.lock();
            (inner.behind, inner.on_call.clone(), inner.relay.clone(), inner.on_reply.clone())
        };
        let answered = on_call.and_then(|rule| rule(&mut call));
        let mut reply = match (answered, relay, behind) {
            (Some(reply), ..) => reply,
            (None, Some(relay), _) => relay(call.clone()).await,
            (None, None, Some(agent)) => forward(agent, &call).await,
            (None, None, None) => Reply::lost(),
        };
        if let Some(rule) = on_reply {
            rule(&call, &mut reply);
        }
        self.lock().passed.push((call, reply.clone()));
        reply
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn forward(agent: SocketAddr, call: &Call) -> Reply {
    let raw = Raw::default();
    if call.method == "GET" {
        return raw.get(agent, &call.path).await;
    }
    raw.post_bytes(agent, &call.path, &call.content_type, call.body.clone()).await
}

async fn serve(State(man): State<Man>, request: Request) -> Response {
    let content_type = request.headers().get("content-type");
    let call = Call {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        content_type: content_type.map_or(JSON, |value| value.to_str().unwrap()).to_owned(),
        body: to_bytes(request.into_body(), usize::MAX).await.unwrap().to_vec(),
    };
    let reply = man.answer(call).await;
    if reply.status == 0 {
        // Takes the connection down with it, and prints nothing.
        std::panic::resume_unwind(Box::new("cut"));
    }
    let response = Response::builder().status(reply.status).header("content-type", reply.content_type);
    response.body(Body::from(reply.body)).unwrap()
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inner({:?})", self.behind)
    }
}
