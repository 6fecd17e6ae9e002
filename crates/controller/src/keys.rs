//! The controller's identity keys: which file holds the one that certifies now, and how a successor comes to be.
//!
//! Whoever signs is a [`Signer`] to the rest of the program; that its key lies in a file is known here alone.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;

use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::{KeyId, Signer, SigningKey};
use a2a_node::error::NodeError;
use a2a_node::identity_key;
use a2a_node::keys::KeyDir;
use a2a_node::store::StoreError;

use crate::secret::SECRET_FILE;
use crate::tls_authority::{KEY_FILE as ROOT_KEY_FILE, ROOT_FILE};

/// The directory of keys, and who reads them.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    pub(crate) dir: KeyDir,
    pub(crate) provider: Provider,
}

/// What lay in the directory before anything was made.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) identity: bool,
    /// The files of secrets that were missing.
    pub(crate) missing: Vec<&'static str>,
}

impl Keys {
    /// What a second controller needs of the first.
    pub(crate) const FILES: &str = "controller*.key, controller.secret, tls_root.key and tls_root.pem";

    /// What is there.
    pub(crate) fn found(&self) -> Found {
        let has = |file: &str| self.dir.path().join(file).exists();
        let missing = [SECRET_FILE, ROOT_KEY_FILE].into_iter().filter(|file| !has(file)).collect();
        Found { identity: has(FIRST_FILE), missing }
    }

    /// Takes away what was made in vain.
    pub(crate) fn drop_new(&self, found: &Found) -> Result<(), StoreError> {
        let root = found.missing.contains(&ROOT_KEY_FILE).then_some(ROOT_FILE);
        found.missing.iter().copied().chain(root).try_for_each(|file| self.dir.remove(file))
    }

    /// The key of a controller that has certified nobody yet: the file is read, or made.
    pub(crate) fn first(&self) -> Result<Arc<dyn Signer>, NodeError> {
        Ok(identity_key::load_or_generate(&self.dir, FIRST_FILE, self.provider)?)
    }

    /// The key of this name.
    pub(crate) fn load(&self, key_id: KeyId) -> Result<Arc<dyn Signer>, NodeError> {
        let own_file = successor_file(key_id);
        for file in [own_file.as_str(), FIRST_FILE] {
            match identity_key::load(&self.dir, file, self.provider)? {
                Some(key) if key.public_key().key_id() == key_id => return Ok(key),
                _ => {}
            }
        }
        let dir = self.dir.path().display();
        Err(NodeError::Environment(format!(
            "the controller's key {key_id} is not in {dir}: copy {own_file}, or {FIRST_FILE} if it is the \
             first, there from the controller that made it, or restore it from a backup"
        )))
    }

    /// Makes the next key and stores it. Nothing goes by it yet.
    pub(crate) fn make_successor(&self) -> Result<Arc<dyn Signer>, NodeError> {
        let unusable = |error: a2a_core::crypto::CryptoError| NodeError::Environment(error.to_string());
        let key = self.provider.generate_signing_key().map_err(unusable)?;
        let file = successor_file(key.public_key().key_id());
        self.dir.write(&file, &key.to_pkcs8_der().map_err(unusable)?)?;
        let key: Arc<dyn SigningKey> = key.into();
        Ok(key)
    }

    /// Makes what is missing while no other controller that shares the directory does. Blocks until then.
    pub(crate) fn alone<T>(&self, make: impl FnOnce() -> Result<T, NodeError>) -> Result<T, NodeError> {
        let path = self.dir.path().join(LOCK_FILE);
        let locked = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
        let lock = locked.and_then(|file| file.lock().map(|()| file));
        // Held until the end.
        let _lock = lock.map_err(|source| StoreError::Io { path, source })?;
        make()
    }
}

fn successor_file(key_id: KeyId) -> String {
    format!("{PREFIX}{}{SUFFIX}", &key_id.to_string()[..16])
}

/// Whether a file of this name holds an identity key.
pub(crate) fn is_identity_key(file: &str) -> bool {
    file == FIRST_FILE || (file.starts_with(PREFIX) && file.ends_with(SUFFIX))
}

const FIRST_FILE: &str = "controller.key";
const PREFIX: &str = "controller-";
const SUFFIX: &str = ".key";
const LOCK_FILE: &str = "keys.lock";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use a2a_core::crypto::provider::aws_lc::PROVIDER;

    use super::*;

    #[test]
    fn keys_are_found_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let keys = Keys { dir: KeyDir::open(dir.path(), None).unwrap(), provider: PROVIDER };
        let first = keys.first().unwrap().public_key().key_id();
        let second = keys.make_successor().unwrap().public_key().key_id();
        assert_ne!(first, second);
        for key_id in [first, second] {
            assert_eq!(keys.load(key_id).unwrap().public_key().key_id(), key_id);
        }
        let unknown = KeyId::from_bytes([7; 32]);
        let refused = keys.load(unknown).unwrap_err().to_string();
        assert!(refused.contains("controller-0707070707070707.key") && refused.contains("copy"), "{refused}");
        for (file, is_key) in [
            ("controller.key", true),
            ("controller-0707070707070707.key", true),
            ("controller.secret", false),
            ("tls.key", false),
        ] {
            assert_eq!(is_identity_key(file), is_key, "{file}");
        }
    }
}
