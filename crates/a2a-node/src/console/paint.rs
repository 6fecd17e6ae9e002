//! Colour, by how a line begins. The words themselves carry the meaning: without colour nothing is lost.

use anstyle::{AnsiColor, Style};

/// `line` in the colour of its kind, wrapped as a whole so that its text stays in one piece.
pub(super) fn painted(line: &str) -> String {
    match style(line) {
        Some(style) => format!("{style}{line}{style:#}"),
        None => line.to_owned(),
    }
}

fn style(line: &str) -> Option<Style> {
    let (_, style) = KINDS.iter().find(|(beginning, _)| line.starts_with(beginning))?;
    Some(*style)
}

const KINDS: [(&str, Style); 11] = [
    ("✓", AnsiColor::Green.on_default()),
    ("✗", AnsiColor::Red.on_default()),
    ("  →", AnsiColor::Yellow.on_default()),
    ("[INCOMING]", AnsiColor::Yellow.on_default().bold()),
    ("Do you want", AnsiColor::Yellow.on_default().bold()),
    ("[SESSION]", AnsiColor::Cyan.on_default()),
    ("[KEY EXCHANGE] ✓", AnsiColor::Green.on_default()),
    ("[CRYPTO] ✓", AnsiColor::Green.on_default()),
    ("[KEY EXCHANGE]", AnsiColor::Cyan.on_default()),
    ("[CRYPTO]", AnsiColor::Cyan.on_default()),
    ("💬", Style::new().bold()),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ends_of_a_line_are_touched() {
        assert_eq!(painted("✓ Trust established"), "\u{1b}[32m✓ Trust established\u{1b}[0m");
        assert_eq!(painted("Session: 1"), "Session: 1");
    }
}
