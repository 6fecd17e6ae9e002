//! Who does what, and what must come of it.

use std::time::Duration;

use a2a_core::session::frame::{decode_frames, encode_frames};
use a2a_core::session::{
    Ack, CloseReason, ClosingSealer, Frame, FrameType, Opened, RekeyStep, Session, SessionError,
};
use a2a_core::time::UnixTime;
use a2a_core::wire::MAX_SEND_BODY;
use uuid::Uuid;

use super::way::{Sealed, Way};
use crate::cast::{NOW, POLICY, sessions};
use crate::choices::Choices;

/// Both ends, and what is between them. Side 0 has asked for the session; way 0 is what it sends.
pub(super) struct Story {
    now: UnixTime,
    began: UnixTime,
    sides: [Option<Session>; 2],
    /// Sides that have closed and wait to hear that it was heard.
    closing: [Option<ClosingSealer>; 2],
    ways: [Way; 2],
    network: Vec<Packet>,
    said: u32,
}

/// What the network has. It outlives the session that it belongs to.
#[derive(Clone)]
enum Packet {
    Frame { way: usize, frame: Frame },
    Ack { way: usize, ack: Ack },
}

impl Story {
    pub(super) fn begin() -> Self {
        let ways = [Way::beginning_with(None), Way::beginning_with(None)];
        let (sides, closing, network) = ([None, None], [None, None], Vec::new());
        let mut story = Self { now: NOW, began: NOW, sides, closing, ways, network, said: 0 };
        story.set_up();
        story
    }

    /// One thing that somebody does.
    pub(super) fn go_on(&mut self, choice: u8, choices: &mut Choices<'_>) {
        let side = choices.side();
        match choice % 16 {
            0..=2 => self.say(side, choices.index(300)),
            3..=4 => self.deliver(choices, false),
            5 => self.deliver(choices, true),
            6 => self.edit(choices),
            7 => self.lose(choices),
            8 => self.batch(side, choices),
            9 => self.send_back(choices),
            10..=11 => self.acknowledge(side),
            12 => self.exchange_keys(),
            13 => self.now = self.now.saturating_add(Duration::from_secs(150)),
            14 if choices.index(4) == 0 => self.close(side),
            14 => {}
            _ => self.restart(side, choices),
        }
        self.check();
    }

    /// The network is good from now on: what is not heard yet is heard, and what is said now, too.
    pub(super) fn end_well(&mut self) {
        if self.sides.iter().any(Option::is_none) {
            return;
        }
        for side in [0, 1] {
            self.say(side, 1);
        }
        while self.sides.iter().all(Option::is_some) && self.ways.iter().any(|way| way.received < way.count())
        {
            for way in [0, 1] {
                let next = usize::try_from(self.ways[way].received).unwrap_or(usize::MAX);
                let frame = self.ways[way].sealed.get(next).map(|sealed| sealed.frame.clone());
                if let Some(frame) = frame {
                    self.arrives(1 - way, &frame);
                }
            }
        }
        if self.sides.iter().all(Option::is_some) {
            for way in [0, 1] {
                self.acknowledge(1 - way);
                let Some(Packet::Ack { ack, .. }) = self.network.pop() else { panic!("it was sent") };
                self.is_told(way, &ack);
                assert_eq!(self.ways[way].acknowledged, self.ways[way].count(), "not all was acknowledged");
            }
        }
        self.check();
    }

    fn set_up(&mut self) {
        self.began = self.now;
        let (initiator, responder, established) = sessions(self.now);
        self.sides = [Some(initiator), Some(responder)];
        self.closing = [None, None];
        self.ways = [Way::beginning_with(None), Way::beginning_with(Some(established.frame))];
    }

    fn say(&mut self, side: usize, length: usize) {
        self.said += 1;
        let payload: Vec<u8> = self.said.to_be_bytes().into_iter().cycle().take(length).collect();
        let frame_type = if length.is_multiple_of(2) { FrameType::Text } else { FrameType::Data };
        self.seal(side, frame_type, payload);
    }

    fn seal(&mut self, side: usize, frame_type: FrameType, payload: Vec<u8>) {
        let Some(session) = &mut self.sides[side] else { return };
        let frame = session.sealer.seal(frame_type, payload.clone(), self.now).expect("there is room");
        self.ways[side].sealed.push(Sealed { frame: frame.clone(), payload });
        self.send(Packet::Frame { way: side, frame });
    }

