//! A controller in a test's hands: it signs with real keys and answers what the test wants, at its worst lies that no
//! honest controller tells. It keeps no register beyond the key that it saw last for each agent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::authority::{Authority, Grant};
use a2a_core::certificate::enrolment::{
    Challenge, ControllerInfo, EnrolmentRequest, EnrolmentResponse, RenewalRequest,
};
use a2a_core::certificate::revocation::{RevocationContent, RevocationList};
use a2a_core::certificate::succession::Succession;
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::{KeyId, PublicKey};
use a2a_core::time::UnixTime;
use a2a_core::wire::{Hex, from_json};
use a2a_node::clock::Clock;
use a2a_node::http::{ApiError, Server};
use a2a_node::tls::{ServerTls, TlsKey};
use axum::body::Bytes;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::watch;

use crate::agent::Settings;
use crate::{keys, soon};

/// The controller. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Puppet {
    /// Where it listens.
    pub address: AgentAddress,
    clock: Clock,
    /// The TLS key of the controller, and of every agent: it certifies no other.
    tls_key: Arc<TlsKey>,
    tls_chain: Arc<str>,
    script: Arc<Mutex<Script>>,
    changed: watch::Sender<()>,
}

/// How it behaves. A test changes this as it likes.
#[derive(Debug, Clone)]
pub struct Script {
    /// The name of its key.
    pub key: &'static str,
    /// How it came to it.
    pub successions: Vec<Succession>,
    /// How long certificates last.
    pub life: Duration,
    /// What is revoked.
    pub revoked: RevocationContent,
    /// How long a list may be relied on.
    pub list_life: Duration,
    /// Shown in place of the list that it would make.
    pub list: Option<RevocationList>,
    /// Whether questions for the list are held until there is news.
    pub holds: bool,
    /// Enrolments and renewals are refused with this code.
    pub refusal: Option<&'static str>,
    /// How many times an enrolment is still pending.
    pub pending: usize,
    /// Every connection breaks at the first request.
    pub away: bool,
    /// The answer to a renewal gets lost when everything has been done.
    pub loses_answers: bool,
    /// The key of each agent.
    pub known: HashMap<AgentId, PublicKey>,
    /// What has come: paths with their queries, and bodies.
    pub calls: Vec<(String, Vec<u8>)>,
}

