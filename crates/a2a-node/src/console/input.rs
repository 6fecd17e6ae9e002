//! Where lines come from when no terminal is there: a pipe or an argument. The terminal's own source is
//! `editor`.

use std::collections::VecDeque;
use std::io::BufRead;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::screen::Screen;

/// What came of asking for a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A line, without its end.
    Line(String),
    /// There will be no more: Ctrl-D, or the end of a pipe or script.
    EndOfInput,
    /// Ctrl-C at the prompt.
    Interrupted,
}

/// What stands before the line being typed, and what kind of line it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// A command: completed, hinted at, remembered. Not shown without a terminal.
    Command(String),
    /// An argument that is asked for: not remembered.
    Question(String),
    /// A message: never remembered.
    Chat(String),
}

impl Prompt {
    /// What is shown.
    pub fn text(&self) -> &str {
        match self {
            Self::Command(text) | Self::Question(text) | Self::Chat(text) => text,
        }
    }
}

/// Somebody waits for a line.
pub(super) struct ReadRequest {
    pub(super) prompt: Prompt,
    pub(super) answer: oneshot::Sender<Input>,
}

/// A supplier of lines, one when asked; it may block.
pub(super) trait Source: Send {
    fn read(&mut self, prompt: &Prompt) -> Input;
}

/// Lines that have been pasted and not been asked for yet. Cheap to clone; clones share the lines.
#[derive(Debug, Clone, Default)]
pub(super) struct Ahead(Arc<Mutex<VecDeque<String>>>);

impl Ahead {
    pub(super) fn next(&self) -> Option<String> {
        self.lines().pop_front()
    }

    /// Gives back the first line of `text`, and keeps the others.
    pub(super) fn keep_rest(&self, text: &str) -> String {
        let mut lines = text.lines().map(str::to_owned);
        let first = lines.next().unwrap_or_default();
        self.lines().extend(lines);
        first
    }

    /// Whoever stops a command means what was to follow it, too.
    pub(super) fn clear(&self) {
        self.lines().clear();
    }

    fn lines(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lines as they come. From a pipe or script, questions and answers are shown, so that a transcript reads as
/// on a terminal; on a terminal that cannot edit lines, prompts are shown and the terminal itself shows what
/// is typed.
pub(super) struct Lines {
    supply: Box<dyn Iterator<Item = String> + Send>,
    screen: Arc<Screen>,
    is_typed: bool,
}

impl Lines {
    pub(super) fn new(supply: Box<dyn Iterator<Item = String> + Send>, screen: Arc<Screen>) -> Self {
        Self { supply, screen, is_typed: false }
    }

    pub(super) fn typed(screen: Arc<Screen>) -> Self {
        Self { supply: Box::new(stdin_lines()), screen, is_typed: true }
    }
}

impl Source for Lines {
    fn read(&mut self, prompt: &Prompt) -> Input {
        if !self.is_typed && matches!(prompt, Prompt::Command(_)) {
            return self.supply.next().map_or(Input::EndOfInput, Input::Line);
        }
        self.screen.open_line(prompt.text());
        let line = self.supply.next();
        match &line {
            Some(_) if self.is_typed => self.screen.forget_line(),
            _ => self.screen.close_line(prompt.text(), line.as_deref().unwrap_or_default()),
        }
        line.map_or(Input::EndOfInput, Input::Line)
    }
}

/// The lines of stdin; bytes that are no UTF-8 become replacement characters, so that they are seen and not
/// lost.
pub(super) fn stdin_lines() -> impl Iterator<Item = String> + Send {
    std::iter::from_fn(|| {
        let mut line = Vec::new();
        let length = std::io::stdin().lock().read_until(b'\n', &mut line).ok()?;
        (length > 0).then(|| String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
    })
}
