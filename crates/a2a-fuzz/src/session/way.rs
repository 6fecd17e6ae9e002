//! One direction of a session, as an onlooker who sees both ends would keep books of it.

use a2a_core::session::{Ack, Frame, FrameType};

/// What has been sealed in this direction, and what has become of it.
#[derive(Default)]
pub(super) struct Way {
    pub(super) sealed: Vec<Sealed>,
    /// How many the receiver has taken.
    pub(super) received: u64,
    /// What the receiver has said of that, with the keys that it said it under.
    acks: Vec<(Ack, u32)>,
    /// The most that the sender has been told, and believed.
    pub(super) acknowledged: u64,
    /// How many fresh exchanges the sender's keys come after, and the receiver's.
    senders_keys: u32,
    receivers_keys: u32,
    /// Whether the sender knows that the receiver has its latest keys.
    is_confirmed: bool,
    /// How many frames the sender had received itself when it closed.
    pub(super) closed_at: Option<u64>,
}

/// A frame and what is in it.
pub(super) struct Sealed {
    pub(super) frame: Frame,
    pub(super) payload: Vec<u8>,
}

impl Way {
    /// Before anything is sealed, or behind the one frame that has set the session up.
    pub(super) fn beginning_with(first: Option<Frame>) -> Self {
        let received = u64::from(first.is_some());
        let sealed = first.into_iter().map(|frame| Sealed { frame, payload: Vec::new() }).collect();
        Self { sealed, received, is_confirmed: true, ..Self::default() }
    }

    pub(super) fn count(&self) -> u64 {
        self.sealed.len() as u64
    }

    /// What was sealed, if this is it to the last bit.
    pub(super) fn honest(&self, frame: &Frame) -> Option<&Sealed> {
        let sealed = self.sealed.get(usize::try_from(frame.seq).ok()?)?;
        (sealed.frame == *frame).then_some(sealed)
    }

    /// That a frame of this type was opened, saying this.
    pub(super) fn take(&mut self, frame: &Frame, opened: (FrameType, u64, &[u8])) {
        let honest = self.honest(frame).expect("a frame was taken that nobody has sealed");
        assert_eq!(opened, (frame.frame_type, self.received, honest.payload.as_slice()));
        self.received += 1;
    }

    /// That the receiver has said what it has.
    pub(super) fn acknowledge(&mut self, ack: Ack) {
        assert_eq!(ack.received, self.received);
        self.acks.push((ack, self.receivers_keys));
    }

    /// Whether the sender has to believe an acknowledgement.
    pub(super) fn is_good(&self, ack: &Ack) -> bool {
        self.keys_of(ack).is_some_and(|keys| {
            keys == self.senders_keys || (keys + 1 == self.senders_keys && !self.is_confirmed)
        })
    }

    /// That the sender has believed it.
    pub(super) fn believe(&mut self, ack: &Ack) {
        self.is_confirmed |= self.keys_of(ack) == Some(self.senders_keys);
        self.acknowledged = self.acknowledged.max(ack.received);
        assert!(self.acknowledged <= self.received, "acknowledged, and not received");
    }

    fn keys_of(&self, ack: &Ack) -> Option<u32> {
        self.acks.iter().find(|(known, _)| known == ack).map(|(_, keys)| *keys)
    }

    pub(super) fn sender_switches(&mut self) {
        self.senders_keys += 1;
        self.is_confirmed = false;
    }

    pub(super) fn receiver_switches(&mut self) {
        self.receivers_keys += 1;
    }
}
