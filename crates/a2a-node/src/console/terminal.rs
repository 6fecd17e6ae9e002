//! The terminal's own settings: found at the start, put back at the end. The editor may still be inside
//! `readline` (raw mode, bracketed paste) when a signal ends the program.

use std::io::{IsTerminal, Write};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// Whether a person sits at both ends.
pub(super) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

/// The settings as they were found.
pub(super) struct TerminalGuard(Termios);

impl TerminalGuard {
    pub(super) fn save() -> Option<Self> {
        tcgetattr(std::io::stdin()).ok().map(Self)
    }

    /// Puts the settings back. There is nobody left to tell if that fails.
    pub(super) fn restore(&self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Drain, &self.0);
        let mut out = std::io::stdout();
        let _ = out.write_all(END_BRACKETED_PASTE).and_then(|()| out.flush());
    }
}

const END_BRACKETED_PASTE: &[u8] = b"\x1b[?2004l";
