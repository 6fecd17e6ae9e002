//! From the exchange's shared secret to everything that a session uses.
//!
//! ```text
//!   [rekey ||] [ml-kem ||] dh
//!        |
//!   HKDF-Extract(salt = TH4) = PRK
//!        |
//!        +-- "fin i" -> confirms M5
//!        +-- "fin r" -> confirms M4
//!        +-- "master" (context: TH after M5, its signature and its confirm)
//!               |
//!               +-- "i2r"      -> traffic secret, initiator to responder, first epoch
//!               +-- "r2i"      -> traffic secret, responder to initiator, first epoch
//!               +-- "ack i2r"  -> MACs acknowledgements of frames that go i2r
//!               +-- "ack r2i"  -> MACs acknowledgements of frames that go r2i
//!               +-- "sas"      -> 5 bytes that two people compare
//!               +-- "rekey"    -> goes into the next exchange of this session
//!
//!   traffic secret of an epoch
//!        +-- "key" -> AES-256-GCM key
//!        +-- "iv"  -> nonce base, 12 bytes
//!        +-- "upd" -> traffic secret of the next epoch
//! ```
//!
//! Every secret that has been consumed is zeroised: each stage takes the one before it.

use crate::crypto::CryptoError;
use crate::crypto::kdf::{HASH_LEN, KdfLabel, Secret, sha256};
use crate::crypto::kx::SharedSecret;
use crate::crypto::signature::Signature;
use zeroize::Zeroizing;

/// Which side of a session an agent is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sent M1.
    Initiator,
    /// Answered it.
    Responder,
}

/// After the exchange, before both sides have confirmed.
#[derive(Debug)]
pub(crate) struct HandshakeSecrets {
    prk: Secret,
}

impl HandshakeSecrets {
    /// `th4` is the transcript through M4's fields; `rekey` comes from the exchange before, inside a session.
    pub(crate) fn new(th4: &[u8; HASH_LEN], rekey: Option<&Secret>, shared: &SharedSecret) -> Self {
        let mut input = Zeroizing::new(Vec::with_capacity(HASH_LEN + shared.0.len()));
        if let Some(rekey) = rekey {
            input.extend_from_slice(rekey.as_bytes());
        }
        input.extend_from_slice(&shared.0);
        Self { prk: Secret::extract(th4, &input) }
    }

    /// The confirmation that `role` sends over the transcript `th` through its message's fields.
    pub(crate) fn confirm(&self, role: Role, th: &[u8; HASH_LEN], signature: &Signature) -> [u8; HASH_LEN] {
        let (key, tag) = self.finished(role);
        key.mac(&[tag, th, &sha256(&[signature.0.as_bytes()])])
    }

    /// Checks the confirmation that the peer, in `role`, has sent.
    pub(crate) fn verify_confirm(
        &self,
        role: Role,
        th: &[u8; HASH_LEN],
        signature: &Signature,
        confirm: &[u8],
    ) -> Result<KeyConfirmed, CryptoError> {
        let (key, tag) = self.finished(role);
        key.verify_mac(&[tag, th, &sha256(&[signature.0.as_bytes()])], confirm)?;
        Ok(KeyConfirmed(()))
    }

    /// The session's secrets. `th5` is the transcript after M5 with its signature and confirm.
    pub(crate) fn into_session(self, th5: &[u8; HASH_LEN], _confirmed: &KeyConfirmed) -> SessionSecrets {
        let master = self.prk.derive(KdfLabel::Master, th5);
        let mut safety_code = [0; SAFETY_CODE_LEN];
        master.expand(KdfLabel::SafetyCode, b"", &mut safety_code);
        SessionSecrets {
            i2r: DirectionSecrets {
                traffic: master.derive(KdfLabel::InitiatorToResponder, b""),
                ack: master.derive(KdfLabel::AckInitiatorToResponder, b""),
            },
            r2i: DirectionSecrets {
                traffic: master.derive(KdfLabel::ResponderToInitiator, b""),
                ack: master.derive(KdfLabel::AckResponderToInitiator, b""),
            },
            rekey: master.derive(KdfLabel::Rekey, b""),
            safety_code,
            transcript: *th5,
        }
    }

    fn finished(&self, role: Role) -> (Secret, &'static [u8]) {
        match role {
            Role::Initiator => (self.prk.derive(KdfLabel::FinishedInitiator, b""), b"I"),
            Role::Responder => (self.prk.derive(KdfLabel::FinishedResponder, b""), b"R"),
        }
    }
}

/// Proof that the peer's confirmation has been checked; session secrets are not derived without it.
#[derive(Debug)]
pub(crate) struct KeyConfirmed(());

/// Everything that a session starts from.
#[derive(Debug)]
pub(crate) struct SessionSecrets {
    pub(crate) i2r: DirectionSecrets,
    pub(crate) r2i: DirectionSecrets,
    pub(crate) rekey: Secret,
    pub(crate) safety_code: [u8; SAFETY_CODE_LEN],
    /// The transcript at the end of the exchange, from which the next one inside the session goes on.
    pub(crate) transcript: [u8; HASH_LEN],
}

/// One direction's part.
#[derive(Debug)]
pub(crate) struct DirectionSecrets {
    pub(crate) traffic: Secret,
    pub(crate) ack: Secret,
}

/// Bytes of the short authentication string: 40 bits, shown as eight letters and digits.
pub(crate) const SAFETY_CODE_LEN: usize = 5;

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let shared = SharedSecret(Zeroizing::new(vec![7; 32]));
        let handshake = HandshakeSecrets::new(&[0; HASH_LEN], None, &shared);
        assert_eq!(format!("{handshake:?}"), "HandshakeSecrets { prk: Secret(..) }");
        let direction = "DirectionSecrets { traffic: Secret(..), ack: Secret(..) }";
        let session = handshake.into_session(&[0; HASH_LEN], &KeyConfirmed(()));
        let shown = format!("{session:?}");
        let expected = format!("SessionSecrets {{ i2r: {direction}, r2i: {direction}, rekey: Secret(..), ");
        assert!(shown.starts_with(&expected), "{shown}");
    }
}
