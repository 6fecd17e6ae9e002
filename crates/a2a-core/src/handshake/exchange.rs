//! M3, M4 and M5: the authenticated key exchange, the same for a new session and inside a live one.
//!
//! A signature is checked before anything costly is done with what it covers, and both sides confirm the keys before
//! either uses them.

use uuid::Uuid;

use super::key_schedule::{HandshakeSecrets, Role, SessionSecrets};
use super::messages::{FinishPhase, InitPhase, KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply};
use super::transcript::Transcript;
use super::{Credential, HandshakeError, Step};
use crate::certificate::verify::VerifiedCertificate;
use crate::crypto::kdf::Secret;
use crate::crypto::kx::{
    self, InitiatorKeys, InitiatorSecrets, InitiatorShare, ResponderKeys, ResponderShare, Suite,
};
use crate::crypto::signature::{self, Signature, SignatureLabel};
use crate::wire::Base64;

/// Who exchanges keys, for what.
#[derive(Debug, Clone)]
pub(crate) struct Parties {
    pub(crate) local: Credential,
    pub(crate) peer: VerifiedCertificate,
    pub(crate) session_id: Uuid,
    pub(crate) suite: Suite,
}

/// What both sides know when an exchange begins.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) parties: Parties,
    pub(crate) transcript: Transcript,
    /// From the exchange before, inside a live session.
    pub(crate) rekey: Option<Secret>,
}

impl Exchange {
    /// Keys that were made in advance may be for another suite.
    fn check_suite(&self, suite: Suite) -> Result<(), HandshakeError> {
        if suite == self.parties.suite { Ok(()) } else { Err(HandshakeError::KeysOfAnotherSuite) }
    }

    fn sign(&self, label: SignatureLabel) -> Result<Signature, HandshakeError> {
        Ok(signature::sign(self.parties.local.key().as_ref(), label, self.transcript.hash())?)
    }

    fn verify(
        &self,
        label: SignatureLabel,
        transcript: &Transcript,
        signature: &Signature,
    ) -> Result<PeerAuthenticated, HandshakeError> {
        let Parties { local, peer, .. } = &self.parties;
        signature::verify(local.provider(), peer.public_key(), label, transcript.hash(), signature)?;
        Ok(PeerAuthenticated(()))
    }
}

/// Both sides have confirmed the same keys.
#[derive(Debug)]
pub(crate) struct Exchanged {
    pub(crate) parties: Parties,
    pub(crate) secrets: SessionSecrets,
}

/// Proof that the peer's signature over a transcript has been verified.
#[derive(Debug)]
pub(crate) struct PeerAuthenticated(());

/// The initiator has sent M3.
#[derive(Debug)]
pub(crate) struct AwaitReply {
    exchange: Exchange,
    secrets: InitiatorSecrets,
}

/// Makes M3.
pub(crate) fn initiate(
    mut exchange: Exchange,
    keys: InitiatorKeys,
) -> Result<Step<AwaitReply, KeyExchangeInit>, HandshakeError> {
    exchange.check_suite(keys.suite())?;
    let (secrets, share) = keys.into_parts();
    let mut message = KeyExchangeInit {
        session_id: exchange.parties.session_id,
        phase: InitPhase::Init,
        suite: exchange.parties.suite,
        dh_public_key: share.dh_public_key.into(),
        kem_public_key: share.kem_public_key.map(Base64::from),
        signature: Signature(Base64::default()),
    };
    exchange.transcript.absorb_message(&message);
    message.signature = exchange.sign(SignatureLabel::KeyExchangeInit)?;
    exchange.transcript.absorb_signature(&message.signature);
    Ok(Step { next: AwaitReply { exchange, secrets }, message })
}

impl AwaitReply {
    /// Who exchanges keys, for renewed certificates.
    pub(crate) fn parties_mut(&mut self) -> &mut Parties {
        &mut self.exchange.parties
    }

