//! The server's side: its certificate, which can be replaced while it serves.

use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::ServerSessionMemoryCache;

use super::{ALPN, TlsError, TlsKey, VERSIONS, provider};

/// What a server shows its clients. Clones share it: [`ServerTls::replace`] takes effect for the next connection.
#[derive(Debug, Clone)]
pub struct ServerTls(RustlsConfig);

impl ServerTls {
    /// A server that shows `chain_pem`, the end-entity certificate first; refused if it is not for `key`.
    pub fn new(key: &TlsKey, chain_pem: &str) -> Result<Self, TlsError> {
        Ok(Self(RustlsConfig::from_config(server_config(key, chain_pem)?)))
    }

    /// Shows another certificate from now on; on an error the old one stays.
    pub fn replace(&self, key: &TlsKey, chain_pem: &str) -> Result<(), TlsError> {
        self.0.reload_from_config(server_config(key, chain_pem)?);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn for_test(config: ServerConfig) -> Self {
        Self(RustlsConfig::from_config(Arc::new(config)))
    }

    pub(crate) fn rustls(&self) -> RustlsConfig {
        self.0.clone()
    }
}

fn server_config(key: &TlsKey, chain_pem: &str) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.key_pair().serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = ALPN.map(Vec::from).into();
    config.session_storage = ServerSessionMemoryCache::new(RESUMABLE);
    Ok(Arc::new(config))
}

/// Handshakes that clients can come back to: some for each connection that a server takes.
const RESUMABLE: usize = 2048;
