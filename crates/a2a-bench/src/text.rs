//! Texts that show what they are: each carries the number of its line and its place on it, filled to its size.
//!
//! A lost, doubled, misplaced or changed text is found by whoever receives it ([`Ledger`]). Our messages and those of the
//! plain floor are made and checked by the same code, so both ends of both do the same work.

use std::collections::HashMap;
use std::sync::LazyLock;

use uuid::Uuid;

/// Makes the text of `size` bytes, at least [`HEADER`], with this place on this line.
pub(crate) fn make(line: u32, place: u32, size: usize) -> String {
    let mut text = String::with_capacity(size);
    append(&mut text, line, place, size);
    text
}

/// As [`make`], at the end of others.
pub(crate) fn append(text: &mut String, line: u32, place: u32, size: usize) {
    for number in [line, place] {
        for shift in (0..8).rev() {
            text.push(char::from(DIGITS[(number >> (4 * shift)) as usize & 0xf]));
        }
    }
    text.push_str(&filler(place)[..size - HEADER]);
}

/// The number of a session's line: two sessions may share it, so it is compared and never looked up.
pub(crate) fn line_of(session_id: Uuid) -> u32 {
    session_id.as_fields().0
}

/// What has arrived, checked.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    next: HashMap<u128, u32>,
    /// Texts that were what and where they should be.
    pub(crate) texts: u64,
    /// Their bytes.
    pub(crate) bytes: u64,
    /// What was wrong with the others; only the first few are kept.
    pub(crate) faults: Vec<String>,
}

impl Ledger {
    /// Takes note of a text that has come over a connection or session with this key.
    pub(crate) fn enter(&mut self, key: u128, line: u32, text: &str) {
        let next = self.next.entry(key).or_default();
        if let Some(fault) = fault(text, line, *next) {
            return self.accuse(format!("line {line:08x}: {fault}"));
        }
        *next = next.wrapping_add(1);
        self.texts += 1;
        self.bytes += text.len() as u64;
    }

    /// Something is wrong.
    pub(crate) fn accuse(&mut self, fault: String) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(fault);
        }
    }

    /// A line has ended: nothing more comes over it.
    pub(crate) fn forget(&mut self, key: u128) {
        self.next.remove(&key);
    }
}

/// What is wrong with a text, if it is not the one at `place` of `line`.
fn fault(text: &str, line: u32, place: u32) -> Option<String> {
    let number = |range| text.get(range).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    match (number(0..8), number(8..HEADER)) {
        (Some(found), _) if found != line => Some(format!("a text of line {found:08x}")),
        (Some(_), Some(found)) if found != place => Some(format!("text {found} instead of {place}")),
        (Some(_), Some(_)) => {
            let filled = &text[HEADER..];
            let intact = filler(place).get(..filled.len()) == Some(filled);
            (!intact).then(|| format!("text {place} has been changed"))
        }
        _ => Some("a text without numbers".to_owned()),
    }
}

/// Different from one text to the next, so that one text's filling is not taken for another's.
fn filler(place: u32) -> &'static str {
    static FILLER: LazyLock<String> = LazyLock::new(|| {
        let mut state = 1_u32;
        let letters = std::iter::repeat_with(|| {
            // The constants of Numerical Recipes: it has to look different everywhere, not random.
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from(b'a' + ((state >> 16) % 26) as u8)
        });
        letters.take(LARGEST + SHIFTS).collect()
    });
    &FILLER[place as usize % SHIFTS..]
}

/// Bytes in front of the filling: two numbers of eight hexadecimal digits.
pub(crate) const HEADER: usize = 16;
/// The largest text: 1 MiB.
pub(crate) const LARGEST: usize = 1024 * 1024;
const SHIFTS: usize = 1024;
const DIGITS: &[u8; 16] = b"0123456789abcdef";
const MOST_FAULTS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_their_size_and_arrive() {
        let mut ledger = Ledger::default();
        for (place, size) in [(0, HEADER), (1, 1024), (2, LARGEST)] {
            let text = make(7, place, size);
            assert_eq!(text.len(), size);
            ledger.enter(1, 7, &text);
        }
        assert_eq!((ledger.texts, ledger.bytes), (3, (HEADER + 1024 + LARGEST) as u64));
        assert_eq!(ledger.faults, Vec::<String>::new());
    }

    #[test]
    fn lost_doubled_misplaced_and_changed_texts_are_found() {
        let good = make(7, 0, 100);
        let changed = good.replace(&good[50..53], "###");
        for (text, what) in [
            (make(7, 1, 100), "text 1 instead of 0"),
            (make(8, 0, 100), "a text of line 00000008"),
            (changed, "text 0 has been changed"),
            ("short".to_owned(), "a text without numbers"),
        ] {
            let mut ledger = Ledger::default();
            ledger.enter(1, 7, &text);
            assert_eq!((ledger.texts, ledger.faults), (0, vec![format!("line 00000007: {what}")]));
        }
        let mut ledger = Ledger::default();
        ledger.enter(1, 7, &good);
        ledger.enter(1, 7, &good);
        assert_eq!((ledger.texts, ledger.faults.len()), (1, 1));
    }
}
