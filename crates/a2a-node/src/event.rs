//! What the network side tells the person's side: a closed list, over one bounded channel.

use a2a_core::agent_id::{AgentAddress, AgentId};
use a2a_core::crypto::signature::KeyId;
use a2a_core::time::UnixTime;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use uuid::Uuid;

use crate::agent::report::{ClosedReport, RenewalReport, SessionReport, SuccessionReport};

/// How many events, of up to a body of messages each, may wait for the person's side before the network side waits in turn.
pub const EVENT_QUEUE: usize = 16;

/// The sending end, held by the node.
pub type EventSender = mpsc::Sender<Event>;
/// The receiving end, held by the REPL (or by the log, when there is none).
pub type EventReceiver = mpsc::Receiver<Event>;

/// Something a person should hear of.
#[derive(Debug)]
pub enum Event {
    /// A peer asks for a session, and policy says that a person decides.
    ConsentWanted(ConsentRequest),
    /// A request that was waiting is gone: it expired or its sender gave up.
    ConsentWithdrawn {
        /// Which one.
        request_id: Uuid,
        /// Who had asked.
        agent_id: AgentId,
    },
    /// A session was agreed to; its keys are still to be exchanged.
    SessionCreated(SessionReport),
    /// The peer has completed the key exchange.
    SessionEstablished(SessionReport),
    /// Messages have arrived in one body, verified and in order; at least one.
    MessagesReceived(Vec<ReceivedMessage>),
    /// Everything before has been told, once this has been dropped: asked by whoever acknowledges messages.
    Told(oneshot::Sender<()>),
    /// A session has ended on the peer's word, by time-out or by failure; its keys are gone.
    SessionClosed(ClosedReport),
    /// This agent's certificate has been renewed.
    Renewed(RenewalReport),
    /// The controller's key has a successor, which this agent trusts from now on.
    ControllerFollowed(SuccessionReport),
    /// The controller has revoked this agent.
    Revoked,
    /// What is revoked is no longer known: no session begins until the controller is reached.
    RevocationsStale {
        /// What is wrong with the list at hand.
        reason: String,
    },
}

/// A request for communication that waits for a yes or a no.
#[derive(Debug)]
pub struct ConsentRequest {
    /// The request.
    pub request_id: Uuid,
    /// Who asks: verified against the controller's signature.
    pub agent_id: AgentId,
    /// Its certified name, filtered for display.
    pub name: String,
    /// Its certified address.
    pub address: AgentAddress,
    /// Its certified key.
    pub key_id: KeyId,
    /// Why it asks, in its own words, filtered for display; may be empty.
    pub purpose: String,
    /// When the question lapses and counts as refused.
    pub expires_at: UnixTime,
    /// Where the answer goes. Dropping it refuses.
    pub answer: oneshot::Sender<bool>,
}

/// A message as a person or a script gets it.
#[derive(Debug, Clone, Serialize)]
pub struct ReceivedMessage {
    /// The session it came over.
    pub session_id: Uuid,
    /// Who sent it.
    pub from: AgentId,
    /// Its sequence number in that direction.
    pub seq: u64,
    /// Its text, unfiltered: whoever shows it filters it.
    pub text: String,
    /// When it arrived.
    pub received_at: UnixTime,
}
