//! What the machine's cryptography costs alone, on one core, through the provider that the agents use.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::aead::{AeadKey, KEY_LEN, NONCE_LEN};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::kx::modp::generate_dh_keypair;
use a2a_core::crypto::kx::x25519::X25519Secret;
use a2a_core::crypto::provider::Provider;
use a2a_core::crypto::provider::aws_lc::AwsLc;
use a2a_core::crypto::signature::{SignatureLabel, SigningKey, sign, verify};
use serde::{Deserialize, Serialize};

use crate::failure::{Failure, OrFail};
use crate::stats::{as_f64, median};

/// Microseconds by primitive; each the median of many.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Primitives {
    pub(crate) sign: f64,
    pub(crate) verify: f64,
    pub(crate) modp_pair: f64,
    pub(crate) modp_agree: f64,
    pub(crate) x25519_pair: f64,
    pub(crate) x25519_agree: f64,
    pub(crate) kem_pair: f64,
    pub(crate) encapsulate: f64,
    pub(crate) decapsulate: f64,
    /// Sealing and opening with AES-256-GCM, by size of the text.
    pub(crate) aead: BTreeMap<usize, f64>,
}

impl Primitives {
    /// What one session set-up needs of them, both sides together: five signatures made and verified (M1 to M5), two key
    /// pairs and two agreements, and ML-KEM's three steps in a hybrid. Certificates that have been verified before are not
    /// counted, nor are hashes and key derivation.
    pub(crate) fn of_setup(&self, suite: Suite) -> f64 {
        let kem = if suite.is_hybrid() { self.kem_pair + self.encapsulate + self.decapsulate } else { 0.0 };
        let (pair, agree) = match suite {
            Suite::Modp2048MlKem768 | Suite::Modp2048 => (self.modp_pair, self.modp_agree),
            Suite::X25519MlKem768 => (self.x25519_pair, self.x25519_agree),
        };
        5.0 * (self.sign + self.verify) + 2.0 * (pair + agree) + kem
    }

    /// The medians over several measurements.
    pub(crate) fn medians(all: &[Self]) -> Self {
        let of = |pick: fn(&Self) -> f64| median(&all.iter().map(pick).collect::<Vec<_>>());
        let sizes =
            all.first().map(|first| first.aead.keys().copied().collect::<Vec<_>>()).unwrap_or_default();
        let aead = |size: &usize| median(&all.iter().map(|one| one.aead[size]).collect::<Vec<_>>());
        Self {
            sign: of(|one| one.sign),
            verify: of(|one| one.verify),
            modp_pair: of(|one| one.modp_pair),
            modp_agree: of(|one| one.modp_agree),
            x25519_pair: of(|one| one.x25519_pair),
            x25519_agree: of(|one| one.x25519_agree),
            kem_pair: of(|one| one.kem_pair),
            encapsulate: of(|one| one.encapsulate),
            decapsulate: of(|one| one.decapsulate),
            aead: sizes.iter().map(|size| (*size, aead(size))).collect(),
        }
    }
}

/// Measures them.
pub(crate) struct Bench {
    provider: Provider,
    key: Box<dyn SigningKey>,
}

impl Bench {
    pub(crate) fn new() -> Result<Self, Failure> {
        let provider: Provider = &AwsLc;
        let key = provider.generate_signing_key().or_fail(|| "an RSA key".into())?;
        Ok(Self { provider, key })
    }

    /// Takes a fraction of a second.
    pub(crate) fn measure(&self) -> Result<Primitives, Failure> {
        self.all().or_fail(|| "a primitive".into())
    }

    fn all(&self) -> Result<Primitives, CryptoError> {
        let (provider, label) = (self.provider, SignatureLabel::Request);
        let signature = sign(self.key.as_ref(), label, &[7; 32])?;
        let (_, modp) = generate_dh_keypair(provider)?;
        let (_, x25519) = X25519Secret::generate(provider)?;
        let kem = provider.generate_ml_kem_768()?.encapsulation_key();
        let mut aead = BTreeMap::new();
        for size in SIZES {
            aead.insert(size, self.aead(size)?);
        }
        Ok(Primitives {
            sign: timed(|| Ok(()), |()| sign(self.key.as_ref(), label, &[7; 32]))?,
            verify: timed(
                || Ok(()),
                |()| verify(provider, self.key.public_key(), label, &[7; 32], &signature),
            )?,
            modp_pair: timed(|| Ok(()), |()| generate_dh_keypair(provider))?,
            modp_agree: timed(|| generate_dh_keypair(provider), |(secret, _)| Ok(secret.agree(&modp)))?,
            x25519_pair: timed(|| Ok(()), |()| X25519Secret::generate(provider))?,
            x25519_agree: timed(
                || X25519Secret::generate(provider),
                |(secret, _)| secret.agree(provider, &x25519),
            )?,
            kem_pair: timed(|| Ok(()), |()| provider.generate_ml_kem_768())?,
            encapsulate: timed(|| Ok(()), |()| provider.encapsulate_ml_kem_768(&kem))?,
            decapsulate: timed(
                || {
                    let pair = provider.generate_ml_kem_768()?;
                    let sealed = provider.encapsulate_ml_kem_768(&pair.encapsulation_key())?;
                    Ok((pair, sealed))
                },
                |(pair, sealed)| pair.decapsulate(&sealed.ciphertext),
            )?,
            aead,
        })
    }

    /// Sealing and opening a text with AES-256-GCM, in microseconds.
    pub(crate) fn seal_and_open(&self, size: usize) -> Result<f64, Failure> {
        self.aead(size).or_fail(|| "AES-256-GCM".into())
    }

    /// In place, many times over.
    fn aead(&self, size: usize) -> Result<f64, CryptoError> {
        let mut key = [0; KEY_LEN];
        self.provider.fill_random(&mut key)?;
        let aead = self.provider.aes_256_gcm(&AeadKey::from_bytes(&key))?;
        let (mut buffer, mut nonce) = (vec![b'a'; size], [0; NONCE_LEN]);
        buffer.reserve(64);
        let times = (AEAD_BYTES / size).clamp(10, 2000);
        let mut samples = Vec::new();
        for sample in 0..AEAD_SAMPLES {
            let began = Instant::now();
            for time in 0..times {
                nonce[..4].copy_from_slice(&(sample * times + time).to_be_bytes()[4..]);
                aead.seal(&nonce, &[1; 41], &mut buffer)?;
                aead.open(&nonce, &[1; 41], black_box(&mut buffer))?;
            }
            samples.push(began.elapsed().as_secs_f64() * 1e6 / as_f64(times as u64));
        }
        Ok(median(&samples))
    }
}

/// The median time of `step`, in microseconds, after `prepare`, which is not timed.
fn timed<P, T>(
    mut prepare: impl FnMut() -> Result<P, CryptoError>,
    mut step: impl FnMut(P) -> Result<T, CryptoError>,
) -> Result<f64, CryptoError> {
    let mut samples = Vec::with_capacity(SAMPLES);
    for _ in 0..SAMPLES {
        let prepared = prepare()?;
        let began = Instant::now();
        black_box(step(black_box(prepared))?);
        samples.push(began.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(&samples))
}

const SIZES: [usize; 4] = [16, 1024, 16 * 1024, 1024 * 1024];
const SAMPLES: usize = 40;
const AEAD_SAMPLES: usize = 9;
/// Sealed and opened in a sample.
const AEAD_BYTES: usize = 1024 * 1024;
