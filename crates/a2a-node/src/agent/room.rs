//! How many sessions there are, of each peer and in all, and whether there is room for one more.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use a2a_core::agent_id::AgentId;
use a2a_core::time::UnixTime;
use uuid::Uuid;

/// The sessions that are counted.
#[derive(Debug, Default)]
pub(super) struct Room {
    in_all: Count,
    of_peer: HashMap<AgentId, OfPeer>,
}

/// How many sessions there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) all: usize,
    /// Those without keys among them.
    pub(crate) pending: usize,
}

#[derive(Debug, Default)]
struct OfPeer {
    all: usize,
    /// Those without keys, oldest first.
    pending: VecDeque<(Uuid, UnixTime)>,
}

/// Whether a session may be added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Free,
    /// If this one goes.
    InPlaceOf(Uuid),
    Full,
}

impl Room {
    /// Whether there is room for one more without keys. A peer that has as many as it may gets room if its oldest has had
    /// time enough: one that has crashed asks anew.
    pub(super) fn for_one_more(&self, peer: &AgentId, now: UnixTime) -> Verdict {
        let Count { all, pending } = self.in_all;
        let none = OfPeer::default();
        let of_peer = self.of_peer.get(peer).unwrap_or(&none);
        match of_peer.pending.front() {
            Some((oldest, created_at)) if of_peer.pending.len() >= MAX_PENDING_OF_PEER => {
                if now.since(*created_at) >= GIVES_WAY_AFTER {
                    Verdict::InPlaceOf(*oldest)
                } else {
                    Verdict::Full
                }
            }
            _ if of_peer.all >= MAX_OF_PEER || pending >= MAX_PENDING || all >= MAX_SESSIONS => Verdict::Full,
            _ => Verdict::Free,
        }
    }

    /// A session without keys has been added.
    pub(super) fn add(&mut self, peer: &AgentId, session_id: Uuid, now: UnixTime) {
        let of_peer = self.of_peer.entry(peer.clone()).or_default();
        of_peer.all += 1;
        of_peer.pending.push_back((session_id, now));
        self.in_all.all += 1;
        self.in_all.pending += 1;
    }

    /// One has its keys.
    pub(super) fn established(&mut self, peer: &AgentId, session_id: Uuid) {
        let Some(of_peer) = self.of_peer.get_mut(peer) else { return };
        let before = of_peer.pending.len();
        of_peer.pending.retain(|(pending, _)| *pending != session_id);
        self.in_all.pending -= before - of_peer.pending.len();
    }

    /// One is gone.
    pub(super) fn remove(&mut self, peer: &AgentId, session_id: Uuid) {
        self.established(peer, session_id);
        let Some(of_peer) = self.of_peer.get_mut(peer) else { return };
        of_peer.all -= 1;
        self.in_all.all -= 1;
        if of_peer.all == 0 {
            self.of_peer.remove(peer);
        }
    }

    pub(super) fn count(&self) -> Count {
        self.in_all
    }
}

/// Sessions without keys that one peer may have.
const MAX_PENDING_OF_PEER: usize = 4;
/// How old one of those is before it gives way to the next.
const GIVES_WAY_AFTER: Duration = Duration::from_secs(30);
/// Sessions that one peer may have.
const MAX_OF_PEER: usize = 1024;
/// Sessions without keys that there may be in all.
const MAX_PENDING: usize = 1024;
/// Sessions that there may be in all.
const MAX_SESSIONS: usize = 16 * 1024;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    fn peer(number: usize) -> AgentId {
        format!("peer{number}").parse().unwrap()
    }

    /// Adds one, if there is room.
    fn add(room: &mut Room, peer: &AgentId) -> Option<Uuid> {
        (room.for_one_more(peer, NOW) == Verdict::Free).then(|| {
            let session_id = Uuid::new_v4();
            room.add(peer, session_id, NOW);
            session_id
        })
    }

    /// As many with keys of one peer as there is room for.
    fn fill(room: &mut Room, peer: &AgentId) -> Vec<Uuid> {
        let added = std::iter::from_fn(|| {
            let session_id = add(room, peer)?;
            room.established(peer, session_id);
            Some(session_id)
        });
        added.take(2 * MAX_SESSIONS).collect()
    }

    #[test]
    fn one_peer_has_room_for_1024_sessions_and_all_together_for_16384() {
        let mut room = Room::default();
        let of_first = fill(&mut room, &peer(0));
        assert_eq!(of_first.len(), 1024);
        let of_others: usize = (1..20).map(|number| fill(&mut room, &peer(number)).len()).sum();
        assert_eq!(of_others, 15 * 1024);
        assert_eq!(room.count(), Count { all: 16_384, pending: 0 });
        room.remove(&peer(0), of_first[0]);
        assert!(add(&mut room, &peer(99)).is_some());
        assert!(add(&mut room, &peer(99)).is_none());
    }

    #[test]
    fn one_peer_has_room_for_four_without_keys_and_all_together_for_1024() {
        let mut room = Room::default();
        let added: usize = (0..300)
            .map(|number| std::iter::from_fn(|| add(&mut room, &peer(number))).take(9).count())
            .inspect(|of_peer| assert!(*of_peer <= 4))
            .sum();
        assert_eq!(added, 1024);
        assert_eq!(room.count(), Count { all: 1024, pending: 1024 });
    }

    #[test]
    fn the_oldest_of_a_peer_gives_way_to_its_next_after_half_a_minute() {
        let (mut room, peer) = (Room::default(), peer(0));
        let added: Vec<_> = std::iter::from_fn(|| add(&mut room, &peer)).take(9).collect();
        let after = |secs| NOW.saturating_add(Duration::from_secs(secs));
        assert_eq!(room.for_one_more(&peer, after(29)), Verdict::Full);
        assert_eq!(room.for_one_more(&peer, after(30)), Verdict::InPlaceOf(added[0]));
        room.established(&peer, added[0]);
        assert_eq!(room.for_one_more(&peer, NOW), Verdict::Free);
        assert_eq!(room.count(), Count { all: 4, pending: 3 });
    }

    #[test]
    fn nothing_is_kept_of_who_is_gone() {
        let (mut room, peer) = (Room::default(), peer(0));
        let [pending, established] = [0, 1].map(|_| add(&mut room, &peer).unwrap());
        room.established(&peer, established);
        room.established(&peer, established);
        assert_eq!(room.count(), Count { all: 2, pending: 1 });
        room.remove(&peer, established);
        room.remove(&peer, pending);
        assert_eq!(room.count(), Count::default());
        assert!(room.of_peer.is_empty());
    }
}
