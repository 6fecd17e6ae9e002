//! Who this agent is, on disk and in memory: its keys, the controller it trusts, its certificate.
//!
//! Everything survives a restart; sessions do not, since their keys never touch the disk.

use std::sync::{Arc, PoisonError, RwLock};

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::revocation::{RevocationList, Revocations};
use a2a_core::certificate::verify::{TrustAnchor, Verifier};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::SigningKey;
use a2a_core::handshake::Credential;
use a2a_core::time::UnixTime;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::error::NodeError;
use crate::identity_key;
use crate::keys::KeyDir;
use crate::store::DataDir;
use crate::tls::TlsKey;

/// The controller as first contact pinned it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Trust {
    /// Verifies certificates.
    pub(crate) anchor: TrustAnchor,
    /// Verifies the controller's TLS server, PEM.
    pub(crate) tls_root: String,
}

/// The certificate as it is kept on disk.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct StoredCertificate {
    pub(crate) certificate: AgentCertificate,
    /// What the TLS server shows, PEM.
    pub(crate) tls_chain: String,
}

/// This agent's keys and papers.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) dir: DataDir,
    pub(crate) provider: Provider,
    pub(crate) key: Arc<dyn SigningKey>,
    pub(crate) tls_key: TlsKey,
    papers: RwLock<Papers>,
    /// How peers are verified now: told anew when a list is taken or a successor of the controller's key followed.
    verifier: watch::Sender<Option<Verifier>>,
}

#[derive(Debug, Default)]
struct Papers {
    trust: Option<Trust>,
    credential: Option<Credential>,
    revocations: Option<Revocations>,
}

impl Papers {
    fn verifier(&self) -> Option<Verifier> {
        let (trust, revocations) = (self.trust.as_ref()?, self.revocations.as_ref()?);
        Some(Verifier { anchor: trust.anchor.clone(), revocations: revocations.clone() })
    }
}

impl Identity {
    /// Reads what there is, and makes the keys that are missing. Returns the TLS chain that was kept with the
    /// certificate, if there is one that still holds at `now`.
    pub(crate) fn open(
        dir: DataDir,
        keys: &KeyDir,
        provider: Provider,
        now: UnixTime,
    ) -> Result<(Self, Option<String>), NodeError> {
        let key = identity_key::load_or_generate(keys, KEY_FILE, provider)?;
        let tls_key = TlsKey::load_or_generate(keys, TLS_KEY_FILE)?;
        let trust: Option<Trust> = dir.read_json(TRUST_FILE)?;
        let stored: Option<StoredCertificate> = dir.read_json(CERTIFICATE_FILE)?;
        let mut papers = Papers { trust, credential: None, revocations: None };
        if let (Some(trust), Some(list)) = (&papers.trust, dir.read_json::<RevocationList>(REVOCATIONS_FILE)?)
        {
            papers.revocations = list.verify(provider, &trust.anchor, now).ok();
        }
        let mut tls_chain = None;
        if let (Some(trust), Some(stored)) = (&papers.trust, stored) {
            match trust
                .anchor
                .verify(provider, stored.certificate, None, now)
                .map_err(a2a_core::handshake::HandshakeError::from)
                .and_then(|certificate| Credential::new(provider, key.clone(), certificate))
            {
                Ok(credential) => {
                    papers.credential = Some(credential);
                    tls_chain = Some(stored.tls_chain);
                }
                Err(reason) => tracing::warn!(%reason, "the stored certificate is of no use; run setup"),
            }
        }
        let verifier = watch::Sender::new(papers.verifier());
        Ok((Self { dir, provider, key, tls_key, papers: RwLock::new(papers), verifier }, tls_chain))
    }

    /// The present verifier, and every one after it.
    pub(crate) fn watch_verifier(&self) -> watch::Receiver<Option<Verifier>> {
        self.verifier.subscribe()
    }

    pub(crate) fn trust(&self) -> Option<Trust> {
        self.papers.read().unwrap_or_else(PoisonError::into_inner).trust.clone()
    }

    /// What this agent acts with; an error if it has no certificate or the certificate has ended.
    pub(crate) fn credential(&self, now: UnixTime) -> Result<(Credential, Verifier), NodeError> {
        let papers = self.papers.read().unwrap_or_else(PoisonError::into_inner);
        let (Some(credential), Some(trust)) = (&papers.credential, &papers.trust) else {
            return Err(NodeError::NotEnrolled);
        };
        credential.certificate().check_validity(now).map_err(|_| NodeError::CertificateExpired)?;
        let revocations = papers.revocations.clone().ok_or(NodeError::NotEnrolled)?;
        Ok((credential.clone(), Verifier { anchor: trust.anchor.clone(), revocations }))
    }

    pub(crate) fn certificate(&self) -> Option<AgentCertificate> {
        let papers = self.papers.read().unwrap_or_else(PoisonError::into_inner);
        papers.credential.as_ref().map(|credential| credential.certificate().certificate().clone())
    }

    /// Lays a certificate aside that no longer says who this agent is, or where: it has to enrol again.
    pub(crate) fn keep_only(&self, agent_id: &AgentId, address: &AgentAddress, suites: &[Suite]) {
        let mut papers = self.papers.write().unwrap_or_else(PoisonError::into_inner);
        let tls_key = self.tls_key.spki_sha256();
        let fits = papers.credential.as_ref().is_none_or(|credential| {
            let card = &credential.certificate().certificate().agent_card;
            (&card.agent_id, &card.address, card.suites.as_slice()) == (agent_id, address, suites)
                && card.tls_spki_sha256 == tls_key
        });
        if !fits {
            tracing::warn!("the stored certificate is for another id, address or suites; run setup");
            papers.credential = None;
        }
    }

    /// Pins the controller, on disk first.
    pub(crate) fn pin(&self, trust: Trust) -> Result<(), NodeError> {
        self.dir.write_json(TRUST_FILE, &trust)?;
        self.change(|papers| papers.trust = Some(trust));
        Ok(())
    }

    /// Takes a verified list, on disk first.
    pub(crate) fn take_revocations(&self, revocations: Revocations) -> Result<(), NodeError> {
        self.dir.write_json(REVOCATIONS_FILE, revocations.list())?;
        self.change(|papers| papers.revocations = Some(revocations));
        Ok(())
    }

    fn change(&self, change: impl FnOnce(&mut Papers)) {
        let mut papers = self.papers.write().unwrap_or_else(PoisonError::into_inner);
        change(&mut papers);
        self.verifier.send_replace(papers.verifier());
    }

    /// Takes a verified certificate, on disk first.
    pub(crate) fn take(&self, credential: Credential, tls_chain: String) -> Result<(), NodeError> {
        let certificate = credential.certificate().certificate().clone();
        self.dir.write_json(CERTIFICATE_FILE, &StoredCertificate { certificate, tls_chain })?;
        self.papers.write().unwrap_or_else(PoisonError::into_inner).credential = Some(credential);
        Ok(())
    }
}

const KEY_FILE: &str = "identity.key";
const TLS_KEY_FILE: &str = "tls.key";
const REVOCATIONS_FILE: &str = "revocations.json";
const TRUST_FILE: &str = "trust.json";
const CERTIFICATE_FILE: &str = "certificate.json";
