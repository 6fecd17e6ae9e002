//! Where enrolments lie that wait for the operator: shown one at a time, until they are decided or lapse.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2a_node::console::Console;
use a2a_node::repl::{CommandError, Outcome};
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::{announce, screens, told};
use crate::controller::Controller;
use crate::enrolment::Enrolled;
use crate::store::{ApprovalKey, ApprovalRow, Decision};

/// See the module. Cheap to clone: all clones are the same desk.
#[derive(Clone)]
pub(crate) struct Desk(Arc<Shared>);

struct Shared {
    console: Console,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct State {
    /// What waits, the oldest first.
    waiting: Vec<ApprovalRow>,
    /// What is on the screen.
    shown: Option<ApprovalKey>,
    /// What `wait enrolment` has not given out yet.
    untold: Vec<ApprovalKey>,
    /// What `wait enrolled` has not.
    enrolled: Vec<Enrolled>,
}

impl Desk {
    /// An empty one, which shows what comes on `console`.
    pub(crate) fn new(console: Console) -> Self {
        Self(Arc::new(Shared { console, state: Mutex::default(), changed: watch::Sender::new(()) }))
    }

    /// Takes what comes, until it is dropped.
    pub(crate) async fn serve(self, controller: Arc<Controller>, mut notices: mpsc::Receiver<Enrolled>) {
        let mut progress = controller.progress();
        loop {
            self.look(&controller).await;
            tokio::select! {
                // Whatever has changed. Neither can fail while the controller is there.
                _ = progress.changed() => {}
                Some(notice) = notices.recv() => self.take(notice),
                // What lapses changes nothing.
                () = tokio::time::sleep(LAPSES) => {}
            }
        }
    }

    /// The operator's answer to what is on the screen.
    pub(crate) async fn answer(
        &self,
        controller: &Controller,
        decision: Decision,
        console: &Console,
    ) -> Result<Outcome, CommandError> {
        let asking = {
            let state = self.lock();
            state.waiting.iter().find(|row| Some(&row.key) == state.shown.as_ref()).cloned()
        };
        let asking = asking.ok_or_else(|| {
            CommandError::new(
                "nothing_to_answer",
                "nobody waits for an answer",
                "`approvals` lists who waits",
            )
        })?;
        let decided = controller.decide_on(&asking, decision).await;
        self.settle(&asking.key);
        Ok(told(console, &decided?, screens::decided))
    }

    /// Takes what has been decided off the desk.
    pub(crate) fn settle(&self, key: &ApprovalKey) {
        let mut state = self.lock();
        state.waiting.retain(|row| row.key != *key);
        state.untold.retain(|untold| untold != key);
        if state.shown.as_ref() == Some(key) {
            state.shown = None;
        }
        drop(state);
        self.show_next();
    }

    /// The next enrolment that somebody has asked for and that still waits.
    pub(crate) async fn next_enrolment(&self) -> ApprovalRow {
        self.until(|state| {
            let key = (!state.untold.is_empty()).then(|| state.untold.remove(0))?;
            state.waiting.iter().find(|row| row.key == key).cloned()
        })
        .await
    }

    /// The next agent that has been certified.
    pub(crate) async fn next_enrolled(&self) -> Enrolled {
        self.until(|state| (!state.enrolled.is_empty()).then(|| state.enrolled.remove(0))).await
    }

    async fn until<T>(&self, mut probe: impl FnMut(&mut State) -> Option<T>) -> T {
        // Subscribed before the first look: nothing that comes in between is missed.
        let mut changes = self.0.changed.subscribe();
        loop {
            if let Some(found) = probe(&mut self.lock()) {
                return found;
            }
            // The sender lives as long as this.
            let _ = changes.changed().await;
        }
    }

    fn take(&self, notice: Enrolled) {
        announce(&notice, &self.0.console);
        let mut state = self.lock();
        state.enrolled.push(notice);
        let spare = state.enrolled.len().saturating_sub(REMEMBERED);
        state.enrolled.drain(..spare);
        drop(state);
        self.0.changed.send_replace(());
    }

    /// Compares what lies here with what waits in the store.
    async fn look(&self, controller: &Controller) {
        // The tick says what is wrong with the database.
        let Ok(waiting) = controller.approvals().await else { return };
        let mut state = self.lock();
        let is_new = |row: &&ApprovalRow| state.waiting.iter().all(|known| known.key != row.key);
        let new: Vec<ApprovalRow> = waiting.iter().filter(is_new).cloned().collect();
        state.untold.extend(new.iter().map(|row| row.key.clone()));
        let is_waiting = |key: &ApprovalKey| waiting.iter().any(|row| row.key == *key);
        let gone = state.shown.take_if(|shown| !is_waiting(shown));
        state.waiting = waiting;
        drop(state);
        for row in &new {
            self.0.console.print_json(&json!({ "event": "enrolment", "detail": row }));
        }
        if let Some(ApprovalKey { agent_id, .. }) = gone {
            self.0.console.print(&format!("[ENROL] The request from {agent_id} is no longer open."));
        }
        self.show_next();
    }

    /// Puts the oldest on the screen, if there is room.
    fn show_next(&self) {
        let mut state = self.lock();
        if state.shown.is_none()
            && let Some(next) = state.waiting.first().cloned()
        {
            state.shown = Some(next.key.clone());
            self.0.console.print(&format!("\n{}", screens::question(&next)));
        }
        drop(state);
        self.0.changed.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often it is looked for what has lapsed.
const LAPSES: Duration = Duration::from_secs(5);
/// How many agents that have been certified `wait` still knows of.
const REMEMBERED: usize = 64;
