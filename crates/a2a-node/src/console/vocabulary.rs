//! The words that a line may hold, for completion and hints: the commands of the one table, and names that
//! have come up.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Commands with their syntax, and names. Cheap to clone; clones share the names.
#[derive(Debug, Clone, Default)]
pub struct Vocabulary {
    commands: Arc<[Word]>,
    names: Arc<Mutex<BTreeSet<String>>>,
}

#[derive(Debug)]
struct Word {
    name: String,
    /// What may follow: ` [ADDRESS] [AGENT_ID]`.
    syntax: String,
    /// The fixed values of its first argument.
    values: Vec<String>,
    /// Whether lines with it stay out of the history.
    private: bool,
}

impl Vocabulary {
    /// The words of `table`, whose subcommands are the commands; lines that begin with one of `private` are
    /// never remembered.
    pub fn of(table: &clap::Command, private: &[&str]) -> Self {
        let mut table = table.clone();
        table.build();
        let commands = table.get_subcommands_mut().filter(|command| !command.is_hide_set()).map(|command| {
            let name = command.get_name().to_owned();
            let private = private.contains(&name.as_str());
            Word { syntax: syntax(command), values: values(command), private, name }
        });
        Self { commands: commands.collect(), names: Arc::default() }
    }

    pub(super) fn learn(&self, names: impl IntoIterator<Item = String>) {
        let mut known = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(names);
        // Bounded: a directory of any size must not grow this without end.
        while known.len() > MAX_NAMES {
            known.pop_first();
        }
    }

    /// The words that may stand where `line` ends, with the place where they begin.
    pub(crate) fn complete(&self, line: &str) -> (usize, Vec<String>) {
        // Not every blank is one byte: U+00A0 is a slip of the finger on many keyboards.
        let stem = line.rsplit(char::is_whitespace).next().unwrap_or_default();
        let start = line.len() - stem.len();
        let before = &line[..start];
        let fits = |word: &str| word.starts_with(stem);
        let mut before = before.split_whitespace();
        let Some(command) = before.next() else {
            let names = self.commands.iter().map(|word| word.name.clone());
            return (start, names.filter(|name| fits(name)).collect());
        };
        if command == "help" {
            let names = self.commands.iter().map(|word| word.name.clone());
            return (start, names.filter(|name| fits(name)).collect());
        }
        let is_first = before.next().is_none();
        let values = self.commands.iter().find(|word| word.name == command).map(|word| &word.values);
        if let Some(values) = values.filter(|values| is_first && !values.is_empty()) {
            return (start, values.iter().filter(|value| fits(value)).cloned().collect());
        }
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        (start, names.iter().filter(|name| fits(name)).cloned().collect())
    }

    /// What may follow `line`, and whether it may be taken over as it stands.
    pub(crate) fn hint(&self, line: &str) -> Option<(String, bool)> {
        if line.is_empty() {
            return None;
        }
        if let Some(word) = self.commands.iter().find(|word| word.name == line.trim_end()) {
            let syntax = if line.ends_with(' ') { word.syntax.trim_start() } else { &word.syntax };
            return (!syntax.is_empty()).then(|| (syntax.to_owned(), false));
        }
        let mut fitting = self.commands.iter().filter(|word| word.name.starts_with(line));
        let word = fitting.next().filter(|_| fitting.next().is_none())?;
        Some((word.name[line.len()..].to_owned(), true))
    }

    pub(super) fn is_private(&self, line: &str) -> bool {
        let command = line.split_whitespace().next();
        self.commands.iter().any(|word| word.private && Some(word.name.as_str()) == command)
    }
}

/// The arguments of `command` as its usage line shows them, without its name.
fn syntax(command: &mut clap::Command) -> String {
    let usage = command.render_usage().to_string();
    let after_name = usage.split_once(command.get_name()).map_or("", |(_, syntax)| syntax);
    after_name.replace(" [OPTIONS]", "").lines().next().unwrap_or_default().trim_end().to_owned()
}

fn values(command: &clap::Command) -> Vec<String> {
    let first = command.get_positionals().next();
    let values = first.map(clap::Arg::get_possible_values).unwrap_or_default();
    values.iter().map(|value| value.get_name().to_owned()).collect()
}

const MAX_NAMES: usize = 1000;

#[cfg(test)]
mod tests {
    use clap::{Arg, Command};

    use super::*;

    fn vocabulary() -> Vocabulary {
        let wait = Command::new("wait").arg(Arg::new("WHAT").value_parser(["request", "session"]));
        let table = Command::new("")
            .multicall(true)
            .disable_help_subcommand(true)
            .subcommand(Command::new("setup"))
            .subcommand(Command::new("send").arg(Arg::new("TEXT").required(true)))
            .subcommand(Command::new("sessions"))
            .subcommand(wait);
        Vocabulary::of(&table, &["send"])
    }

    #[test]
    fn commands_values_and_names_are_completed() {
        let words = vocabulary();
        words.learn(["helper_agent_001".to_owned()]);
        assert_eq!(words.complete("se"), (0, vec!["setup".into(), "send".into(), "sessions".into()]));
        assert_eq!(words.complete("wait r"), (5, vec!["request".into()]));
        assert_eq!(words.complete("send hel"), (5, vec!["helper_agent_001".into()]));
        assert_eq!(words.complete("nothing x"), (8, vec![]));
    }

    /// It took one byte for each blank, and cut characters in two.
    #[test]
    fn a_blank_may_be_longer_than_a_byte() {
        let words = vocabulary();
        for blank in ["\u{a0}", "\u{3000}", "\u{2003}\t"] {
            let line = format!("wait{blank}r");
            assert_eq!(words.complete(&line), (line.len() - 1, vec!["request".into()]), "{blank:?}");
            assert_eq!(words.complete(&format!("setup{blank}")).0, 5 + blank.len());
        }
    }

    #[test]
    fn hints_complete_a_command_and_then_show_its_syntax() {
        let words = vocabulary();
        assert_eq!(words.hint("set"), Some(("up".into(), true)));
        assert_eq!(words.hint("se"), None);
        assert_eq!(words.hint("send"), Some((" <TEXT>".into(), false)));
        assert_eq!(words.hint("setup"), None);
    }

    #[test]
    fn messages_are_private() {
        let words = vocabulary();
        assert!(words.is_private("  send bob secret"));
        assert!(!words.is_private("sessions"));
    }
}
