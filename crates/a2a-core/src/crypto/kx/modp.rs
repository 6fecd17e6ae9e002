//! Diffie-Hellman in the seed's group: RFC 3526 group 14, a safe prime of 2048 bits, with generator 2.
//!
//! There is no way to make other parameters: a group from a peer is compared with this one and refused if it
//! differs, before any arithmetic. Secrets are 256 random bits (RFC 7919, section 5.2 asks for 225), used for
//! one agreement and zeroised; the exponentiation takes the same time for each. The library's own temporaries
//! on the stack are not wiped.

mod fixed_base;

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicU64, Ordering};

use crypto_bigint::modular::ConstMontyParams;
use crypto_bigint::{U256, U2048, const_monty_params};
use der::asn1::{AnyRef, BitStringRef, ObjectIdentifier, UintRef};
use der::{Decode, Encode, Reader, Tag};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use self::fixed_base::{Residue, power_of_generator};
use crate::crypto::CryptoError;
use crate::crypto::provider::Provider;

/// The only group there is: the seed's `generate_dh_parameters`, without the minutes that it would take.
pub const GROUP_14: Group = Group { prime: Prime::PARAMS.modulus().get_copy(), generator: 2 };

/// A group's parameters, as they stand in every public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    prime: U2048,
    generator: u8,
}

impl Group {
    /// The prime p, big-endian.
    pub fn prime(&self) -> [u8; VALUE_LEN] {
        self.prime.to_be_bytes().into()
    }

    /// The generator g.
    pub fn generator(&self) -> u8 {
        self.generator
    }
}

/// Makes a fresh key pair: one exponentiation.
pub fn generate_dh_keypair(provider: Provider) -> Result<(DhSecret, DhPublicKey), CryptoError> {
    let mut bytes = Zeroizing::new([0; SECRET_LEN]);
    provider.fill_random(bytes.as_mut_slice())?;
    let secret = DhSecret::from_be_bytes(&bytes)?;
    let public = secret.public_key();
    Ok((secret, public))
}

/// A secret exponent of 256 bits: made for one handshake, consumed by it, zeroised.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct DhSecret(U256);

impl DhSecret {
    /// Takes 32 big-endian bytes, all from a generator of randomness (or from a test vector). Zero is
    /// refused.
    pub fn from_be_bytes(bytes: &[u8; SECRET_LEN]) -> Result<Self, CryptoError> {
        if bytes.iter().fold(0, |any, byte| any | byte) == 0 {
            return Err(CryptoError::Library("a Diffie-Hellman secret is zero"));
        }
        Ok(Self(U256::from_be_slice(bytes)))
    }

    /// g^x mod p: one exponentiation, by a table.
    pub fn public_key(&self) -> DhPublicKey {
        count_exponentiation();
        DhPublicKey(*retrieve(power_of_generator(&self.0)))
    }

    /// y^x mod p, big-endian and left-padded to 256 bytes: one exponentiation.
    pub fn agree(self, peer: &DhPublicKey) -> Zeroizing<[u8; VALUE_LEN]> {
        count_exponentiation();
        let shared = retrieve(Residue::new(&peer.0).pow(&self.0));
        Zeroizing::new(shared.to_be_bytes().into())
    }
}

impl Debug for DhSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DhSecret(..)")
    }
}

/// A public value y in 2..=p-2. Since p is a safe prime, nothing more has to be checked (RFC 7919, section
/// 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DhPublicKey(U2048);

