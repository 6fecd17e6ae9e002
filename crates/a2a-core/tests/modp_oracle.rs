//! The MODP group against an independent oracle: the prime from RFC 3526's formula, the exponentiation from
//! `num-bigint-dig`, which sees public test values alone; and every share that must be refused, at no cost.

#![allow(clippy::unwrap_used)]

use std::sync::{Mutex, MutexGuard, PoisonError};

use a2a_core::crypto::CryptoError;
use a2a_core::crypto::kx::modp::{DhPublicKey, DhSecret, GROUP_14, exponentiations, generate_dh_keypair};
use a2a_core::crypto::kx::{InitiatorKeys, InitiatorShare, ResponderKeys, ResponderShare, Suite};
use a2a_core::crypto::provider::available;
use data_encoding::HEXLOWER;
use num_bigint_dig::BigUint;
use num_bigint_dig::prime::probably_prime;
use proptest::prelude::*;
use sha2::{Digest, Sha256};

#[test]
fn the_prime_is_that_of_rfc_3526() {
    let one = BigUint::from(1u8);
    let pi = pi_times_two_to_the(1918);
    let prime = (&one << 2048) - (&one << 1984) - &one + ((pi + 124_476u32) << 64);
    assert_eq!(prime.to_bytes_be(), GROUP_14.prime());
    assert_eq!(GROUP_14.generator(), 2);
    let digest = Sha256::digest(GROUP_14.prime());
    assert_eq!(HEXLOWER.encode(&digest), "d66436f79bbd6b2e38c0ffbd079be904d2641415e2e67140e09448be9a60890e");
}

#[test]
fn the_prime_is_safe_and_the_generator_has_the_order_of_its_half() {
    let half = (prime() - 1u8) >> 1;
    assert!(probably_prime(&prime(), 20));
    assert!(probably_prime(&half, 20));
    assert_eq!(BigUint::from(2u8).modpow(&half, &prime()), BigUint::from(1u8));
}

