//! The TLS certificate of this controller's own server: issued at the start, and anew at half of its life.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::crypto::provider::Provider;
use a2a_core::time::UnixTime;
use a2a_core::wire::Hex;
use a2a_node::args::ControllerConfig;
use a2a_node::error::NodeError;
use a2a_node::keys::KeyDir;
use a2a_node::tls::{ServerTls, TlsKey};

use crate::controller::Controller;
use crate::tls_authority::{Term, TlsAuthority};

/// See the module.
#[derive(Debug)]
pub(crate) struct OwnTls {
    key: TlsKey,
    authority: Arc<TlsAuthority>,
    provider: Provider,
    controller_id: AgentId,
    names: Vec<String>,
    server: ServerTls,
    /// When the present certificate was issued.
    issued_at: Mutex<UnixTime>,
}

impl OwnTls {
    /// Reads the server's key from the data directory, or makes it, and issues a certificate. Touches the disk: not for
    /// an async worker.
    pub(crate) fn open(controller: &Controller, config: &ControllerConfig) -> Result<Self, NodeError> {
        let now = controller.clock.now();
        let key =
            TlsKey::load_or_generate(&KeyDir::open(&config.data_dir, config.passphrase.clone())?, KEY_FILE)?;
        let mut names = config.tls_names.clone();
        names.push(config.listen.ip().to_string());
        let (authority, controller_id) = (controller.tls.clone(), controller.id.clone());
        let provider = controller.provider;
        let chain = issue(&authority, &key, &controller_id, &names, provider, now)?;
        let server = ServerTls::new(&key, &chain)?;
        let issued_at = Mutex::new(now);
        Ok(Self { key, authority, provider, controller_id, names, server, issued_at })
    }

    /// What the server shows.
    pub(crate) fn server(&self) -> ServerTls {
        self.server.clone()
    }

    /// Issues the next certificate if half of the present one's life is over, or if the clock was set back before it.
    pub(crate) fn renew_if_due(&self, now: UnixTime) -> Result<(), NodeError> {
        let mut issued_at = self.issued_at.lock().unwrap_or_else(PoisonError::into_inner);
        if now >= *issued_at && now.since(*issued_at) < LIFE / 2 {
            return Ok(());
        }
        let chain = issue(&self.authority, &self.key, &self.controller_id, &self.names, self.provider, now)?;
        self.server.replace(&self.key, &chain)?;
        *issued_at = now;
        tracing::info!("the TLS certificate of this server was renewed");
        Ok(())
    }
}

fn issue(
    authority: &TlsAuthority,
    key: &TlsKey,
    controller_id: &AgentId,
    names: &[String],
    provider: Provider,
    now: UnixTime,
) -> Result<String, NodeError> {
    let serial = Hex::random(provider).map_err(|error| NodeError::Environment(error.to_string()))?;
    let term = Term { issued_at: now, expires_at: now.saturating_add(LIFE), serial };
    Ok(authority.issue_for_controller(key, controller_id, names, term)?)
}

const KEY_FILE: &str = "tls.key";
/// As long as public authorities give at most.
const LIFE: Duration = Duration::from_hours(90 * 24);
