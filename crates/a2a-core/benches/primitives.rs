//! What each primitive costs, by provider: the groups are `primitives-PROVIDER`, and `aead-seal-PROVIDER` and
//! `aead-open-PROVIDER` by size in bytes. SHA-256, HMAC and the modular exponentiation are the same under each.

#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use a2a_core::crypto::aead::{AeadKey, NONCE_LEN};
use a2a_core::crypto::kdf::sha256;
use a2a_core::crypto::kx::modp::generate_dh_keypair;
use a2a_core::crypto::kx::x25519::X25519Secret;
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::crypto::signature::{SignatureLabel, sign, verify};
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use hkdf::Hkdf;
use sha2::Sha256;

fn primitives(criterion: &mut Criterion) {
    for provider in available() {
        let mut group = criterion.benchmark_group(format!("primitives-{}", provider.name()));
        signatures(&mut group, *provider);
        classical(&mut group, *provider);
        kem(&mut group, *provider);
        hashes(&mut group);
        group.finish();
        aead(criterion, *provider);
    }
}

fn signatures(group: &mut BenchmarkGroup<'_, WallTime>, provider: Provider) {
    let key = provider.load_signing_key(include_bytes!("../tests/keys/helper.pk8")).unwrap();
    let label = SignatureLabel::Request;
    let signature = sign(key.as_ref(), label, &[7; 32]).unwrap();
    group.bench_function("pss_sign", |b| b.iter(|| sign(key.as_ref(), label, &[7; 32]).unwrap()));
    group.bench_function("pss_verify", |b| {
        b.iter(|| verify(provider, key.public_key(), label, &[7; 32], &signature).unwrap());
    });
}

fn classical(group: &mut BenchmarkGroup<'_, WallTime>, provider: Provider) {
    let modp = || generate_dh_keypair(provider).unwrap();
    let (_, peer) = modp();
    group.bench_function("modp_pair", |b| b.iter(modp));
    group.bench_function("modp_agree", |b| {
        b.iter_batched(modp, |(secret, _)| secret.agree(&peer), BatchSize::SmallInput);
    });
    let x25519 = || X25519Secret::generate(provider).unwrap();
    let (_, peer) = x25519();
    group.bench_function("x25519_pair", |b| b.iter(x25519));
    group.bench_function("x25519_agree", |b| {
        b.iter_batched(x25519, |(secret, _)| secret.agree(provider, &peer).unwrap(), BatchSize::SmallInput);
    });
}

fn kem(group: &mut BenchmarkGroup<'_, WallTime>, provider: Provider) {
    let pair = || provider.generate_ml_kem_768().unwrap();
    let key = pair().encapsulation_key();
    group.bench_function("ml_kem_pair", |b| b.iter(pair));
    group.bench_function("ml_kem_encapsulate", |b| {
        b.iter(|| provider.encapsulate_ml_kem_768(&key).unwrap());
    });
    let sealed = || {
        let pair = pair();
        let sealed = provider.encapsulate_ml_kem_768(&pair.encapsulation_key()).unwrap();
        (pair, sealed.ciphertext)
    };
    group.bench_function("ml_kem_decapsulate", |b| {
        b.iter_batched(
            sealed,
            |(pair, ciphertext)| pair.decapsulate(&ciphertext).unwrap(),
            BatchSize::SmallInput,
        );
    });
}

fn hashes(group: &mut BenchmarkGroup<'_, WallTime>) {
    group.bench_function("sha256_1024", |b| b.iter(|| sha256(&[black_box(&[7; 1024])])));
    group.bench_function("hkdf_extract_expand", |b| {
        b.iter(|| {
            let mut out = [0; 32];
            Hkdf::<Sha256>::new(Some(&[1; 32]), black_box(&[2; 32])).expand(&[3; 48], &mut out).unwrap();
            out
        });
    });
}

fn aead(criterion: &mut Criterion, provider: Provider) {
    let mut bytes = [0; 32];
    provider.fill_random(&mut bytes).unwrap();
    let cipher = provider.aes_256_gcm(&AeadKey::from_bytes(&bytes)).unwrap();
    let (nonce, aad) = ([1; NONCE_LEN], [2; 41]);
    for (name, opens) in [("seal", false), ("open", true)] {
        let mut group = criterion.benchmark_group(format!("aead-{name}-{}", provider.name()));
        for size in SIZES {
            group.throughput(Throughput::Bytes(size as u64));
            let plain = || {
                let mut buffer = Vec::with_capacity(size + 16);
                buffer.resize(size, b'a');
                buffer
            };
            let sealed = || {
                let mut buffer = plain();
                cipher.seal(&nonce, &aad, &mut buffer).unwrap();
                buffer
            };
            group.bench_function(size.to_string(), |b| {
                if opens {
                    let open = |buffer: &mut Vec<u8>| cipher.open(&nonce, &aad, buffer).unwrap();
                    b.iter_batched_ref(sealed, open, BatchSize::LargeInput);
                } else {
                    let seal = |buffer: &mut Vec<u8>| cipher.seal(&nonce, &aad, buffer).unwrap();
                    b.iter_batched_ref(plain, seal, BatchSize::LargeInput);
                }
            });
        }
        group.finish();
    }
}

const SIZES: [usize; 4] = [16, 1024, 16 * 1024, 1024 * 1024];

criterion_group!(benches, primitives);
criterion_main!(benches);