#[test]
fn public_keys_and_secrets_equal_the_oracles() {
    let _guard = lock();
    for exponent in exponents() {
        let secret = || DhSecret::from_be_bytes(&exponent).unwrap();
        let public = BigUint::from(2u8).modpow(&BigUint::from_bytes_be(&exponent), &prime());
        assert_eq!(secret().public_key(), share(&public));
        for base in bases() {
            let expected = base.modpow(&BigUint::from_bytes_be(&exponent), &prime());
            assert_eq!(*secret().agree(&share(&base)), padded(&expected));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The table of the generator's powers, against the oracle and against plain exponentiation.
    #[test]
    fn a_power_of_the_generator_is_that_of_any_base(exponent in any::<[u8; 32]>()) {
        prop_assume!(exponent != [0; 32]);
        let _guard = lock();
        let secret = || DhSecret::from_be_bytes(&exponent).unwrap();
        let expected = BigUint::from(2u8).modpow(&BigUint::from_bytes_be(&exponent), &prime());
        prop_assert_eq!(secret().public_key(), share(&expected));
        prop_assert_eq!(*secret().agree(&share(&BigUint::from(2u8))), padded(&expected));
    }
}

/// Each digit in each place of the exponent, so that each entry of the table is used.
#[test]
fn every_entry_of_the_table_is_right() {
    let _guard = lock();
    let mut base = BigUint::from(2u8);
    for place in 0..64 {
        let mut power = BigUint::from(1u8);
        for digit in 1..16u8 {
            power = power * &base % prime();
            let mut exponent = [0; 32];
            exponent[31 - place / 2] = if place % 2 == 0 { digit } else { digit << 4 };
            assert_eq!(DhSecret::from_be_bytes(&exponent).unwrap().public_key(), share(&power));
        }
        base = power * base % prime();
    }
}

#[test]
fn a_short_secret_is_padded_on_the_left() {
    let _guard = lock();
    let mut expected = [0; 256];
    expected[255] = 2;
    assert_eq!(*DhSecret::from_be_bytes(&one()).unwrap().agree(&share(&BigUint::from(2u8))), expected);
}

/// The values were computed with Python's `pow` and checked with `openssl pkey -pubin`.
#[test]
fn known_answer() {
    let _guard = lock();
    let exponent = Sha256::digest(b"a2a/1 known answer").into();
    let der = DhSecret::from_be_bytes(&exponent).unwrap().public_key().to_spki_der().unwrap();
    assert_eq!(der, spki(&HEXLOWER.decode(KNOWN_PUBLIC.as_bytes()).unwrap()));
    assert_eq!(der.len(), 553);
    assert_eq!(
        HEXLOWER.encode(&Sha256::digest(&der)),
        "efc6c408ef75476482debf12c3d6708e9e391c39a29f55a07456f738ec7c87b7"
    );
}

#[test]
fn fresh_key_pairs_agree_and_cost_one_exponentiation_each_way() {
    let _guard = lock();
    for provider in available() {
        let before = exponentiations();
        let (alice, alice_public) = generate_dh_keypair(*provider).unwrap();
        let (bob, bob_public) = generate_dh_keypair(*provider).unwrap();
        assert_eq!(exponentiations() - before, 2);
        assert_eq!(alice.agree(&bob_public), bob.agree(&alice_public));
        assert_eq!(exponentiations() - before, 4);
        assert_ne!(alice_public, bob_public);
    }
}

#[test]
fn a_zero_exponent_is_refused_and_debug_shows_none() {
    assert!(DhSecret::from_be_bytes(&[0; 32]).is_err());
    assert_eq!(format!("{:?}", DhSecret::from_be_bytes(&one()).unwrap()), "DhSecret(..)");
}

#[test]
fn another_group_is_refused() {
    let _guard = lock();
    let p = GROUP_14.prime();
    let y = 4u8;
    let composite = padded(&(prime() - 2u8));
    let next = padded(&(prime() + 2u8));
    let small = padded(&(BigUint::from(1u8) << 511));
    let with = |p: &[u8], g: &[u8]| key(&DH, &sequence(&[integer(p), integer(g)]), &integer(&[y]));
    refused_as(
        &CryptoError::BadGroup,
        &[
            ("512-bit prime", with(&small[192..], &[2])),
            ("p - 2", with(&composite, &[2])),
            ("p + 2", with(&next, &[2])),
            ("one bit short", with(&p[1..], &[2])),
            ("8192 bits", with(&[p; 4].concat(), &[2])),
            ("p = 0", with(&[0], &[2])),
            ("g = 0", with(&p, &[0])),
            ("g = 1", with(&p, &[1])),
            ("g = 3", with(&p, &[3])),
            ("g = 5", with(&p, &[5])),
            ("g = p - 1", with(&p, &padded(&(prime() - 1u8)))),
            ("p and g swapped", with(&[2], &p)),
            ("no generator", key(&DH, &sequence(&[integer(&p)]), &integer(&[y]))),
            ("empty parameters", key(&DH, &sequence(&[]), &integer(&[y]))),
            ("NULL parameters", key(&DH, &[5, 0], &integer(&[y]))),
            ("no parameters", key(&DH, &[], &integer(&[y]))),
        ],
    );
}

#[test]
fn a_value_out_of_range_is_refused() {
    let _guard = lock();
    let p = prime();
    let out_of_range = CryptoError::BadShare("Diffie-Hellman value is not within 2..=p-2");
    let value = |y: BigUint| spki(&y.to_bytes_be());
    refused_as(
        &out_of_range,
        &[
            ("0", value(BigUint::from(0u8))),
            ("1", value(BigUint::from(1u8))),
            ("p - 1", value(&p - 1u8)),
            ("p", value(p.clone())),
            ("p + 1", value(&p + 1u8)),
            ("2^2048 - 1", spki(&[0xff; 256])),
            ("2^2048", value(BigUint::from(1u8) << 2048)),
            ("2^4096", value(BigUint::from(1u8) << 4096)),
        ],
    );
    for y in [BigUint::from(2u8), BigUint::from(3u8), &p - 3u8, &p - 2u8] {
        let der = value(y);
        assert_eq!(DhPublicKey::from_spki_der(&der).unwrap().to_spki_der().unwrap(), der);
    }
}

#[test]
fn any_other_encoding_is_refused() {
    let _guard = lock();
    let parameters =
        |more: &[Vec<u8>]| sequence(&[&[integer(&GROUP_14.prime()), integer(&[2])], more].concat());
    let group = parameters(&[]);
    let good = key(&DH, &group, &integer(&[4]));
    DhPublicKey::from_spki_der(&good).unwrap();
    let malformed = CryptoError::BadShare("not canonical DER of a Diffie-Hellman key");
    refused_as(
        &malformed,
        &[
            ("empty", Vec::new()),
            ("truncated", good[..good.len() - 1].to_vec()),
            ("trailing byte", [&good[..], &[0]].concat()),
            ("trailing byte in the bit string", key(&DH, &group, &[&integer(&[4])[..], &[0]].concat())),
            ("long length", [&[0x30, 0x83, 0], &good[2..]].concat()),
            ("privateValueLength", key(&DH, &parameters(&[integer(&[1, 0])]), &integer(&[4]))),
            ("negative value", key(&DH, &group, &[2, 1, 0x84])),
            ("padded value", key(&DH, &group, &[2, 2, 0, 4])),
            ("value without content", key(&DH, &group, &[2, 0])),
            ("value as octets", key(&DH, &group, &[4, 1, 4])),
            ("unused bits", sequence(&[sequence(&[DH.to_vec(), group.clone()]), tlv(3, &[1, 2, 1, 4])])),
        ],
    );
    refused_as(
        &CryptoError::BadShare("not a PKCS #3 Diffie-Hellman key"),
        &[
            ("X9.42", key(&[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3e, 2, 1], &group, &integer(&[4]))),
            ("RSA", key(&[6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1], &group, &integer(&[4]))),
        ],
    );
}

#[test]
fn a_refused_kem_part_costs_no_exponentiation_either() {
    let _guard = lock();
    let suite = Suite::Modp2048MlKem768;
    for provider in available() {
        let (secrets, offer) = InitiatorKeys::generate(suite, *provider).unwrap().into_parts();
        let responders = || ResponderKeys::generate(suite, *provider).unwrap();
        let (reply, _) = responders().respond(&offer).unwrap();
        let flawed = [None, Some(vec![0; 1183]), Some(vec![0xff; 1184])].map(|part| (part, responders()));
        let before = exponentiations();
        for (kem_public_key, responders) in flawed {
            let offer = InitiatorShare { kem_public_key, ..offer.clone() };
            assert!(matches!(responders.respond(&offer), Err(CryptoError::BadShare(_))));
        }
        let reply = ResponderShare { kem_ciphertext: Some(vec![0; 1087]), ..reply };
        assert!(matches!(secrets.agree(&reply), Err(CryptoError::BadShare(_))));
        assert_eq!(exponentiations(), before);
    }
}

/// Each is refused when parsed, and by both sides of a whole exchange, without an exponentiation.
fn refused_as(expected: &CryptoError, shares: &[(&str, Vec<u8>)]) {
    let suite = Suite::Modp2048;
    for (flaw, der) in shares {
        let (secrets, _) = InitiatorKeys::generate(suite, available()[0]).unwrap().into_parts();
        let responders = ResponderKeys::generate(suite, available()[0]).unwrap();
        let before = exponentiations();
        assert_eq!(DhPublicKey::from_spki_der(der).unwrap_err(), *expected, "{flaw}");
        let offer = InitiatorShare { dh_public_key: der.clone(), kem_public_key: None };
        assert_eq!(responders.respond(&offer).unwrap_err(), *expected, "{flaw}");
        let reply = ResponderShare { dh_public_key: der.clone(), kem_ciphertext: None };
        assert_eq!(secrets.agree(&reply).unwrap_err(), *expected, "{flaw}");
        assert_eq!(exponentiations(), before, "{flaw}");
    }
}

/// The count of exponentiations is the whole process's, so tests that make any take turns.
fn lock() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// floor(2^bits * pi) by Machin's formula: pi = 16 arctan(1/5) - 4 arctan(1/239).
fn pi_times_two_to_the(bits: usize) -> BigUint {
    const GUARD_BITS: usize = 64;
    let unity = BigUint::from(1u8) << (bits + GUARD_BITS);
    let arctan_of_inverse = |x: u32| {
        let mut power = &unity / x;
        let (mut plus, mut minus) = (BigUint::from(0u8), BigUint::from(0u8));
        for n in 0u32.. {
            let term = &power / (2 * n + 1);
            if term == BigUint::from(0u8) {
                break;
            }
            *if n % 2 == 0 { &mut plus } else { &mut minus } += term;
            power = power / x / x;
        }
        plus - minus
    };
    (arctan_of_inverse(5) * 16u8 - arctan_of_inverse(239) * 4u8) >> GUARD_BITS
}

fn exponents() -> Vec<[u8; 32]> {
    let mut exponents = vec![one(), [0xff; 32], [0x80; 32], [0x01; 32]];
    for (byte, value) in [(31, 2), (31, 3), (31, 16), (24, 1), (23, 0x80), (0, 0x80), (0, 0x01)] {
        let mut exponent = [0; 32];
        exponent[byte] = value;
        exponents.push(exponent);
    }
    exponents.extend((0u8..8).map(|i| <[u8; 32]>::from(Sha256::digest([i]))));
    exponents
}

fn bases() -> Vec<BigUint> {
    let p = prime();
    let some: Vec<u8> = (0u8..8).flat_map(|i| Sha256::digest([b'b', i])).collect();
    let mut bases = vec![BigUint::from(2u8), BigUint::from(3u8), (&p - 1u8) >> 1, &p - 3u8, &p - 2u8];
    bases.extend([BigUint::from(1u8) << 64, BigUint::from(1u8) << 2047, BigUint::from_bytes_be(&some) % &p]);
    bases
}

fn prime() -> BigUint {
    BigUint::from_bytes_be(&GROUP_14.prime())
}

fn share(y: &BigUint) -> DhPublicKey {
    DhPublicKey::from_spki_der(&spki(&y.to_bytes_be())).unwrap()
}

fn one() -> [u8; 32] {
    let mut exponent = [0; 32];
    exponent[31] = 1;
    exponent
}

fn padded(value: &BigUint) -> [u8; 256] {
    let bytes = value.to_bytes_be();
    [vec![0; 256 - bytes.len()], bytes].concat().try_into().unwrap()
}

fn spki(y: &[u8]) -> Vec<u8> {
    key(&DH, &sequence(&[integer(&GROUP_14.prime()), integer(&[2])]), &integer(y))
}

fn key(oid: &[u8], parameters: &[u8], public: &[u8]) -> Vec<u8> {
    let algorithm = sequence(&[oid.to_vec(), parameters.to_vec()]);
    sequence(&[algorithm, tlv(3, &[&[0], public].concat())])
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let sign: &[u8] = if bytes[0] & 0x80 != 0 { &[0] } else { &[] };
    tlv(2, &[sign, bytes].concat())
}

fn sequence(members: &[Vec<u8>]) -> Vec<u8> {
    tlv(0x30, &members.concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match content.len() {
        0..0x80 => vec![tag, len[1]],
        0x80..0x100 => vec![tag, 0x81, len[1]],
        _ => vec![tag, 0x82, len[0], len[1]],
    };
    [header.as_slice(), content].concat()
}

const DH: [u8; 11] = [6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 3, 1];
const KNOWN_PUBLIC: &str = "\
     e0f78584fd9092d5b3e00972a29f9caa21c1b5f5a46ed7fc3ed0f51bf59eb0dcefe72c5d4860cd7a94f5cbca67f351e7\
     4ac6961f4684fa34dce2a1ad3f5375e87f4c237aaafbd94ed0b40076511faec4370b18d9b4e12dc0051b73efee6aeea0\
     2dc2e1e8de062e6f49bafc644be874e3e76fbd98a3f9d615d5539aa17ceca151ed63fc4feaf14da3cb16d3e79f1ac146\
     9ea41bac5ec2679ccddf8f599f8088b7c2cbe47ae4734076eecf3cf8b752e26235c46ee9c5ce10b8337fbb66f7478331\
     60059e88823bf347a397674fad081f47272e1935aa7913fca2da300a4b37b0d72d1e7958d27bf603776037e9d635be60\
     aeafcaf326a424437aba34a023ed625b";
