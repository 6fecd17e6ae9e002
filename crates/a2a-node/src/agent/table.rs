//! The table of live sessions, and when each is to be looked at next.
//!
//! Nothing is found by going through all sessions: how many a peer has is counted, and whoever has time-outs to apply takes
//! out what is due. What is done then is `sweep`'s affair.

use std::collections::hash_map::Entry as Place;
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use a2a_core::agent_id::AgentId;
use a2a_core::time::UnixTime;
use uuid::Uuid;

use super::sessions::Entry;

/// All live sessions.
#[derive(Debug, Default)]
pub(crate) struct Sessions(RwLock<Table>);

#[derive(Debug, Default)]
struct Table {
    slots: HashMap<Uuid, Slot>,
    /// When each session is to be looked at: one place at most for each.
    agenda: BTreeSet<(UnixTime, Uuid)>,
    of_peer: HashMap<AgentId, Count>,
    count: Count,
}

#[derive(Debug)]
struct Slot {
    entry: Arc<Entry>,
    /// Its place in the agenda.
    due: Option<UnixTime>,
    /// Counted as one without keys.
    is_pending: bool,
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Count {
    pub(crate) all: usize,
    /// Those without keys among them.
    pub(crate) pending: usize,
}

impl Sessions {
    pub(crate) fn get(&self, session_id: Uuid) -> Option<Arc<Entry>> {
        self.read().slots.get(&session_id).map(|slot| slot.entry.clone())
    }

    /// Adds a session without keys, unless the peer or all peers together have too many. It never takes the place of
    /// another: a responder chooses the id, and may choose badly.
    pub(crate) fn insert(&self, entry: Arc<Entry>) -> Result<(), NotAdded> {
        let mut table = self.write();
        let Table { slots, of_peer, count, .. } = &mut *table;
        let Place::Vacant(place) = slots.entry(entry.session_id) else { return Err(NotAdded::Taken) };
        let peer = entry.peer.agent_id();
        let of_this = of_peer.get(peer).copied().unwrap_or_default();
        if of_this.pending >= MAX_PENDING_OF_PEER
            || of_this.all >= MAX_OF_PEER
            || count.pending >= MAX_PENDING
            || count.all >= MAX_SESSIONS
        {
            return Err(NotAdded::TooMany);
        }
        for count in [count, of_peer.entry(peer.clone()).or_default()] {
            count.all += 1;
            count.pending += 1;
        }
        let (session_id, pending_end) = (entry.session_id, entry.pending_end());
        place.insert(Slot { entry, due: None, is_pending: true });
        table.look_at(session_id, pending_end);
        Ok(())
    }

    /// A session has its keys: from now on it counts as one that has, and it is to be looked at.
    pub(crate) fn established(&self, session_id: Uuid, now: UnixTime) {
        let mut table = self.write();
        let Table { slots, of_peer, count, .. } = &mut *table;
        let Some(slot) = slots.get_mut(&session_id).filter(|slot| slot.is_pending) else { return };
        slot.is_pending = false;
        count.pending -= 1;
        if let Some(count) = of_peer.get_mut(slot.entry.peer.agent_id()) {
            count.pending -= 1;
        }
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
        let mut table = self.write();
        let Slot { entry, due, is_pending } = table.slots.remove(&session_id)?;
        if let Some(at) = due {
            table.agenda.remove(&(at, session_id));
        }
        table.count.subtract(is_pending);
        let peer = entry.peer.agent_id();
        if let Some(count) = table.of_peer.get_mut(peer) {
            count.subtract(is_pending);
            if count.all == 0 {
                table.of_peer.remove(peer);
            }
        }
        drop(table);
        entry.is_removed();
        Some(entry)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> Count {
        self.read().count
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
}

impl Count {
    fn subtract(&mut self, is_pending: bool) {
        self.all -= 1;
        self.pending -= usize::from(is_pending);
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

/// Sessions without keys that one peer may have.
const MAX_PENDING_OF_PEER: usize = 4;
/// Sessions that one peer may have.
const MAX_OF_PEER: usize = 1024;
/// Sessions without keys that there may be in all.
const MAX_PENDING: usize = 1024;
/// Sessions that there may be in all.
const MAX_SESSIONS: usize = 16 * 1024;
