//! TLS: a node's own key, its server configuration, and what its clients believe.
//!
//! TLS keeps onlookers out; who the peer is, the protocol above proves by itself. Between agents the authentication of
//! TLS is therefore the key's hash in the peer's certificate ([`client::pinned`]), not a chain of X.509 certificates.
//! The controller's X.509 root serves the way to the controller, `curl --cacert` and browsers.
//!
//! The crypto provider is passed explicitly everywhere: nothing depends on a process-wide default.

pub mod client;
mod server;

use std::fmt::{self, Debug};
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
use zeroize::Zeroize;

use crate::error::NodeError;
use crate::keys::KeyDir;

pub use server::ServerTls;

/// A P-256 key for TLS.
pub struct TlsKey(KeyPair);

impl Debug for TlsKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsKey(..)")
    }
}

impl Drop for TlsKey {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl TlsKey {
    /// Makes a key that is nowhere stored.
    pub fn generate() -> Result<Self, TlsError> {
        Ok(Self(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
    }

    /// Reads the key from the file `name`, or makes it and stores it there.
    pub fn load_or_generate(dir: &KeyDir, name: &str) -> Result<Self, NodeError> {
        if let Some(der) = dir.read(name)? {
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
        dir.write(name, key.0.serialized_der())?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use rcgen::{BasicConstraints, CertifiedIssuer, IsCa};
    use rustls::pki_types::ServerName;
    use rustls::{CertificateError, ClientConfig, ClientConnection, HandshakeKind, ServerConnection};

    use super::*;

    /// Runs a TLS handshake in memory. Returns what the client says of it.
    fn handshake(client: ClientConfig, server: &ServerTls, name: &'static str) -> Result<(), rustls::Error> {
        handshake_of(&Arc::new(client), server, name).map(drop)
    }

    /// As [`handshake`]; returns which kind it was.
    fn handshake_of(
        client: &Arc<ClientConfig>,
        server: &ServerTls,
        name: &'static str,
    ) -> Result<HandshakeKind, rustls::Error> {
        let mut client = ClientConnection::new(client.clone(), ServerName::try_from(name).unwrap())?;
        let mut server = ServerConnection::new(server.rustls().get_inner())?;
        while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
            let mut bytes = Vec::new();
            client.write_tls(&mut bytes).unwrap();
            server.read_tls(&mut bytes.as_slice()).unwrap();
            server.process_new_packets()?;
            bytes.clear();
            server.write_tls(&mut bytes).unwrap();
            client.read_tls(&mut bytes.as_slice()).unwrap();
            client.process_new_packets()?;
        }
        assert_eq!(client.alpn_protocol(), Some(b"h2".as_slice()));
        Ok(client.handshake_kind().unwrap())
    }

    struct Root(CertifiedIssuer<'static, KeyPair>);

    impl Root {
        fn new() -> Self {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
            Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
        }

        fn issue(&self, key: &TlsKey, name: &str) -> ServerTls {
            let params = certificate_for(&[name.into()]).unwrap();
            ServerTls::new(key, &params.signed_by(key.key_pair(), &self.0).unwrap().pem()).unwrap()
        }
    }

    fn self_signed(key: &TlsKey) -> ServerTls {
        ServerTls::new(key, &key.self_signed(&["localhost".into()]).unwrap()).unwrap()
    }

    #[test]
    fn a_pin_is_one_key_under_any_name() {
        let (key, other) = (TlsKey::generate().unwrap(), TlsKey::generate().unwrap());
        handshake(client::pinned(key.spki_sha256()).unwrap(), &self_signed(&key), "elsewhere").unwrap();
        let refused =
            handshake(client::pinned(key.spki_sha256()).unwrap(), &self_signed(&other), "localhost");
        assert!(refused.unwrap_err().to_string().contains("WrongKey"));
    }

    #[test]
    fn a_root_vouches_for_its_own_names_and_no_others() {
        let (root, key) = (Root::new(), TlsKey::generate().unwrap());
        let client = || client::rooted(&root.0.pem()).unwrap();
        handshake(client(), &root.issue(&key, "localhost"), "localhost").unwrap();
        for (server, name) in [
            (root.issue(&key, "localhost"), "elsewhere"),
            (Root::new().issue(&key, "localhost"), "localhost"),
            (self_signed(&key), "localhost"),
        ] {
            let refused = handshake(client(), &server, name).unwrap_err();
            assert!(matches!(refused, rustls::Error::InvalidCertificate(_)), "{refused}");
        }
        assert!(
            client::rooted("no certificate").is_ok_and(|config| {
                handshake(config, &root.issue(&key, "localhost"), "localhost").is_err()
            })
        );
    }

    #[test]
    fn whoever_is_believed_must_hold_the_certificates_key() {
        // A certificate that somebody else has shown, served with another key.
        let (victim, thief) = (TlsKey::generate().unwrap(), TlsKey::generate().unwrap());
        let shown = victim.self_signed(&["localhost".into()]).unwrap();
        assert!(ServerTls::new(&thief, &shown).is_err(), "our own server refuses");
        for version in VERSIONS {
            let stolen = stolen_certificate(&shown, &thief, version);
            for client in [client::unauthenticated(), client::pinned(victim.spki_sha256())] {
                let refused = handshake(client.unwrap(), &stolen, "localhost").unwrap_err();
                assert_eq!(refused, CertificateError::BadSignature.into(), "{version:?}");
            }
        }
        handshake(client::unauthenticated().unwrap(), &self_signed(&thief), "localhost").unwrap();
    }

    /// A server that shows a certificate without holding its key, which takes some doing.
    fn stolen_certificate(pem: &str, key: &TlsKey, version: &'static SupportedProtocolVersion) -> ServerTls {
        #[derive(Debug)]
        struct Stolen(Arc<rustls::sign::CertifiedKey>);
        impl rustls::server::ResolvesServerCert for Stolen {
            fn resolve(&self, _: rustls::server::ClientHello<'_>) -> Option<Arc<rustls::sign::CertifiedKey>> {
                Some(self.0.clone())
            }
        }
        let der = PrivatePkcs8KeyDer::from(key.key_pair().serialize_der());
        let signer = provider().key_provider.load_private_key(der.into()).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()];
        let mut config = rustls::ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Stolen(Arc::new(rustls::sign::CertifiedKey::new(chain, signer)))));
        config.alpn_protocols = ALPN.map(Vec::from).into();
        ServerTls::for_test(config)
    }

    #[test]
    fn a_certificate_can_be_replaced_while_it_serves() {
        let (root, key) = (Root::new(), TlsKey::generate().unwrap());
        let server = self_signed(&key);
        let rooted = || client::rooted(&root.0.pem()).unwrap();
        assert!(handshake(rooted(), &server, "localhost").is_err());
        let chain =
            certificate_for(&["localhost".into()]).unwrap().signed_by(key.key_pair(), &root.0).unwrap().pem();
        server.clone().replace(&key, &chain).unwrap();
        handshake(rooted(), &server, "localhost").unwrap();
        assert!(server.replace(&TlsKey::generate().unwrap(), &chain).is_err());
        handshake(rooted(), &server, "localhost").unwrap();
    }

    /// A resumed handshake proves no key anew, so it may only follow one with the same client and the same certificate.
    #[test]
    fn who_comes_again_resumes_until_the_certificate_is_replaced() {
        let (key, other) = (TlsKey::generate().unwrap(), TlsKey::generate().unwrap());
        let server = self_signed(&key);
        let client = || Arc::new(client::pinned(key.spki_sha256()).unwrap());
        let (known, stranger) = (client(), client());
        let kind = |client| handshake_of(client, &server, "localhost");
        let full = |kind: Result<HandshakeKind, rustls::Error>| {
            matches!(kind, Ok(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest))
        };
        assert!(full(kind(&known)));
        for _ in 0..5 {
            assert_eq!(kind(&known).unwrap(), HandshakeKind::Resumed);
        }
        assert!(full(kind(&stranger)));
        server.replace(&key, &key.self_signed(&["localhost".into()]).unwrap()).unwrap();
        assert!(full(kind(&known)));
        server.replace(&other, &other.self_signed(&["localhost".into()]).unwrap()).unwrap();
        assert!(kind(&known).unwrap_err().to_string().contains("WrongKey"));
    }

    #[test]
    fn a_key_survives_and_is_one_with_its_certificates() {
        let parent = tempfile::tempdir().unwrap();
        let dir = KeyDir::open(parent.path(), None).unwrap();
        let made = TlsKey::load_or_generate(&dir, "tls.key").unwrap().spki_sha256();
        assert_eq!(format!("{:?}", TlsKey::generate().unwrap()), "TlsKey(..)");
        let read = TlsKey::load_or_generate(&dir, "tls.key").unwrap();
        assert_eq!(made, read.spki_sha256());
        assert_eq!(certificate_key_sha256(&read.self_signed(&["a".into()]).unwrap()).unwrap(), made);
        dir.write("tls.key", b"not a key").unwrap();
        assert!(TlsKey::load_or_generate(&dir, "tls.key").unwrap_err().to_string().contains("tls.key"));
    }
}
