//! Requests that wait for a person's yes or no: one on the screen, the others in line.
//!
//! An answer always belongs to the question that the person has seen (T19 of the threat model). If that
//! question lapses while the answer is being typed, the answer is not given to whatever came on the screen
//! instead.

use std::collections::VecDeque;

use a2a_core::agent_id::AgentId;
use uuid::Uuid;

use crate::event::ConsentRequest;
use crate::repl::CommandError;

/// The requests, in the order in which they came.
#[derive(Default)]
pub struct Consents {
    on_screen: Option<ConsentRequest>,
    waiting: VecDeque<ConsentRequest>,
    /// A chat is going on: nothing is put on the screen, because its lines are messages.
    held: bool,
    /// Whose request has lapsed on the screen since the last answer.
    lapsed: Option<AgentId>,
    /// Whom a person has accepted, until the session is there.
    accepted: Vec<AgentId>,
}

impl Consents {
    /// Takes a request in, at the end of the line.
    pub(super) fn arrive(&mut self, request: ConsentRequest) {
        self.waiting.push_back(request);
    }

    /// Whether requests are kept off the screen for now.
    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// The request on the screen.
    pub fn on_screen(&self) -> Option<&ConsentRequest> {
        self.on_screen.as_ref()
    }

    /// Somebody has looked at the screen as it is now: what lapsed before is no longer in the way of an
    /// answer.
    pub fn look(&mut self) -> Option<&ConsentRequest> {
        self.on_screen.as_ref()?;
        self.lapsed = None;
        self.on_screen.as_ref()
    }

    /// Puts the next request on the screen, if it is free; returns it if it was. It is not free while an
    /// acceptance is being carried out: its outcome is shown first.
    pub(super) fn show_next(&mut self) -> Option<&ConsentRequest> {
        if self.on_screen.is_some() || self.held || !self.accepted.is_empty() {
            return None;
        }
        self.on_screen = self.waiting.pop_front();
        self.on_screen.as_ref()
    }

    /// Forgets a request that nobody needs to answer any more. Whether it was on the screen.
    pub(super) fn withdraw(&mut self, request_id: Uuid) -> bool {
        self.waiting.retain(|request| request.request_id != request_id);
        match self.on_screen.take_if(|request| request.request_id == request_id) {
            Some(request) => {
                self.lapsed = Some(request.agent_id);
                true
            }
            None => false,
        }
    }

    /// Gives the person's answer to the request on the screen, and says who had asked.
    pub fn answer(&mut self, yes: bool) -> Result<AgentId, CommandError> {
        if let Some(agent_id) = self.lapsed.take() {
            return Err(lapsed(&agent_id, self.on_screen.as_ref()));
        }
        let Some(request) = self.on_screen.take() else {
            return Err(CommandError::new("no_request", "there is no request to answer", NO_REQUEST_NEXT));
        };
        if request.answer.send(yes).is_err() {
            return Err(lapsed(&request.agent_id, None));
        }
        if yes {
            self.accepted.push(request.agent_id.clone());
        }
        Ok(request.agent_id)
    }

    /// The acceptance of `peer` has been carried out, or never will be. Whether there was one.
    pub(super) fn settle(&mut self, peer: &AgentId) -> bool {
        let before = self.accepted.len();
        self.accepted.retain(|accepted| accepted != peer);
        self.accepted.len() < before
    }

    /// Keeps requests off the screen. One that is there already goes back to the head of the line.
    pub(super) fn hold(&mut self) {
        self.held = true;
        if let Some(request) = self.on_screen.take() {
            self.waiting.push_front(request);
        }
    }

    /// Lets requests on the screen again.
    pub(super) fn release(&mut self) {
        self.held = false;
    }
}

fn lapsed(agent_id: &AgentId, now: Option<&ConsentRequest>) -> CommandError {
    let next = match now {
        Some(now) => format!("the question on the screen is now from {}: answer again", now.agent_id),
        None => "ask for a new request, or `request` one yourself".to_owned(),
    };
    CommandError::new("request_lapsed", format!("the request from {agent_id} has lapsed meanwhile"), next)
}

const NO_REQUEST_NEXT: &str =
    "requests appear here by themselves; `status` shows whether they are asked about";
