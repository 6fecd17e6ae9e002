//! A fresh key exchange inside a live session, so that a session heals after a compromise of its keys.
//!
//! M3 to M6 travel once more, as sealed frames of type `rekey`, signed again by the identity keys, over a transcript
//! that goes on from the last exchange, and salted with the last exchange's `rekey` secret. Each direction changes keys
//! at a definite frame: the initiator's right after the frame with M5, the responder's right after the one with M6. Only
//! the initiator begins, so two exchanges never cross. A signature is made with the key in the last certificate that has
//! gone the same way before it: first the one of the set-up, then those in frames of type `certificate`.

use serde::{Deserialize, Serialize};

use super::SessionError;
use crate::certificate::verify::VerifiedCertificate;
use crate::crypto::kdf::{HASH_LEN, Secret};
use crate::crypto::kx::{InitiatorKeys, ResponderKeys};
use crate::handshake::exchange::{self, Exchange, Parties};
use crate::handshake::key_schedule::{DirectionSecrets, Role, SessionSecrets};
use crate::handshake::messages::{KeyExchangeFinish, KeyExchangeInit, KeyExchangeReply};
use crate::handshake::transcript::Transcript;
use crate::handshake::{Credential, HandshakeError, Step};
use crate::wire::{self, MAX_HANDSHAKE_BODY};

/// One direction's keys from a fresh exchange, for [`super::Sealer::switch`] or [`super::Opener::switch`].
#[derive(Debug)]
pub struct DirectionKeys(pub(super) DirectionSecrets);

/// What to do after a rekey frame, in this order.
#[derive(Debug, Default)]
pub struct RekeyStep {
    /// Take these keys for what the peer sends from its next frame on.
    pub opener: Option<DirectionKeys>,
    /// Seal this payload into a frame of type `rekey`.
    pub reply: Option<Vec<u8>>,
    /// Take these keys for what this side sends after that frame.
    pub sealer: Option<DirectionKeys>,
    /// Both directions have fresh keys, or will have with the peer's next frame.
    pub complete: bool,
}

/// The fresh exchanges of one session, one after the other.
#[derive(Debug)]
pub struct Rekey {
    role: Role,
    parties: Parties,
    stage: Stage,
}

enum Stage {
    Idle {
        secret: Secret,
        transcript: [u8; HASH_LEN],
    },
    AwaitReply(Box<exchange::AwaitReply>),
    AwaitDone {
        receiving: DirectionSecrets,
        secret: Secret,
        transcript: [u8; HASH_LEN],
    },
    AwaitFinish(Box<exchange::AwaitFinish>),
    /// An exchange has failed; the session must end.
    Failed,
}

/// The payload of a rekey frame.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Message {
    Init(KeyExchangeInit),
    Reply(KeyExchangeReply),
    Finish(KeyExchangeFinish),
    Done {},
}

impl Rekey {
    pub(super) fn new(role: Role, parties: Parties, secret: Secret, transcript: [u8; HASH_LEN]) -> Self {
        Self { role, parties, stage: Stage::Idle { secret, transcript } }
    }

    /// Whether an exchange is under way.
    pub fn is_under_way(&self) -> bool {
        !matches!(self.stage, Stage::Idle { .. })
    }

    /// The certificate that this side signs under: the last one that the peer has been sent.
    pub fn local(&self) -> &VerifiedCertificate {
        self.parties.local.certificate()
    }

    /// From now on this side signs as `credential`: the same agent with a renewed certificate, perhaps under another
    /// key. Send the certificate in a frame of type `certificate` before any frame that is made after this.
    pub fn renew_local(&mut self, credential: Credential) {
        if let Some(parties) = self.exchanging() {
            parties.local = credential.clone();
        }
        self.parties.local = credential;
    }

    /// From now on the peer signs under `certificate`, which has been verified and came in a frame of type
    /// `certificate`. An exchange that is under way goes on under it.
    pub fn renew_peer(&mut self, certificate: VerifiedCertificate) {
        if let Some(parties) = self.exchanging() {
            parties.peer = certificate.clone();
        }
        self.parties.peer = certificate;
    }

    /// The parties of the exchange that is under way.
    fn exchanging(&mut self) -> Option<&mut Parties> {
        match &mut self.stage {
            Stage::AwaitReply(state) => Some(state.parties_mut()),
            Stage::AwaitFinish(state) => Some(state.parties_mut()),
            Stage::Idle { .. } | Stage::AwaitDone { .. } | Stage::Failed => None,
        }
    }

