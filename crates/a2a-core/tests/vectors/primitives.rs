//! Hashes, key derivation, Diffie-Hellman and AES-GCM by plain calls of the libraries, as `docs/PROTOCOL.md` names them.
//!
//! Nothing of the crate is used here but the providers' X25519, so that a slip in the crate does not repeat itself.

use a2a_core::crypto::provider::Provider;
use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use num_bigint_dig::BigUint;
use sha2::{Digest, Sha256};

pub(crate) type Hash = [u8; 32];

pub(crate) fn sha256(parts: &[&[u8]]) -> Hash {
    Sha256::digest(parts.concat()).into()
}

pub(crate) fn hmac(key: &[u8], parts: &[&[u8]]) -> Hash {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(parts.concat()).finalize().into_bytes().into()
}

/// Section 7's `PRK`.
pub(crate) fn extract(salt: &[u8], input: &[u8]) -> Hash {
    Hkdf::<Sha256>::extract(Some(salt), input).0.into()
}

/// Section 7's `X(secret, label, context, L)`.
pub(crate) fn expand(secret: &[u8], label: &str, context: &[u8], length: u8) -> Vec<u8> {
    let label = format!("a2a/1 {label}");
    let (label_length, context_length) =
        (u8::try_from(label.len()).unwrap(), u8::try_from(context.len()).unwrap());
    let info = [&[0, length, label_length], label.as_bytes(), &[context_length], context].concat();
    let mut out = vec![0; length.into()];
    Hkdf::<Sha256>::from_prk(secret).unwrap().expand(&info, &mut out).unwrap();
    out
}

/// Section 5.1's step.
pub(crate) fn absorb(hash: &[u8], bytes: &[u8]) -> Hash {
    sha256(&[hash, &u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes])
}

/// The public value in a share, and the secret that it gives with `secret`; section 6.2.
pub(crate) fn diffie_hellman(provider: Provider, suite: &str, secret: &[u8], share: &[u8]) -> Agreement {
    if suite.starts_with("A2A-X25519") {
        let secret: &[u8; 32] = secret.try_into().unwrap();
        let (header, peer) = share.split_at(12);
        assert_eq!(header, [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x6e, 0x03, 0x21, 0x00]);
        let own = [header, &provider.x25519_public(secret).unwrap()].concat();
        let dh = provider.x25519_agree(secret, peer.try_into().unwrap()).unwrap().to_vec();
        return Agreement { own, dh };
    }
    let prime = BigUint::parse_bytes(RFC_3526_GROUP_14, 16).unwrap();
    let secret = BigUint::from_bytes_be(secret);
    let own = modp_share(&prime, &BigUint::from(2_u8).modpow(&secret, &prime));
    let dh = modp_value(&prime, share).modpow(&secret, &prime).to_bytes_be();
    Agreement { own, dh: [vec![0; 256 - dh.len()], dh].concat() }
}

/// What one side computes.
pub(crate) struct Agreement {
    /// Its own share, as sent.
    pub(crate) own: Vec<u8>,
    /// The shared secret.
    pub(crate) dh: Vec<u8>,
}

fn modp_share(prime: &BigUint, value: &BigUint) -> Vec<u8> {
    let group = tlv(0x30, &[integer(prime), integer(&BigUint::from(2_u8))].concat());
    let identifier = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x03, 0x01];
    let algorithm = tlv(0x30, &[&identifier, &group[..]].concat());
    let bits = tlv(0x03, &[&[0], &integer(value)[..]].concat());
    tlv(0x30, &[algorithm, bits].concat())
}

/// The last INTEGER, found by writing the share again.
fn modp_value(prime: &BigUint, share: &[u8]) -> BigUint {
    let value = (1..=257).map(|length| BigUint::from_bytes_be(&share[share.len() - length..]));
    value.into_iter().find(|value| modp_share(prime, value) == share).expect("a share in group 14")
}

fn integer(value: &BigUint) -> Vec<u8> {
    let bytes = value.to_bytes_be();
    tlv(0x02, &[if bytes[0] < 0x80 { vec![] } else { vec![0] }, bytes].concat())
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header: &[u8] = match content.len() {
        0..0x80 => &[tag, low],
        0x80..0x100 => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [header, content].concat()
}

/// AES-256-GCM by the library under test.
pub(crate) fn aead_open(provider: Provider, key: &[u8], nonce: &[u8], aad: &[u8], sealed: &[u8]) -> Vec<u8> {
    match provider.name() {
        #[cfg(feature = "aws_lc")]
        "aws_lc" => {
            use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
            let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
            key.open_in_place(nonce, Aad::from(aad), &mut sealed.to_vec()).unwrap().to_vec()
        }
        #[cfg(feature = "rustcrypto")]
        "rustcrypto" => {
            use aes_gcm::Aes256Gcm;
            use aes_gcm::aead::{Aead, Payload};
            let payload = Payload { msg: sealed, aad };
            Aes256Gcm::new_from_slice(key).unwrap().decrypt(nonce.try_into().unwrap(), payload).unwrap()
        }
        other => panic!("no provider {other}"),
    }
}

/// The same, sealing.
pub(crate) fn aead_seal(provider: Provider, key: &[u8], nonce: &[u8], aad: &[u8], payload: &[u8]) -> Vec<u8> {
    match provider.name() {
        #[cfg(feature = "aws_lc")]
        "aws_lc" => {
            use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
            let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
            let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
            let mut sealed = payload.to_vec();
            key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed).unwrap();
            sealed
        }
        #[cfg(feature = "rustcrypto")]
        "rustcrypto" => {
            use aes_gcm::Aes256Gcm;
            use aes_gcm::aead::{Aead, Payload};
            let payload = Payload { msg: payload, aad };
            Aes256Gcm::new_from_slice(key).unwrap().encrypt(nonce.try_into().unwrap(), payload).unwrap()
        }
        other => panic!("no provider {other}"),
    }
}

const RFC_3526_GROUP_14: &[u8] = b"\
FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF05\
98DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356208552BB\
9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B\
E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF695581718\
3995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF";
