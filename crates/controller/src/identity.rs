//! The key that certifies agents: made once, kept as a secret file. Its fingerprint is the controller's identity.

use std::sync::Arc;

use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::SigningKey;
use a2a_node::error::NodeError;
use a2a_node::store::DataDir;

/// Reads the key from the data directory, or makes it and stores it there.
pub(crate) fn load_or_generate(dir: &DataDir, provider: Provider) -> Result<Arc<dyn SigningKey>, NodeError> {
    let unusable =
        |error| NodeError::Environment(format!("{}: {error}", dir.path().join(KEY_FILE).display()));
    if let Some(der) = dir.read_secret(KEY_FILE)? {
        return Ok(provider.load_signing_key(&der).map_err(unusable)?.into());
    }
    let key = provider.generate_signing_key().map_err(unusable)?;
    dir.write_secret(KEY_FILE, &key.to_pkcs8_der().map_err(unusable)?)?;
    Ok(key.into())
}

/// PKCS#8, DER.
const KEY_FILE: &str = "controller.key";
