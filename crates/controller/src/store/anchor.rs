//! The file `audit.head` in the data directory: the end of the audit chain as this controller last saw it. A database
//! that is set back as a whole, its state row included, is found out by it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use a2a_node::store::{StoreError, write_file};

use super::AuditHead;

/// See the module. Touches the disk: not for an async worker.
#[derive(Debug, Clone)]
pub(crate) struct Anchor {
    path: PathBuf,
}

/// What came of keeping a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// It is kept.
    Yes,
    /// A later one is known, or another of this number: the database was set back, or another process is ahead.
    Behind(AuditHead),
}

impl Anchor {
    /// The one in this data directory.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self { path: data_dir.join(FILE) }
    }

    /// The head that was last seen.
    pub(crate) fn read(&self) -> Result<Option<AuditHead>, StoreError> {
        let json = match fs::read(&self.path) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { path: self.path.clone(), source }),
        };
        let malformed = |error: serde_json::Error| StoreError::Malformed {
            path: self.path.clone(),
            reason: error.to_string(),
        };
        serde_json::from_slice(&json).map(Some).map_err(malformed)
    }

    /// Keeps a head, unless a later one is kept.
    pub(crate) fn keep(&self, head: AuditHead) -> Result<Kept, StoreError> {
        match self.read()? {
            Some(known) if known == head => Ok(Kept::Yes),
            Some(known) if known.seq >= head.seq => Ok(Kept::Behind(known)),
            _ => self.replace(head).map(|()| Kept::Yes),
        }
    }

    /// Keeps a head, whatever was kept: after a restore.
    pub(crate) fn replace(&self, head: AuditHead) -> Result<(), StoreError> {
        let json = serde_json::json!({ "seq": head.seq, "hash": head.hash }).to_string();
        write_file(&self.path, json.as_bytes(), 0o600)
    }
}

const FILE: &str = "audit.head";
