//! Lines from a terminal, through rustyline: history, completion, hints.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::{Hint, Hinter};
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{CompletionType, Config, Context, Helper};

use super::input::{Ahead, Input, Prompt, Source};
use super::screen::Screen;
use super::vocabulary::Vocabulary;

/// A terminal's source of lines.
pub(super) struct Editor {
    inner: rustyline::Editor<LineEditor, FileHistory>,
    ahead: Ahead,
    screen: Arc<Screen>,
    vocabulary: Vocabulary,
    history: Option<PathBuf>,
}

impl Editor {
    /// `None` if the terminal cannot edit lines (`TERM=dumb`).
    pub(super) fn open(
        screen: Arc<Screen>,
        vocabulary: Vocabulary,
        ahead: Ahead,
        history: Option<PathBuf>,
    ) -> Option<Self> {
        let config = Config::builder()
            .completion_type(CompletionType::List)
            .max_history_size(MAX_HISTORY)
            .and_then(|builder| builder.history_ignore_dups(true))
            .ok()?
            .history_ignore_space(true)
            .build();
        let mut inner = rustyline::Editor::with_config(config).ok()?;
        screen.feed(inner.create_external_printer().ok()?);
        inner.set_helper(Some(LineEditor::new(vocabulary.clone())));
        if let Some(path) = &history {
            // The first start has none.
            let _ = inner.load_history(path);
        }
        Some(Self { inner, ahead, screen, vocabulary, history })
    }

    fn remember(&mut self, line: &str) {
        if self.vocabulary.is_private(line) {
            return;
        }
        // A full disk costs the memory of a line, not the line.
        if let (Ok(true), Some(path)) = (self.inner.add_history_entry(line), &self.history) {
            let _ = self.inner.append_history(path);
        }
    }
}

impl Source for Editor {
    /// Lines that were pasted at once are given one by one, as if each had been typed when it was asked for. A message
    /// alone may have several.
    fn read(&mut self, prompt: &Prompt) -> Input {
        let input = match self.ahead.next() {
            Some(line) => {
                self.screen.print(&format!("{}{line}", prompt.text()));
                Input::Line(line)
            }
            None => self.type_line(prompt),
        };
        let Input::Line(line) = input else { return input };
        let line = if matches!(prompt, Prompt::Chat(_)) { line } else { self.ahead.keep_rest(&line) };
        if matches!(prompt, Prompt::Command(_)) && !line.trim().is_empty() {
            self.remember(&line);
        }
        Input::Line(line)
    }
}

impl Editor {
    fn type_line(&mut self, prompt: &Prompt) -> Input {
        let is_command = matches!(prompt, Prompt::Command(_));
        if let Some(helper) = self.inner.helper() {
            helper.active.store(is_command, Ordering::Relaxed);
            helper.asks.store(matches!(prompt, Prompt::Question(_)), Ordering::Relaxed);
        }
        let styled = if self.screen.has_colour() { bold(prompt.text()) } else { prompt.text().to_owned() };
        self.screen.begin_typing();
        let line = self.inner.readline(&(prompt.text(), styled));
        self.screen.end_typing();
        match line {
            Ok(line) => Input::Line(line),
            Err(ReadlineError::Interrupted) => Input::Interrupted,
            Err(_) => Input::EndOfInput,
        }
    }
}

/// What rustyline asks while a line is typed. Commands are completed and hinted at; an answer that has not been begun
/// is told the way out; messages are left alone.
#[derive(Helper)]
struct LineEditor {
    vocabulary: Vocabulary,
    active: AtomicBool,
    asks: AtomicBool,
}

impl LineEditor {
    fn new(vocabulary: Vocabulary) -> Self {
        Self { vocabulary, active: AtomicBool::new(false), asks: AtomicBool::new(false) }
    }
}

impl Completer for LineEditor {
    type Candidate = String;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        if !self.active.load(Ordering::Relaxed) {
            return Ok((pos, Vec::new()));
        }
        Ok(self.vocabulary.complete(&line[..pos]))
    }
}

impl Hinter for LineEditor {
    type Hint = LineHint;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<LineHint> {
        if line.is_empty() && self.asks.load(Ordering::Relaxed) {
            return Some(LineHint { text: WAY_OUT.to_owned(), completes: false });
        }
        if pos < line.len() || !self.active.load(Ordering::Relaxed) {
            return None;
        }
        self.vocabulary.hint(line).map(|(text, completes)| LineHint { text, completes })
    }
}

impl Highlighter for LineEditor {
    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        let dim = anstyle::Style::new().dimmed();
        Cow::Owned(format!("{dim}{hint}{dim:#}"))
    }
}

impl Validator for LineEditor {}

struct LineHint {
    text: String,
    completes: bool,
}

impl Hint for LineHint {
    fn display(&self) -> &str {
        &self.text
    }

    fn completion(&self) -> Option<&str> {
        self.completes.then_some(&self.text)
    }
}

fn bold(text: &str) -> String {
    let bold = anstyle::Style::new().bold();
    format!("{bold}{text}{bold:#}")
}

/// Shown dimmed behind a question, until the answer is begun.
const WAY_OUT: &str = "(Ctrl-C cancels)";
const MAX_HISTORY: usize = 1000;
