//! Clients, one for each peer's address and TLS key, so that connections are kept and a key is never confused with
//! another.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use a2a_core::agent_id::AgentAddress;
use a2a_core::certificate::verify::VerifiedCertificate;
use a2a_core::wire::Hex;

use crate::client::peer::PeerClient;
use crate::error::NodeError;

/// The clients in use.
#[derive(Debug, Default)]
pub(crate) struct Peers(Mutex<HashMap<(AgentAddress, Hex<32>), PeerClient>>);

impl Peers {
    /// A client that reaches this peer and nobody else.
    pub(crate) fn client(&self, peer: &VerifiedCertificate) -> Result<PeerClient, NodeError> {
        let key = (peer.address().clone(), *peer.tls_spki_sha256());
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        if clients.len() >= MAX_CLIENTS {
            // Sessions hold clones of theirs; only idle connections are lost.
            clients.clear();
        }
        let client = PeerClient::new(key.0.clone(), key.1)?;
        clients.insert(key, client.clone());
        Ok(client)
    }
}

const MAX_CLIENTS: usize = 1024;
