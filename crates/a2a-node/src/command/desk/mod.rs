//! Where everything comes in that the network side has to tell: it is shown, kept for `wait`, and asked
//! about.
//!
//! One task reads the events in order. It never waits for a person, so the network side never does either: a
//! question lies on the desk until it is answered or lapses.

mod consents;
mod inbox;

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use serde_json::json;
use tokio::sync::watch;
use uuid::Uuid;

use super::screens;
use crate::agent::report::SessionReport;
use crate::console::Console;
use crate::error::NodeError;
use crate::event::{Event, EventReceiver};
use crate::repl::CommandError;

pub use consents::Consents;
pub use inbox::Inbox;

/// What the agents' commands and the incoming events share. Cheap to clone: all clones are the same desk.
#[derive(Clone)]
pub struct Desk {
    shared: Arc<Shared>,
}

struct Shared {
    console: Console,
    state: Mutex<DeskState>,
    changed: watch::Sender<()>,
}

/// What lies on the desk.
#[derive(Default)]
pub struct DeskState {
    /// Requests that wait for a person.
    pub consents: Consents,
    /// What `wait` may take.
    pub inbox: Inbox,
    /// The session of the chat that is going on.
    chat: Option<Uuid>,
}

impl Desk {
    /// An empty desk that shows what comes on `console`.
    pub fn new(console: Console) -> Self {
        let shared = Shared { console, state: Mutex::default(), changed: watch::Sender::new(()) };
        Self { shared: Arc::new(shared) }
    }

    /// Takes events until the node has none left to send.
    pub async fn serve(self, mut events: EventReceiver) {
        while let Some(event) = events.recv().await {
            self.take(event);
        }
    }

    /// Shows an event and keeps what is to be kept.
    pub fn take(&self, event: Event) {
        for line in event_json(&event) {
            self.shared.console.print_json(&line);
        }
        let notice = self.lock().take(event);
        if let Some(notice) = notice {
            self.shared.console.print(&notice);
        }
        self.show_next_request();
    }

    /// Looks at what lies on the desk, or takes something from it.
    pub fn with<T>(&self, look: impl FnOnce(&mut DeskState) -> T) -> T {
        look(&mut self.lock())
    }

    /// The person's answer to the request on the screen; says who had asked.
    pub fn answer(&self, yes: bool) -> Result<AgentId, CommandError> {
        let mut state = self.lock();
        let answered = state.consents.answer(yes);
        if let Ok(peer) = &answered {
            // Of sessions with the same peer that nobody has asked for, none is the one that comes of this
            // answer.
            state.inbox.created.remove_where(|report| report.peer_agent_id == *peer);
        }
        drop(state);
        if !yes {
            self.show_next_request();
        }
        answered
    }

    /// Waits for the session that a person's yes leads to.
    pub async fn accepted_session(&self, peer: &AgentId) -> Option<SessionReport> {
        let created =
            self.until(|state| state.inbox.created.take_where(|report| report.peer_agent_id == *peer));
        let session = tokio::time::timeout(ACCEPTANCE_LIMIT, created).await.ok();
        if session.is_none() {
            self.with(|state| state.consents.settle(peer));
            self.show_next_request();
        }
        session
    }

    /// Waits until `probe` finds what it looks for.
    pub fn until<T>(&self, mut probe: impl FnMut(&mut DeskState) -> Option<T>) -> impl Future<Output = T> {
        let desk = self.clone();
        // Subscribed before the first look: nothing that comes in between is missed.
        let mut changes = desk.shared.changed.subscribe();
        async move {
            loop {
                if let Some(found) = probe(&mut desk.lock()) {
                    return found;
                }
                // The sender lives in `desk`.
                let _ = changes.changed().await;
            }
        }
    }

    /// Begins a chat: its messages are for the person alone, and requests wait until [`Desk::end_chat`].
    pub fn begin_chat(&self, session_id: Uuid) {
        self.with(|state| {
            state.chat = Some(session_id);
            state.consents.hold();
        });
    }

    /// Ends the chat; a request that has waited is put on the screen.
    pub fn end_chat(&self) {
        self.with(|state| {
            state.chat = None;
            state.consents.release();
        });
        self.show_next_request();
    }

