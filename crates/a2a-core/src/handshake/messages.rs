//! M1 to M6 as they stand on the wire. Every field is signed or authenticated; unknown fields are refused.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use uuid::Uuid;

use crate::agent_id::{AgentAddress, AgentId};
use crate::certificate::card::AgentCertificate;
use crate::crypto::kx::Suite;
use crate::crypto::signature::{KeyId, Signature};
use crate::session::frame::Frame;
use crate::text::FreeText;
use crate::time::UnixTime;
use crate::wire::{self, Base64, Hex};

/// M1: the initiator asks for a session. `POST /agent/communicate/request`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// [`crate::PROTOCOL_VERSION`].
    pub protocol_version: u32,
    /// The initiator's random UUID for this request.
    #[serde(with = "strict_uuid")]
    pub request_id: Uuid,
    /// The initiator, as in its certificate.
    pub agent_id: AgentId,
    /// Where the initiator listens, as in its certificate.
    pub address: AgentAddress,
    /// Who is asked.
    pub peer_agent_id: AgentId,
    /// SHA-256 of the asked agent's key, from the certificate that it presented.
    pub peer_key_id: KeyId,
    /// The initiator's certificate.
    pub certificate: AgentCertificate,
    /// Why, for the person who decides: at most 256 bytes, may be empty.
    pub purpose: FreeText<256>,
    /// What the initiator accepts: one to three suites, none twice.
    pub suites: Vec<Suite>,
    /// 32 random bytes.
    pub nonce: Hex<32>,
    /// When the request was made.
    pub timestamp: UnixTime,
    /// When it ends: at most 120 s after `timestamp`.
    pub expires: UnixTime,
    /// `SIG("request", TH1)`.
    pub signature: Signature,
}

/// M2: the answer to M1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Response {
    /// A person or a policy said yes.
    Accepted(Box<Acceptance>),
    /// A person or a policy said no, or nobody answered in time.
    Rejected(Box<Rejection>),
}

/// M2, when the answer is yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acceptance {
    /// As in M1.
    #[serde(with = "strict_uuid")]
    pub request_id: Uuid,
    /// The responder's random UUID for the session.
    #[serde(with = "strict_uuid")]
    pub session_id: Uuid,
    /// The responder, as in its certificate.
    pub agent_id: AgentId,
    /// The best common suite.
    pub suite: Suite,
    /// The responder's certificate.
    pub certificate: AgentCertificate,
    /// 32 random bytes.
    pub nonce: Hex<32>,
    /// Who decided, and when.
    pub decision: Decision,
    /// Until when M3 is awaited.
    pub expires: UnixTime,
    /// `SIG("accept", TH2)`.
    pub signature: Signature,
}

/// M2, when the answer is no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejection {
    /// As in M1.
    #[serde(with = "strict_uuid")]
    pub request_id: Uuid,
    /// The responder, as in its certificate.
    pub agent_id: AgentId,
    /// The responder's certificate.
    pub certificate: AgentCertificate,
    /// Who decided, and when.
    pub decision: Decision,
    /// `SIG("reject", TH2)`.
    pub signature: Signature,
}

/// The consent, or its refusal: part of the transcript, so no key exists without it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// Who decided.
    pub by: DecidedBy,
    /// When.
    pub at: UnixTime,
}

/// Who decided on a request: `operator`, or `policy:` and the policy's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum DecidedBy {
    /// A person.
    #[serde(rename = "operator")]
    Operator,
    /// Every certified peer is accepted.
    #[serde(rename = "policy:all")]
    PolicyAll,
    /// Nobody is accepted.
    #[serde(rename = "policy:none")]
    PolicyNone,
    /// Those on a list are accepted.
    #[serde(rename = "policy:list")]
    PolicyList,
    /// Nobody answered in time.
    #[serde(rename = "policy:timeout")]
    PolicyTimeout,
}

/// M3: the initiator's shares. `POST /agent/communicate/keyexchange`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyExchangeInit {
    /// As in M2.
    #[serde(with = "strict_uuid")]
    pub session_id: Uuid,
    /// `init`.
    pub phase: InitPhase,
    /// As in M2.
    pub suite: Suite,
    /// DER `SubjectPublicKeyInfo` of the ephemeral key.
    pub dh_public_key: Base64,
    /// ML-KEM-768 encapsulation key, 1184 bytes, in a hybrid.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "wire::present")]
    pub kem_public_key: Option<Base64>,
    /// `SIG("ke-init", TH3)`.
    pub signature: Signature,
}

