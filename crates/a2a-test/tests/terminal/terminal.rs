//! A pseudo-terminal with a program in it: keys go in, and the screen is read as a person reads it.

use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use pty_process::Size;
use pty_process::blocking::Pty;
use rustix::process::Signal;
use vt100::{Parser, Screen};

use crate::program::{PATIENCE, signal};

/// A terminal, tall enough that nothing ever scrolls away.
pub(crate) struct Terminal {
    prompt: String,
    child: Child,
    keyboard: Pty,
    output: Receiver<Vec<u8>>,
    raw: Vec<u8>,
    parser: Parser,
    /// The first row that has not been read yet.
    unread: usize,
    settings_before: String,
}

impl Terminal {
    /// Starts `command` in a terminal of its own.
    pub(crate) fn start(command: Command, prompt: &str) -> Self {
        let (keyboard, screen) = pty_process::blocking::open().unwrap();
        keyboard.resize(Size::new(ROWS.get(), COLUMNS.get())).unwrap();
        let settings_before = settings(&keyboard);
        let child = pty_process::blocking::Command::from(command).spawn(screen).unwrap();
        let output = read_on_a_thread(&keyboard);
        let parser = Parser::new(ROWS, COLUMNS, 0);
        Self {
            prompt: prompt.to_owned(),
            child,
            keyboard,
            output,
            raw: Vec::new(),
            parser,
            unread: 0,
            settings_before,
        }
    }

    /// Types a command at the prompt, once the prompt is there.
    pub(crate) fn command(&mut self, line: &str) {
        let prompt = self.prompt.clone();
        self.answer(&prompt, line);
    }

    /// Types an answer after a question, once the question is there.
    pub(crate) fn answer(&mut self, question: &str, line: &str) {
        self.types_after(question, line);
        self.keys("\r");
    }

    /// Types an answer that is not shown, once the question is there.
    pub(crate) fn hidden_answer(&mut self, question: &str, line: &str) {
        self.sees(question);
        self.keys(&format!("{line}\r"));
    }

    /// Types a line after a question or prompt and leaves it there, without Enter.
    pub(crate) fn types_after(&mut self, question: &str, line: &str) {
        self.cursor_behind(question);
        self.unread = self.parser.screen().cursor_position().0.into();
        self.keys(line);
        self.cursor_behind(&format!("{question}{line}"));
    }

    /// Waits until the prompt is there and nothing has been typed.
    pub(crate) fn at_prompt(&mut self) {
        let prompt = self.prompt.clone();
        self.cursor_behind(&prompt);
    }

    /// Waits until `text` is all that stands before the cursor in its row.
    pub(crate) fn cursor_behind(&mut self, text: &str) {
        self.wait(&format!("the cursor behind {text:?}"), |screen| {
            let (row, column) = screen.cursor_position();
            (screen.contents_between(row, 0, row, column) == text).then_some(())
        });
    }

    /// Waits until the line that was entered is being carried out.
    pub(crate) fn is_taken(&mut self) {
        self.wait("the line editor's end", |screen| (!screen.bracketed_paste()).then_some(()));
    }

    /// Presses keys.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits for a row that reads exactly `line`, below all rows that have been read.
    pub(crate) fn sees(&mut self, line: &str) {
        let rest = self.sees_beginning(line);
        assert_eq!(rest, "", "more stands behind {line:?}\n{}", self.picture());
    }

    /// Waits for these rows, one below the other; others may stand between.
    pub(crate) fn sees_all(&mut self, lines: &[&str]) {
        for line in lines {
            self.sees(line);
        }
    }

    /// Waits for a row that begins with `beginning`, and returns what else it says.
    pub(crate) fn sees_beginning(&mut self, beginning: &str) -> String {
        let unread = self.unread;
        let (row, rest) = self.wait(&format!("a row {beginning:?}"), |screen| {
            let mut rows = rows(screen).into_iter().enumerate().skip(unread);
            rows.find_map(|(row, text)| Some((row, text.strip_prefix(beginning.trim_end())?.to_owned())))
        });
        self.unread = row + 1;
        rest.trim_start().to_owned()
    }

    /// All rows that have been drawn so far.
    pub(crate) fn picture(&self) -> String {
        rows(self.parser.screen()).join("\n").trim_end().to_owned()
    }

    /// Every byte that the program has sent to the terminal.
    pub(crate) fn raw(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, which: Signal) {
        signal(&self.child, which);
    }

    /// Waits for the program's end; its exit code, or `None` after a signal.
    pub(crate) fn ends(&mut self) -> Option<i32> {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(bytes) = self.output.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            self.draw(&bytes);
        }
        assert!(Instant::now() < deadline, "it does not end:\n{}", self.picture());
        self.child.wait().unwrap().code()
    }

    /// The program's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether the terminal is as it was before the program: line editing, echo, pasting.
    pub(crate) fn is_restored(&self) -> bool {
        settings(&self.keyboard) == self.settings_before && !self.parser.screen().bracketed_paste()
    }

    fn wait<T>(&mut self, what: &str, probe: impl Fn(&Screen) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = probe(self.parser.screen()) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.draw(&bytes),
                Err(error) => panic!("waited in vain for {what} ({error})\n{}", self.picture()),
            }
        }
    }

    fn draw(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.parser.process(bytes);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

fn rows(screen: &Screen) -> Vec<String> {
    screen.rows(0, COLUMNS.get()).map(|row| row.trim_end().to_owned()).collect()
}

/// What `stty` would show.
fn settings(terminal: &Pty) -> String {
    format!("{:?}", rustix::termios::tcgetattr(terminal).unwrap())
}

fn read_on_a_thread(terminal: &Pty) -> Receiver<Vec<u8>> {
    let mut output = std::fs::File::from(rustix::io::dup(terminal).unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        // The end is an error (EIO) on Linux and nothing on other systems.
        while let Ok(length @ 1..) = output.read(&mut buffer) {
            if sender.send(buffer[..length].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

const ROWS: NonZeroU16 = NonZeroU16::new(300).unwrap();
const COLUMNS: NonZeroU16 = NonZeroU16::new(160).unwrap();