    /// Puts the next request on the screen, if it is free, and tells whoever waits that something has
    /// changed.
    fn show_next_request(&self) {
        let question = self.lock().consents.show_next().map(screens::question);
        if let Some(question) = question {
            self.shared.console.print(&format!("\n{question}"));
        }
        self.shared.changed.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, DeskState> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeskState {
    /// Puts an event in its place; what a person should read is returned.
    fn take(&mut self, event: Event) -> Option<String> {
        match event {
            Event::ConsentWanted(request) => {
                let notice = self.consents.is_held().then(|| screens::request_held(&request));
                self.consents.arrive(request);
                notice
            }
            Event::ConsentWithdrawn { request_id, agent_id } => {
                let was_shown = self.consents.withdraw(request_id);
                was_shown.then(|| format!("[INCOMING] The request from {agent_id} has lapsed."))
            }
            Event::SessionCreated(report) => Some(self.created(report)),
            Event::SessionEstablished(report) => {
                let (peer, id) = (&report.peer_agent_id, report.session_id);
                let notice = format!(
                    "[SESSION] ✓ Secure channel with {peer} established. Session: {id}\n  \
                     `communicate {peer}` opens the chat."
                );
                self.inbox.established.push(report);
                Some(notice)
            }
            Event::MessagesReceived(messages) => {
                let notices: Vec<_> = messages.iter().map(screens::message).collect();
                for message in messages {
                    if self.chat != Some(message.session_id) {
                        self.inbox.messages.push(message);
                    }
                }
                Some(notices.join("\n"))
            }
            Event::Told(_) => None,
            Event::SessionClosed(report) => {
                let notice = screens::closed(&report);
                self.inbox.closed.push(report);
                Some(notice)
            }
            Event::Renewed(report) => Some(screens::renewed(&report)),
            Event::ControllerFollowed(report) => Some(screens::followed(&report)),
            Event::Revoked => Some(screens::with_next_step(&NodeError::Revoked)),
            Event::RevocationsStale { reason } => {
                Some(screens::with_next_step(&NodeError::RevocationsStale { reason }))
            }
        }
    }

    fn created(&mut self, report: SessionReport) -> String {
        let (peer, id) = (&report.peer_agent_id, report.session_id);
        let notice = if self.consents.settle(peer) {
            format!("✓ Request accepted. Session created: {id}")
        } else {
            format!("[SESSION] Request from {peer} accepted by policy. Session created: {id}")
        };
        self.inbox.created.push(report);
        notice
    }
}

/// An event as `--json` prints it: a line, or one for each message.
fn event_json(event: &Event) -> Vec<serde_json::Value> {
    vec![match event {
        Event::MessagesReceived(messages) => {
            return messages.iter().map(|message| json!({"event": "message", "detail": message})).collect();
        }
        Event::Told(_) => return Vec::new(),
        Event::ConsentWanted(request) => json!({"event": "request", "detail": {
            "request_id": request.request_id, "agent_id": request.agent_id, "name": request.name,
            "address": request.address, "key_id": request.key_id, "purpose": request.purpose,
            "expires_at": request.expires_at,
        }}),
        Event::ConsentWithdrawn { request_id, agent_id } => {
            json!({"event": "request_withdrawn", "detail": {"request_id": request_id, "agent_id": agent_id}})
        }
        Event::SessionCreated(report) => json!({"event": "session_created", "detail": report}),
        Event::SessionEstablished(report) => json!({"event": "session_established", "detail": report}),
        Event::SessionClosed(report) => json!({"event": "session_closed", "detail": report}),
        Event::Renewed(report) => json!({"event": "renewed", "detail": report}),
        Event::ControllerFollowed(report) => json!({"event": "controller_followed", "detail": report}),
        Event::Revoked => json!({"event": "revoked", "detail": {}}),
        Event::RevocationsStale { reason } => {
            json!({"event": "revocations_stale", "detail": {"reason": reason}})
        }
    }]
}

/// How long the network side may take to carry out a yes.
const ACCEPTANCE_LIMIT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
