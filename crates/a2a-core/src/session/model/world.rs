//! Two sides, the network between them, and what becomes of them: the part of the model that moves.

use std::time::Duration;

use uuid::Uuid;

use super::Flaw;
use crate::crypto::kdf::Secret;
use crate::crypto::provider::available;
use crate::handshake::key_schedule::{DirectionSecrets, Role};
use crate::session::frame::Direction;
use crate::session::{
    Ack, CloseReason, ClosingSealer, DirectionKeys, Frame, FrameType, Opened, Opener, RekeyPolicy, Sealer,
};
use crate::time::UnixTime;

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// A side seals its next text and sends it.
    Say(Side),
    /// The initiator begins a fresh exchange.
    Exchange,
    /// A side seals its close and sends it; what was not acknowledged before is given up.
    Close(Side),
    /// A side's program ends and starts again: no session survives that.
    Restart(Side),
    /// The peer's frame with this index reaches a side, for the first time or again.
    Deliver(Side, usize),
    /// The peer's acknowledgement with this index reaches a side.
    Acknowledge(Side, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Side {
    Initiator,
    Responder,
}

impl Side {
    pub(super) const BOTH: [Self; 2] = [Self::Initiator, Self::Responder];

    pub(super) fn other(self) -> Self {
        match self {
            Self::Initiator => Self::Responder,
            Self::Responder => Self::Initiator,
        }
    }

    fn direction(self) -> Direction {
        Direction::sent_by(match self {
            Self::Initiator => Role::Initiator,
            Self::Responder => Role::Responder,
        })
    }
}

/// What can be seen of both sides and of the network: enough to tell what can happen next.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Seen {
    sides: [SideSeen; 2],
    /// Frames that were due and were not taken.
    pub(super) refused: Vec<(Side, usize)>,
}

impl Seen {
    pub(super) fn of(&self, side: Side) -> &SideSeen {
        &self.sides[side as usize]
    }

    fn of_mut(&mut self, side: Side) -> &mut SideSeen {
        &mut self.sides[side as usize]
    }

    pub(super) fn delivered_is_a_prefix(&self, side: Side) -> bool {
        let delivered = &self.of(side).delivered;
        delivered.iter().copied().eq(0..delivered.len()) && delivered.len() <= self.of(side.other()).said
    }

    pub(super) fn acknowledged_was_received(&self, side: Side) -> bool {
        self.of(side).acknowledged <= self.of(side.other()).received
    }

    /// A close that was confirmed has reached the other side, which knows how much it lacks.
    pub(super) fn ends_agree(&self, side: Side) -> bool {
        let (own, peer) = (self.of(side), self.of(side.other()));
        let told = peer.peer_closed.is_none_or(|missing| {
            missing + peer.received_before_close + 1 == own.frames.len() as u64
                && (missing > 0 || peer.delivered.len() == own.said)
        });
        told && (!own.is_confirmed() || peer.peer_closed.is_some())
    }

    pub(super) fn no_number_twice_under_a_key(&self, side: Side) -> bool {
        let frames = &self.of(side).frames;
        frames.iter().enumerate().all(|(index, (epoch, seq, _))| {
            frames[..index].iter().all(|(other_epoch, other_seq, _)| (other_epoch, other_seq) != (epoch, seq))
        })
    }
}

/// What can be seen of one side.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct SideSeen {
    /// Epoch, number and kind of each frame that it has sealed: the network keeps them all.
    pub(super) frames: Vec<(u32, u64, Kind)>,
    /// How far each acknowledgement goes, and under which exchange's keys: the network keeps these, too.
    pub(super) acks: Vec<(u64, bool)>,
    /// How many texts it has said.
    pub(super) said: usize,
    /// The texts that it has shown to its person.
    pub(super) delivered: Vec<usize>,
    received: u64,
    received_before_close: u64,
    acknowledged: u64,
    /// An acknowledgement under the fresh keys has come, so one under the former ones is no longer taken.
    acknowledged_fresh: bool,
    /// The peer has closed, and so many frames before that never came.
    peer_closed: Option<u64>,
    pub(super) has_begun: bool,
    pub(super) has_restarted: bool,
    stage: Stage,
}

/// How far a side has come with its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
enum Stage {
    #[default]
    Open,
    Closing,
    /// The peer has confirmed the close.
    Confirmed,
    /// The peer has closed, or this side's program has ended.
    Over,
}

impl SideSeen {
    pub(super) fn can_send(&self) -> bool {
        self.stage == Stage::Open
    }

    pub(super) fn is_confirmed(&self) -> bool {
        self.stage == Stage::Confirmed
    }
}

/// What a frame carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Text(usize),
    /// M3' to M6'.
    Exchange(u8),
    Close,
}

/// Both sides' real halves, and all that was ever sent.
pub(super) struct World {
    flaw: Flaw,
    sides: [Halves; 2],
    pub(super) seen: Seen,
}