    fn send(&mut self, packet: Packet) {
        self.network.push(packet);
        // The oldest are lost.
        if self.network.len() > MAX_UNDER_WAY {
            self.network.remove(0);
        }
    }

    fn exchange_keys(&mut self) {
        let Some(session) = &mut self.sides[0] else { return };
        if let Some(payload) = session.rekey.begin().expect("an exchange can begin") {
            self.seal(0, FrameType::Rekey, payload);
        }
    }

    fn acknowledge(&mut self, side: usize) {
        let Some(session) = &self.sides[side] else { return };
        let (way, ack) = (1 - side, session.opener.acknowledge());
        self.ways[way].acknowledge(ack.clone());
        self.send(Packet::Ack { way, ack });
    }

    fn close(&mut self, side: usize) {
        let Some(Session { sealer, opener, .. }) = self.sides[side].take() else { return };
        let received = opener.received();
        let (closing, frame) = sealer.close(CloseReason::Done, received, self.now).expect("it can be closed");
        let way = &mut self.ways[side];
        way.closed_at = Some(received);
        way.sealed.push(Sealed { frame: frame.clone(), payload: Vec::new() });
        self.closing[side] = Some(closing);
        self.send(Packet::Frame { way: side, frame });
    }

    /// Keys never touch the disk, so who restarts has none. Sooner or later both set up a new session.
    fn restart(&mut self, side: usize, choices: &mut Choices<'_>) {
        if choices.side() == 0 && self.sides.iter().all(Option::is_some) {
            (self.sides[side], self.closing[side]) = (None, None);
        } else if self.sides.iter().any(Option::is_none) {
            self.set_up();
        }
    }

    fn pick(&self, choices: &mut Choices<'_>) -> Option<(usize, Packet)> {
        let index = choices.index(self.network.len());
        self.network.get(index).map(|packet| (index, packet.clone()))
    }

    fn deliver(&mut self, choices: &mut Choices<'_>, again: bool) {
        let Some((index, packet)) = self.pick(choices) else { return };
        if !again {
            self.network.remove(index);
        }
        match packet {
            Packet::Frame { way, frame } => {
                let json = frame.to_json();
                let arrived = Frame::from_json(json.as_bytes(), MAX_SEND_BODY).expect("a frame's own JSON");
                assert_eq!(arrived, frame);
                self.arrives(1 - way, &arrived);
            }
            Packet::Ack { way, ack } => self.is_told(way, &ack),
        }
    }

    fn lose(&mut self, choices: &mut Choices<'_>) {
        if let Some((index, _)) = self.pick(choices) {
            self.network.remove(index);
        }
    }

    /// To whoever has sent it.
    fn send_back(&mut self, choices: &mut Choices<'_>) {
        match self.pick(choices) {
            Some((_, Packet::Frame { way, frame })) => self.arrives(way, &frame),
            Some((_, Packet::Ack { way, ack })) => self.is_told(1 - way, &ack),
            None => {}
        }
    }

    fn edit(&mut self, choices: &mut Choices<'_>) {
        let Some((_, packet)) = self.pick(choices) else { return };
        match packet {
            Packet::Frame { way, mut frame } => {
                match choices.index(6) {
                    0 => frame.epoch = frame.epoch.wrapping_add_signed(choices.shift().into()),
                    1 => frame.seq = frame.seq.saturating_add_signed(choices.shift().into()),
                    2 => frame.frame_type = TYPES[choices.index(TYPES.len())],
                    3 => frame.session_id = flipped(frame.session_id, choices.index(128)),
                    4 => {
                        if let Some((_, Packet::Frame { frame: other, .. })) = self.pick(choices) {
                            frame.ciphertext = other.ciphertext;
                        }
                    }
                    _ => frame.ciphertext = choices.edited(frame.ciphertext.as_bytes()).into(),
                }
                self.arrives(1 - way, &frame);
            }
            Packet::Ack { way, mut ack } => {
                match choices.index(2) {
                    0 => ack.received = ack.received.saturating_add_signed(choices.shift().into()),
                    _ => ack.mac = choices.edited(ack.mac.as_bytes()).into(),
                }
                self.is_told(way, &ack);
            }
        }
    }

