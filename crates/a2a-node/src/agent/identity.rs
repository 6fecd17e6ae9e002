//! Who this agent is, on disk and in memory: its keys, the controller it trusts, its certificate, and what is revoked.
//!
//! Everything survives a restart; sessions do not, since their keys never touch the disk. Whether a list or a certificate
//! may be taken is decided before it gets here.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use a2a_core::certificate::card::AgentCertificate;
use a2a_core::certificate::known::KnownCertificates;
use a2a_core::certificate::revocation::{RevocationList, Revocations, Standing};
use a2a_core::certificate::verify::{CertificateError, TrustAnchor, VerifiedCertificate, Verifier};
use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::SigningKey;
use a2a_core::handshake::{Credential, HandshakeError};
use a2a_core::time::{UnixTime, ValidityError};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::error::NodeError;
use crate::identity_key;
use crate::keys::KeyDir;
use crate::store::DataDir;
use crate::tls::TlsKey;

/// The controller as first contact pinned it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    dir: DataDir,
    keys: KeyDir,
    pub(crate) provider: Provider,
    pub(crate) tls_key: TlsKey,
    papers: RwLock<Papers>,
    taking: Mutex<()>,
    /// How peers are verified now: told anew when a list is taken or a successor of the controller's key followed.
    verifier: watch::Sender<Option<Arc<Verifier>>>,
}

#[derive(Debug)]
struct Papers {
    key: Arc<dyn SigningKey>,
    /// The key that shall take the other's place: on disk before the controller hears of it, and until the certificate
    /// for it is there, too.
    next_key: Option<Arc<dyn SigningKey>>,
    trust: Option<Trust>,
    /// Kept when its certificate has ended, too: the key is bound to the id, and renews it.
    credential: Option<Credential>,
    /// Why the stored certificate was laid aside, if it was.
    misfit: Option<String>,
    revocations: Option<Revocations>,
    /// Made of the above, when they change.
    verifier: Option<Arc<Verifier>>,
    /// Peers whose certificates have been verified before.
    known: KnownCertificates,
}

impl Identity {
    /// Reads what there is, and makes the keys that are missing. Returns the TLS chain that was kept with the
    /// certificate, if there is one.
    pub(crate) fn open(
        dir: DataDir,
        keys: KeyDir,
        provider: Provider,
        now: UnixTime,
    ) -> Result<(Self, Option<String>), NodeError> {
        let tls_key = TlsKey::load_or_generate(&keys, TLS_KEY_FILE)?;
        let stored: Option<StoredCertificate> = dir.read_json(CERTIFICATE_FILE)?;
        let (key, next_key) = load_keys(&keys, provider, stored.as_ref())?;
        let mut papers = Papers::of(key, next_key);
        let mut tls_chain = None;
        if let Some(trust) = dir.read_json::<Trust>(TRUST_FILE)? {
            papers.revocations =
                stored_revocations(dir.read_json(REVOCATIONS_FILE)?, provider, &trust.anchor);
            if let Some(StoredCertificate { certificate, tls_chain: chain }) = stored {
                papers.credential = papers.credential_for(certificate, provider, &trust.anchor, now);
                tls_chain = papers.credential.is_some().then_some(chain);
            }
            papers.trust = Some(trust);
        }
        let verifier = watch::Sender::new(papers.renew_verifier());
        let papers = RwLock::new(papers);
        Ok((Self { dir, keys, provider, tls_key, papers, taking: Mutex::default(), verifier }, tls_chain))
    }

    /// The present verifier, and every one after it.
    pub(crate) fn watch_verifier(&self) -> watch::Receiver<Option<Arc<Verifier>>> {
        self.verifier.subscribe()
    }

    pub(crate) fn trust(&self) -> Option<Trust> {
        self.read().trust.clone()
    }

    /// The list at hand, whether it may still be relied on or not.
    pub(crate) fn revocations(&self) -> Option<Revocations> {
        self.read().revocations.clone()
    }

    /// The number of the list at hand; zero, below every number, if there is none.
    pub(crate) fn list_number(&self) -> u64 {
        self.read().revocations.as_ref().map_or(0, Revocations::number)
    }

    /// The key that is certified, or will be.
    pub(crate) fn key(&self) -> Arc<dyn SigningKey> {
        self.read().key.clone()
    }

    /// The key that shall take its place, if that has been begun.
    pub(crate) fn next_key(&self) -> Option<Arc<dyn SigningKey>> {
        self.read().next_key.clone()
    }

