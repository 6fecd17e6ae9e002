//! Clients, one for each peer's address and TLS key, so that connections are kept and a key is never confused with
//! another; and one for strangers.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use a2a_core::agent_id::AgentAddress;
use a2a_core::certificate::verify::VerifiedCertificate;
use a2a_core::wire::Hex;

use crate::client::HttpsClient;
use crate::client::peer::PeerClient;
use crate::error::NodeError;
use crate::tls::client as trust_in;

/// The clients in use.
#[derive(Debug)]
pub(crate) struct Peers {
    known: Mutex<Known>,
    strangers: HttpsClient,
}

#[derive(Debug, Default)]
struct Known {
    clients: HashMap<(AgentAddress, Hex<32>), PeerClient>,
    /// The one that was made last for an address.
    last: HashMap<AgentAddress, PeerClient>,
}

impl Peers {
    pub(crate) fn new() -> Result<Self, NodeError> {
        Ok(Self { known: Mutex::default(), strangers: HttpsClient::new(trust_in::unauthenticated()?)? })
    }

    /// A client that reaches this peer and nobody else.
    pub(crate) fn client(&self, peer: &VerifiedCertificate) -> Result<PeerClient, NodeError> {
        let key = (peer.address().clone(), *peer.tls_spki_sha256());
        let mut known = self.known();
        if let Some(client) = known.clients.get(&key) {
            return Ok(client.clone());
        }
        if known.clients.len() >= MAX_CLIENTS {
            // Sessions hold clones of theirs; only idle connections are lost.
            *known = Known::default();
        }
        let client = PeerClient::new(key.0.clone(), key.1)?;
        known.last.insert(key.0.clone(), client.clone());
        known.clients.insert(key, client.clone());
        Ok(client)
    }

    /// A client that reaches the peer that was last met at this address, and nobody else.
    pub(crate) fn last_at(&self, address: &AgentAddress) -> Option<PeerClient> {
        self.known().last.get(address).cloned()
    }

    /// A client that believes anybody: only for fetching what proves itself.
    pub(crate) fn strangers(&self) -> &HttpsClient {
        &self.strangers
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MAX_CLIENTS: usize = 1024;
