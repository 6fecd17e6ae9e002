//! A backup: everything in the store and every file of keys, as one sealed file. Whoever has it and the passphrase is
//! the controller.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use a2a_core::time::UnixTime;
use a2a_core::wire::Base64;
use a2a_node::args::credentials;
use a2a_node::error::NodeError;
use a2a_node::keys::KeyDir;
use a2a_node::passphrase::{Passphrase, PassphraseSource};
use a2a_node::repl::CommandError;
use a2a_node::seal;
use a2a_node::store::{read_file, write_file};
use serde::{Deserialize, Serialize};
use serde_json::json;
use zeroize::Zeroizing;

use super::fault;
use crate::controller::{Controller, blocking};
use crate::keys::is_identity_key;
use crate::secret::SECRET_FILE;
use crate::store::{Event, Export};
use crate::tls_authority::{KEY_FILE as TLS_ROOT_KEY, ROOT_FILE as TLS_ROOT};

/// What is in a backup.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backup {
    /// [`FORMAT`].
    format: u32,
    /// When it was made.
    pub(crate) made_at: UnixTime,
    /// Every table.
    pub(crate) store: Export,
    /// Private files by name.
    pub(crate) keys: BTreeMap<String, KeyFile>,
    /// The TLS root's certificate.
    pub(crate) tls_root: String,
}

/// The content of a private file. `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct KeyFile(Base64);

/// What was written.
#[derive(Debug, Serialize)]
pub(crate) struct BackupReport {
    /// Where.
    pub(crate) file: PathBuf,
    /// Its length.
    pub(crate) bytes: usize,
    /// How many agents are in it.
    pub(crate) agents: usize,
    /// How many entries of the audit.
    pub(crate) audit_entries: usize,
}

/// Under which passphrase a backup is sealed.
#[derive(Debug, Clone)]
pub(crate) struct Sealing {
    /// As the operator said.
    pub(crate) told: Option<PassphraseSource>,
    /// That of the keys.
    pub(crate) of_keys: Option<Passphrase>,
}

impl Sealing {
    /// Finds the passphrase: what was told, else that of the keys, else a person is asked. Blocks.
    pub(super) fn obtain(&self, is_new: bool) -> Result<Passphrase, NodeError> {
        match (&self.told, &self.of_keys) {
            (Some(source), _) => source.obtain(is_new, credentials().as_deref()),
            (None, Some(passphrase)) => Ok(passphrase.clone()),
            (None, None) => PassphraseSource::Prompt.obtain(is_new, None),
        }
    }
}

impl Controller {
    /// Writes a backup. The controller may serve meanwhile: what is in it is of one moment.
    pub(crate) async fn backup(&self, file: &Path, sealing: Sealing) -> Result<BackupReport, CommandError> {
        let now = self.clock.now();
        let passphrase = blocking(move || sealing.obtain(true)).await.map_err(fault)?;
        let mut change = self.store.begin().await.map_err(fault)?;
        change.record(now, Event::BackupMade, None, json!({})).await.map_err(fault)?;
        self.commit(change).await.map_err(fault)?;
        let store = self.store.export().await.map_err(fault)?;
        let (agents, audit_entries) = (store.agents.len(), store.audit.len());
        let (keys, path) = (self.keys.dir.clone(), file.to_owned());
        let written = blocking(move || {
            let backup = Backup {
                format: FORMAT,
                made_at: now,
                store,
                keys: key_files(&keys)?,
                tls_root: tls_root(&keys)?.unwrap_or_default(),
            };
            let sealed = backup.seal(&passphrase)?;
            write_file(&path, &sealed, 0o600)?;
            Ok(sealed.len())
        });
        let bytes = written.await.map_err(fault)?;
        Ok(BackupReport { file: file.to_owned(), bytes, agents, audit_entries })
    }
}

impl Backup {
    pub(super) fn seal(&self, passphrase: &Passphrase) -> Result<Vec<u8>, NodeError> {
        let json = serde_json::to_vec(self).map(Zeroizing::new);
        let json = json.map_err(|error| NodeError::Environment(error.to_string()))?;
        seal::seal(passphrase, PURPOSE, &json).map_err(|error| NodeError::Environment(error.to_string()))
    }

    /// Reads what [`Backup::seal`] wrote. Takes as long as a guess at the passphrase shall take.
    pub(super) fn open(path: &Path, passphrase: &Passphrase) -> Result<Self, NodeError> {
        let refused = |reason: String| NodeError::Environment(format!("{}: {reason}", path.display()));
        let sealed = read_file(path)?.ok_or_else(|| refused("there is no such file".to_owned()))?;
        if !seal::is_sealed(&sealed) {
            return Err(refused("this is no backup".to_owned()));
        }
        let json = seal::open(passphrase, PURPOSE, &sealed).map_err(|error| refused(error.to_string()))?;
        let backup: Self = serde_json::from_slice(&json).map_err(|error| refused(error.to_string()))?;
        if backup.format != FORMAT {
            return Err(refused(format!("its format is {}, and this program reads {FORMAT}", backup.format)));
        }
        Ok(backup)
    }
}

impl KeyFile {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_ref()
    }
}

impl Drop for KeyFile {
    fn drop(&mut self) {
        zeroize::Zeroize::zeroize(&mut std::mem::take(&mut self.0).into_vec());
    }
}

impl std::fmt::Debug for KeyFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeyFile(..)")
    }
}

/// The files that make the controller who it is. Its TLS server's own key is not among them: each has another.
pub(super) fn key_files(keys: &KeyDir) -> Result<BTreeMap<String, KeyFile>, NodeError> {
    let mut files = BTreeMap::new();
    for name in names(keys.path())? {
        if let Some(bytes) = keys.read(&name)? {
            files.insert(name, KeyFile(bytes.to_vec().into()));
        }
    }
    Ok(files)
}

pub(super) fn tls_root(keys: &KeyDir) -> Result<Option<String>, NodeError> {
    let pem = read_file(&keys.path().join(TLS_ROOT))?;
    Ok(pem.map(|pem| String::from_utf8_lossy(&pem).into_owned()))
}

fn names(dir: &Path) -> Result<Vec<String>, NodeError> {
    let unreadable = |error: std::io::Error| NodeError::Environment(format!("{}: {error}", dir.display()));
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name().to_string_lossy().into_owned();
        if is_identity_key(&name) || name == SECRET_FILE || name == TLS_ROOT_KEY {
            names.push(name);
        }
    }
    Ok(names)
}

const PURPOSE: &str = "a2a/1 controller backup";
const FORMAT: u32 = 1;
