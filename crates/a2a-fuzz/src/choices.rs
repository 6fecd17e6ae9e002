//! The fuzzer's bytes as choices, one after the other: when they are used up, the story ends.

use serde_json::Value;

/// What is left of the bytes.
pub(crate) struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte.
    pub(crate) fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// Below `count`; the first once the bytes are used up.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        let number = [self.next(), if count > 256 { self.next() } else { None }];
        let number = number.map(Option::unwrap_or_default);
        usize::from(u16::from_le_bytes(number)) % count.max(1)
    }

    /// A few steps forth or back.
    pub(crate) fn shift(&mut self) -> i8 {
        i8::from_le_bytes([self.next().unwrap_or_default()]) % 5
    }

    /// One of two.
    pub(crate) fn side(&mut self) -> usize {
        self.index(2)
    }

    /// Something else than `bytes`, mostly, and never far from them.
    pub(crate) fn edited(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut edited = bytes.to_vec();
        let (kind, place) = (self.index(5), self.index(bytes.len()));
        match kind {
            0 if !edited.is_empty() => edited[place] ^= self.next().unwrap_or(1),
            1 if !edited.is_empty() => drop(edited.remove(place)),
            2 => edited.insert(place, self.next().unwrap_or_default()),
            3 => edited.truncate(place),
            _ => edited.extend_from_within(place..),
        }
        edited
    }

    /// `message` in which one member, at any depth, is that of `other`, or missing.
    pub(crate) fn spliced(&mut self, message: &Value, other: &Value) -> Value {
        let mut spliced = message.clone();
        self.splice(&mut spliced, other);
        spliced
    }

    fn splice(&mut self, message: &mut Value, other: &Value) {
        let Value::Object(members) = message else { return };
        let Some(name) = members.keys().nth(self.index(members.len())).cloned() else { return };
        match (members.get_mut(&name), other.get(&name)) {
            (Some(inner @ Value::Object(_)), Some(others)) if self.side() == 0 => self.splice(inner, others),
            (Some(inner), Some(others)) => inner.clone_from(others),
            _ => drop(members.remove(&name)),
        }
    }
}
