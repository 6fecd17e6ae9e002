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

use super::input::{Input, Prompt, Source};
use super::screen::Screen;
use super::vocabulary::Vocabulary;

/// A terminal's source of lines.
pub(super) struct Editor {
    inner: rustyline::Editor<LineEditor, FileHistory>,
    screen: Arc<Screen>,
    vocabulary: Vocabulary,
    history: Option<PathBuf>,
}

impl Editor {
    /// `None` if the terminal cannot edit lines (`TERM=dumb`).
    pub(super) fn open(
        screen: Arc<Screen>,
        vocabulary: Vocabulary,
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
        inner.set_helper(Some(LineEditor { vocabulary: vocabulary.clone(), active: AtomicBool::new(false) }));
        if let Some(path) = &history {
            // The first start has none.
            let _ = inner.load_history(path);
        }
        Some(Self { inner, screen, vocabulary, history })
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
    fn read(&mut self, prompt: &Prompt) -> Input {
        let is_command = matches!(prompt, Prompt::Command(_));
        if let Some(helper) = self.inner.helper() {
            helper.active.store(is_command, Ordering::Relaxed);
        }
        let styled = if self.screen.has_colour() { bold(prompt.text()) } else { prompt.text().to_owned() };
        self.screen.begin_typing();
        let line = self.inner.readline(&(prompt.text(), styled));
        self.screen.end_typing();
        match line {
            Ok(line) => {
                if is_command && !line.trim().is_empty() {
                    self.remember(&line);
                }
                Input::Line(line)
            }
            Err(ReadlineError::Interrupted) => Input::Interrupted,
            Err(_) => Input::EndOfInput,
        }
    }
}

/// What rustyline asks while a line is typed. Answers, questions and messages get no completion and no hints.
#[derive(Helper)]
struct LineEditor {
    vocabulary: Vocabulary,
    active: AtomicBool,
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

const MAX_HISTORY: usize = 1000;
