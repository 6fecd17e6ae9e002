//! RSA keys, made once a process for each name: making one takes longer than everything else that a test
//! does.

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::SigningKey;

/// The private key of this name, as PKCS#8 DER.
pub fn pkcs8(name: &str) -> Vec<u8> {
    static KEYS: LazyLock<Mutex<HashMap<String, Vec<u8>>>> = LazyLock::new(Mutex::default);
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    let key = keys
        .entry(name.to_owned())
        .or_insert_with(|| available()[0].generate_signing_key().unwrap().to_pkcs8_der().unwrap().to_vec());
    key.clone()
}

/// The private key of this name, ready to sign.
pub fn signing_key(name: &str, provider: Provider) -> Arc<dyn SigningKey> {
    provider.load_signing_key(&pkcs8(name)).unwrap().into()
}

/// Puts a secret where a program will look for it, unless there is one already.
pub fn put_secret(dir: &Path, name: &str, bytes: &[u8]) {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).unwrap();
    let path = dir.join(name);
    if !path.exists() {
        let mut file = OpenOptions::new().create_new(true).write(true).mode(0o600).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }
}