struct Halves {
    sealer: Option<Sealer>,
    closing: Option<ClosingSealer>,
    opener: Option<Opener>,
    /// The answer to the peer's close, and that close, which is remembered.
    last: Option<(usize, Ack)>,
    frames: Vec<Frame>,
    acks: Vec<Ack>,
}

impl World {
    pub(super) fn new(flaw: Flaw) -> Self {
        Self { flaw, sides: Side::BOTH.map(Halves::new), seen: Seen::default() }
    }

    pub(super) fn play(&mut self, act: Act) {
        match act {
            Act::Say(side) => {
                let text = self.seen.of(side).said;
                self.seen.of_mut(side).said += 1;
                self.send(side, Kind::Text(text));
            }
            Act::Exchange => {
                self.seen.of_mut(Side::Initiator).has_begun = true;
                self.send(Side::Initiator, Kind::Exchange(3));
            }
            Act::Close(side) => self.close(side),
            Act::Restart(side) => self.restart(side),
            Act::Deliver(side, frame) => self.deliver(side, frame),
            Act::Acknowledge(side, ack) => self.acknowledge(side, ack),
        }
    }

    fn send(&mut self, side: Side, kind: Kind) {
        let halves = &mut self.sides[side as usize];
        // Whoever has closed or ended says no more.
        let Some(sealer) = halves.sealer.as_mut() else { return };
        let (frame_type, payload) = match kind {
            Kind::Text(text) => (FrameType::Text, text.to_string()),
            Kind::Exchange(message) => (FrameType::Rekey, message.to_string()),
            Kind::Close => unreachable!("a close has a way of its own"),
        };
        let frame = sealer.seal(frame_type, payload.into(), NOW).expect("it seals");
        self.put(side, frame, kind);
    }

    fn put(&mut self, side: Side, frame: Frame, kind: Kind) {
        self.seen.of_mut(side).frames.push((frame.epoch, frame.seq, kind));
        self.sides[side as usize].frames.push(frame);
    }

    fn close(&mut self, side: Side) {
        let received = self.seen.of(side).received;
        let halves = &mut self.sides[side as usize];
        let Some(sealer) = halves.sealer.take() else { return };
        let (closing, frame) = sealer.close(CloseReason::Done, received, NOW).expect("it closes");
        halves.closing = Some(closing);
        let stage = if self.flaw == Flaw::TrustsTheClose { Stage::Confirmed } else { Stage::Closing };
        self.seen.of_mut(side).stage = stage;
        self.put(side, frame, Kind::Close);
    }

    fn restart(&mut self, side: Side) {
        let sides = &mut self.sides[side as usize];
        let fresh = Halves::new(side);
        let is_over = self.flaw != Flaw::KeepsKeys;
        (sides.sealer, sides.opener) = if is_over { (None, None) } else { (fresh.sealer, fresh.opener) };
        (sides.closing, sides.last) = (None, None);
        let seen = self.seen.of_mut(side);
        seen.has_restarted = true;
        if is_over {
            seen.stage = Stage::Over;
        }
    }

    fn deliver(&mut self, side: Side, index: usize) {
        let halves = &mut self.sides[side as usize];
        if let Some((close, ack)) = &halves.last {
            // The close that ended the session, once more; the answer is the same.
            if *close == index {
                let ack = ack.clone();
                self.answer(side, ack);
            }
            return;
        }
        let from = side.other();
        let frame = self.sides[from as usize].frames[index].clone();
        let Some(opener) = self.sides[side as usize].opener.as_mut() else { return };
        let is_due = frame.seq == opener.received();
        match opener.open(frame, NOW) {
            Ok(Opened::New { .. }) => self.opened(side, self.seen.of(from).frames[index].2),
            Ok(Opened::Duplicate) => {
                if let (Flaw::DeliversDuplicates, Kind::Text(text)) =
                    (self.flaw, self.seen.of(from).frames[index].2)
                {
                    self.seen.of_mut(side).delivered.push(text);
                }
                self.answer_opener(side);
            }
            Ok(Opened::Closed { missing, .. }) => self.closed(side, index, missing),
            Err(_) if is_due => self.seen.refused.push((side, index)),
            Err(_) if self.flaw == Flaw::AcknowledgesUnopened => self.lie(side),
            Err(_) => {}
        }
    }

    /// A frame that is new.
    fn opened(&mut self, side: Side, kind: Kind) {
        self.seen.of_mut(side).received += 1;
        match kind {
            Kind::Text(text) => self.seen.of_mut(side).delivered.push(text),
            Kind::Exchange(message) => self.step(side, message),
            Kind::Close => unreachable!("a close is no new frame"),
        }
        self.answer_opener(side);
    }

