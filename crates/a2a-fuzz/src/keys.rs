//! Public keys and shares in DER and PEM, and the private keys that lie in files.

use a2a_core::crypto::kx::modp::DhPublicKey;
use a2a_core::crypto::kx::x25519::X25519PublicKey;
use a2a_core::crypto::kx::{InitiatorShare, Suite};
use a2a_core::crypto::provider::{ML_KEM_768_KEY_LEN, available};
use a2a_core::crypto::signature::PublicKey;
use a2a_node::tls::certificate_key_sha256;
use a2a_node::tls::client::rooted;

/// A key has one encoding, which is what is read; both providers read the same private keys and shares.
pub(crate) fn any(bytes: &[u8]) {
    public(bytes);
    shares(bytes);
    private(bytes);
    if let Ok(pem) = std::str::from_utf8(bytes) {
        if let Ok(key) = PublicKey::from_pem(pem) {
            assert_eq!(key.to_pem().trim_end(), pem.trim_end());
            assert_eq!(PublicKey::from_spki_der(key.spki_der()).as_ref(), Ok(&key));
        }
        let _ = certificate_key_sha256(pem);
        let _ = rooted(pem);
    }
}

fn public(der: &[u8]) {
    if let Ok(key) = PublicKey::from_spki_der(der) {
        assert_eq!(key.spki_der(), der);
        assert_eq!(PublicKey::from_pem(&key.to_pem()).as_ref(), Ok(&key));
        assert!([2048, 3072, 4096].contains(&key.bits()));
        let _ = key.check_strength();
    }
}

fn shares(bytes: &[u8]) {
    let modp = DhPublicKey::from_spki_der(bytes).ok();
    if let Some(key) = &modp {
        assert_eq!(key.to_spki_der().as_deref(), Ok(bytes));
    }
    let x25519 = X25519PublicKey::from_spki_der(bytes).ok();
    if let Some(key) = &x25519 {
        assert_eq!(key.to_spki_der(), bytes);
    }
    let share = InitiatorShare { dh_public_key: bytes.to_vec(), kem_public_key: None };
    assert_eq!(share.check(Suite::Modp2048).is_ok(), modp.is_some());
    assert!(share.check(Suite::Modp2048MlKem768).is_err() && share.check(Suite::X25519MlKem768).is_err());
    if bytes.len() == ML_KEM_768_KEY_LEN {
        let taken = available().iter().map(|provider| provider.encapsulate_ml_kem_768(bytes).is_ok());
        let taken: Vec<_> = taken.collect();
        assert!(taken.windows(2).all(|pair| pair[0] == pair[1]), "one provider takes a KEM key");
    }
}

/// Reading is all or nothing: what is taken is written as the same bytes, by either provider.
fn private(der: &[u8]) {
    let read = available().iter().map(|provider| provider.load_signing_key(der).ok());
    let read: Vec<_> = read.map(|key| key.map(|key| key.public_key().key_id())).collect();
    assert!(read.windows(2).all(|pair| pair[0] == pair[1]), "one provider takes a private key");
    for provider in available() {
        if let Ok(key) = provider.load_signing_key(der) {
            assert_eq!(key.to_pkcs8_der().expect("a key that was read").as_slice(), der);
        }
    }
}