impl DhPublicKey {
    /// Reads DER `SubjectPublicKeyInfo` with the group's parameters (PKCS #3, section 9, dhKeyAgreement).
    ///
    /// Another prime or generator is [`CryptoError::BadGroup`]; a value out of range, another algorithm or
    /// any other encoding than [`Self::to_spki_der`]'s is [`CryptoError::BadShare`]. No exponentiation takes
    /// place.
    pub fn from_spki_der(spki_der: &[u8]) -> Result<Self, CryptoError> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki_der).map_err(|_| MALFORMED)?;
        if spki.algorithm.oid != DH_KEY_AGREEMENT {
            return Err(CryptoError::BadShare("not a PKCS #3 Diffie-Hellman key"));
        }
        check_group(spki.algorithm.parameters.ok_or(CryptoError::BadGroup)?)?;
        let value = spki
            .subject_public_key
            .as_bytes()
            .and_then(|bytes| UintRef::from_der(bytes).ok())
            .ok_or(MALFORMED)?;
        let key = Self::in_range(value.as_bytes())?;
        if key.to_spki_der()? != spki_der {
            return Err(MALFORMED);
        }
        Ok(key)
    }

    /// DER `SubjectPublicKeyInfo`: 553 bytes at most, as OpenSSL reads and writes it.
    pub fn to_spki_der(&self) -> Result<Vec<u8>, CryptoError> {
        encode(&self.0).map_err(|_| CryptoError::Library("a Diffie-Hellman key has no encoding"))
    }

    fn in_range(value: &[u8]) -> Result<Self, CryptoError> {
        if value.len() > VALUE_LEN {
            return Err(OUT_OF_RANGE);
        }
        let mut padded = [0; VALUE_LEN];
        padded[VALUE_LEN - value.len()..].copy_from_slice(value);
        let value = U2048::from_be_slice(&padded);
        let greatest = GROUP_14.prime.wrapping_sub(&U2048::from_u8(2));
        if value < U2048::from_u8(2) || value > greatest {
            return Err(OUT_OF_RANGE);
        }
        Ok(Self(value))
    }
}

/// How many modular exponentiations this process has begun: what shows that a refused share cost none.
pub fn exponentiations() -> u64 {
    EXPONENTIATIONS.load(Ordering::Relaxed)
}

fn count_exponentiation() {
    EXPONENTIATIONS.fetch_add(1, Ordering::Relaxed);
}

fn retrieve(mut result: Residue) -> Zeroizing<U2048> {
    let value = Zeroizing::new(result.retrieve());
    result.zeroize();
    value
}

fn check_group(parameters: AnyRef<'_>) -> Result<(), CryptoError> {
    let prime_and_generator = parameters.sequence(|reader| {
        let pair = (UintRef::decode(reader)?, UintRef::decode(reader)?);
        // What follows (privateValueLength) makes the encoding differ from ours, which is found out later.
        reader.drain(reader.remaining_len())?;
        Ok::<_, der::Error>(pair)
    });
    match prime_and_generator {
        Ok((prime, generator))
            if prime.as_bytes() == GROUP_14.prime() && generator.as_bytes() == [GROUP_14.generator] =>
        {
            Ok(())
        }
        _ => Err(CryptoError::BadGroup),
    }
}

fn encode(value: &U2048) -> der::Result<Vec<u8>> {
    let mut parameters = UintRef::new(&GROUP_14.prime())?.to_der()?;
    UintRef::new(&[GROUP_14.generator])?.encode_to_vec(&mut parameters)?;
    let parameters = Some(AnyRef::new(Tag::Sequence, &parameters)?);
    let public = UintRef::new(value.to_be_bytes().as_ref())?.to_der()?;
    SubjectPublicKeyInfoRef {
        algorithm: AlgorithmIdentifierRef { oid: DH_KEY_AGREEMENT, parameters },
        subject_public_key: BitStringRef::from_bytes(&public)?,
    }
    .to_der()
}

const_monty_params!(
    Prime,
    U2048,
    "ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74\
     020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437\
     4fe1356d6d51c245e485b576625e7ec6f44c42e9a637ed6b0bff5cb6f406b7ed\
     ee386bfb5a899fa5ae9f24117c4b1fe649286651ece45b3dc2007cb8a163bf05\
     98da48361c55d39a69163fa8fd24cf5f83655d23dca3ad961c62f356208552bb\
     9ed529077096966d670c354e4abc9804f1746c08ca18217c32905e462e36ce3b\
     e39e772c180e86039b2783a2ec07a28fb5c55df06f4c52c9de2bcbf695581718\
     3995497cea956ae515d2261898fa051015728e5a8aacaa68ffffffffffffffff",
    "The prime of RFC 3526, section 3: 2^2048 - 2^1984 - 1 + 2^64 * (floor(2^1918 * pi) + 124476)."
);

/// Bytes in a secret exponent.
pub const SECRET_LEN: usize = 32;
/// Bytes in the prime, and in a shared secret.
pub const VALUE_LEN: usize = 256;

static EXPONENTIATIONS: AtomicU64 = AtomicU64::new(0);

const DH_KEY_AGREEMENT: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.3.1");
const MALFORMED: CryptoError = CryptoError::BadShare("not canonical DER of a Diffie-Hellman key");
const OUT_OF_RANGE: CryptoError = CryptoError::BadShare("Diffie-Hellman value is not within 2..=p-2");
