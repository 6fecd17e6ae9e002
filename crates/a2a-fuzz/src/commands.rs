//! What is typed: lines of the REPL, of agents and of the controller, finished or not; and `--exec`.

use std::sync::LazyLock;

use a2a_node::command::AgentCommand;
use a2a_node::console::{Vocabulary, script};
use a2a_node::fuzzing::{command, completion, hint};
use a2a_node::repl::{CommandError, vocabulary};

use crate::texts::assert_harmless;

/// Each line is a command or is refused in words that can be shown; half a line can be completed wherever it ends.
pub(crate) fn lines(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for line in text.lines().take(8) {
        refused_in_words(command::<AgentCommand>(line));
        refused_in_words(controller::fuzzing::command(line));
        for words in [&*AGENTS, &*CONTROLLERS] {
            unfinished(words, line);
        }
    }
    match script::split(text) {
        Ok(lines) => assert!(lines.iter().all(|line| !line.is_empty() && line.trim() == line)),
        Err(error) => refused_in_words(Err(error)),
    }
}

fn refused_in_words(outcome: Result<(), CommandError>) {
    if let Err(error) = outcome {
        assert_eq!((error.code(), error.exit_code()), ("usage", 2));
        error.to_string().split('\n').for_each(assert_harmless);
    }
}

/// Completion puts a word in the place of the last one; a hint goes behind the line.
fn unfinished(words: &Vocabulary, line: &str) {
    for (end, _) in line.char_indices().chain([(line.len(), ' ')]).take(64) {
        let typed = &line[..end];
        let (start, offered) = completion(words, typed);
        let stem = &typed[start..];
        assert!(!stem.contains(char::is_whitespace));
        assert!(offered.iter().all(|word| word.starts_with(stem)));
        let _ = hint(words, typed);
    }
}

static AGENTS: LazyLock<Vocabulary> = LazyLock::new(vocabulary::<AgentCommand>);
static CONTROLLERS: LazyLock<Vocabulary> = LazyLock::new(controller::fuzzing::words);
