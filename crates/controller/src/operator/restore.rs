//! Reading a backup back, with the controller stopped: keys that are missing are written, and the store becomes what
//! `merge` decides. Nothing that is revoked comes back by it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::Path;

use a2a_core::agent_id::AgentId;
use a2a_core::certificate::revocation::RevocationList;
use a2a_core::certificate::verify::TrustAnchor;
use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use a2a_node::args::{ControllerConfig, DatabaseUrl};
use a2a_node::clock::Clock;
use a2a_node::error::NodeError;
use a2a_node::keys::KeyDir;
use a2a_node::repl::CommandError;
use a2a_node::store::{DataDir, read_file, write_file};
use serde::Serialize;
use serde_json::json;

use super::backup::{Backup, KeyFile, Sealing, key_files, tls_root};
use super::fault;
use super::merge::{MergeError, merge};
use crate::controller::blocking;
use crate::keys::is_identity_key;
use crate::secret::{ControllerSecret, SECRET_FILE, SecretLabel};
use crate::store::{Anchor, AuditKey, Database, Event, Store};
use crate::tls_authority::ROOT_FILE;

/// What a restore has led to.
#[derive(Debug, Serialize)]
pub(crate) struct RestoreReport {
    /// Whose backup it was.
    pub(crate) controller_id: AgentId,
    /// The key that certifies.
    pub(crate) fingerprint: KeyId,
    /// When the backup was made.
    pub(crate) made_at: UnixTime,
    /// How many agents there are now.
    pub(crate) agents: usize,
    /// Those of whom nobody could tell whether they had been revoked.
    pub(crate) held: Vec<AgentId>,
    /// Those that had been revoked after the backup.
    pub(crate) revoked: Vec<AgentId>,
    /// The number that the revocation list has now.
    pub(crate) list_number: u64,
}

/// Restores `file`; `list` is the latest revocation list that can be had, as agents keep it.
pub(crate) async fn restore(
    config: &ControllerConfig,
    file: &Path,
    list: Option<&Path>,
    sealing: Sealing,
    clock: &Clock,
    provider: Provider,
) -> Result<RestoreReport, CommandError> {
    // Whoever serves has it.
    let _dir = DataDir::open(&config.data_dir).map_err(fault)?;
    let keys = KeyDir::open(&config.key_dir, config.passphrase.clone()).map_err(fault)?;
    let (controller_id, now) = (config.controller_id.clone(), clock.now());
    let (path, list_path) = (file.to_owned(), list.map(Path::to_owned));
    let (backup, list, keys) = blocking(move || {
        let backup = Backup::open(&path, &sealing.obtain(false)?)?;
        check_controller(&backup, &controller_id)?;
        check_keys(&keys, &backup)?;
        let list = list_path.map(|path| read_list(&path, &backup, provider)).transpose()?;
        Ok((backup, list, keys))
    })
    .await
    .map_err(fault)?;
    let database = Database::resolve(config.database.as_ref().map(DatabaseUrl::secret), &config.data_dir);
    let audit_key = audit_key(&backup).map_err(fault)?;
    let store = Store::open(&database.map_err(fault)?, audit_key).await.map_err(fault)?;
    let report = import(&store, &keys, backup, list.as_ref(), &Anchor::new(&config.data_dir), now).await;
    store.close().await;
    report
}

async fn import(
    store: &Store,
    keys: &KeyDir,
    backup: Backup,
    list: Option<&RevocationList>,
    anchor: &Anchor,
    now: UnixTime,
) -> Result<RestoreReport, CommandError> {
    let Backup { made_at, store: tables, keys: files, tls_root, .. } = backup;
    let mut change = store.begin().await.map_err(fault)?;
    let present = change.export().await.map_err(fault)?;
    let (tables, merged) = merge(tables, present, list, now).map_err(|error| refused(&error))?;
    // The keys first: a store without its keys would be of no use, and keys without their store do no harm.
    let target = keys.clone();
    blocking(move || write_keys(&target, &files, &tls_root)).await.map_err(fault)?;
    change.import(&tables).await.map_err(fault)?;
    let list_number = change.next_list_number(now);
    let known = anchor.read().map_err(fault)?.map_or(0, |head| head.seq);
    let lost = known.saturating_sub(tables.state.audit_head.seq);
    let detail = json!({
        "made_at": made_at, "list_number": list_number, "held": merged.held.len(),
        "revoked": merged.revoked.len(), "audit_entries_lost": lost, "by_list": list.map(|list| list.number),
    });
    change.record(now, Event::Restored, None, detail).await.map_err(fault)?;
    let state = change.commit().await.map_err(fault)?;
    anchor.replace(state.audit_head).map_err(fault)?;
    let damaged = || fault(NodeError::Environment("the backup is of no controller".to_owned()));
    Ok(RestoreReport {
        controller_id: state.controller_id.ok_or_else(damaged)?,
        fingerprint: state.key_id.ok_or_else(damaged)?,
        made_at,
        agents: tables.agents.len(),
        held: merged.held,
        revoked: merged.revoked,
        list_number,
    })
}

