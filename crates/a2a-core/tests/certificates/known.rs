//! A certificate that is known costs no signature, and is judged in everything else as if it were not.

use std::sync::atomic::{AtomicUsize, Ordering};

use a2a_core::certificate::{
    AgentCertificate, CertificateError, FormerKey, KnownCertificates, RevocationContent, TrustAnchor,
    Verifier,
};
use a2a_core::crypto::CryptoError;
use a2a_core::crypto::aead::{Aead, AeadKey};
use a2a_core::crypto::provider::{CryptoProvider, Decapsulator, Encapsulated, Provider, available};
use a2a_core::crypto::signature::{PublicKey, SigningKey};
use a2a_core::wire::Hex;
use zeroize::Zeroizing;

use crate::world::{NOW, World, after, id, worlds};

/// Counts the signatures that are verified.
#[derive(Debug)]
struct Counting {
    inner: Provider,
    verified: AtomicUsize,
}

impl Counting {
    fn new() -> &'static Self {
        Box::leak(Box::new(Self { inner: available()[0], verified: AtomicUsize::new(0) }))
    }

    /// Since the last call.
    fn verified(&self) -> usize {
        self.verified.swap(0, Ordering::Relaxed)
    }
}

impl CryptoProvider for Counting {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn generate_signing_key(&self) -> Result<Box<dyn SigningKey>, CryptoError> {
        self.inner.generate_signing_key()
    }

    fn load_signing_key(&self, pkcs8_der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        self.inner.load_signing_key(pkcs8_der)
    }

    fn verify_pss(&self, key: &PublicKey, message: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        self.verified.fetch_add(1, Ordering::Relaxed);
        self.inner.verify_pss(key, message, signature)
    }

    fn x25519_public(&self, secret: &[u8; 32]) -> Result<[u8; 32], CryptoError> {
        self.inner.x25519_public(secret)
    }

    fn x25519_agree(&self, secret: &[u8; 32], peer: &[u8; 32]) -> Result<Zeroizing<[u8; 32]>, CryptoError> {
        self.inner.x25519_agree(secret, peer)
    }

    fn generate_ml_kem_768(&self) -> Result<Box<dyn Decapsulator>, CryptoError> {
        self.inner.generate_ml_kem_768()
    }

    fn encapsulate_ml_kem_768(&self, encapsulation_key: &[u8]) -> Result<Encapsulated, CryptoError> {
        self.inner.encapsulate_ml_kem_768(encapsulation_key)
    }

    fn aes_256_gcm(&self, key: &AeadKey) -> Result<Box<dyn Aead>, CryptoError> {
        self.inner.aes_256_gcm(key)
    }
}

fn world() -> World {
    worlds().next().unwrap()
}

/// A verifier that knows this certificate.
fn acquainted(world: &World, certificate: &AgentCertificate) -> Verifier {
    let verifier = world.verifier(RevocationContent::default());
    verifier.verify(world.provider, certificate.clone(), None, NOW).unwrap();
    verifier
}

#[test]
fn a_second_verification_takes_no_signature() {
    let (world, counting) = (world(), Counting::new());
    let verifier = world.verifier(RevocationContent::default());
    let certificate = world.certificate();
    let verify = |certificate: &AgentCertificate| {
        verifier.verify(counting, certificate.clone(), None, NOW).map(|found| found.certificate().clone())
    };
    assert_eq!(verify(&certificate).unwrap(), certificate);
    assert_eq!(counting.verified(), 2, "the controller's and the agent's");
    assert_eq!(verify(&certificate).unwrap(), certificate);
    assert_eq!(counting.verified(), 0);
    let former = acquainted(&world, &certificate).verify(counting, certificate.clone(), None, NOW).unwrap();
    verifier.verify_renewal(counting, certificate, &former, NOW).unwrap();
    assert_eq!(counting.verified(), 0, "nor in a live session");
}

