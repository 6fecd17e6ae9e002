//! What whoever stands between two agents can make of an M3 with any key at all: an M4 that is right in everything but whose
//! key has signed it. The key schedule of section 7 of the protocol, as far as M4's confirmation, written out by hand.

use a2a_core::crypto::kdf::sha256;
use a2a_core::crypto::kx::modp::{DhPublicKey, generate_dh_keypair};
use a2a_core::crypto::provider::available;
use a2a_core::crypto::signature::{self, Signature, SignatureLabel, SigningKey};
use a2a_core::handshake::messages::{KeyExchangeInit, KeyExchangeReply};
use a2a_core::handshake::transcript::Transcript;
use aws_lc_rs::hmac::{self, HMAC_SHA256};

/// M4 to an M3 of the suite without a KEM, signed with `key`. `agreed` is the transcript after M2.
pub fn reply(key: &dyn SigningKey, agreed: &Transcript, init: &KeyExchangeInit) -> KeyExchangeReply {
    let (secret, share) = generate_dh_keypair(available()[0]).unwrap();
    let shared = secret.agree(&DhPublicKey::from_spki_der(init.dh_public_key.as_bytes()).unwrap());
    let mut reply = KeyExchangeReply {
        session_id: init.session_id,
        dh_public_key: share.to_spki_der().unwrap().into(),
        kem_ciphertext: None,
        signature: Signature(Vec::new().into()),
        confirm: Vec::new().into(),
    };
    let mut transcript = agreed.clone();
    transcript.absorb_message(init);
    transcript.absorb_signature(&init.signature);
    transcript.absorb_message(&reply);
    reply.signature = signature::sign(key, SignatureLabel::KeyExchangeReply, transcript.hash()).unwrap();
    // HKDF: an extraction, and the one block of an expansion.
    let extracted = mac(transcript.hash(), &[shared.as_slice()]);
    let finished = mac(&extracted, &[&[0, 32, 11], b"a2a/1 fin r", &[0, 1]]);
    let signed = sha256(&[reply.signature.0.as_bytes()]);
    reply.confirm = mac(&finished, &[b"R", transcript.hash(), &signed]).into();
    reply
}

fn mac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(HMAC_SHA256, key), &parts.concat()).as_ref().to_vec()
}