fn refused(error: &MergeError) -> CommandError {
    let next = match error {
        MergeError::OtherHistory => {
            "restore into an empty database: another --data-dir, or another --database; nothing was changed"
        }
        MergeError::OldList { .. } => {
            "fetch the list of an agent that was connected to the end; without --revocations every agent is held"
        }
    };
    CommandError::new("restore_refused", error.to_string(), next)
}

fn check_controller(backup: &Backup, controller_id: &AgentId) -> Result<(), NodeError> {
    match &backup.store.state.controller_id {
        Some(owner) if owner == controller_id => Ok(()),
        Some(owner) => Err(NodeError::Environment(format!(
            "the backup is of controller {owner}, and this one is {controller_id}: give --controller-id {owner}"
        ))),
        None => Err(NodeError::Environment("the backup is of no controller".to_owned())),
    }
}

/// Refuses to go over keys that are not the backup's, and to write outside of the keys' folder.
fn check_keys(keys: &KeyDir, backup: &Backup) -> Result<(), NodeError> {
    if let Some(name) = backup.keys.keys().find(|name| !is_file_name(name)) {
        return Err(NodeError::Environment(format!(
            "the backup holds a key under the name {name:?}, which is none of a file"
        )));
    }
    let present = key_files(keys)?;
    let other_root = tls_root(keys)?.is_some_and(|root| root != backup.tls_root);
    let other =
        backup.keys.iter().find(|(name, file)| present.get(*name).is_some_and(|there| there != *file));
    match other.map(|(name, _)| name.as_str()).or(other_root.then_some(ROOT_FILE)) {
        None => Ok(()),
        Some(name) => Err(NodeError::Environment(format!(
            "{} holds another {name} than the backup: restore into an empty directory, with --data-dir and, if it is \
             elsewhere, --key-dir",
            keys.path().display()
        ))),
    }
}

/// Whether a file of this name stands in the folder that it is put into, and nowhere else.
fn is_file_name(name: &str) -> bool {
    Path::new(name).file_name() == Some(OsStr::new(name)) && !name.contains('\0')
}

fn write_keys(keys: &KeyDir, files: &BTreeMap<String, KeyFile>, tls_root: &str) -> Result<(), NodeError> {
    for (name, file) in files {
        if keys.read(name)?.is_none() {
            keys.write(name, file.bytes())?;
        }
    }
    Ok(write_file(&keys.path().join(ROOT_FILE), tls_root.as_bytes(), 0o644)?)
}

fn audit_key(backup: &Backup) -> Result<AuditKey, NodeError> {
    let secret = backup.keys.get(SECRET_FILE).and_then(|file| ControllerSecret::from_bytes(file.bytes()));
    let secret = secret.ok_or_else(|| NodeError::Environment("the backup has no secret".to_owned()))?;
    Ok(AuditKey::new(secret.derive(SecretLabel::Audit)))
}

/// Reads a list and verifies it under one of the backup's keys. It may have ended: what it says to be void is void.
fn read_list(path: &Path, backup: &Backup, provider: Provider) -> Result<RevocationList, NodeError> {
    let refused = |reason: String| NodeError::Environment(format!("{}: {reason}", path.display()));
    let bytes = read_file(path)?.ok_or_else(|| refused("there is no such file".to_owned()))?;
    let list: RevocationList = serde_json::from_slice(&bytes)
        .map_err(|error| refused(format!("not a revocation list as agents keep it: {error}")))?;
    let keys = backup.keys.iter().filter(|(name, _)| is_identity_key(name));
    let mut keys = keys.filter_map(|(_, file)| provider.load_signing_key(file.bytes()).ok());
    let key = keys.find(|key| key.public_key().key_id() == list.controller_key_id).ok_or_else(|| {
        refused(format!("it is signed under key {}, which is not in the backup", list.controller_key_id))
    })?;
    let controller_id = backup.store.state.controller_id.clone();
    let controller_id = controller_id.ok_or_else(|| refused("the backup is of no controller".to_owned()))?;
    let anchor = TrustAnchor { controller_id, public_key: key.public_key().clone(), former: Vec::new() };
    let then = list.this_update;
    let verified = list.verify(provider, &anchor, then).map_err(|error| refused(error.to_string()))?;
    Ok(verified.list().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_restored_into_its_folder_alone() {
        for name in ["controller.key", "controller.secret", "a b"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["", ".", "..", "/etc/passwd", "../x", "a/b", "a/", "./a", "a\0b"] {
            assert!(!is_file_name(name), "{name}");
        }
    }
}
