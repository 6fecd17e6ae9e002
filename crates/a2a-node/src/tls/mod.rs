//! TLS: a node's own key, its server configuration, and what its clients believe.
//!
//! TLS keeps onlookers out; who the peer is, the protocol above proves by itself. Between agents the authentication of
//! TLS is therefore the key's hash in the peer's certificate ([`client::pinned`]), not a chain of X.509 certificates.
//! The controller's X.509 root serves the way to the controller, `curl --cacert` and browsers.
//!
//! The crypto provider is passed explicitly everywhere: nothing depends on a process-wide default.

pub mod client;
mod server;

use std::sync::{Arc, LazyLock};

use a2a_core::wire::Hex;
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use rustls::SupportedProtocolVersion;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::server::ParsedCertificate;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::error::NodeError;
use crate::store::DataDir;

pub use server::ServerTls;

/// A P-256 key for TLS.
#[derive(Debug)]
pub struct TlsKey(KeyPair);

impl TlsKey {
    /// Makes a key that is nowhere stored.
    pub fn generate() -> Result<Self, TlsError> {
        Ok(Self(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
    }

    /// Reads the key from the secret file `name`, or makes it and stores it there.
    pub fn load_or_generate(dir: &DataDir, name: &str) -> Result<Self, NodeError> {
        if let Some(der) = dir.read_secret(name)? {
            let der = PrivatePkcs8KeyDer::from(der.as_slice());
            let pair =
                KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ECDSA_P256_SHA256).map_err(|error| {
                    NodeError::Environment(format!(
                        "{}: not a TLS key: {error}",
                        dir.path().join(name).display()
                    ))
                })?;
            return Ok(Self(pair));
        }
        let key = Self::generate()?;
        dir.write_secret(name, key.0.serialized_der())?;
        Ok(key)
    }

    /// SHA-256 of the DER `SubjectPublicKeyInfo`: what a card says and a peer pins.
    pub fn spki_sha256(&self) -> Hex<32> {
        spki_sha256(&self.0.subject_public_key_info())
    }

    /// A request for a certificate, as PEM; its signature proves possession of the key. The names are a wish: the
    /// controller decides.
    pub fn csr_pem(&self, names: &[String]) -> Result<String, TlsError> {
        Ok(certificate_for(names)?.serialize_request(&self.0)?.pem()?)
    }

    /// A certificate that nobody vouches for, as PEM: what a server shows until it has a better one. It bears no
    /// meaningful dates, since whoever accepts it looks at the key alone.
    pub fn self_signed(&self, names: &[String]) -> Result<String, TlsError> {
        Ok(certificate_for(names)?.self_signed(&self.0)?.pem())
    }

    /// The key itself, for an issuer of certificates.
    pub fn key_pair(&self) -> &KeyPair {
        &self.0
    }
}

/// SHA-256 of a DER `SubjectPublicKeyInfo`.
pub fn spki_sha256(spki_der: &[u8]) -> Hex<32> {
    Hex::from_bytes(Sha256::digest(spki_der).into())
}

/// As [`spki_sha256`], of the key in the first certificate of `pem`.
pub fn certificate_key_sha256(pem: &str) -> Result<Hex<32>, TlsError> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())?;
    Ok(spki_sha256(&ParsedCertificate::try_from(&certificate)?.subject_public_key_info()))
}

/// The template of a server certificate for `names`, which are DNS names or IP addresses.
fn certificate_for(names: &[String]) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(name) = names.first() {
        params.distinguished_name.push(DnType::CommonName, name.as_str());
    }
    Ok(params)
}

/// Why a key, certificate or TLS configuration cannot be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A key or certificate does not fit.
    #[error("TLS certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A configuration does not fit.
    #[error("TLS configuration: {0}")]
    Configuration(#[from] rustls::Error),
    /// PEM that holds no certificate, or something else.
    #[error("TLS certificates: not PEM: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
}

impl From<TlsError> for NodeError {
    fn from(error: TlsError) -> Self {
        Self::Environment(error.to_string())
    }
}

/// The one library behind every TLS connection.
fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    PROVIDER.clone()
}

/// What both ends offer for HTTP, the preferred one first.
const ALPN: [&[u8]; 2] = [b"h2", b"http/1.1"];
const VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
