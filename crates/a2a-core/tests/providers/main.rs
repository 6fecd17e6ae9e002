//! Provider against provider: what one makes, every other takes, and what one refuses, every other refuses.
//!
//! With one provider compiled in, each test pairs it with itself. AES-GCM is tested beside its interface,
//! since its keys cannot be made outside the crate; the arithmetic of the MODP group in `modp_oracle.rs`.

#![allow(clippy::unwrap_used)]

mod agreement;
mod signatures;
mod suites;

use a2a_core::crypto::provider::{Provider, available, by_name};

/// Every ordered pair of the providers compiled in.
fn pairs() -> impl Iterator<Item = (Provider, Provider)> {
    available().iter().flat_map(|a| available().iter().map(|b| (*a, *b)))
}

#[test]
fn a_provider_is_found_by_its_name() {
    assert!(!available().is_empty());
    for provider in available() {
        assert_eq!(by_name(provider.name()).unwrap().name(), provider.name());
    }
    assert!(by_name("openssl").is_none());
}

#[test]
fn random_bytes_differ_and_fill_the_whole_buffer() {
    for provider in available() {
        let mut seen = [0u8; 64];
        for _ in 0..64 {
            let mut bytes = [0u8; 64];
            provider.fill_random(&mut bytes).unwrap();
            assert_ne!(bytes[..32], bytes[32..]);
            seen.iter_mut().zip(bytes).for_each(|(seen, byte)| *seen |= byte);
        }
        assert!(seen.iter().all(|byte| *byte == 0xff));
    }
}
