//! The table of live sessions, and when each is to be looked at next.
//!
//! Nothing is found by going through all sessions: how many a peer has is counted (`room`), and whoever has time-outs to apply
//! takes out what is due. What is done then is `sweep`'s affair.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use a2a_core::time::UnixTime;
use uuid::Uuid;

use super::room::{Count, Room, Verdict};
use super::sessions::Entry;

/// All live sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    slots: HashMap<Uuid, Slot>,
    /// When each session is to be looked at: one place at most for each.
    agenda: BTreeSet<(UnixTime, Uuid)>,
    room: Room,
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    /// Its place in the agenda.
    due: Option<UnixTime>,
}

impl Sessions {
    pub(crate) fn get(&self, session_id: Uuid) -> Option<Arc<Entry>> {
        self.read().slots.get(&session_id).map(|slot| slot.entry.clone())
    }

    /// Adds a session without keys, unless the peer or all peers together have too many. It never takes the place of
    /// another's: a responder chooses the id, and may choose badly. What is returned has given way to it: it is out of the
    /// table.
    pub(crate) fn insert(&self, entry: Arc<Entry>) -> Result<Option<Arc<Entry>>, NotAdded> {
        let mut table = self.write();
        let (session_id, pending_end) = (entry.session_id, entry.pending_end());
        if table.slots.contains_key(&session_id) {
            return Err(NotAdded::Taken);
        }
        let gives_way = match table.room.for_one_more(entry.peer.agent_id(), entry.created_at) {
            Verdict::Free => None,
            Verdict::InPlaceOf(oldest) => table.remove(oldest),
            Verdict::Full => return Err(NotAdded::TooMany),
        };
        table.room.add(entry.peer.agent_id(), session_id, entry.created_at);
        table.slots.insert(session_id, Slot { entry, due: None });
        table.look_at(session_id, pending_end);
        Ok(gives_way)
    }

    /// A session has its keys: from now on it counts as one that has, and it is to be looked at.
    pub(crate) fn established(&self, session_id: Uuid, now: UnixTime) {
        let mut table = self.write();
        let Table { slots, room, .. } = &mut *table;
        let Some(slot) = slots.get(&session_id) else { return };
        room.established(slot.entry.peer.agent_id(), session_id);
        table.look_at(session_id, now);
    }

    /// Has a live session looked at then, unless it is looked at before anyway.
    pub(crate) fn look_at(&self, session_id: Uuid, at: UnixTime) {
        self.write().look_at(session_id, at);
    }

    /// The sessions that are to be looked at by now. Whoever takes them says when they are to be looked at again.
    pub(crate) fn take_due(&self, now: UnixTime) -> Vec<Arc<Entry>> {
        if self.read().agenda.first().is_none_or(|(at, _)| *at > now) {
            return Vec::new();
        }
        let mut table = self.write();
        let mut due = Vec::new();
        while let Some((at, session_id)) = table.agenda.pop_first() {
            if at > now {
                table.agenda.insert((at, session_id));
                break;
            }
            if let Some(slot) = table.slots.get_mut(&session_id) {
                slot.due = None;
                due.push(slot.entry.clone());
            }
        }
        due
    }

    /// Takes a session out, and with that it is over; `None` if somebody else has.
    pub(crate) fn remove(&self, session_id: Uuid) -> Option<Arc<Entry>> {
        self.write().remove(session_id)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> Count {
        self.read().room.count()
    }

    /// All, oldest first: for what concerns every one of them.
    pub(crate) fn all(&self) -> Vec<Arc<Entry>> {
        let mut all: Vec<_> = self.read().slots.values().map(|slot| slot.entry.clone()).collect();
        all.sort_by_key(|entry| (entry.created_at, entry.session_id));
        all
    }

    fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Table> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn look_at(&mut self, session_id: Uuid, at: UnixTime) {
        let Some(slot) = self.slots.get_mut(&session_id) else { return };
        if slot.due.is_some_and(|due| due <= at) {
            return;
        }
        if let Some(later) = slot.due.replace(at) {
            self.agenda.remove(&(later, session_id));
        }
        self.agenda.insert((at, session_id));
    }

    fn remove(&mut self, session_id: Uuid) -> Option<Arc<Entry>> {
        let Slot { entry, due } = self.slots.remove(&session_id)?;
        if let Some(at) = due {
            self.agenda.remove(&(at, session_id));
        }
        self.room.remove(entry.peer.agent_id(), session_id);
        entry.is_removed();
        Some(entry)
    }
}

/// Why a session is not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAdded {
    /// The peer, or all peers together, have too many.
    TooMany,
    /// There is a session with this id.
    Taken,
}