    /// What this agent acts with; an error if it may not act now: without a certificate that holds, when it is revoked
    /// itself, or when it cannot tell who is.
    pub(crate) fn credential(&self, now: UnixTime) -> Result<(Credential, Arc<Verifier>), NodeError> {
        let papers = self.read();
        let (Some(credential), Some(_)) = (&papers.credential, &papers.trust) else {
            let misfit = papers.misfit.clone().map(|reason| NodeError::CertificateMisfit { reason });
            return Err(misfit.unwrap_or(NodeError::NotEnrolled));
        };
        credential.certificate().check_validity(now).map_err(|error| not_valid(&error))?;
        let stale = |reason: String| NodeError::RevocationsStale { reason };
        let none = || stale("no list has been fetched yet".into());
        let verifier = papers.verifier.clone().ok_or_else(none)?;
        let revocations = &verifier.revocations;
        if revocations.standing(credential.certificate().certificate()) == Standing::Revoked {
            return Err(NodeError::Revoked);
        }
        revocations.check_fresh(now).map_err(|error| stale(error.to_string()))?;
        Ok((credential.clone(), verifier))
    }

    pub(crate) fn certificate(&self) -> Option<AgentCertificate> {
        self.read().credential.as_ref().map(|credential| credential.certificate().certificate().clone())
    }

