//! Whether the time of an operation with a secret depends on what it is applied to: a test of the two means by Welch's t, as
//! dudect's (Reparaz, Balasch and Verbauwhede, "Dude, is my code constant time?", 2017), fixed against random input.
//!
//! Run by `scripts/evidence/constant-time`. Takes the number of measurements of each operation (100,000).
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::cast_precision_loss)]

use std::hint::black_box;
use std::time::Instant;

use a2a_core::crypto::kx::modp::GROUP_14;
use a2a_core::crypto::kx::{InitiatorKeys, InitiatorShare, ResponderKeys, Suite};
use a2a_core::crypto::provider::{Provider, available};
use a2a_core::wire::Hex;
use a2a_test::{der, keys};

fn main() {
    let count = std::env::args().nth(1).map_or(100_000, |count| count.parse().expect("a number"));
    let mut largest: f64 = 0.0;
    for provider in available() {
        let name = provider.name();
        for (operation, samples) in [
            ("Diffie-Hellman, MODP", agreement(*provider, count)),
            ("RSA-PSS signature", signature(*provider, count)),
        ] {
            let t = worst_t(&samples);
            let times: Vec<_> = samples.iter().map(|(_, time)| *time).collect();
            println!(
                "{operation:22} {name:10} {count} times, median {:4} µs, |t| {t:.2}",
                percentile(&times, 50) / 1000
            );
            largest = largest.max(t);
        }
    }
    println!("largest |t|            {largest:.2}; 4.5 and more would be a leak");
    assert!(largest < THRESHOLD, "the time depends on the input");
}

/// Whether the input was the fixed one, and the nanoseconds.
type Sample = (bool, u64);

/// With a fresh secret each time: the smallest share that is allowed, or anybody's.
fn agreement(provider: Provider, count: usize) -> Vec<Sample> {
    let smallest = InitiatorShare {
        dh_public_key: der::modp_share(&GROUP_14.prime(), &[2], &[2]),
        kem_public_key: None,
    };
    let shares: Vec<_> =
        (0..64).map(|_| InitiatorKeys::generate(Suite::Modp2048, provider).unwrap().into_parts().1).collect();
    measured(count, |is_fixed, number| {
        let share = if is_fixed { &smallest } else { &shares[number % shares.len()] };
        let keys = ResponderKeys::generate(Suite::Modp2048, provider).unwrap();
        let (_, secrets) = keys.respond(share).unwrap();
        let began = Instant::now();
        black_box(secrets.agree().unwrap());
        began
    })
}

/// With one key: one message, or another each time.
fn signature(provider: Provider, count: usize) -> Vec<Sample> {
    let key = keys::signing_key("timed", provider);
    let fixed = [0; 32];
    measured(count, |is_fixed, _| {
        let random = Hex::<32>::random(provider).unwrap();
        let message = if is_fixed { &fixed } else { random.as_bytes() };
        let began = Instant::now();
        black_box(key.sign_pss(message).unwrap());
        began
    })
}

/// `operation` says when it began, having got ready. Which input is next, nobody can tell.
fn measured(count: usize, operation: impl Fn(bool, usize) -> Instant) -> Vec<Sample> {
    let mut chance = fastrand::Rng::new();
    let classes = (0..count).map(|number| (chance.bool(), number));
    let sample = |(is_fixed, number)| {
        let began = operation(is_fixed, number);
        (is_fixed, u64::try_from(began.elapsed().as_nanos()).unwrap())
    };
    classes.map(sample).collect()
}

/// The largest of the t of all measurements, and of those up to some percentiles: what the machine does besides is in the tail.
fn worst_t(samples: &[Sample]) -> f64 {
    let times: Vec<_> = samples.iter().map(|(_, time)| *time).collect();
    let limits = [50, 75, 90, 95, 99].map(|share| percentile(&times, share));
    let t = limits.into_iter().chain([u64::MAX]).map(|limit| welch(samples, limit).abs());
    t.inspect(|t| assert!(t.is_finite(), "too few measurements")).fold(0.0, f64::max)
}

fn welch(samples: &[Sample], limit: u64) -> f64 {
    let [fixed, random] = [true, false].map(|class| {
        let of_class = samples.iter().filter(|(is_fixed, time)| *is_fixed == class && *time <= limit);
        let times: Vec<_> = of_class.map(|(_, time)| *time as f64).collect();
        let mean = times.iter().sum::<f64>() / times.len() as f64;
        let squares = times.iter().map(|time| (time - mean).powi(2)).sum::<f64>();
        (mean, squares / (times.len() - 1) as f64 / times.len() as f64)
    });
    (fixed.0 - random.0) / (fixed.1 + random.1).sqrt()
}

fn percentile(times: &[u64], share: usize) -> u64 {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    sorted[(sorted.len() - 1) * share / 100]
}

const THRESHOLD: f64 = 4.5;
