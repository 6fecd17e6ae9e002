//! RSASSA-PSS with SHA-256: keys, and signatures that say what they are for.
//!
//! Every signature of the protocol is made over 64 spaces, `a2a/1 `, a label from one closed list, a zero byte and the
//! message, so that none can stand in another's place (the construction of RFC 8446, section 4.4.3).
//!
//! No arithmetic is here: a [`CryptoProvider`](super::provider::CryptoProvider) signs and verifies.

use std::fmt::{self, Debug};
use std::sync::Arc;

use der::asn1::BitStringRef;
use der::pem::{self, LineEnding};
use der::{Decode, Encode};
use pkcs1::RsaPublicKeyRef;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use spki::SubjectPublicKeyInfoRef;
use zeroize::Zeroizing;

use super::CryptoError;
use super::provider::Provider;
use crate::wire::Base64;

/// Signs `message` for the use that `label` names.
pub fn sign(key: &dyn SigningKey, label: SignatureLabel, message: &[u8]) -> Result<Signature, CryptoError> {
    let signature = key.sign_pss(&signed_content(label, message))?;
    Ok(Signature(Base64::from(signature)))
}

/// Verifies that `signature` was made over `message` for the use that `label` names.
pub fn verify(
    provider: Provider,
    key: &PublicKey,
    label: SignatureLabel,
    message: &[u8],
    signature: &Signature,
) -> Result<(), CryptoError> {
    provider.verify_pss(key, &signed_content(label, message), signature.0.as_ref())
}

/// What a signature is for. The list is closed: a new use needs a new label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignatureLabel {
    /// An agent proves that it holds the key in its card, over the card and the controller's challenge.
    Enrolment,
    /// The controller certifies an agent.
    Certificate,
    /// The controller states its identity and its TLS root.
    ControllerInfo,
    /// M1: an agent asks for a session.
    Request,
    /// M2: the peer's person or policy consents.
    Accept,
    /// M2: the peer's person or policy refuses.
    Reject,
    /// M3: the initiator's shares.
    KeyExchangeInit,
    /// M4: the responder's shares.
    KeyExchangeReply,
    /// M5: the initiator's confirmation.
    KeyExchangeFinish,
}

impl SignatureLabel {
    /// Every label there is.
    pub const ALL: [Self; 9] = [
        Self::Enrolment,
        Self::Certificate,
        Self::ControllerInfo,
        Self::Request,
        Self::Accept,
        Self::Reject,
        Self::KeyExchangeInit,
        Self::KeyExchangeReply,
        Self::KeyExchangeFinish,
    ];

    /// The label as it stands in the signed bytes.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enrolment => "enrolment",
            Self::Certificate => "certificate",
            Self::ControllerInfo => "controller-info",
            Self::Request => "request",
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::KeyExchangeInit => "ke-init",
            Self::KeyExchangeReply => "ke-resp",
            Self::KeyExchangeFinish => "ke-fin",
        }
    }
}

/// A signature: as long as the signer's modulus, 256 to 512 bytes; base64 on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Signature(pub Base64);

/// A private key that signs. Loaded once, shared behind an `Arc`. Its `Debug` shows the public half alone.
pub trait SigningKey: Debug + Send + Sync {
    /// The other half.
    fn public_key(&self) -> &PublicKey;

    /// RSASSA-PSS over `message`, salt of 32 bytes; as long as the modulus. The signature is verified before it is
    /// returned, so that a fault in the computation never leaves the machine.
    fn sign_pss(&self, message: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// PKCS#8 DER (RFC 5958), for storage alone.
    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, CryptoError>;
}

/// An RSA public key that is acceptable: 2048, 3072 or 4096 bits, e = 65537, canonical DER SubjectPublicKeyInfo
/// (RFC 5280, section 4.1.2.7; RFC 3279, section 2.3.1). Cheap to clone. On the wire: PEM, exactly as
/// [`Self::to_pem`] writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(Arc<Inner>);

/// SHA-256 of a key's DER SubjectPublicKeyInfo: 64 lower-case hexadecimal digits on the wire.
pub type KeyId = crate::wire::Hex<32>;

#[derive(PartialEq, Eq)]
struct Inner {
    spki_der: Vec<u8>,
    pem: String,
    key_id: KeyId,
    bits: usize,
}

impl PublicKey {
    /// Reads DER SubjectPublicKeyInfo. Anything but the one encoding of an acceptable key is
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
        let bits = checked_bits(&rsa)?;
        if encode(&rsa).ok().as_deref() != Some(spki_der) {
            return Err(CryptoError::BadKey("not canonical DER"));
        }
        let pem = pem::encode_string(PEM_LABEL, LineEnding::LF, spki_der)
            .map_err(|_| CryptoError::BadKey("cannot be written as PEM"))?;
        let key_id = KeyId::from(<[u8; 32]>::from(Sha256::digest(spki_der)));
        Ok(Self(Arc::new(Inner { spki_der: spki_der.to_vec(), pem, key_id, bits })))
    }

    /// Reads PEM (RFC 7468): exactly what [`Self::to_pem`] writes, of which the final newline may be missing.
    pub fn from_pem(pem: &str) -> Result<Self, CryptoError> {
        let (label, der) =
            pem::decode_vec(pem.as_bytes()).map_err(|_| CryptoError::BadKey("not a PEM public key"))?;
        if label != PEM_LABEL {
            return Err(CryptoError::BadKey("not a PEM public key"));
        }
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

    /// DER SubjectPublicKeyInfo: 294, 422 or 550 bytes.
    pub fn spki_der(&self) -> &[u8] {
        &self.0.spki_der
    }

    /// The key's name: SHA-256 of [`Self::spki_der`].
    pub fn key_id(&self) -> KeyId {
        self.0.key_id
    }

    /// Bits in the modulus: 2048, 3072 or 4096.
    pub fn bits(&self) -> usize {
        self.0.bits
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
    /// Stricter than [`PublicKey::from_pem`]: a signature over the parsed value must be one over what was received.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let pem = String::deserialize(deserializer)?;
        let key = Self::from_pem(&pem).map_err(de::Error::custom)?;
        if key.0.pem != pem {
            return Err(de::Error::custom(CryptoError::BadKey("not canonical PEM")));
        }
        Ok(key)
    }
}

fn checked_bits(rsa: &RsaPublicKeyRef<'_>) -> Result<usize, CryptoError> {
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
    Ok(modulus.len() * 8)
}

fn encode(rsa: &RsaPublicKeyRef<'_>) -> der::Result<Vec<u8>> {
    let pkcs1 = rsa.to_der()?;
    let subject_public_key = BitStringRef::from_bytes(&pkcs1)?;
    SubjectPublicKeyInfoRef { algorithm: pkcs1::ALGORITHM_ID, subject_public_key }.to_der()
}

/// What is really signed.
fn signed_content(label: SignatureLabel, message: &[u8]) -> Vec<u8> {
    [&[b' '; 64], PREFIX, label.as_str().as_bytes(), &[0], message].concat()
}

const PREFIX: &[u8] = b"a2a/1 ";
const PEM_LABEL: &str = "PUBLIC KEY";
const PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];
const MODULUS_BYTES: [usize; 3] = [256, 384, 512];
