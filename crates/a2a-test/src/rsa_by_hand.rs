//! RSA by hand: signatures that no library makes, under keys that none should accept.

use a2a_core::crypto::provider::available;
use aws_lc_rs::digest::{Algorithm, SHA256, digest};
use num_bigint_dig::prime::{next_prime, probably_prime};
use num_bigint_dig::{BigUint, ModInverse};

use crate::der as by_hand;

/// A key whose owner has both halves; the modulus has 2048 bits.
#[derive(Debug, Clone)]
pub struct RsaByHand {
    n: BigUint,
    e: BigUint,
    d: BigUint,
}

impl RsaByHand {
    /// A library's key of 2048 bits, in PKCS#8 DER.
    pub fn from_pkcs8(der: &[u8]) -> Self {
        // The header before PKCS #1 is always of the same length.
        let key = pkcs1::RsaPrivateKeyRef::try_from(&der[26..]).unwrap();
        let number = |integer: ::der::asn1::UintRef<'_>| BigUint::from_bytes_be(integer.as_bytes());
        Self { n: number(key.modulus), e: number(key.public_exponent), d: number(key.private_exponent) }
    }

    /// A well-made key, but for this public exponent.
    pub fn with_exponent(e: u32) -> Self {
        loop {
            let (p, q) = (random_prime(), random_prime());
            if let Some(key) = Self::from_primes(&p, &q, BigUint::from(e)) {
                return key;
            }
        }
    }

    /// A key of two neighbouring primes, which anybody can factor.
    pub fn with_close_primes() -> Self {
        loop {
            let p = random_prime();
            if let Some(key) = Self::from_primes(&p, &next_prime(&(&p + 2_u32)), BigUint::from(65_537_u32)) {
                return key;
            }
        }
    }

    /// A key under which somebody else's `signature` is one of the message whose encoding is `encoded`. The two primes
    /// are such that discrete logarithms are easy modulo both (Blake-Wilson and Menezes, "Unknown key-share attacks on
    /// the station-to-station protocol", 1999, section 3).
    pub fn forged_for(signature: &[u8], encoded: &[u8]) -> Self {
        let [signature, encoded] = [signature, encoded].map(BigUint::from_bytes_be);
        loop {
            let mut factors = small_primes();
            let p = smooth_prime(&mut factors, &signature, &encoded);
            let q = smooth_prime(&mut factors, &signature, &encoded);
            if &p.prime * &q.prime <= signature {
                continue;
            }
            let mut e = (BigUint::from(1_u8), BigUint::from(2_u8));
            for prime in [&p, &q] {
                for factor in &prime.factors {
                    e = combined(e, prime.logarithm(*factor, &signature, &encoded), *factor);
                }
            }
            if let Some(key) = Self::from_primes(&p.prime, &q.prime, e.0) {
                return key;
            }
        }
    }

    fn from_primes(p: &BigUint, q: &BigUint, e: BigUint) -> Option<Self> {
        let phi = (p - 1_u32) * (q - 1_u32);
        let d = (&e).mod_inverse(&phi)?.to_biguint()?;
        Some(Self { n: p * q, e, d })
    }

    /// DER `SubjectPublicKeyInfo`, as PEM.
    pub fn public_pem(&self) -> String {
        let der = by_hand::rsa_public_key(&self.n.to_bytes_be(), &self.e.to_bytes_be());
        ::der::pem::encode_string("PUBLIC KEY", ::der::pem::LineEnding::LF, &der).unwrap()
    }

    /// The signature over a message that has been encoded.
    pub fn sign(&self, encoded: &[u8]) -> Vec<u8> {
        padded(&BigUint::from_bytes_be(encoded).modpow(&self.d, &self.n))
    }

    /// What a signature holds.
    pub fn open(&self, signature: &[u8]) -> Vec<u8> {
        padded(&BigUint::from_bytes_be(signature).modpow(&self.e, &self.n))
    }
}

/// EMSA-PSS for 2048 bits (RFC 8017, section 9.1.1), with MGF1 of the same hash.
pub fn pss(message: &[u8], hash: &'static Algorithm, salt_len: usize) -> Vec<u8> {
    let salt = vec![7; salt_len];
    let hashed = digest(hash, &[&[0; 8], digest(hash, message).as_ref(), &salt].concat());
    let mut masked = [vec![0; LEN - hash.output_len() - salt_len - 2], vec![1], salt].concat();
    let counters = (0_u32..).flat_map(|counter| {
        let block = [hashed.as_ref(), &counter.to_be_bytes()].concat();
        digest(hash, &block).as_ref().to_vec()
    });
    for (byte, mask) in masked.iter_mut().zip(counters) {
        *byte ^= mask;
    }
    masked[0] &= 0x7f;
    [masked, hashed.as_ref().to_vec(), vec![0xbc]].concat()
}

