//! HTTPS clients, one for each peer's TLS key, so that connections are kept and a key is never confused with
//! another.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use a2a_core::certificate::verify::VerifiedCertificate;
use a2a_core::wire::Hex;

use crate::client::HttpsClient;
use crate::error::NodeError;
use crate::tls::client::pinned;

/// The clients in use.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<HashMap<Hex<32>, HttpsClient>>);

impl Peers {
    /// A client that reaches this peer and nobody else.
    pub(crate) fn client(&self, peer: &VerifiedCertificate) -> Result<HttpsClient, NodeError> {
        let pin = *peer.tls_spki_sha256();
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&pin) {
            return Ok(client.clone());
        }
        if clients.len() >= MAX_CLIENTS {
            // Sessions hold clones of theirs; only idle connections are lost.
            clients.clear();
        }
        let client = HttpsClient::new(pinned(pin)?)?;
        clients.insert(pin, client.clone());
        Ok(client)
    }
}

const MAX_CLIENTS: usize = 1024;
