//! A line that is typed without being shown: a passphrase.
//!
//! The terminal's own line editing stays (erasing a letter, a word, the line); only the showing is turned off, before
//! the question is written, and turned on again whatever happens. What was typed before the question does not count.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

/// The terminal of this process, showing nothing of what is typed for as long as this lives.
pub(crate) struct Hidden {
    terminal: File,
    found: Termios,
}

impl Hidden {
    /// Fails if the process has no terminal.
    pub(crate) fn open() -> io::Result<Self> {
        let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty")?;
        let found = tcgetattr(&terminal)?;
        let mut hidden = found.clone();
        // Ctrl-C ends the line instead of the process, which would leave the terminal hiding.
        hidden.local_modes.remove(LocalModes::ECHO | LocalModes::ISIG);
        hidden.local_modes.insert(LocalModes::ICANON | LocalModes::ECHONL);
        hidden.special_codes[SpecialCodeIndex::VEOL] = CTRL_C;
        tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
        Ok(Self { terminal, found })
    }

    /// Asks, and reads a line. [`io::ErrorKind::Interrupted`] is Ctrl-C.
    pub(crate) fn ask(&mut self, question: &str) -> io::Result<Zeroizing<Vec<u8>>> {
        self.terminal.write_all(question.as_bytes())?;
        let mut line = Zeroizing::new(vec![0; LONGEST_LINE]);
        let length = match self.terminal.read(&mut line)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => length,
        };
        line.truncate(length);
        match line.last() {
            Some(&CTRL_C) => {
                self.terminal.write_all(b"\n")?;
                return Err(io::ErrorKind::Interrupted.into());
            }
            Some(b'\n') => drop(line.pop()),
            // Ctrl-D after some letters: as good as Enter.
            _ => self.terminal.write_all(b"\n")?,
        }
        Ok(line)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // There is nobody left to tell if that fails.
        let _ = tcsetattr(&self.terminal, OptionalActions::Drain, &self.found);
    }
}

const CTRL_C: u8 = 3;
/// What a terminal lets through as one line (`termios(3)`, canonical mode).
const LONGEST_LINE: usize = 4096;
