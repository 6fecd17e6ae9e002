//! The controller's secret: 32 random bytes beside its keys, from which a key is derived for each use that only
//! controllers of this identity must know.

use std::fmt::{self, Debug};

use a2a_core::crypto::provider::Provider;
use a2a_node::error::NodeError;
use a2a_node::keys::KeyDir;
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

/// See the module. Wiped when dropped.
pub(crate) struct ControllerSecret(Zeroizing<[u8; 32]>);

/// What a derived key is for. The list is closed: a new use needs a new label.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SecretLabel {
    /// Marks challenges as handed out by this controller.
    Challenge,
    /// Chains the entries of the audit.
    Audit,
}

impl ControllerSecret {
    /// Reads the secret from the directory of keys, or makes it and stores it there.
    pub(crate) fn load_or_generate(keys: &KeyDir, provider: Provider) -> Result<Self, NodeError> {
        if let Some(bytes) = keys.read(SECRET_FILE)? {
            return Self::from_bytes(&bytes).ok_or_else(|| {
                let file = keys.path().join(SECRET_FILE);
                NodeError::Environment(format!("{}: not 32 bytes; restore it from a backup", file.display()))
            });
        }
        let mut bytes = Zeroizing::new([0; 32]);
        provider
            .fill_random(bytes.as_mut_slice())
            .map_err(|error| NodeError::Environment(error.to_string()))?;
        keys.write(SECRET_FILE, bytes.as_slice())?;
        Ok(Self(bytes))
    }

    /// The secret as it stands in its file; `None` if it cannot be.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut secret = Zeroizing::new([0; 32]);
        (bytes.len() == secret.len()).then(|| {
            secret.copy_from_slice(bytes);
            Self(secret)
        })
    }

    /// The key for one use (RFC 5869, with the label as info).
    pub(crate) fn derive(&self, label: SecretLabel) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, self.0.as_slice())
            .expand(label.as_str().as_bytes(), key.as_mut_slice())
            .expect("32 bytes are one hash");
        key
    }
}

impl SecretLabel {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Challenge => "a2a/1 controller challenge",
            Self::Audit => "a2a/1 controller audit",
        }
    }
}

impl Debug for ControllerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ControllerSecret(..)")
    }
}

/// Its name in the directory of keys.
pub(crate) const SECRET_FILE: &str = "controller.secret";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use a2a_core::crypto::provider::aws_lc::PROVIDER;

    use super::*;

    #[test]
    fn it_is_made_once_and_its_keys_differ_by_use() {
        let dir = tempfile::tempdir().unwrap();
        let keys = KeyDir::open(dir.path(), None).unwrap();
        let made = ControllerSecret::load_or_generate(&keys, PROVIDER).unwrap();
        let read = ControllerSecret::load_or_generate(&keys, PROVIDER).unwrap();
        assert_eq!(*made.derive(SecretLabel::Audit), *read.derive(SecretLabel::Audit));
        assert_ne!(*made.derive(SecretLabel::Audit), *made.derive(SecretLabel::Challenge));
        assert_ne!(*made.derive(SecretLabel::Audit), *made.0);
        assert_eq!(format!("{made:?}"), "ControllerSecret(..)");
        keys.write(SECRET_FILE, &[0; 31]).unwrap();
        let refused = ControllerSecret::load_or_generate(&keys, PROVIDER).unwrap_err().to_string();
        assert!(refused.contains(SECRET_FILE), "{refused}");
    }
}