#[test]
fn a_forgery_in_a_known_certificates_name_is_found_out() {
    let world = world();
    let certificate = world.certificate();
    let verifier = acquainted(&world, &certificate);
    let changes: [fn(&mut AgentCertificate); 5] = [
        |c| c.agent_card.address = "https://localhost:5003".parse().unwrap(),
        |c| c.agent_card.tls_spki_sha256 = Hex::from_bytes([8; 32]),
        |c| c.nonce = Hex::from_bytes([8; 32]),
        |c| c.controller_signature = c.agent_signature.clone(),
        |c| c.agent_signature = c.controller_signature.clone(),
    ];
    for change in changes {
        let mut forged = certificate.clone();
        change(&mut forged);
        let refused = verifier.verify(world.provider, forged, None, NOW).unwrap_err();
        assert!(
            matches!(refused, CertificateError::ControllerSignature | CertificateError::AgentSignature),
            "{refused}"
        );
    }
}

#[test]
fn a_refused_certificate_is_not_known_afterwards() {
    let (world, counting) = (world(), Counting::new());
    let verifier = world.verifier(RevocationContent::default());
    let mut forged = world.certificate();
    forged.agent_signature = forged.controller_signature.clone();
    world.resign_controller(&mut forged);
    for _ in 0..2 {
        let refused = verifier.verify(counting, forged.clone(), None, NOW).unwrap_err();
        assert_eq!(refused, CertificateError::AgentSignature);
        assert_eq!(counting.verified(), 2);
    }
}

#[test]
fn a_known_certificate_ends_is_revoked_and_has_a_name() {
    let world = world();
    let certificate = world.certificate();
    let verifier = acquainted(&world, &certificate);
    let refused = |verifier: &Verifier, now| {
        verifier.verify(world.provider, certificate.clone(), Some(&id("helper_agent_001")), now).unwrap_err()
    };
    assert!(matches!(refused(&verifier, NOW), CertificateError::WrongName { .. }));
    assert!(matches!(refused(&verifier, after(3_700)), CertificateError::Revocations(_)));
    assert!(matches!(refused(&verifier, after(100_000)), CertificateError::Validity(_)));
    let revoked = RevocationContent { serials: vec![certificate.serial], ..RevocationContent::default() };
    let revocations = world.verifier(revoked).revocations;
    assert_eq!(refused(&Verifier { revocations, ..verifier }, NOW), CertificateError::Revoked);
}

#[test]
fn a_known_certificate_falls_with_the_key_that_certified_it() {
    let world = world();
    let certificate = world.certificate();
    let verifier = acquainted(&world, &certificate);
    let verdict = |anchor: TrustAnchor, now| {
        let verifier = Verifier { anchor, ..verifier.clone() };
        verifier.verify(world.provider, certificate.clone(), None, now).map(|_| ())
    };
    let (present, other) = (world.anchor(), world.impostor.public_key().clone());
    let strange = TrustAnchor { public_key: other.clone(), ..present.clone() };
    assert!(matches!(verdict(strange, NOW), Err(CertificateError::WrongController { .. })));
    let former = vec![FormerKey { public_key: present.public_key.clone(), until: after(60) }];
    let succeeded = TrustAnchor { public_key: other, former, ..present.clone() };
    assert_eq!(verdict(succeeded.clone(), after(59)), Ok(()));
    assert!(matches!(verdict(succeeded, after(60)), Err(CertificateError::WrongController { .. })));
    let renamed = TrustAnchor { controller_id: id("controller_002"), ..present };
    assert!(matches!(verdict(renamed, NOW), Err(CertificateError::WrongControllerName { .. })));
}

/// More than there is room for: the first is forgotten, and the one that is asked for time and again is not.
#[test]
fn what_is_known_is_bounded() {
    let (world, counting) = (world(), Counting::new());
    let known = KnownCertificates::with_room_for(8);
    let verifier = Verifier { known, ..world.verifier(RevocationContent::default()) };
    let (first, dear) = (world.certificate(), world.certificate());
    let verified = |certificate: &AgentCertificate| {
        verifier.verify(counting, certificate.clone(), None, NOW).unwrap();
        counting.verified()
    };
    assert_eq!((verified(&first), verified(&dear)), (2, 2));
    for _ in 0..12 {
        assert_eq!(verified(&world.certificate()), 2);
        assert_eq!(verified(&dear), 0);
    }
    assert_eq!(verified(&first), 2);
}