/// M4: the responder's shares and key confirmation; the answer to M3.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyExchangeReply {
    /// As in M2.
    #[serde(with = "strict_uuid")]
    pub session_id: Uuid,
    /// DER `SubjectPublicKeyInfo` of the ephemeral key.
    pub dh_public_key: Base64,
    /// ML-KEM-768 ciphertext, 1088 bytes, in a hybrid.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "wire::present")]
    pub kem_ciphertext: Option<Base64>,
    /// `SIG("ke-resp", TH4)`.
    pub signature: Signature,
    /// `HMAC(fin r, "R" || TH4 || SHA-256(signature))`, 32 bytes.
    pub confirm: Base64,
}

/// M5: the initiator's key confirmation. `POST /agent/communicate/keyexchange`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyExchangeFinish {
    /// As in M2.
    #[serde(with = "strict_uuid")]
    pub session_id: Uuid,
    /// `finish`.
    pub phase: FinishPhase,
    /// `SIG("ke-fin", TH5)`.
    pub signature: Signature,
    /// `HMAC(fin i, "I" || TH5 || SHA-256(signature))`, 32 bytes.
    pub confirm: Base64,
}

/// M3 or M5: what the key exchange endpoint takes, told apart by `phase`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum KeyExchange {
    /// M3.
    Init(Box<KeyExchangeInit>),
    /// M5.
    Finish(Box<KeyExchangeFinish>),
}

/// M6: the responder has established the session; the answer to M5.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Established {
    /// `established`.
    pub status: EstablishedStatus,
    /// A sealed frame of type `confirm`, sequence number 0, empty plaintext.
    pub frame: Frame,
}

/// The one value of M3's `phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InitPhase {
    /// `init`
    #[serde(rename = "init")]
    Init,
}

/// The one value of M5's `phase`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FinishPhase {
    /// `finish`
    #[serde(rename = "finish")]
    Finish,
}

/// The one value of M6's `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum EstablishedStatus {
    /// `established`
    #[serde(rename = "established")]
    Established,
}

impl<'de> Deserialize<'de> for KeyExchange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// Both messages' fields: serde's tagged enums would buffer the input and report worse errors.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Either {
            #[serde(with = "strict_uuid")]
            session_id: Uuid,
            phase: Phase,
            #[serde(default, deserialize_with = "wire::present")]
            suite: Option<Suite>,
            #[serde(default, deserialize_with = "wire::present")]
            dh_public_key: Option<Base64>,
            #[serde(default, deserialize_with = "wire::present")]
            kem_public_key: Option<Base64>,
            signature: Signature,
            #[serde(default, deserialize_with = "wire::present")]
            confirm: Option<Base64>,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "snake_case")]
        enum Phase {
            Init,
            Finish,
        }

        let Either { session_id, phase, suite, dh_public_key, kem_public_key, signature, confirm } =
            Either::deserialize(deserializer)?;
        match (phase, suite, dh_public_key, kem_public_key, confirm) {
            (Phase::Init, Some(suite), Some(dh_public_key), kem_public_key, None) => {
                let phase = InitPhase::Init;
                Ok(Self::Init(Box::new(KeyExchangeInit {
                    session_id,
                    phase,
                    suite,
                    dh_public_key,
                    kem_public_key,
                    signature,
                })))
            }
            (Phase::Finish, None, None, None, Some(confirm)) => {
                let phase = FinishPhase::Finish;
                Ok(Self::Finish(Box::new(KeyExchangeFinish { session_id, phase, signature, confirm })))
            }
            _ => Err(de::Error::custom("fields do not fit the phase")),
        }
    }
}

/// A UUID in its hyphenated lower-case form and no other (RFC 9562, section 4).
pub(crate) mod strict_uuid {
    use super::{Deserialize, Deserializer, Serializer, Uuid, de};

    pub(crate) fn serialize<S: Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id.as_hyphenated())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Uuid, D::Error> {
        let text = String::deserialize(deserializer)?;
        Uuid::parse_str(&text)
            .ok()
            .filter(|id| id.as_hyphenated().to_string() == text)
            .ok_or_else(|| de::Error::custom("not a lower-case hyphenated UUID"))
    }
}
