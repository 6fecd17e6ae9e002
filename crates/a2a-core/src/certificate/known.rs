//! Certificates whose signatures have been found good: an agent that comes again costs no RSA.
//!
//! Nothing else is remembered. Whether the controller's key still counts, whether the certificate holds now and what the
//! list says of it is looked at each time, so nothing here has to be told of a new list or a new key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::card::AgentCertificate;
use super::verify::VerifiedCertificate;
use crate::wire::Hex;

/// Remembers certificates by their serial; those that have not been seen for the longest are forgotten first. The default
/// has room for 4096, of about 2 KiB each. Clones share what they remember.
#[derive(Debug, Clone)]
pub struct KnownCertificates(Arc<Mutex<Table>>);

/// Two generations: what has not been asked for while the younger one filled up goes with the older one.
#[derive(Debug)]
struct Table {
    max_of_generation: usize,
    younger: HashMap<Hex<16>, VerifiedCertificate>,
    older: HashMap<Hex<16>, VerifiedCertificate>,
}

impl KnownCertificates {
    /// With room for so many certificates.
    pub fn with_room_for(certificates: usize) -> Self {
        let (younger, older) = (HashMap::new(), HashMap::new());
        Self(Arc::new(Mutex::new(Table { max_of_generation: certificates / 2, younger, older })))
    }

    /// The certificate as it was verified, if this one is it in every field, its signatures and the name of the key that
    /// certified it included.
    pub(super) fn find(&self, certificate: &AgentCertificate) -> Option<VerifiedCertificate> {
        let mut table = self.table();
        if let Some(known) = table.younger.get(&certificate.serial) {
            return (known.certificate() == certificate).then(|| known.clone());
        }
        let known = table.older.get(&certificate.serial)?;
        let known = (known.certificate() == certificate).then(|| known.clone())?;
        table.older.remove(&certificate.serial);
        table.add(known.clone());
        Some(known)
    }

    pub(super) fn add(&self, verified: &VerifiedCertificate) {
        self.table().add(verified.clone());
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for KnownCertificates {
    fn default() -> Self {
        Self::with_room_for(ROOM)
    }
}

impl Table {
    fn add(&mut self, verified: VerifiedCertificate) {
        if self.younger.len() >= self.max_of_generation {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(verified.certificate().serial, verified);
    }
}

const ROOM: usize = 4096;