    /// Verifies M4 and makes M5.
    pub(crate) fn finish(
        self,
        reply: &KeyExchangeReply,
    ) -> Result<Step<Exchanged, KeyExchangeFinish>, HandshakeError> {
        let Self { mut exchange, secrets } = self;
        if reply.session_id != exchange.parties.session_id {
            return Err(HandshakeError::Mismatch("session_id"));
        }
        exchange.transcript.absorb_message(reply);
        let authenticated =
            exchange.verify(SignatureLabel::KeyExchangeReply, &exchange.transcript, &reply.signature)?;
        let shared = agree(secrets, reply, &authenticated)?;
        let th4 = exchange.transcript.clone();
        let handshake = HandshakeSecrets::new(th4.hash(), exchange.rekey.as_ref(), &shared);
        let confirmed = handshake.verify_confirm(
            Role::Responder,
            th4.hash(),
            &reply.signature,
            reply.confirm.as_bytes(),
        )?;
        exchange.transcript.absorb_signature(&reply.signature);
        exchange.transcript.absorb(reply.confirm.as_bytes());

        let mut message = KeyExchangeFinish {
            session_id: exchange.parties.session_id,
            phase: FinishPhase::Finish,
            signature: Signature(Base64::default()),
            confirm: Base64::default(),
        };
        exchange.transcript.absorb_message(&message);
        message.signature = exchange.sign(SignatureLabel::KeyExchangeFinish)?;
        let confirm = handshake.confirm(Role::Initiator, exchange.transcript.hash(), &message.signature);
        message.confirm = confirm.to_vec().into();
        exchange.transcript.absorb_signature(&message.signature);
        exchange.transcript.absorb(&confirm);
        let secrets = handshake.into_session(exchange.transcript.hash(), &confirmed);
        Ok(Step { next: Exchanged { parties: exchange.parties, secrets }, message })
    }
}

fn agree(
    secrets: InitiatorSecrets,
    reply: &KeyExchangeReply,
    _authenticated: &PeerAuthenticated,
) -> Result<kx::SharedSecret, HandshakeError> {
    let share = ResponderShare {
        dh_public_key: reply.dh_public_key.as_bytes().to_vec(),
        kem_ciphertext: reply.kem_ciphertext.as_ref().map(|bytes| bytes.as_bytes().to_vec()),
    };
    Ok(secrets.agree(&share)?)
}

/// The responder waits for M3.
#[derive(Debug)]
pub(crate) struct AwaitInit {
    exchange: Exchange,
}

/// An M3 whose signature has been verified: only such a one is worth a modular exponentiation.
#[derive(Debug)]
pub struct InitAuthenticated {
    session_id: Uuid,
    share: InitiatorShare,
    transcript: Transcript,
    _authenticated: PeerAuthenticated,
}

impl InitAuthenticated {
    /// Whether its share is worth making keys for. [`AwaitInit::reply`](super::responder::AwaitInit::reply) checks it, too,
    /// but takes keys that have been made.
    pub fn check_share(&self, suite: Suite) -> Result<(), HandshakeError> {
        Ok(self.share.check(suite)?)
    }
}

impl AwaitInit {
    pub(crate) fn new(exchange: Exchange) -> Self {
        Self { exchange }
    }

    /// Verifies M3's fields and signature (about 0.03 ms). It does not consume the state, so a forgery costs the honest
    /// peer nothing.
    pub(crate) fn authenticate(&self, init: &KeyExchangeInit) -> Result<InitAuthenticated, HandshakeError> {
        let exchange = &self.exchange;
        if init.session_id != exchange.parties.session_id {
            return Err(HandshakeError::Mismatch("session_id"));
        }
        if init.suite != exchange.parties.suite {
            return Err(HandshakeError::Mismatch("suite"));
        }
        let mut transcript = exchange.transcript.clone();
        transcript.absorb_message(init);
        let authenticated = exchange.verify(SignatureLabel::KeyExchangeInit, &transcript, &init.signature)?;
        transcript.absorb_signature(&init.signature);
        let share = InitiatorShare {
            dh_public_key: init.dh_public_key.as_bytes().to_vec(),
            kem_public_key: init.kem_public_key.as_ref().map(|bytes| bytes.as_bytes().to_vec()),
        };
        let session_id = exchange.parties.session_id;
        Ok(InitAuthenticated { session_id, share, transcript, _authenticated: authenticated })
    }