    /// What `Rekey::receive` has done, in its order: the opener's keys, the reply, the sealer's keys.
    fn step(&mut self, side: Side, message: u8) {
        if message >= 5 {
            let opener = self.sides[side as usize].opener.as_mut().expect("it has just opened");
            opener.switch(fresh_keys(side.other()), NOW).expect("it switches");
        }
        let switches = matches!(message, 4 | 5);
        if switches && message == 4 && self.flaw == Flaw::SwitchesEarly {
            self.switch_sealer(side);
        }
        if message < 6 {
            self.send(side, Kind::Exchange(message + 1));
        }
        if switches && !(message == 4 && self.flaw == Flaw::SwitchesEarly) {
            self.switch_sealer(side);
        }
    }

    fn switch_sealer(&mut self, side: Side) {
        if let Some(sealer) = self.sides[side as usize].sealer.as_mut() {
            sealer.switch(fresh_keys(side), NOW).expect("it switches");
        }
    }

    /// The peer's close ends the session: every key goes, the answer stays.
    fn closed(&mut self, side: Side, index: usize, missing: u64) {
        let halves = &mut self.sides[side as usize];
        let ack = halves.opener.take().expect("it has just opened").acknowledge();
        (halves.sealer, halves.closing) = (None, None);
        halves.last = Some((index, ack.clone()));
        let seen = self.seen.of_mut(side);
        (seen.peer_closed, seen.stage) = (Some(missing), Stage::Over);
        seen.received_before_close = seen.received;
        seen.received = ack.received;
        self.answer(side, ack);
    }

    fn answer_opener(&mut self, side: Side) {
        let Some(opener) = self.sides[side as usize].opener.as_ref() else { return };
        let ack = opener.acknowledge();
        self.answer(side, ack);
    }

    fn answer(&mut self, side: Side, ack: Ack) {
        let halves = &mut self.sides[side as usize];
        if !halves.acks.contains(&ack) {
            let is_fresh = self.seen.of(side.other()).acks_are_fresh(ack.received);
            self.seen.of_mut(side).acks.push((ack.received, is_fresh));
            halves.acks.push(ack);
        }
    }

    /// An acknowledgement of a frame that was not opened, which only a side that has the keys can make.
    fn lie(&mut self, side: Side) {
        let mut ahead = Halves::new(side).opener.expect("it is new");
        for frame in &self.sides[side.other() as usize].frames {
            if ahead.open(frame.clone(), NOW).is_err() {
                return;
            }
        }
        self.answer(side, ahead.acknowledge());
    }

    fn acknowledge(&mut self, side: Side, index: usize) {
        let ack = self.sides[side.other() as usize].acks[index].clone();
        let (_, is_fresh) = self.seen.of(side.other()).acks[index];
        let halves = &mut self.sides[side as usize];
        let seen = self.seen.of_mut(side);
        if let Some(sealer) = halves.sealer.as_mut() {
            if let Ok(acknowledged) = sealer.accept(&ack) {
                seen.acknowledged = acknowledged;
                seen.acknowledged_fresh |= is_fresh;
            }
        } else if let Some(closing) = halves.closing.take() {
            // One answer is waited for; another than the confirmation leaves the end unconfirmed.
            if closing.accept(&ack).is_ok() {
                seen.stage = Stage::Confirmed;
            }
        }
    }
}

impl SideSeen {
    /// Whether the acknowledgement of so many frames comes after the one with M5' or M6', so under fresh keys.
    fn acks_are_fresh(&self, received: u64) -> bool {
        self.frames.iter().any(|(_, seq, kind)| matches!(kind, Kind::Exchange(5 | 6)) && *seq < received)
    }
}

impl Halves {
    fn new(side: Side) -> Self {
        let provider = available()[0];
        let (own, peer) = (side.direction(), side.other().direction());
        let sealer = Sealer::new(provider, SESSION, own, secrets(own, 0), POLICY, NOW);
        let opener = Opener::new(provider, SESSION, peer, secrets(peer, 0), POLICY, NOW);
        Self {
            sealer: Some(sealer.expect("it is made")),
            closing: None,
            opener: Some(opener.expect("it is made")),
            last: None,
            frames: Vec::new(),
            acks: Vec::new(),
        }
    }
}

/// The secrets of a direction after so many fresh exchanges.
fn secrets(direction: Direction, exchange: u8) -> DirectionSecrets {
    let secret = |what: u8| Secret::extract(&[direction as u8, exchange], &[what]);
    DirectionSecrets { traffic: secret(0), ack: secret(1) }
}

fn fresh_keys(sender: Side) -> DirectionKeys {
    DirectionKeys(secrets(sender.direction(), 1))
}

const SESSION: Uuid = Uuid::from_u128(7);
const NOW: UnixTime = UnixTime::from_secs(1_739_577_600);
/// Two frames under a key, so that `upd` comes up as well.
const POLICY: RekeyPolicy = RekeyPolicy {
    frames: 2,
    bytes: 1 << 20,
    age: Duration::from_mins(15),
    exchange_age: Duration::from_hours(1),
};
