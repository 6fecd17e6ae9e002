//! The RSA key that is an agent's or the controller's identity: made once, kept in a directory of keys.

use std::sync::Arc;

use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::signature::SigningKey;

use crate::error::NodeError;
use crate::keys::KeyDir;

/// Reads the key from the file `name` (PKCS#8, DER), or makes it and stores it there.
pub fn load_or_generate(
    dir: &KeyDir,
    name: &str,
    provider: Provider,
) -> Result<Arc<dyn SigningKey>, NodeError> {
    let unusable = |error| NodeError::Environment(format!("{}: {error}", dir.path().join(name).display()));
    if let Some(der) = dir.read(name)? {
        return Ok(provider.load_signing_key(&der).map_err(unusable)?.into());
    }
    let key = provider.generate_signing_key().map_err(unusable)?;
    dir.write(name, &key.to_pkcs8_der().map_err(unusable)?)?;
    Ok(key.into())
}
