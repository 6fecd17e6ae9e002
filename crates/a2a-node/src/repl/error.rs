//! Why a command failed: what happened, what to do next, a word for scripts and an exit code.

use std::fmt;

use a2a_core::text::shown_lines;
use serde::Serialize;

use crate::console::Console;
use crate::error::NodeError;

/// A failed command. As JSON: `code`, `message`, `next`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandError {
    code: &'static str,
    message: String,
    /// Empty where the message says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    next: String,
    #[serde(skip)]
    exit_code: u8,
}

impl CommandError {
    /// `code` is a stable word for scripts, `message` says what happened, `next` what to do about it.
    pub fn new(code: &'static str, message: impl Into<String>, next: impl Into<String>) -> Self {
        Self { code, message: message.into(), next: next.into(), exit_code: FAILED }
    }

    /// What was typed does not fit.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { exit_code: MISUSED, ..Self::new("usage", message, "type `help` for all commands") }
    }

    /// Ctrl-C.
    pub fn cancelled() -> Self {
        Self::new("cancelled", "cancelled", "type the command again, or `exit` to leave")
    }

    /// The input ended where an answer was needed.
    pub fn no_answer(question: &str) -> Self {
        let message = format!("no answer to `{}`", question.trim_end().trim_end_matches(':'));
        Self::new("no_answer", message, "give it on the command line")
    }

    /// The same, with another thing to do.
    #[must_use]
    pub fn with_next(self, next: impl Into<String>) -> Self {
        Self { next: next.into(), ..self }
    }

    /// A stable word for scripts.
    pub fn code(&self) -> &'static str {
        self.code
    }

    /// 1 for a failure, 2 for a command that was typed wrongly.
    pub fn exit_code(&self) -> u8 {
        self.exit_code
    }

    /// Prints it for a person.
    pub fn show(&self, console: &Console) {
        console.print(&self.to_string());
    }
}

/// For a person. What it holds may come from a peer, so it is filtered.
impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "✗ {}", shown_lines(&self.message))?;
        if self.next.is_empty() { Ok(()) } else { write!(f, "\n  → {}", shown_lines(&self.next)) }
    }
}

impl From<NodeError> for CommandError {
    fn from(error: NodeError) -> Self {
        Self::new(error.code(), error.to_string(), error.next_step())
    }
}

const FAILED: u8 = 1;
const MISUSED: u8 = 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_error_says_what_happened_and_what_to_do() {
        let (console, screen) = Console::for_test(&[], false);
        let error = CommandError::from(NodeError::NotEnrolled);
        error.show(&console);
        assert_eq!(screen.text(), "✗ this agent has no certificate yet\n  → run `setup`\n");
        assert_eq!((error.code(), error.exit_code()), ("not_enrolled", 1));
    }

    #[test]
    fn text_from_a_peer_is_filtered() {
        let (console, screen) = Console::for_test(&[], false);
        CommandError::new("x", "it said \u{1b}[2Jboo", "go").show(&console);
        assert_eq!(screen.text(), "✗ it said \\u{1b}[2Jboo\n  → go\n");
    }
}
