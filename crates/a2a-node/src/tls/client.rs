//! The client's side: whom it believes to be at the other end.
//!
//! There is no way to skip the handshake's signature: whichever certificate is accepted, the server proves that it
//! holds that certificate's key.

use std::sync::Arc;

use a2a_core::wire::Hex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
};
use thiserror::Error;

use super::{ALPN, TlsError, VERSIONS, provider, spki_sha256};

/// Believes a server that holds the key with this hash, and no other. Names, dates and issuers of its X.509
/// certificate say less than the key itself, so they are not looked at.
pub fn pinned(spki_sha256: Hex<32>) -> Result<ClientConfig, TlsError> {
    verified_by(Trust::Key(spki_sha256))
}

/// Believes a server whose certificate, for the name it was called by, was issued under one of these PEM roots.
pub fn rooted(ca_pem: &str) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(ca_pem.as_bytes()) {
        roots.add(root?)?;
    }
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = ALPN.map(Vec::from).into();
    Ok(config)
}

/// Believes anybody. Only for fetching what proves itself: a certificate or a controller's information, verified by
/// signature or fingerprint afterwards. Nothing secret may be sent, nothing else that comes back be believed.
pub fn unauthenticated() -> Result<ClientConfig, TlsError> {
    verified_by(Trust::Anybody)
}

fn verified_by(trust: Trust) -> Result<ClientConfig, TlsError> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(KeyVerifier { trust, provider: provider() }))
        .with_no_client_auth();
    config.alpn_protocols = ALPN.map(Vec::from).into();
    Ok(config)
}

#[derive(Debug)]
enum Trust {
    Key(Hex<32>),
    Anybody,
}

/// Judges a server by its key.
#[derive(Debug)]
struct KeyVerifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

/// The server holds another key than the pinned one.
#[derive(Debug, Error)]
#[error("the server's TLS key is not the one that its certificate names")]
struct WrongKey;

impl ServerCertVerifier for KeyVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let presented = spki_sha256(&ParsedCertificate::try_from(end_entity)?.subject_public_key_info());
        match &self.trust {
            Trust::Key(pinned) if *pinned != presented => {
                Err(CertificateError::Other(OtherError(Arc::new(WrongKey))).into())
            }
            Trust::Key(_) | Trust::Anybody => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