/// EMSA-PKCS1-v1_5 with SHA-256 for 2048 bits (RFC 8017, section 9.2).
pub fn pkcs1_v15(message: &[u8]) -> Vec<u8> {
    const DIGEST_INFO: [u8; 19] =
        [0x30, 0x31, 0x30, 0x0d, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0, 4, 0x20];
    let info = [&DIGEST_INFO, digest(&SHA256, message).as_ref()].concat();
    [vec![0, 1], vec![0xff; LEN - info.len() - 3], vec![0], info].concat()
}

/// What the protocol signs, for a use that goes by this label.
pub fn signed_content(label: &str, message: &[u8]) -> Vec<u8> {
    [format!("{}a2a/1 {label}\0", " ".repeat(64)).as_bytes(), message].concat()
}

/// A prime `p`, and the odd primes that `p - 1` is made of besides 2.
struct SmoothPrime {
    prime: BigUint,
    factors: Vec<u32>,
}

impl SmoothPrime {
    /// The `x` with `s^x = m`, modulo a factor of the group's order.
    fn logarithm(&self, factor: u32, s: &BigUint, m: &BigUint) -> u32 {
        let cofactor = (&self.prime - 1_u32) / factor;
        let (base, target) = (s.modpow(&cofactor, &self.prime), m.modpow(&cofactor, &self.prime));
        let mut power = BigUint::from(1_u8);
        for x in 0..factor {
            if power == target {
                return x;
            }
            power = power * &base % &self.prime;
        }
        panic!("{factor} is no factor of the order");
    }
}

/// A prime near 2^1024 made of some of the `factors`, which it takes away. Modulo it, powers of `s` reach `m`, and the
/// logarithm is odd.
fn smooth_prime(factors: &mut Vec<u32>, s: &BigUint, m: &BigUint) -> SmoothPrime {
    loop {
        let (mut rest, mut taken) = (factors.clone(), Vec::new());
        let mut product = BigUint::from(2_u8);
        while product.bits() < 1013 {
            let factor = rest.swap_remove(random(rest.len()));
            product *= factor;
            taken.push(factor);
        }
        for (at, last) in rest.iter().enumerate() {
            let prime = &product * *last + 1_u32;
            if prime.bits() == 1024 && prime.to_bytes_be()[0] >= 0xf8 && probably_prime(&prime, 8) {
                let half = (&prime - 1_u32) / 2_u32;
                let is_square = |number: &BigUint| number.modpow(&half, &prime) == BigUint::from(1_u8);
                taken.push(*last);
                let found = SmoothPrime { prime: prime.clone(), factors: taken.clone() };
                let generates = |factor: &u32| {
                    let cofactor = (&found.prime - 1_u32) / *factor;
                    s.modpow(&cofactor, &found.prime) != BigUint::from(1_u8)
                };
                if !is_square(s) && !is_square(m) && found.factors.iter().all(generates) {
                    rest.swap_remove(at);
                    *factors = rest;
                    return found;
                }
                break;
            }
        }
    }
}

/// The number that is `known.0` modulo `known.1`, and `x` modulo `factor`; and the modulus of both.
fn combined(known: (BigUint, BigUint), x: u32, factor: u32) -> (BigUint, BigUint) {
    let (number, modulus) = known;
    let mut number = number;
    while &number % factor != BigUint::from(x) {
        number += &modulus;
    }
    (number, modulus * factor)
}

fn small_primes() -> Vec<u32> {
    (257..4096).step_by(2).filter(|n| (3..64).step_by(2).all(|d| n % d != 0)).collect()
}

/// Of 1024 bits, the highest two set, so that a product of two has 2048.
fn random_prime() -> BigUint {
    let mut bytes = [0; 128];
    available()[0].fill_random(&mut bytes).unwrap();
    next_prime(&(BigUint::from_bytes_be(&bytes) | (BigUint::from(3_u8) << 1022)))
}

fn random(below: usize) -> usize {
    fastrand::usize(..below)
}

fn padded(number: &BigUint) -> Vec<u8> {
    let bytes = number.to_bytes_be();
    [vec![0; LEN - bytes.len()], bytes].concat()
}

/// Bytes of a modulus of 2048 bits.
const LEN: usize = 256;

#[cfg(test)]
mod tests {
    use a2a_core::crypto::provider::available;
    use a2a_core::crypto::signature::PublicKey;

    use super::*;
    use crate::keys;

    /// Libraries that are not by hand say so.
    #[test]
    fn a_signature_by_hand_is_a_signature() {
        let key = RsaByHand::from_pkcs8(&keys::pkcs8("by hand"));
        let public = PublicKey::from_pem(&key.public_pem()).unwrap();
        let signature = key.sign(&pss(b"message", &SHA256, 32));
        for provider in available() {
            provider.verify_pss(&public, b"message", &signature).unwrap();
        }
    }
}
