//! RSA public keys: the one encoding of an acceptable key, and its name.
//!
//! That a key is acceptable says nothing about who holds it: that is what certificates are for.

use std::fmt::{self, Debug};
use std::sync::Arc;

use der::asn1::BitStringRef;
use der::pem::{self, LineEnding};
use der::{Decode, Encode};
use pkcs1::RsaPublicKeyRef;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoRef;

use super::{CryptoError, weak_key};

/// An RSA public key that is acceptable: 2048, 3072 or 4096 bits, e = 65537, canonical DER
/// `SubjectPublicKeyInfo` (RFC 5280, section 4.1.2.7; RFC 3279, section 2.3.1). Cheap to clone. On the wire:
/// PEM, exactly as [`Self::to_pem`] writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Arc<Inner>);

/// SHA-256 of a key's DER `SubjectPublicKeyInfo`: 64 lower-case hexadecimal digits on the wire.
pub type KeyId = crate::wire::Hex<32>;

#[derive(PartialEq, Eq)]
struct Inner {
    spki_der: Vec<u8>,
    pem: String,
    key_id: KeyId,
    modulus: Vec<u8>,
}

impl PublicKey {
    /// Reads DER `SubjectPublicKeyInfo`. Anything but the one encoding of an acceptable key is
    /// [`CryptoError::BadKey`].
    pub fn from_spki_der(spki_der: &[u8]) -> Result<Self, CryptoError> {
        let spki = SubjectPublicKeyInfoRef::from_der(spki_der)
            .map_err(|_| CryptoError::BadKey("not DER SubjectPublicKeyInfo"))?;
        if spki.algorithm != pkcs1::ALGORITHM_ID {
            return Err(CryptoError::BadKey("not rsaEncryption with NULL parameters"));
        }
        let rsa = spki
            .subject_public_key
            .as_bytes()
            .and_then(|bytes| RsaPublicKeyRef::from_der(bytes).ok())
            .ok_or(CryptoError::BadKey("not an RSAPublicKey"))?;
        let modulus = checked_modulus(&rsa)?.to_vec();
        // The decoder is strict by itself; that one key has one name does not rest on it alone.
        if encode(&rsa).ok().as_deref() != Some(spki_der) {
            return Err(CryptoError::BadKey("not canonical DER"));
        }
        let pem = pem::encode_string(PEM_LABEL, LineEnding::LF, spki_der)
            .map_err(|_| CryptoError::BadKey("cannot be written as PEM"))?;
        let key_id = KeyId::from(<[u8; 32]>::from(Sha256::digest(spki_der)));
        Ok(Self(Arc::new(Inner { spki_der: spki_der.to_vec(), pem, key_id, modulus })))
    }

    /// Reads PEM (RFC 7468): exactly what [`Self::to_pem`] writes, of which the final newline may be missing.
    pub fn from_pem(pem: &str) -> Result<Self, CryptoError> {
        let (_, der) =
            pem::decode_vec(pem.as_bytes()).map_err(|_| CryptoError::BadKey("not a PEM public key"))?;
        let key = Self::from_spki_der(&der)?;
        if key.0.pem.trim_end_matches('\n') != pem.strip_suffix('\n').unwrap_or(pem) {
            return Err(CryptoError::BadKey("not canonical PEM"));
        }
        Ok(key)
    }

    /// PEM as RFC 7468 wants it generated: lines of 64 characters, `\n` after each, the last included.
    pub fn to_pem(&self) -> String {
        self.0.pem.clone()
    }

    /// DER `SubjectPublicKeyInfo`: 294, 422 or 550 bytes.
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki_der
    }

    /// The key's name: SHA-256 of [`Self::spki_der`].
    pub fn key_id(&self) -> KeyId {
        self.0.key_id
    }

    /// Bits in the modulus: 2048, 3072 or 4096.
    pub fn bits(&self) -> usize {
        self.0.modulus.len() * 8
    }

    /// Says why anybody can factor the modulus in a moment: it has a prime factor below 2^16, or two that lie close
    /// together (1 ms for 2048 bits, 2 ms for 4096). A key that passes is not thereby a good one: whoever made it may
    /// have done so badly in a way that does not show.
    pub fn check_strength(&self) -> Result<(), &'static str> {
        weak_key::check(&self.0.modulus)
    }
}