    /// Makes the payload that begins an exchange (about 1 ms). Only the session's initiator may; `None` while one is
    /// under way.
    pub fn begin(&mut self) -> Result<Option<Vec<u8>>, SessionError> {
        if self.role != Role::Initiator || self.is_under_way() {
            return Ok(None);
        }
        let keys = InitiatorKeys::generate(self.parties.suite, self.parties.local.provider())
            .map_err(HandshakeError::from)?;
        let exchange = self.exchange().ok_or(UNEXPECTED)?;
        let Step { next, message } = exchange::initiate(exchange, keys)?;
        self.stage = Stage::AwaitReply(Box::new(next));
        encode(&Message::Init(message)).map(Some)
    }

    /// Takes the payload of a rekey frame (about 1 ms for M3 and M4). Any error is fatal to the session.
    pub fn receive(&mut self, payload: &[u8]) -> Result<RekeyStep, SessionError> {
        let message = wire::from_json(payload, MAX_HANDSHAKE_BODY).map_err(|_| UNEXPECTED)?;
        match message {
            Message::Init(init) if self.role == Role::Responder => {
                let await_init = exchange::AwaitInit::new(self.exchange().ok_or(UNEXPECTED)?);
                let authenticated = await_init.authenticate(&init)?;
                let keys = ResponderKeys::generate(self.parties.suite, self.parties.local.provider())
                    .map_err(HandshakeError::from)?;
                let Step { next, message } = await_init.reply(authenticated, keys)?;
                self.stage = Stage::AwaitFinish(Box::new(next));
                Ok(RekeyStep { reply: Some(encode(&Message::Reply(message))?), ..RekeyStep::default() })
            }
            Message::Reply(reply) => self.receive_reply(&reply),
            Message::Finish(finish) => self.receive_finish(&finish),
            Message::Done {} => self.receive_done(),
            Message::Init(_) => Err(UNEXPECTED),
        }
    }

    fn receive_reply(&mut self, reply: &KeyExchangeReply) -> Result<RekeyStep, SessionError> {
        let Stage::AwaitReply(state) = self.take() else { return Err(UNEXPECTED) };
        let Step { next, message } = state.finish(reply)?;
        let SessionSecrets { i2r, r2i, rekey, transcript, .. } = next.secrets;
        self.stage = Stage::AwaitDone { receiving: r2i, secret: rekey, transcript };
        let reply = Some(encode(&Message::Finish(message))?);
        Ok(RekeyStep { reply, sealer: Some(DirectionKeys(i2r)), ..RekeyStep::default() })
    }

    fn receive_finish(&mut self, finish: &KeyExchangeFinish) -> Result<RekeyStep, SessionError> {
        let Stage::AwaitFinish(state) = self.take() else { return Err(UNEXPECTED) };
        let authenticated = state.authenticate(finish)?;
        let SessionSecrets { i2r, r2i, rekey, transcript, .. } = state.establish(authenticated)?.secrets;
        self.stage = Stage::Idle { secret: rekey, transcript };
        Ok(RekeyStep {
            opener: Some(DirectionKeys(i2r)),
            reply: Some(encode(&Message::Done {})?),
            sealer: Some(DirectionKeys(r2i)),
            complete: true,
        })
    }

    fn receive_done(&mut self) -> Result<RekeyStep, SessionError> {
        let Stage::AwaitDone { receiving, secret, transcript } = self.take() else { return Err(UNEXPECTED) };
        self.stage = Stage::Idle { secret, transcript };
        Ok(RekeyStep { opener: Some(DirectionKeys(receiving)), complete: true, ..RekeyStep::default() })
    }

    /// The next exchange, if none is under way. Takes the secret that salts it.
    fn exchange(&mut self) -> Option<Exchange> {
        let Stage::Idle { secret, transcript } = self.take() else { return None };
        let parties = self.parties.clone();
        Some(Exchange { parties, transcript: Transcript::resume(transcript), rekey: Some(secret) })
    }

    fn take(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Failed)
    }
}

fn encode(message: &Message) -> Result<Vec<u8>, SessionError> {
    wire::canonical_json(message).map_err(|_| UNEXPECTED)
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Idle { .. } => "Idle(..)",
            Self::AwaitReply(_) => "AwaitReply(..)",
            Self::AwaitDone { .. } => "AwaitDone(..)",
            Self::AwaitFinish(_) => "AwaitFinish(..)",
            Self::Failed => "Failed",
        })
    }
}

const UNEXPECTED: SessionError = SessionError::BadContent("rekey");