    /// What the list at hand says of this agent's certificate, if it has both.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let papers = self.read();
        let (credential, revocations) = (papers.credential.as_ref()?, papers.revocations.as_ref()?);
        Some(revocations.standing(credential.certificate().certificate()))
    }

    /// Whether the list at hand says that this agent's key is void, whatever the certificate.
    pub(crate) fn key_is_void(&self) -> bool {
        let papers = self.read();
        let is_void =
            |list: &Revocations| list.list().key_ids.binary_search(&papers.key.public_key().key_id()).is_ok();
        papers.revocations.as_ref().is_some_and(is_void)
    }

    /// This agent's certificate, with its proof.
    pub(crate) fn verified(&self) -> Option<VerifiedCertificate> {
        self.read().credential.as_ref().map(|credential| credential.certificate().clone())
    }

    /// The newest certificate and its key, whether it may be acted with now or not.
    pub(crate) fn newest(&self) -> Option<Credential> {
        self.read().credential.clone()
    }

    /// Lays the certificate aside, until there is another.
    pub(crate) fn lay_aside(&self, reason: String) {
        let mut papers = self.write();
        (papers.credential, papers.misfit) = (None, Some(reason));
    }

    /// Pins the controller, on disk first.
    pub(crate) fn pin(&self, trust: Trust) -> Result<(), NodeError> {
        self.dir.write_json(TRUST_FILE, &trust)?;
        self.change(|papers| papers.trust = Some(trust));
        Ok(())
    }

    /// Takes a verified list, on disk first, if it is not older than the one at hand; says whether there is news in it.
    pub(crate) fn take_revocations(&self, revocations: Revocations) -> Result<bool, NodeError> {
        // One at a time: what is compared with must not change before it is replaced.
        let _one = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.revocations();
        let is_old_news = |known: &Revocations| {
            known.number() == revocations.number()
                && known.list().this_update >= revocations.list().this_update
        };
        // Two controllers behind one address date the same list a little apart.
        if known.as_ref().is_some_and(is_old_news) {
            return Ok(false);
        }
        if let Some(known) = &known {
            known.check_succession(&revocations).map_err(|error| NodeError::ControllerMisbehaved {
                what: "revocation list",
                reason: error.to_string(),
            })?;
        }
        let is_news = known.is_none_or(|known| known.number() < revocations.number());
        self.dir.write_json(REVOCATIONS_FILE, revocations.list())?;
        self.change(|papers| papers.revocations = Some(revocations));
        Ok(is_news)
    }

    /// Takes a verified certificate, on disk first. If it is for the next key, that key takes the other's place.
    pub(crate) fn take(&self, credential: Credential, tls_chain: String) -> Result<(), NodeError> {
        let certificate = credential.certificate().certificate().clone();
        self.dir.write_json(CERTIFICATE_FILE, &StoredCertificate { certificate, tls_chain })?;
        let mut papers = self.write();
        let is_next = |key: &mut Arc<dyn SigningKey>| key.public_key() == credential.key().public_key();
        let promoted = papers.next_key.take_if(is_next);
        (papers.credential, papers.misfit) = (Some(credential), None);
        if let Some(key) = promoted {
            papers.key = key;
            // Should this be cut short, the next start does it: the certificate says which key is the right one.
            self.keys.rename(NEXT_KEY_FILE, KEY_FILE)?;
        }
        Ok(())
    }

    /// The key that shall take the present one's place: made, and on disk, if there is none yet. Takes its time.
    pub(crate) fn begin_rekey(&self) -> Result<Arc<dyn SigningKey>, NodeError> {
        if let Some(key) = self.next_key() {
            return Ok(key);
        }
        let key = identity_key::generate(&self.keys, NEXT_KEY_FILE, self.provider)?;
        self.write().next_key = Some(key.clone());
        Ok(key)
    }

    /// Gives up the next key, which the controller does not know.
    pub(crate) fn abandon_rekey(&self) -> Result<(), NodeError> {
        self.write().next_key = None;
        Ok(self.keys.remove(NEXT_KEY_FILE)?)
    }

    fn change(&self, change: impl FnOnce(&mut Papers)) {
        let mut papers = self.write();
        change(&mut papers);
        self.verifier.send_replace(papers.renew_verifier());
    }

    fn read(&self) -> RwLockReadGuard<'_, Papers> {
        self.papers.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Papers> {
        self.papers.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Papers {
    fn of(key: Key, next_key: Option<Key>) -> Self {
        let (trust, credential, misfit, revocations) = (None, None, None, None);
        let known = KnownCertificates::default();
        Self { key, next_key, trust, credential, misfit, revocations, verifier: None, known }
    }

    fn renew_verifier(&mut self) -> Option<Arc<Verifier>> {
        let papers = self.trust.as_ref().zip(self.revocations.clone());
        self.verifier = papers.map(|(trust, revocations)| {
            Arc::new(Verifier { anchor: trust.anchor.clone(), revocations, known: self.known.clone() })
        });
        self.verifier.clone()
    }

    /// Verified as of a time at which it held: one that has ended can still be renewed.
    fn credential_for(
        &self,
        certificate: AgentCertificate,
        provider: Provider,
        anchor: &TrustAnchor,
        now: UnixTime,
    ) -> Option<Credential> {
        let begins = certificate.issued_at.max(certificate.agent_card.issued_at);
        let last = UnixTime::from_secs(certificate.expires_at.as_secs().saturating_sub(1));
        let verified = anchor.verify(provider, certificate, None, now.min(last).max(begins));
        verified
            .map_err(HandshakeError::from)
            .and_then(|certificate| Credential::new(provider, self.key.clone(), certificate))
            .inspect_err(|reason| tracing::warn!(%reason, "the stored certificate is of no use; run setup"))
            .ok()
    }
}

type Key = Arc<dyn SigningKey>;

/// The present key and the next one. If the stored certificate is for the next one, a promotion was cut short.
fn load_keys(
    keys: &KeyDir,
    provider: Provider,
    stored: Option<&StoredCertificate>,
) -> Result<(Key, Option<Key>), NodeError> {
    let next = identity_key::load(keys, NEXT_KEY_FILE, provider)?;
    let certified = stored.map(|stored| &stored.certificate.agent_card.public_key);
    match next {
        Some(next) if certified == Some(next.public_key()) => {
            keys.rename(NEXT_KEY_FILE, KEY_FILE)?;
            Ok((next, None))
        }
        next => Ok((identity_key::load_or_generate(keys, KEY_FILE, provider)?, next)),
    }
}

/// The list that was kept. It is verified as of the time at which it was made, under the key of that time: past its end
/// it still says which lists are too old.
fn stored_revocations(
    list: Option<RevocationList>,
    provider: Provider,
    anchor: &TrustAnchor,
) -> Option<Revocations> {
    let list = list?;
    let under = |public_key| TrustAnchor { public_key, former: Vec::new(), ..anchor.clone() };
    let former = anchor.former.iter().rev().map(|former| former.public_key.clone());
    let mut anchors = std::iter::once(anchor.public_key.clone()).chain(former).map(under);
    let found = anchors.find_map(|anchor| list.clone().verify(provider, &anchor, list.this_update).ok());
    if found.is_none() {
        tracing::warn!("the stored revocation list does not verify; it is fetched anew");
    }
    found
}

fn not_valid(error: &CertificateError) -> NodeError {
    match error {
        CertificateError::Validity(error @ ValidityError::NotYetValid { .. }) => {
            NodeError::CertificateNotYetValid(error.to_string())
        }
        _ => NodeError::CertificateExpired,
    }
}

const KEY_FILE: &str = "identity.key";
const NEXT_KEY_FILE: &str = "identity.next.key";
const TLS_KEY_FILE: &str = "tls.key";
const REVOCATIONS_FILE: &str = "revocations.json";
const TRUST_FILE: &str = "trust.json";
const CERTIFICATE_FILE: &str = "certificate.json";