impl Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.0.key_id)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.pem)
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    /// Stricter than [`PublicKey::from_pem`]: a signature over the parsed value must be one over what was
    /// received.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pem = String::deserialize(deserializer)?;
        let key = Self::from_pem(&pem).map_err(de::Error::custom)?;
        if key.0.pem != pem {
            return Err(de::Error::custom(CryptoError::BadKey("not canonical PEM")));
        }
        Ok(key)
    }
}

/// Big-endian, without a leading zero.
fn checked_modulus<'a>(rsa: &RsaPublicKeyRef<'a>) -> Result<&'a [u8], CryptoError> {
    let modulus = rsa.modulus.as_bytes();
    if rsa.public_exponent.as_bytes() != PUBLIC_EXPONENT {
        return Err(CryptoError::BadKey("public exponent is not 65537"));
    }
    let (Some(first), Some(last)) = (modulus.first(), modulus.last()) else {
        return Err(CryptoError::BadKey("modulus is empty"));
    };
    if !MODULUS_BYTES.contains(&modulus.len()) || first & 0x80 == 0 {
        return Err(CryptoError::BadKey("modulus is not of 2048, 3072 or 4096 bits"));
    }
    if last & 1 == 0 {
        return Err(CryptoError::BadKey("modulus is even"));
    }
    Ok(modulus)
}

fn encode(rsa: &RsaPublicKeyRef<'_>) -> der::Result<Vec<u8>> {
    let pkcs1 = rsa.to_der()?;
    let subject_public_key = BitStringRef::from_bytes(&pkcs1)?;
    SubjectPublicKeyInfoRef { algorithm: pkcs1::ALGORITHM_ID, subject_public_key }.to_der()
}