    /// Makes M4: the costly step (about 0.7 ms).
    pub(crate) fn reply(
        self,
        init: InitAuthenticated,
        keys: ResponderKeys,
    ) -> Result<Step<AwaitFinish, KeyExchangeReply>, HandshakeError> {
        let Self { mut exchange } = self;
        // The proof is good for the state that gave it: another session's would bring its transcript along.
        if init.session_id != exchange.parties.session_id {
            return Err(HandshakeError::Mismatch("session_id"));
        }
        exchange.check_suite(keys.suite())?;
        exchange.transcript = init.transcript;
        let (share, secrets) = keys.respond(&init.share)?;
        let shared = secrets.agree()?;
        let mut message = KeyExchangeReply {
            session_id: exchange.parties.session_id,
            dh_public_key: share.dh_public_key.into(),
            kem_ciphertext: share.kem_ciphertext.map(Base64::from),
            signature: Signature(Base64::default()),
            confirm: Base64::default(),
        };
        exchange.transcript.absorb_message(&message);
        let handshake = HandshakeSecrets::new(exchange.transcript.hash(), exchange.rekey.as_ref(), &shared);
        message.signature = exchange.sign(SignatureLabel::KeyExchangeReply)?;
        let confirm = handshake.confirm(Role::Responder, exchange.transcript.hash(), &message.signature);
        message.confirm = confirm.to_vec().into();
        exchange.transcript.absorb_signature(&message.signature);
        exchange.transcript.absorb(&confirm);
        Ok(Step { next: AwaitFinish { exchange, handshake }, message })
    }
}

/// The responder has sent M4 and waits for M5.
#[derive(Debug)]
pub(crate) struct AwaitFinish {
    exchange: Exchange,
    handshake: HandshakeSecrets,
}

impl AwaitFinish {
    /// Who exchanges keys, for renewed certificates.
    pub(crate) fn parties_mut(&mut self) -> &mut Parties {
        &mut self.exchange.parties
    }

    /// Verifies M5's signature without consuming the state, so a forgery costs the honest peer nothing.
    pub(crate) fn authenticate(
        &self,
        finish: &KeyExchangeFinish,
    ) -> Result<FinishAuthenticated, HandshakeError> {
        if finish.session_id != self.exchange.parties.session_id {
            return Err(HandshakeError::Mismatch("session_id"));
        }
        let mut transcript = self.exchange.transcript.clone();
        transcript.absorb_message(finish);
        let authenticated =
            self.exchange.verify(SignatureLabel::KeyExchangeFinish, &transcript, &finish.signature)?;
        Ok(FinishAuthenticated { finish: finish.clone(), transcript, _authenticated: authenticated })
    }

    /// Verifies the initiator's key confirmation and derives the session's secrets.
    pub(crate) fn establish(self, finish: FinishAuthenticated) -> Result<Exchanged, HandshakeError> {
        let FinishAuthenticated { finish, mut transcript, _authenticated } = finish;
        let confirmed = self.handshake.verify_confirm(
            Role::Initiator,
            transcript.hash(),
            &finish.signature,
            finish.confirm.as_bytes(),
        )?;
        transcript.absorb_signature(&finish.signature);
        transcript.absorb(finish.confirm.as_bytes());
        let secrets = self.handshake.into_session(transcript.hash(), &confirmed);
        Ok(Exchanged { parties: self.exchange.parties, secrets })
    }
}

/// An M5 whose signature has been verified.
#[derive(Debug)]
pub struct FinishAuthenticated {
    finish: KeyExchangeFinish,
    transcript: Transcript,
    _authenticated: PeerAuthenticated,
}
