//! A bounded search by machine through everything that an unreliable network and two restarting programs can do to one session.
//!
//! `stateright` walks every order of a few sends, a fresh exchange, closes and restarts, with every frame and acknowledgement that was
//! ever sent delivered whenever and as often as the network likes (never is a loss). What seals, opens, acknowledges and closes is
//! the real code. It cannot be copied, so a state is the way to it: each step plays the way again on new sealers and openers, and
//! states are told apart by what can be seen of them. The driver around it does what a2a-node does, in few words; of the fresh
//! exchange the frames and the switching of keys are here and the cryptography is not (`tests/rekey` has that). What this does not
//! show stands in `docs/model/README.md`.

use std::hash::{Hash, Hasher};

use stateright::{Checker, HasDiscoveries, Model, Property};

use self::world::{Act, Seen, Side, World};

mod world;

/// What the driver may do, and which mistake it makes.
#[derive(Debug, Clone, Copy)]
struct Search {
    /// Texts of each side.
    texts: usize,
    exchange: bool,
    close: bool,
    restart: bool,
    flaw: Flaw,
}

/// A mistake in the driver, so that each property can be seen to fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flaw {
    None,
    /// A program that restarts goes on with the keys it began with.
    KeepsKeys,
    /// A frame that came before is delivered once more.
    DeliversDuplicates,
    /// A frame after the next one counts as received.
    AcknowledgesUnopened,
    /// Whoever closes takes the end as confirmed without an acknowledgement.
    TrustsTheClose,
    /// The initiator goes over to the new keys before the frame with M5, not after it.
    SwitchesEarly,
}

const EVERYTHING: Search = Search { texts: 1, exchange: true, close: true, restart: true, flaw: Flaw::None };

/// A way through the search, and what can be seen at its end.
#[derive(Debug, Clone)]
struct State {
    way: Vec<Act>,
    seen: Seen,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.seen == other.seen
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.seen.hash(state);
    }
}

impl Search {
    fn state(self, way: Vec<Act>) -> State {
        let mut world = World::new(self.flaw);
        for act in &way {
            world.play(*act);
        }
        State { way, seen: world.seen }
    }

    fn check(self) -> impl Checker<Self> {
        self.checker().spawn_bfs().join()
    }
}

impl Model for Search {
    type State = State;
    type Action = Act;

    fn init_states(&self) -> Vec<State> {
        vec![self.state(Vec::new())]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Act>) {
        let seen = &state.seen;
        for side in Side::BOTH {
            let (own, peer) = (seen.of(side), seen.of(side.other()));
            if own.can_send() {
                if own.said < self.texts {
                    actions.push(Act::Say(side));
                }
                if self.close {
                    actions.push(Act::Close(side));
                }
                if self.exchange && side == Side::Initiator && !own.has_begun {
                    actions.push(Act::Exchange);
                }
            }
            if self.restart && !own.has_restarted {
                actions.push(Act::Restart(side));
            }
            actions.extend((0..peer.frames.len()).map(|frame| Act::Deliver(side, frame)));
            actions.extend((0..peer.acks.len()).map(|ack| Act::Acknowledge(side, ack)));
        }
    }

    fn next_state(&self, last: &State, act: Act) -> Option<State> {
        let mut way = last.way.clone();
        way.push(act);
        let next = self.state(way);
        (next.seen != last.seen).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(IN_ORDER, |_, state| both(state, Seen::delivered_is_a_prefix)),
            Property::always(ACKNOWLEDGED, |_, state| both(state, Seen::acknowledged_was_received)),
            Property::always(AGREED, |_, state| both(state, Seen::ends_agree)),
            Property::always(ONCE, |_, state| both(state, Seen::no_number_twice_under_a_key)),
            Property::always(DUE, |_, state: &State| state.seen.refused.is_empty()),
            Property::sometimes("all arrives, and an end is confirmed", all_arrives),
        ]
    }
}

/// That this comes up shows that the search is no empty one.
fn all_arrives(search: &Search, state: &State) -> bool {
    let sides = Side::BOTH.map(|side| state.seen.of(side));
    sides.iter().all(|side| side.delivered.len() == search.texts)
        && sides.iter().any(|side| side.is_confirmed())
}

fn both(state: &State, holds: impl Fn(&Seen, Side) -> bool) -> bool {
    Side::BOTH.iter().all(|side| holds(&state.seen, *side))
}

const IN_ORDER: &str = "what is delivered is what was said, in order, once, from the first on";
const ACKNOWLEDGED: &str = "what is acknowledged was received";
const AGREED: &str = "after a close both sides agree, or what is missing is reported";
const ONCE: &str = "no number is used twice under a key";
const DUE: &str = "the frame that is due is taken";

#[test]
fn nothing_that_a_network_and_restarts_can_do_breaks_a_session() {
    EVERYTHING.check().assert_properties();
}

#[test]
fn nor_does_it_with_more_messages() {
    Search { texts: 3, exchange: false, ..EVERYTHING }.check().assert_properties();
}

#[test]
fn each_property_fails_where_the_driver_is_wrong() {
    for (flaw, property) in [
        (Flaw::KeepsKeys, ONCE),
        (Flaw::DeliversDuplicates, IN_ORDER),
        (Flaw::AcknowledgesUnopened, ACKNOWLEDGED),
        (Flaw::TrustsTheClose, AGREED),
        (Flaw::SwitchesEarly, DUE),
    ] {
        let search = Search { texts: 2, flaw, ..EVERYTHING };
        let found = search.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        assert!(found.discovery(property).is_some(), "{flaw:?} is not seen");
    }
}