const PEM_LABEL: &str = "PUBLIC KEY";
const PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];
const MODULUS_BYTES: [usize; 3] = [256, 384, 512];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_openssl_is_read_and_written_unchanged() {
        let key = PublicKey::from_pem(PEM).unwrap();
        assert_eq!(key.to_pem(), PEM);
        assert_eq!(key.bits(), 2048);
        assert_eq!(key.spki_der().len(), 294);
        assert_eq!(
            key.key_id().to_string(),
            "81d4aa50536af5f7276626bdf0138d7ad1b6ee77f0dc9e1a7042bf3aa3ce3069"
        );
        assert_eq!(PublicKey::from_spki_der(key.spki_der()).unwrap(), key);
        assert_eq!(format!("{key:?}"), format!("PublicKey({})", key.key_id()));
    }

    #[test]
    fn pem_may_lack_its_final_newline_and_nothing_else() {
        let key = PublicKey::from_pem(PEM).unwrap();
        assert_eq!(PublicKey::from_pem(PEM.trim_end()).unwrap(), key);
        let bare: String = PEM.lines().filter(|line| !line.starts_with('-')).collect();
        let one_line = format!("-----BEGIN PUBLIC KEY-----\n{bare}\n-----END PUBLIC KEY-----\n");
        for other in [
            String::new(),
            bare,
            one_line,
            PEM.replace('\n', "\r\n"),
            PEM.replace('\n', "\r"),
            PEM.replace("PUBLIC", "RSA PUBLIC"),
            PEM.replace("AQAB", "AQAB=="),
            format!("{PEM}\n"),
            format!("\n{PEM}"),
            format!("{PEM} "),
            format!("a key:\n{PEM}"),
            format!("{PEM}{PEM}"),
        ] {
            assert!(matches!(PublicKey::from_pem(&other), Err(CryptoError::BadKey(_))), "{other:?}");
        }
    }

    #[test]
    fn json_holds_the_canonical_pem_alone() {
        let json = serde_json::to_string(PEM).unwrap();
        let key: PublicKey = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&key).unwrap(), json);
        let without_newline = serde_json::to_string(PEM.trim_end()).unwrap();
        assert!(serde_json::from_str::<PublicKey>(&without_newline).is_err());
    }

    #[test]
    fn three_sizes_are_accepted_and_no_other() {
        for len in MODULUS_BYTES {
            let key = PublicKey::from_spki_der(&spki(&modulus(len), &PUBLIC_EXPONENT)).unwrap();
            assert_eq!(key.bits(), len * 8);
        }
        for len in [0, 1, 128, 255, 257, 320, 383, 385, 511, 513, 1024] {
            refused(&spki(&modulus(len), &PUBLIC_EXPONENT), "modulus");
        }
        let mut short_by_one_bit = modulus(256);
        short_by_one_bit[0] = 0x7f;
        refused(&spki(&short_by_one_bit, &PUBLIC_EXPONENT), "modulus is not of");
    }

    #[test]
    fn an_even_modulus_or_another_exponent_is_refused() {
        let mut even = modulus(256);
        even[255] ^= 1;
        refused(&spki(&even, &PUBLIC_EXPONENT), "even");
        for exponent in [&[0][..], &[1], &[3], &[17], &[1, 0, 0], &[1, 0, 2], &[1, 0, 3], &[1, 0, 0, 1]] {
            refused(&spki(&modulus(256), exponent), "exponent");
        }
    }

    #[test]
    fn another_algorithm_is_refused() {
        let key = sequence(&[integer(&modulus(256)), integer(&PUBLIC_EXPONENT)]);
        for algorithm in [
            sequence(&[RSA_ENCRYPTION.to_vec()]),
            sequence(&[RSA_ENCRYPTION.to_vec(), sequence(&[])]),
            sequence(&[RSASSA_PSS.to_vec(), NULL.to_vec()]),
            sequence(&[RSASSA_PSS.to_vec()]),
        ] {
            refused(&sequence(&[algorithm, bit_string(&key)]), "rsaEncryption");
        }
    }

    #[test]
    fn any_other_encoding_is_refused() {
        let good = spki(&modulus(256), &PUBLIC_EXPONENT);
        PublicKey::from_spki_der(&good).unwrap();
        refused(&[], "not DER");
        refused(&good[..good.len() - 1], "not DER");
        refused(&[good.as_slice(), &[0]].concat(), "not DER");
        refused(&[&[0x30, 0x83, 0], &good[2..]].concat(), "not DER");

        let rsa = |members: &[Vec<u8>]| {
            let key = sequence(members);
            sequence(&[sequence(&[RSA_ENCRYPTION.to_vec(), NULL.to_vec()]), bit_string(&key)])
        };
        let (n, e) = (integer(&modulus(256)), integer(&PUBLIC_EXPONENT));
        let negative = tlv(0x02, &modulus(256));
        let padded = tlv(0x02, &[&[0, 0], modulus(256).as_slice()].concat());
        let padded_exponent = tlv(0x02, &[0, 1, 0, 1]);
        assert_eq!(rsa(&[n.clone(), e.clone()]), good);
        for members in [
            vec![negative, e.clone()],
            vec![padded, e.clone()],
            vec![n.clone(), padded_exponent],
            vec![n.clone()],
            vec![n.clone(), e.clone(), e],
        ] {
            refused(&rsa(&members), "not an RSAPublicKey");
        }
    }

    fn refused(spki_der: &[u8], reason: &str) {
        match PublicKey::from_spki_der(spki_der) {
            Err(CryptoError::BadKey(why)) => assert!(why.contains(reason), "{why:?} is not {reason:?}"),
            other => panic!("{other:?}"),
        }
    }

    fn spki(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
        let key = sequence(&[integer(modulus), integer(exponent)]);
        sequence(&[sequence(&[RSA_ENCRYPTION.to_vec(), NULL.to_vec()]), bit_string(&key)])
    }

    fn modulus(len: usize) -> Vec<u8> {
        vec![0xc5; len]
    }

    fn integer(bytes: &[u8]) -> Vec<u8> {
        let sign: &[u8] = if bytes.first().is_none_or(|first| first & 0x80 != 0) { &[0] } else { &[] };
        tlv(0x02, &[sign, bytes].concat())
    }

    fn bit_string(bytes: &[u8]) -> Vec<u8> {
        tlv(0x03, &[&[0], bytes].concat())
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

    const RSA_ENCRYPTION: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    const RSASSA_PSS: &[u8] = &[0x06, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
    const NULL: &[u8] = &[0x05, 0];
    const PEM: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuSEEM/zeE17TVzMYQb/Y
5NByKHJPQQ5YFA9iDh9iPevKMmNJwaiERP9bq16SCX74tGY3qWx33CMKd+xTkmaU
X9R2iyY+cQNvhL1fXZxL1C2h1qke+Sdumq3Fv6Ee5VD93fLxy1ZUUo8qS6bIHQX+
2vPJkpB7dsBqsiTeiz3Kp0y1ZmR6xTTWUxxVkwAH8EvXxotBFrmCm3i/IrmRBx6+
ugslPhpoRaV9RUwe55vYlsIzwlZZQhHtk3EUkOgUIco+0PfCwQk7Isp0Zk2s7lq/
u7IDj2OKXtwMkNFBB+w4+kJuHmKU4EEz1thImq8MvypcDl/lc3nK3ZME2ulOjv9q
gQIDAQAB
-----END PUBLIC KEY-----
";
}
