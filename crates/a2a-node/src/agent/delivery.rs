//! Sends what an outbox holds: a body at a time, each a few times, until nothing waits. While one is on its way, the next
//! whole batch is sealed.
//!
//! What goes into a body and what becomes of it is the outbox's affair.

use std::sync::Arc;
use std::time::Duration;

use a2a_core::session::frame::{FRAMES_MEDIA_TYPE, decode_frames};
use a2a_core::session::{Ack, CloseReason, ClosingSealer, Frame, Sealer, SessionError};
use a2a_core::wire;
use axum::body::Bytes;
use tokio::runtime::Handle;

use super::AgentNode;
use super::channel::Channel;
use super::outbox::{Step, Turn};
use super::receipt::Receipt;
use super::report::CloseCause;
use super::sessions::Entry;
use crate::client::peer::Parts;
use crate::client::{Answer, ClientError, JSON};

/// Sends until nothing waits.
pub(super) async fn run(node: AgentNode, entry: Arc<Entry>, _turn: Turn) {
    run_until(&node, &entry, || false).await;
}

/// Sends until the one message that `receipt` stands for has been acknowledged: a message that is alone takes no task of
/// its own. What else waits by then, or if this is given up half-way, is sent by a task: nothing is sent twice for that but
/// the same bytes.
pub(super) async fn run_for(node: &AgentNode, entry: &Arc<Entry>, turn: Turn, receipt: &Receipt) {
    let mut left = Left(Some((node.clone(), entry.clone(), turn)));
    if run_until(node, entry, || receipt.is_settled(1)).await {
        left.0 = None;
    }
}

/// What is left to do when its holder goes.
struct Left(Option<(AgentNode, Arc<Entry>, Turn)>);

impl Drop for Left {
    fn drop(&mut self) {
        if let (Some((node, entry, turn)), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(run(node, entry, turn));
        }
    }
}

/// Whether the turn is over: nothing waits, or nothing more can be sent for now.
async fn run_until(node: &AgentNode, entry: &Arc<Entry>, is_enough: impl Fn() -> bool) -> bool {
    let Some(channel) = entry.channel.get() else { return true };
    while !entry.is_over() {
        let outcome = match channel.outbox.next(entry.session_id, node.state.clock.now()) {
            Step::Send { body, is_single } => {
                send_and_seal_ahead(node, entry, channel, body, is_single).await
            }
            Step::Seal => seal(node, entry).await,
            Step::Close { sealer, reason, done } => {
                // Nobody may be waiting any more.
                let _ = done.send(close(node, channel, *sealer, reason).await);
                return true;
            }
            Step::Rest => return true,
            Step::Fail(error) => Err(error.into()),
        };
        match outcome {
            Ok(()) if is_enough() && !channel.outbox.is_done() => return false,
            Ok(()) => {}
            Err(Failure::Unreachable(reason)) => {
                channel.outbox.rest(&reason, node.state.clock.now());
                return true;
            }
            Err(Failure::Lost(reason)) => {
                tracing::warn!(%reason, session = %channel.info.session_id, "session lost");
                node.end(entry, CloseCause::Lost, 0).await;
                return true;
            }
        }
    }
    true
}

/// Seals and sends the close frame; says whether the peer has confirmed the end. The keys of this direction are gone
/// whatever comes of it.
pub(super) async fn close(node: &AgentNode, channel: &Channel, sealer: Sealer, reason: CloseReason) -> bool {
    match sealer.close(reason, channel.counts.frames_received(), node.state.clock.now()) {
        Ok((closing, frame)) => confirm_close(channel, closing, &frame).await.is_ok(),
        Err(_) => false,
    }
}

/// Why something was not delivered.
pub(super) enum Failure {
    /// No answer, or one that promises better times.
    Unreachable(String),
    /// The session cannot go on.
    Lost(String),
}

impl From<SessionError> for Failure {
    fn from(error: SessionError) -> Self {
        Self::Lost(error.to_string())
    }
}

async fn send_and_seal_ahead(
    node: &AgentNode,
    entry: &Arc<Entry>,
    channel: &Channel,
    body: Parts,
    is_single: bool,
) -> Result<(), Failure> {
    let sending = send(channel, body, is_single);
    let (ack, sealed) = if channel.outbox.has_whole_batch() {
        tokio::join!(sending, seal(node, entry))
    } else {
        (sending.await, Ok(()))
    };
    let ack = ack?;
    entry.touch(node.state.clock.now());
    channel.outbox.acknowledge(&ack, node, channel)?;
    sealed
}

/// Seals a batch where a core is free.
async fn seal(node: &AgentNode, entry: &Arc<Entry>) -> Result<(), Failure> {
    let (entry, now) = (entry.clone(), node.state.clock.now());
    let sealing = node.state.pool.run(move || match entry.channel.get() {
        Some(channel) => channel.outbox.seal(entry.session_id, now),
        None => Ok(()),
    });
    Ok(sealing.await.map_err(|error| Failure::Lost(error.to_string()))??)
}

/// A single frame of a moderate size goes as JSON, which people and simple programs can read.
async fn send(channel: &Channel, body: Parts, is_single: bool) -> Result<Ack, Failure> {
    let (content_type, body) = if is_single && body.middle.is_empty() && body.head.len() <= MAX_JSON {
        let frames = decode_frames(&body.head).map_err(|error| Failure::Lost(error.to_string()))?;
        (JSON, Bytes::from(frames.iter().map(Frame::to_json).collect::<String>()).into())
    } else {
        (FRAMES_MEDIA_TYPE, body)
    };
    read_ack(&post(channel, "/agent/communicate/send", content_type, body).await?)
}

async fn confirm_close(channel: &Channel, closing: ClosingSealer, frame: &Frame) -> Result<(), Failure> {
    let answer = post(channel, "/agent/communicate/close", JSON, Bytes::from(frame.to_json())).await?;
    Ok(closing.accept(&read_ack(&answer)?)?)
}

/// Sends the same bytes until there is an answer, a few times.
async fn post(
    channel: &Channel,
    path: &'static str,
    content_type: &'static str,
    body: impl Into<Parts>,
) -> Result<Answer, Failure> {
    let (body, mut waits) = (body.into(), RETRY_WAITS.iter());
    loop {
        let client = channel.peer().client;
        let sent = client.post(path, content_type, body.clone(), MAX_ACK, TIMEOUT).await;
        let reason = match sent {
            Ok(answer) => return Ok(answer),
            Err(ClientError::Api { status, code, error, .. })
                if !MAY_PASS.contains(&status) && code != NOT_YET && status < 500 =>
            {
                return Err(Failure::Lost(format!("{error} ({code})")));
            }
            Err(error) => error.to_string(),
        };
        let Some(wait) = waits.next() else { return Err(Failure::Unreachable(reason)) };
        tokio::time::sleep(*wait).await;
    }
}

fn read_ack(answer: &Answer) -> Result<Ack, Failure> {
    wire::from_json(&answer.body, MAX_ACK).map_err(|error| Failure::Lost(error.to_string()))
}

/// Bytes of a single frame in binary form up to which it goes as JSON.
const MAX_JSON: usize = 8 * 1024;
/// Bytes of an acknowledgement.
const MAX_ACK: usize = 1024;
const TIMEOUT: Duration = Duration::from_secs(10);
/// Refusals that are worth another attempt: a body that took too long, too many requests.
const MAY_PASS: [u16; 2] = [408, 429];
/// What a peer answers that has not taken M6 yet.
const NOT_YET: &str = "wrong_state";
/// Pauses between attempts.
const RETRY_WAITS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_millis(1500)];