impl Puppet {
    /// A controller that begins as an honest one, and holds no questions.
    pub async fn start(clock: Clock) -> Self {
        let tls_key = Arc::new(TlsKey::generate().unwrap());
        let tls_chain: Arc<str> = tls_key.self_signed(&["localhost".into()]).unwrap().into();
        let tls = ServerTls::new(&tls_key, &tls_chain).unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap(), tls).await.unwrap();
        let address = format!("https://localhost:{}", server.local_addr().port()).parse().unwrap();
        let script = Script {
            key: "puppet",
            successions: Vec::new(),
            life: Duration::from_hours(24),
            revoked: RevocationContent { number: 1, ..RevocationContent::default() },
            list_life: Duration::from_hours(30 * 24),
            list: None,
            holds: false,
            refusal: None,
            pending: 0,
            away: false,
            loses_answers: false,
            known: HashMap::new(),
            calls: Vec::new(),
        };
        let script = Arc::new(Mutex::new(script));
        let puppet = Self { address, clock, tls_key, tls_chain, script, changed: watch::Sender::new(()) };
        let routes = Router::new()
            .route("/controller/info", get(info))
            .route("/controller/challenge", post(challenge))
            .route("/controller/register", post(register))
            .route("/controller/renew", post(renew))
            .route("/controller/revocations", get(revocations))
            .with_state(puppet.clone());
        tokio::spawn(server.run(routes, std::future::pending()));
        puppet
    }

    /// Makes it the controller of an agent that is about to start.
    pub fn adopt(&self, settings: &mut Settings) {
        settings.config.controller = self.address.clone();
        settings.config.controller_fingerprint = Some(self.fingerprint());
        keys::put_secret(&settings.config.data_dir, "tls.key", &self.tls_key.key_pair().serialize_der());
    }

    /// The TLS key that it has given to every agent.
    pub fn tls_key(&self) -> Arc<TlsKey> {
        self.tls_key.clone()
    }

    /// Changes how it behaves, and wakes the questions that it holds.
    pub fn script<T>(&self, change: impl FnOnce(&mut Script) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.send_replace(());
        changed
    }

    /// Looks at how it behaves.
    pub fn look<T>(&self, look: impl FnOnce(&Script) -> T) -> T {
        look(&self.lock())
    }

    /// The fingerprint of its present key.
    pub fn fingerprint(&self) -> KeyId {
        self.authority().anchor().fingerprint()
    }

    /// Whoever signs for it.
    pub fn authority(&self) -> Authority {
        authority(self.lock().key)
    }

    /// The list that it would show now.
    pub fn honest_list(&self) -> RevocationList {
        let (content, life) = self.look(|script| (script.revoked.clone(), script.list_life));
        self.authority().revocations(content, life, self.clock.now()).unwrap()
    }

    /// Takes another key, as its present one allows; what that has certified stays good for a life.
    pub fn rotate(&self, key: &'static str) {
        let (now, life) = (self.clock.now(), self.look(|script| script.life));
        let successor = keys::signing_key(key, available()[0]);
        let until = now.saturating_add(life);
        let step = self.authority().succession(successor.as_ref(), until, now).unwrap();
        self.script(|script| {
            script.key = key;
            script.successions.push(step);
            script.revoked.number += 1;
        });
    }

    /// The bodies that have come to a path.
    pub fn bodies(&self, path: &str) -> Vec<Vec<u8>> {
        let calls = self.look(|script| script.calls.clone());
        calls.into_iter().filter(|(called, _)| called == path).map(|(_, body)| body).collect()
    }

    /// Waits until that many calls have come to paths that begin so.
    pub async fn called(&self, path: &str, times: usize) {
        soon("a call", async {
            while self.times_called(path) < times {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// How many calls have come to paths that begin so.
    pub fn times_called(&self, path: &str) -> usize {
        self.lock().calls.iter().filter(|(called, _)| called.starts_with(path)).count()
    }

    fn certify(&self, request: &EnrolmentRequest) -> Result<Json<EnrolmentResponse>, ApiError> {
        let life = self.look(|script| script.life);
        let grant = Grant { life, not_before: UnixTime::from_secs(0) };
        let certificate = self.authority().issue(request, grant, self.clock.now());
        let certificate = certificate.map_err(|error| refused("refused", &error.to_string()))?;
        let card = &request.agent_card;
        self.script(|script| script.known.insert(card.agent_id.clone(), card.public_key.clone()));
        Ok(Json(EnrolmentResponse { certificate, tls_chain: self.tls_chain.to_string() }))
    }

    /// Remembers a call; breaks the connection if it is away.
    fn take_call(&self, uri: &Uri, body: &[u8]) -> Result<(), ApiError> {
        // Without the origin, which HTTP/2 has and HTTP/1.1 has not.
        let path = uri.path_and_query().map_or("", |path| path.as_str()).to_owned();
        let mut script = self.lock();
        if script.away {
            drop(script);
            // Takes the connection down with it, and prints nothing.
            std::panic::resume_unwind(Box::new("away"));
        }
        let refusal = script.refusal.filter(|_| path.ends_with("/register") || path.ends_with("/renew"));
        script.calls.push((path, body.to_vec()));
        refusal.map_or(Ok(()), |code| Err(refused(code, "told to refuse")))
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The authority with the key of this name.
pub fn authority(key: &str) -> Authority {
    Authority::new("puppet_001".parse().unwrap(), keys::signing_key(key, available()[0]), available()[0])
}

async fn info(State(puppet): State<Puppet>, uri: Uri) -> Result<Json<ControllerInfo>, ApiError> {
    puppet.take_call(&uri, b"")?;
    let successions = puppet.look(|script| script.successions.clone());
    Ok(Json(puppet.authority().info(puppet.tls_chain.to_string(), successions).unwrap()))
}

async fn challenge(State(puppet): State<Puppet>, uri: Uri, body: Bytes) -> Result<Json<Challenge>, ApiError> {
    puppet.take_call(&uri, &body)?;
    let expires_at = puppet.clock.now().saturating_add(Duration::from_mins(2));
    let certificate_life = puppet.look(|script| script.life.as_secs());
    Ok(Json(Challenge { nonce: Hex::random(available()[0]).unwrap(), expires_at, certificate_life }))
}

async fn register(State(puppet): State<Puppet>, uri: Uri, body: Bytes) -> Result<Response, ApiError> {
    puppet.take_call(&uri, &body)?;
    let is_pending = puppet.script(|script| {
        let is_pending = script.pending > 0;
        script.pending = script.pending.saturating_sub(1);
        is_pending
    });
    if is_pending {
        return Ok((StatusCode::ACCEPTED, Json(json!({"status": "pending"}))).into_response());
    }
    let request: EnrolmentRequest = from_json(&body, usize::MAX).unwrap();
    puppet.certify(&request).map(IntoResponse::into_response)
}

async fn renew(
    State(puppet): State<Puppet>,
    uri: Uri,
    body: Bytes,
) -> Result<Json<EnrolmentResponse>, ApiError> {
    puppet.take_call(&uri, &body)?;
    let request: RenewalRequest = from_json(&body, usize::MAX).unwrap();
    let known = puppet.look(|script| script.known.get(&request.agent_card.agent_id).cloned());
    let known = known.ok_or_else(|| refused("not_enrolled", "nobody knows this agent"))?;
    let continuity = request.verify_continuity(available()[0], &known);
    continuity.map_err(|error| refused("id_taken", &error.to_string()))?;
    let answer = puppet.certify(&request.into());
    if puppet.look(|script| script.loses_answers) {
        std::panic::resume_unwind(Box::new("lost"));
    }
    answer
}

async fn revocations(
    State(puppet): State<Puppet>,
    uri: Uri,
    RawQuery(query): RawQuery,
) -> Result<Json<RevocationList>, ApiError> {
    let mut changes = puppet.changed.subscribe();
    puppet.take_call(&uri, b"")?;
    let after: u64 = query.map_or(0, |query| query.strip_prefix("after=").unwrap().parse().unwrap());
    while puppet.look(|script| script.holds && script.revoked.number <= after) {
        changes.changed().await.unwrap();
    }
    let list = puppet.look(|script| script.list.clone());
    Ok(Json(list.unwrap_or_else(|| puppet.honest_list())))
}

fn refused(code: &'static str, error: &str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, code, error, "ask whoever wrote the test")
}
