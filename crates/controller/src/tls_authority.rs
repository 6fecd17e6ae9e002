//! The TLS authority: a root of its own, under which the servers of agents and controller get X.509 certificates.
//!
//! These serve `curl --cacert`, browsers and an agent's way to the controller. Who an agent is, they do not say: that
//! is certified by the controller's other key.

use std::net::IpAddr;
use std::time::Duration;

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::time::{CLOCK_SKEW, UnixTime};
use a2a_core::wire::Hex;
use a2a_node::error::NodeError;
use a2a_node::keys::KeyDir;
use a2a_node::store::{read_file, write_file};
use a2a_node::tls::{self, TlsError, TlsKey};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData, SerialNumber,
};

/// The root's key and certificate.
#[derive(Debug)]
pub(crate) struct TlsAuthority {
    key: TlsKey,
    root_pem: String,
}

/// A key for which a certificate may be issued: whoever asked has proved to hold it.
pub(crate) struct RequestedKey(rcgen::PublicKey);

/// From when until when a TLS certificate holds, and its number.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Term {
    pub(crate) issued_at: UnixTime,
    pub(crate) expires_at: UnixTime,
    pub(crate) serial: Hex<16>,
}

impl TlsAuthority {
    /// Reads the root from the directory of keys, or makes it and stores it there.
    pub(crate) fn load_or_generate(
        dir: &KeyDir,
        controller_id: &AgentId,
        now: UnixTime,
    ) -> Result<Self, NodeError> {
        let key = TlsKey::load_or_generate(dir, KEY_FILE)?;
        let root_pem = if let Some(pem) = read_file(&dir.path().join(ROOT_FILE))? {
            String::from_utf8_lossy(&pem).into_owned()
        } else {
            let pem = root_certificate(&key, controller_id, now)?;
            write_file(&dir.path().join(ROOT_FILE), pem.as_bytes(), 0o644)?;
            pem
        };
        if tls::certificate_key_sha256(&root_pem)? != key.spki_sha256() {
            let dir = dir.path().display();
            let text = format!("{dir}: {ROOT_FILE} is not for {KEY_FILE}: restore both from the same backup");
            return Err(NodeError::Environment(text));
        }
        Ok(Self { key, root_pem })
    }

    /// The root certificate, PEM.
    pub(crate) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// A certificate for the key of an agent's server, under the host of its certified address and no other name.
    pub(crate) fn issue_for_agent(
        &self,
        key: &RequestedKey,
        agent_id: &AgentId,
        address: &AgentAddress,
        term: Term,
    ) -> Result<String, TlsError> {
        let host = address.host().trim_start_matches('[').trim_end_matches(']');
        let names = if is_loopback(host) { loopback_names(&[host]) } else { vec![host.to_owned()] };
        self.issue(&key.0, agent_id.as_str(), &names, term)
    }

    /// A certificate for the controller's own server.
    pub(crate) fn issue_for_controller(
        &self,
        key: &TlsKey,
        controller_id: &AgentId,
        names: &[String],
        term: Term,
    ) -> Result<String, TlsError> {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        self.issue(key.key_pair(), controller_id.as_str(), &loopback_names(&names), term)
    }

    fn issue(
        &self,
        key: &impl PublicKeyData,
        subject: &str,
        names: &[String],
        term: Term,
    ) -> Result<String, TlsError> {
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = common_name(subject);
        set_term(&mut params, term.issued_at, term.expires_at);
        params.serial_number = Some(SerialNumber::from_slice(term.serial.as_bytes()));
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        Ok(params.signed_by(key, &self.issuer()?)?.pem())
    }

    fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, TlsError> {
        Ok(Issuer::from_ca_cert_pem(&self.root_pem, self.key.key_pair())?)
    }
}

impl RequestedKey {
    /// Reads a PKCS#10 request and verifies its signature. Of all that it asks for, only the key is taken.
    pub(crate) fn from_csr(pem: &str) -> Result<Self, TlsError> {
        Ok(Self(CertificateSigningRequestParams::from_pem(pem)?.public_key))
    }

    /// SHA-256 of the DER `SubjectPublicKeyInfo`.
    pub(crate) fn spki_sha256(&self) -> Hex<32> {
        tls::spki_sha256(&self.0.subject_public_key_info())
    }
}

fn root_certificate(key: &TlsKey, controller_id: &AgentId, now: UnixTime) -> Result<String, TlsError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name(&format!("A2A TLS root of {controller_id}"));
    set_term(&mut params, now, now.saturating_add(ROOT_LIFE));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params.self_signed(key.key_pair())?.pem())
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

/// The names of loopback, then `further` ones, each once.
fn loopback_names(further: &[&str]) -> Vec<String> {
    let mut names: Vec<String> = LOOPBACK.map(str::to_owned).into();
    for name in further {
        if !names.iter().any(|known| known == name) {
            names.push((*name).to_owned());
        }
    }
    names
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Writes a term as X.509 has it: backdated by the skew, since clocks differ.
fn set_term(params: &mut CertificateParams, issued_at: UnixTime, expires_at: UnixTime) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let seconds = |time: UnixTime| Duration::from_secs(time.as_secs().min(LAST_SECOND));
    params.not_before = epoch + seconds(issued_at.saturating_sub(CLOCK_SKEW));
    params.not_after = epoch + seconds(expires_at);
}

/// Its key's name in the directory of keys, and its certificate's.
pub(crate) const KEY_FILE: &str = "tls_root.key";
pub(crate) const ROOT_FILE: &str = "tls_root.pem";
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Ten years: a new root means that every agent has to be told.
const ROOT_LIFE: Duration = Duration::from_hours(10 * 365 * 24);
/// The end of the year 9999, the last that X.509 can write (RFC 5280, section 4.1.2.5).
const LAST_SECOND: u64 = 253_402_300_799;
