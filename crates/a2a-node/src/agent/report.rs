//! What the operations of an agent report: plain data, for the screen or as JSON.

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::crypto::kx::Suite;
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use serde::Serialize;
use uuid::Uuid;

/// A step that has been taken, told while an operation is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The controller's key is pinned.
    TrustEstablished,
    /// The controller's operator is asked whether this agent may have its id.
    AwaitingApproval,
    /// The controller has certified this agent.
    Registered,
    /// The certificate is on disk.
    CertificateStored,
    /// The peer's certificate has been fetched and verified offline.
    PeerVerified,
    /// The request is on its way; a person may take a while.
    RequestSent,
    /// The peer accepted.
    RequestAccepted {
        /// The session it made.
        session_id: Uuid,
    },
    /// A key exchange begins.
    KeyExchangeStarted {
        /// What was agreed on in the request.
        suite: Suite,
    },
    /// The ephemeral keys are made.
    SharesGenerated {
        /// For which suite.
        suite: Suite,
    },
    /// The signed shares are on their way.
    ShareSent,
    /// The peer's signed shares have come.
    ShareReceived,
    /// The peer's signature and key confirmation hold.
    SignatureVerified,
    /// Both sides have confirmed the same keys.
    KeysEstablished,
}

/// Who hears of progress.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// What `setup` has done.
#[derive(Debug, Clone, Serialize)]
pub struct SetupReport {
    /// This agent.
    pub agent_id: AgentId,
    /// The controller that certified it.
    pub controller_id: AgentId,
    /// The controller's fingerprint.
    pub controller_fingerprint: KeyId,
    /// The certificate's serial number.
    pub serial: String,
    /// When the certificate ends.
    pub expires_at: UnixTime,
}

/// What a renewal has brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenewalReport {
    /// The new certificate's serial number.
    pub serial: String,
    /// The fingerprint of the key that it certifies.
    pub key_id: KeyId,
    /// Whether that key is new.
    pub new_key: bool,
    /// When the new certificate ends.
    pub expires_at: UnixTime,
    /// When it will be renewed in turn.
    pub renews_at: UnixTime,
}

/// A renewal that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RenewalFailure {
    /// When.
    pub at: UnixTime,
    /// The error's word for scripts.
    pub code: String,
    /// What happened.
    pub error: String,
}

/// A step from one key of the controller to the next, followed without a hand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SuccessionReport {
    /// The fingerprint that was trusted.
    pub former: KeyId,
    /// The fingerprint that is trusted now.
    pub fingerprint: KeyId,
}

/// An agent in the controller's directory, its certificate verified offline.
#[derive(Debug, Clone, Serialize)]
pub struct AgentEntry {
    /// Its id.
    pub agent_id: AgentId,
    /// Its certified name, filtered for display.
    pub name: String,
    /// Its certified address.
    pub address: AgentAddress,
    /// Its key's fingerprint.
    pub key_id: KeyId,
    /// When its certificate ends.
    pub expires_at: UnixTime,
    /// Whether this is the agent that asks.
    pub is_self: bool,
}

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionStage {
    /// Agreed to, without keys: `AES Key: Pending`.
    Pending,
    /// Keys confirmed on both sides.
    Established,
}

/// A session as `sessions` lists it.
#[derive(Debug, Clone, Serialize)]
pub struct SessionReport {
    /// The responder's UUID, the same on both sides.
    pub session_id: Uuid,
    /// The other agent.
    pub peer_agent_id: AgentId,
    /// Its certified address.
    pub peer_address: AgentAddress,
    /// Whether this agent asked for the session.
    pub initiated: bool,
    /// Where it stands.
    pub stage: SessionStage,
    /// The suite agreed on.
    pub suite: Suite,
    /// When the request was accepted.
    pub created_at: UnixTime,
    /// Messages sent and acknowledged.
    pub sent: u64,
    /// Messages received.
    pub received: u64,
    /// A short string that two people can compare by voice; once keys are established.
    pub safety_code: Option<String>,
}

/// A message that the peer has acknowledged.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryReport {
    /// The session it went over.
    pub session_id: Uuid,
    /// To whom.
    pub to: AgentId,
    /// Its sequence number.
    pub seq: u64,
}

/// Why a session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseCause {
    /// This agent closed it.
    ClosedHere,
    /// The peer closed it.
    ClosedByPeer,
    /// Nothing was said for too long.
    Idle,
    /// It had reached its absolute age, or the end of the newest certificate of either side.
    Expired,
    /// The peer has forgotten it (it restarted), or broke the protocol.
    Lost,
    /// The controller has revoked the peer's certificate or this agent's own.
    Revoked,
}

/// A session that has ended.
#[derive(Debug, Clone, Serialize)]
pub struct ClosedReport {
    /// Which.
    pub session_id: Uuid,
    /// With whom.
    pub peer_agent_id: AgentId,
    /// Why.
    pub cause: CloseCause,
    /// How many of the peer's last messages never arrived.
    pub missing: u64,
    /// How many of this agent's messages the peer has never acknowledged; they may have arrived or not.
    pub unacknowledged: u64,
    /// Whether the peer has confirmed the end.
    pub confirmed: bool,
}

/// What `status` shows.
#[derive(Debug, Clone, Serialize)]
pub struct StatusReport {
    /// This agent.
    pub agent_id: AgentId,
    /// Where it listens.
    pub address: AgentAddress,
    /// The controller's URL.
    pub controller: String,
    /// The pinned controller's fingerprint, once there is one.
    pub controller_fingerprint: Option<KeyId>,
    /// When the certificate ends, once there is one.
    pub certificate_expires_at: Option<UnixTime>,
    /// When the certificate is renewed, or the next attempt made; none if there is nothing to renew.
    pub renews_at: Option<UnixTime>,
    /// Why the last attempt to renew failed, if it did.
    pub renewal_failure: Option<RenewalFailure>,
    /// Whether the controller has revoked this agent.
    pub revoked: bool,
    /// The number of the revocation list at hand, once there is one.
    pub revocations_number: Option<u64>,
    /// Until when that list may be relied on.
    pub revocations_until: Option<UnixTime>,
    /// Which crypto library runs.
    pub crypto_provider: &'static str,
    /// How requests are answered.
    pub accept: String,
    /// Sessions without keys.
    pub sessions_pending: usize,
    /// Sessions with keys.
    pub sessions_established: usize,
    /// Requests that wait for a person.
    pub requests_waiting: usize,
    /// Messages sent and acknowledged, over all sessions since the start.
    pub messages_sent: u64,
    /// Messages received, over all sessions since the start.
    pub messages_received: u64,
    /// Seconds since the start.
    pub uptime_seconds: u64,
}
