//! The RSA key that is an agent's or the controller's identity: made once, kept in a directory of keys.

use std::sync::Arc;

use a2a_core::crypto::CryptoError;
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
    match load(dir, name, provider)? {
        Some(key) => Ok(key),
        None => generate(dir, name, provider),
    }
}

/// Reads the key from the file `name`; `None` if there is no such file.
pub fn load(dir: &KeyDir, name: &str, provider: Provider) -> Result<Option<Arc<dyn SigningKey>>, NodeError> {
    let Some(der) = dir.read(name)? else { return Ok(None) };
    let key = provider.load_signing_key(&der).map_err(|error| unusable(dir, name, &error))?;
    Ok(Some(key.into()))
}

/// Makes a key and stores it in the file `name`, in place of what was there.
pub fn generate(dir: &KeyDir, name: &str, provider: Provider) -> Result<Arc<dyn SigningKey>, NodeError> {
    let key = provider.generate_signing_key().map_err(|error| unusable(dir, name, &error))?;
    let der = key.to_pkcs8_der().map_err(|error| unusable(dir, name, &error))?;
    dir.write(name, &der)?;
    Ok(key.into())
}

fn unusable(dir: &KeyDir, name: &str, error: &CryptoError) -> NodeError {
    NodeError::Environment(format!("{}: {error}", dir.path().join(name).display()))
}