    /// Some frames in a row as one body, of which a byte may be another.
    fn batch(&mut self, way: usize, choices: &mut Choices<'_>) {
        let sealed = &self.ways[way].sealed;
        let first = choices.index(sealed.len());
        let frames: Vec<_> = sealed.iter().skip(first).take(5).map(|sealed| sealed.frame.clone()).collect();
        let Some(session_id) = frames.first().map(|frame| frame.session_id) else { return };
        let mut body = encode_frames(session_id, &frames);
        if choices.side() == 1 {
            body = choices.edited(&body);
        }
        for frame in decode_frames(&body).unwrap_or_default() {
            self.arrives(1 - way, &frame);
        }
    }

    /// A frame comes to one side. If it is the next one, as it was sealed, it must be taken; else nothing may change.
    fn arrives(&mut self, side: usize, frame: &Frame) {
        let Some(session) = &mut self.sides[side] else { return };
        let way = &mut self.ways[1 - side];
        let (due, is_honest) = (way.received, way.honest(frame).is_some());
        let outcome = session.opener.open(frame.clone(), self.now);
        match outcome {
            Ok(Opened::New { frame_type, seq, payload }) => {
                way.take(frame, (frame_type, seq, &payload));
                assert_eq!(session.opener.received(), due + 1);
                if frame_type == FrameType::Rekey {
                    let step = session.rekey.receive(&payload).expect("an honest step");
                    self.change_keys(side, step);
                }
                return;
            }
            Ok(Opened::Closed { close, missing }) => {
                assert!(is_honest, "a close that nobody has sealed");
                assert_eq!((missing, close.sent), (frame.seq - due, frame.seq));
                assert_eq!(Some(close.received), way.closed_at);
                way.received = frame.seq + 1;
                self.acknowledge(side);
                self.sides[side] = None;
                return;
            }
            Ok(Opened::Duplicate) => assert!(frame.seq < due),
            Err(SessionError::OutOfOrder { expected, found }) => {
                assert_eq!((expected, found), (due, frame.seq));
                assert!(found > due && frame.frame_type != FrameType::Close);
            }
            Err(SessionError::BadFrame) => {
                assert!(!is_honest || frame.seq != due, "the next frame was refused");
            }
            Err(SessionError::Exhausted) => {
                assert!(is_honest && self.now.since(self.began) >= 2 * POLICY.age);
                self.sides[side] = None;
                return;
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(session.opener.received(), due, "what was not taken has changed something");
    }

    fn change_keys(&mut self, side: usize, step: RekeyStep) {
        let RekeyStep { opener, reply, sealer, .. } = step;
        let Some(session) = &mut self.sides[side] else { return };
        if let Some(keys) = opener {
            session.opener.switch(keys, self.now).expect("fresh keys");
            self.ways[1 - side].receiver_switches();
        }
        if let Some(payload) = reply {
            self.seal(side, FrameType::Rekey, payload);
        }
        let Some(session) = &mut self.sides[side] else { return };
        if let Some(keys) = sealer {
            session.sealer.switch(keys, self.now).expect("fresh keys");
            self.ways[side].sender_switches();
        }
    }

    /// An acknowledgement comes to whoever sends on this way.
    fn is_told(&mut self, way: usize, ack: &Ack) {
        let books = &mut self.ways[way];
        let is_good = books.is_good(ack);
        if let Some(session) = &mut self.sides[way] {
            let outcome = session.sealer.accept(ack);
            assert_eq!(outcome.is_ok(), is_good, "{outcome:?}");
            if is_good {
                books.believe(ack);
                assert_eq!(outcome, Ok(books.acknowledged));
            }
        } else if let Some(closing) = self.closing[way].take() {
            let is_heard = is_good && ack.received == books.count();
            assert_eq!(closing.accept(ack).is_ok(), is_heard, "a close is confirmed");
        }
    }

    fn check(&self) {
        for side in [0, 1] {
            let Some(session) = &self.sides[side] else { continue };
            assert_eq!(session.sealer.sealed(), self.ways[side].count());
            assert_eq!(session.sealer.acknowledged(), self.ways[side].acknowledged);
            assert_eq!(session.opener.received(), self.ways[1 - side].received);
        }
    }
}

fn flipped(id: Uuid, bit: usize) -> Uuid {
    Uuid::from_u128(id.as_u128() ^ 1 << bit)
}

const TYPES: [FrameType; 6] = [
    FrameType::Confirm,
    FrameType::Text,
    FrameType::Data,
    FrameType::Close,
    FrameType::Rekey,
    FrameType::Certificate,
];
const MAX_UNDER_WAY: usize = 64;
