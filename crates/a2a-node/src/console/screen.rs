//! Text on its way out: straight to stdout while nothing is being typed, and above the line while something
//! is.
//!
//! rustyline's printer blocks while its editor is not looking (one slot, emptied only inside `readline`), so
//! it has a thread of its own here and a queue before it: nobody who prints ever waits for a person to press
//! Enter.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use anstream::ColorChoice;
use rustyline::ExternalPrinter;
use serde::Serialize;

use super::paint::painted;

/// The one way to stdout.
pub(super) struct Screen {
    state: Mutex<State>,
    changed: Condvar,
    colour: bool,
    json: bool,
}

struct State {
    out: Box<dyn Write + Send>,
    /// Whether a line is being typed, so that text has to go above it.
    typing: bool,
    above: VecDeque<String>,
    /// The beginning of a line that is still to be completed.
    open: Option<String>,
}

impl Screen {
    /// Stdout as a terminal, in colour unless the environment says otherwise (`NO_COLOR`, `TERM`).
    pub(super) fn terminal() -> Self {
        let colour = anstream::AutoStream::choice(&io::stdout()) != ColorChoice::Never;
        Self::new(Box::new(io::stdout()), colour, false)
    }

    /// Stdout as a pipe or file.
    pub(super) fn plain(json: bool) -> Self {
        Self::new(Box::new(io::stdout()), false, json)
    }

    fn new(out: Box<dyn Write + Send>, colour: bool, json: bool) -> Self {
        let state = State { out, typing: false, above: VecDeque::new(), open: None };
        Self { state: Mutex::new(state), changed: Condvar::new(), colour, json }
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    pub(super) fn has_colour(&self) -> bool {
        self.colour
    }

    pub(super) fn print(&self, text: &str) {
        if !self.json {
            self.put(self.dressed(text));
        }
    }

    pub(super) fn print_json(&self, value: &impl Serialize) {
        if self.json {
            let line = serde_json::to_string(value).expect("reports have string keys and plain values");
            self.put(line + "\n");
        }
    }

    /// Writes the beginning of a line. While a line is being typed, there is no place for half of one: it
    /// waits.
    pub(super) fn open_line(&self, head: &str) {
        if self.json {
            return;
        }
        let mut state = self.lock();
        state.end_open_line();
        if !state.typing {
            state.write(head);
            state.open = Some(head.to_owned());
        }
    }

    /// Completes the line that began with `head`; if it has been cut off, writes all of it.
    pub(super) fn close_line(&self, head: &str, tail: &str) {
        if self.json {
            return;
        }
        let mut state = self.lock();
        if state.open.as_deref() == Some(head) {
            state.open = None;
            state.write(&format!("{tail}\n"));
        } else {
            drop(state);
            self.print(&format!("{head}{tail}"));
        }
    }

    /// Somebody else has completed the line: the terminal, by showing what was typed.
    pub(super) fn forget_line(&self) {
        self.lock().open = None;
    }

    /// From now on, text goes above the line being typed.
    pub(super) fn begin_typing(&self) {
        let mut state = self.lock();
        state.end_open_line();
        state.typing = true;
        self.changed.notify_all();
    }

    /// The line has been entered: whatever still waits is written straight away.
    pub(super) fn end_typing(&self) {
        let mut state = self.lock();
        state.typing = false;
        let waiting: String = state.above.drain(..).collect();
        state.write(&waiting);
    }

    /// Ends all typing; what waits is written below the abandoned line.
    pub(super) fn close(&self) {
        if self.lock().typing {
            self.lock().write("\n");
        }
        self.end_typing();
        self.lock().end_open_line();
    }

    /// Starts the thread that hands text to `printer` while a line is being typed.
    pub(super) fn feed(self: &Arc<Self>, mut printer: impl ExternalPrinter + Send + 'static) {
        let screen = self.clone();
        std::thread::spawn(move || {
            loop {
                let text = screen.next_above();
                if printer.print(text).is_err() {
                    return;
                }
            }
        });
    }

    fn next_above(&self) -> String {
        let mut state = self.lock();
        while !state.typing || state.above.is_empty() {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.above.drain(..).collect()
    }

    fn put(&self, text: String) {
        let mut state = self.lock();
        if state.typing {
            state.above.push_back(text);
            self.changed.notify_all();
        } else {
            state.end_open_line();
            state.write(&text);
        }
    }

    fn dressed(&self, text: &str) -> String {
        let lines = text.split('\n');
        lines.map(|line| if self.colour { painted(line) } else { line.to_owned() } + "\n").collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// A reader that has gone away (a closed pipe) is no reason to stop serving.
    fn write(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn end_open_line(&mut self) {
        if self.open.take().is_some() {
            self.write("\n");
        }
    }
}

/// What a screen under test has been given.
#[cfg(test)]
#[derive(Clone, Default)]
pub(crate) struct Captured(Arc<Mutex<Vec<u8>>>);

#[cfg(test)]
impl Captured {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
    }
}

#[cfg(test)]
impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
impl Screen {
    pub(super) fn captured(json: bool) -> (Self, Captured) {
        let captured = Captured::default();
        (Self::new(Box::new(captured.clone()), false, json), captured)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_step_stands_on_one_line_unless_something_comes_between() {
        let (screen, captured) = Screen::captured(false);
        screen.open_line("[1/4] Verifying... ");
        screen.close_line("[1/4] Verifying... ", "✓");
        screen.open_line("[2/4] Requesting... ");
        screen.print("[INCOMING] somebody");
        screen.close_line("[2/4] Requesting... ", "✓ Accepted");
        assert_eq!(
            captured.text(),
            "[1/4] Verifying... ✓\n[2/4] Requesting... \n[INCOMING] somebody\n[2/4] Requesting... ✓ Accepted\n"
        );
    }

    struct Above(mpsc::Sender<String>);

    impl ExternalPrinter for Above {
        fn print(&mut self, text: String) -> rustyline::Result<()> {
            self.0.send(text).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe).into())
        }
    }

    #[test]
    fn while_a_line_is_typed_text_goes_above_it() {
        let (screen, captured) = Screen::captured(false);
        let screen = Arc::new(screen);
        let (sender, above) = mpsc::channel();
        screen.feed(Above(sender));
        screen.begin_typing();
        screen.print("notice");
        assert_eq!(above.recv().unwrap(), "notice\n");
        screen.end_typing();
        screen.print("result");
        assert_eq!(captured.text(), "result\n");
    }

    #[test]
    fn what_the_editor_did_not_take_is_not_lost() {
        let (screen, captured) = Screen::captured(false);
        screen.begin_typing();
        screen.print("one");
        screen.print("two");
        screen.end_typing();
        assert_eq!(captured.text(), "one\ntwo\n");
    }
}
