//! Moduli that anybody can factor, made for the purpose, and what the controller says of them.

use a2a_core::certificate::{EnrolmentError, EnrolmentRequest};
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::PublicKey;
use der::Encode;
use der::asn1::{BitStringRef, UintRef};
use num_bigint_dig::BigUint;
use num_bigint_dig::prime::next_prime;
use spki::SubjectPublicKeyInfoRef;

use crate::world::{DAY, NOW, World, after, before, worlds};

const SMALL_FACTOR: &str = "its modulus has a small prime factor";
const CLOSE_PRIMES: &str = "the two primes of its modulus are too close together";

#[test]
fn a_prime_factor_below_65536_is_found_and_none_above() {
    for (factor, verdict) in [
        (3_u32, Err(SMALL_FACTOR)),
        (5, Err(SMALL_FACTOR)),
        (251, Err(SMALL_FACTOR)),
        (757, Err(SMALL_FACTOR)),
        (32_749, Err(SMALL_FACTOR)),
        (65_519, Err(SMALL_FACTOR)),
        (65_521, Err(SMALL_FACTOR)),
        (65_537, Ok(())),
    ] {
        let product = big_prime(1024) * factor;
        let modulus = next_prime(&((BigUint::from(0xff_u8) << 2040) / &product)) * product;
        assert_eq!(key(&modulus).check_strength(), verdict, "{factor}");
    }
}

/// The middle of two primes lies `(p - q)^2 / 8 sqrt(pq)` above the root of their product.
#[test]
fn primes_are_close_if_100_steps_of_fermats_find_them() {
    for bits in [2048, 3072] {
        let p = big_prime(bits / 2);
        for (half_steps, verdict) in
            [(1_u32, Err(CLOSE_PRIMES)), (20, Err(CLOSE_PRIMES)), (199, Err(CLOSE_PRIMES)), (201, Ok(()))]
        {
            let q = next_prime(&(&p + (&p * (4 * half_steps)).sqrt()));
            assert_eq!(key(&(&p * q)).check_strength(), verdict, "{half_steps} half steps, {bits} bits");
        }
        assert_eq!(key(&(&p * next_prime(&p))).check_strength(), Err(CLOSE_PRIMES), "neighbours");
        assert_eq!(key(&(&p * &p)).check_strength(), Err(CLOSE_PRIMES), "the same prime twice");
    }
}

#[test]
fn keys_that_were_made_well_pass() {
    for provider in available() {
        let made = provider.generate_signing_key().unwrap();
        assert_eq!(made.public_key().check_strength(), Ok(()));
        for pkcs8 in [
            &include_bytes!("../keys/rsa2048.pk8")[..],
            include_bytes!("../keys/rsa3072.pk8"),
            include_bytes!("../keys/rsa4096.pk8"),
        ] {
            let read = provider.load_signing_key(pkcs8).unwrap();
            assert_eq!(read.public_key().check_strength(), Ok(()));
        }
    }
}

#[test]
fn the_controller_refuses_a_weak_key_before_it_verifies_with_it() {
    for world in worlds() {
        let weak = key(&(big_prime(1024) * next_prime(&big_prime(1024))));
        let mut request = world.request(world.card());
        request.agent_card.public_key = weak;
        assert_eq!(issue(&world, &request), EnrolmentError::WeakKey(CLOSE_PRIMES));
        (request.agent_card.issued_at, request.agent_card.expires_at) = (before(61), after(60));
        assert_eq!(issue(&world, &request), EnrolmentError::Stale(61), "what is cheaper comes first");
    }
}

fn issue(world: &World, request: &EnrolmentRequest) -> EnrolmentError {
    world.authority().issue(request, DAY, NOW).unwrap_err()
}

/// The first prime whose bits begin with eight ones, so that products of two have all their bits.
fn big_prime(bits: usize) -> BigUint {
    next_prime(&(BigUint::from(0xff_u8) << (bits - 8)))
}

fn key(modulus: &BigUint) -> PublicKey {
    let modulus = modulus.to_bytes_be();
    let uint = |bytes| UintRef::new(bytes).unwrap();
    let rsa = pkcs1::RsaPublicKeyRef { modulus: uint(&modulus), public_exponent: uint(&[1, 0, 1]) };
    let rsa = rsa.to_der().unwrap();
    let subject_public_key = BitStringRef::from_bytes(&rsa).unwrap();
    let spki = SubjectPublicKeyInfoRef { algorithm: pkcs1::ALGORITHM_ID, subject_public_key };
    PublicKey::from_spki_der(&spki.to_der().unwrap()).unwrap()
}
