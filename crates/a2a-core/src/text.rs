//! Free text from a peer, made safe to show to a person (T18 of the threat model).
//!
//! Text is kept and signed as it came; only what is shown is filtered. Look-alike letters are not treated: an
//! agent is told apart by its id and its key's fingerprint, never by free text.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// UTF-8 text of at most `MAX` bytes from a peer. `Display` shows it [filtered](shown).
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct FreeText<const MAX: usize>(String);

impl<const MAX: usize> FreeText<MAX> {
    /// The text as it came: for signing and comparing, not for a terminal.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is shown as it came, having nothing to filter.
    pub fn is_plain(&self) -> bool {
        !self.0.chars().any(is_hazardous)
    }
}

/// The text is too long; both in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("text of {found} bytes exceeds the limit of {limit}; shorten it")]
pub struct TextTooLong {
    /// The most that is allowed.
    pub limit: usize,
    /// What came.
    pub found: usize,
}

impl<const MAX: usize> TryFrom<String> for FreeText<MAX> {
    type Error = TextTooLong;

    fn try_from(text: String) -> Result<Self, TextTooLong> {
        if text.len() > MAX { Err(TextTooLong { limit: MAX, found: text.len() }) } else { Ok(Self(text)) }
    }
}

impl<const MAX: usize> std::str::FromStr for FreeText<MAX> {
    type Err = TextTooLong;

    fn from_str(text: &str) -> Result<Self, TextTooLong> {
        text.to_owned().try_into()
    }
}

impl<const MAX: usize> fmt::Display for FreeText<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&shown(&self.0))
    }
}

impl<const MAX: usize> fmt::Debug for FreeText<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", shown(&self.0))
    }
}

/// `text` on one line, with every hazardous character written out, as `\n` or `\u{202e}`.
///
/// Hazardous is what moves the cursor, reorders the line or hides: control characters, line and paragraph
/// separators, everything that Unicode calls default-ignorable (bidi controls, zero-width and tag characters,
/// fillers, variation selectors), annotation marks, and Braille's blank. So the result holds no byte below
/// 0x20 and no 0x7f.
pub fn shown(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_hazardous) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_hazardous(char) {
            safe.extend(char.escape_default());
        } else {
            safe.push(char);
        }
    }
    Cow::Owned(safe)
}

/// As [`shown`], but keeps line breaks (`\n` and `\r\n`); each further line begins with four spaces, so that
/// none can pass for a prompt or a notice.
pub fn shown_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| shown(line.strip_suffix('\r').unwrap_or(line))).collect();
    lines.join("\n    ")
}

fn is_hazardous(char: char) -> bool {
    char.is_control() || INVISIBLE.iter().any(|(first, last)| (*first..=*last).contains(&char))
}

/// Unicode 17's `Default_Ignorable_Code_Point` (DerivedCoreProperties.txt), U+2028 and U+2029, U+FFF9 to
/// U+FFFB, U+13430 to U+1343F (hieroglyphic format controls) and U+2800. A table rather than a crate: Unicode
/// has set these ranges aside for good, unassigned ones among them, so they do not age as tables of letters
/// do.
const INVISIBLE: [(char, char); 19] = [
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{200b}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2060}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{13430}', '\u{1343f}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hazards_are_written_out() {
        for (text, safe) in [
            ("Traveller Agent", "Traveller Agent"),
            ("J\u{fc}rgen, \u{928}\u{92e}\u{938}\u{94d}\u{924}\u{947}, e\u{301}", "Jürgen, नमस्ते, e\u{301}"),
            ("it's \"C:\\dir\"", "it's \"C:\\dir\""),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\u{1b}[2J\u{7}", "\\u{1b}[2J\\u{7}"),
            ("\u{9b}2J\u{7f}\0", "\\u{9b}2J\\u{7f}\\u{0}"),
            ("ab\u{202e}cd\u{2066}", "ab\\u{202e}cd\\u{2066}"),
            ("a\u{200b}b\u{feff}\u{ad}", "a\\u{200b}b\\u{feff}\\u{ad}"),
            ("a\u{2028}b\u{2029}\u{85}", "a\\u{2028}b\\u{2029}\\u{85}"),
            ("\u{3164}\u{2800}\u{e0041}", "\\u{3164}\\u{2800}\\u{e0041}"),
        ] {
            assert_eq!(shown(text), safe);
            let free: FreeText<64> = text.parse().unwrap();
            assert_eq!((free.to_string(), free.is_plain()), (safe.to_owned(), text == safe));
            assert_eq!(format!("{free:?}"), format!("\"{safe}\""));
            assert_eq!(free.as_str(), text);
        }
    }

    #[test]
    fn a_further_line_cannot_pass_for_a_prompt() {
        assert_eq!(shown_lines("hello\r\nhelper_1> y\n\u{1b}[A"), "hello\n    helper_1> y\n    \\u{1b}[A");
        assert_eq!(shown_lines("a\rhelper_1>"), "a\\rhelper_1>");
        assert_eq!(shown_lines("a\u{2028}b"), "a\\u{2028}b");
    }

    #[test]
    fn length_is_in_bytes() {
        assert!("éé".parse::<FreeText<4>>().is_ok());
        assert_eq!("ééa".parse::<FreeText<4>>(), Err(TextTooLong { limit: 4, found: 5 }));
        assert!(serde_json::from_str::<FreeText<4>>("\"abcd\"").is_ok());
        assert!(serde_json::from_str::<FreeText<4>>("\"abcde\"").is_err());
        assert!(serde_json::from_str::<FreeText<4>>("null").is_err());
    }

    /// Anything, with the dangerous ones far more often than chance would have them.
    fn nasty() -> impl Strategy<Value = String> {
        let char = prop_oneof![
            any::<char>(),
            prop::char::range('\0', '\u{a0}'),
            prop::char::range('\u{2000}', '\u{2070}'),
            Just('\u{61c}'),
        ];
        prop::collection::vec(char, 0..40).prop_map(String::from_iter)
    }

    /// Written down a second time, and not through the table.
    fn moves_or_reorders(char: char) -> bool {
        let code = u32::from(char);
        matches!(code, 0..0x20 | 0x7f..0xa0 | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2066..=0x2069)
    }

    proptest! {
        #[test]
        fn nothing_hazardous_is_shown(text in nasty()) {
            for (safe, lines) in [(shown(&text).into_owned(), false), (shown_lines(&text), true)] {
                for char in safe.chars().filter(|char| !(lines && *char == '\n')) {
                    prop_assert!(!moves_or_reorders(char), "{:?}", char);
                }
                prop_assert!(safe.split('\n').skip(1).all(|line| line.starts_with("    ")));
            }
            let once = shown(&text);
            prop_assert_eq!(shown(&once), once.as_ref());
        }
    }
}
