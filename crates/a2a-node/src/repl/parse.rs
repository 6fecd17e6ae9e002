//! From a line to a command, and from `clap`'s errors to ours.

use std::borrow::Cow;

use a2a_core::text::shown;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::{CommandError, CommandTable};

/// What a line asks for.
#[derive(Debug)]
pub(super) enum Parsed<T> {
    /// A command to run.
    Command(T),
    /// A text to show.
    Help(String),
}

/// Reads a line that is not blank.
pub(super) fn parse<T: CommandTable>(line: &str) -> Result<Parsed<T>, CommandError> {
    let arguments = arguments(line, T::FREE_TEXT)?;
    match T::try_parse_from(&arguments) {
        Ok(command) => Ok(Parsed::Command(command)),
        Err(error) if error.kind() == ErrorKind::DisplayHelp => Ok(Parsed::Help(error.render().to_string())),
        Err(error) => Err(misused(&error)),
    }
}

/// The full name of the command on `line`, or its first word if there is none such.
pub(super) fn command_name<T: CommandTable>(line: &str) -> String {
    let word = line.split_whitespace().next().unwrap_or_default();
    T::command()
        .find_subcommand(word)
        .map_or_else(|| shown(&cut(word)).into_owned(), |found| found.get_name().to_owned())
}

/// Whether `line` begins with a command, be it typed wrongly otherwise.
pub(super) fn is_command<T: CommandTable>(line: &str) -> bool {
    T::command().find_subcommand(line.split_whitespace().next().unwrap_or_default()).is_some()
}

/// Splits as a shell does, except that a command with free text keeps the rest of the line as typed.
fn arguments(line: &str, free_text: &[&str]) -> Result<Vec<String>, CommandError> {
    let line = line.trim();
    let (name, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    if free_text.contains(&name) {
        let text = rest.trim();
        let text = if text.is_empty() { None } else { Some(text.to_owned()) };
        return Ok(std::iter::once(name.to_owned()).chain(text).collect());
    }
    shell_words::split(line).map_err(|_| CommandError::usage("a quote is not closed"))
}

/// What `clap` finds wrong, without its dressing.
pub(crate) fn misused(error: &clap::Error) -> CommandError {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        // The likeliest comes last.
        Some(ContextValue::Strings(texts)) => texts.last().cloned(),
        _ => None,
    };
    if error.kind() == ErrorKind::InvalidSubcommand {
        let word = context(ContextKind::InvalidSubcommand).unwrap_or_default();
        let next = match context(ContextKind::SuggestedSubcommand) {
            Some(near) => format!("did you mean `{near}`? Type `help` for all commands"),
            None => "type `help` for all commands".to_owned(),
        };
        return CommandError::usage(format!("there is no command `{}`", cut(&word))).with_next(next);
    }
    let text = error.render().to_string();
    let usage = text.lines().find_map(|line| line.strip_prefix("Usage: "));
    let next =
        usage.map_or_else(|| "type `help`".to_owned(), |usage| format!("type it as `{}`", usage.trim()));
    CommandError::usage(message(&text)).with_next(next)
}

/// What was typed where a command should stand may be anything, of any length.
fn cut(word: &str) -> Cow<'_, str> {
    match word.char_indices().nth(LONGEST_WORD) {
        Some((end, _)) => format!("{}…", &word[..end]).into(),
        None => word.into(),
    }
}

/// The error itself, without what `clap` adds below it.
fn message(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let lines: Vec<_> = paragraph.lines().map(str::trim).collect();
    lines.join(" ").trim_start_matches("error: ").to_owned()
}

/// How much of an unknown command is repeated, in characters.
const LONGEST_WORD: usize = 64;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_word_only_the_beginning_is_repeated() {
        assert_eq!(cut(&"ä".repeat(64)), "ä".repeat(64));
        assert_eq!(cut(&"ä".repeat(65)), format!("{}…", "ä".repeat(64)));
    }

    #[test]
    fn free_text_is_kept_as_typed() {
        let split = |line| arguments(line, &["send"]).unwrap();
        assert_eq!(split("send bob  it's   me "), ["send", "bob  it's   me"]);
        assert_eq!(split("send"), ["send"]);
        assert_eq!(
            split("request u bob --purpose 'two words'"),
            ["request", "u", "bob", "--purpose", "two words"]
        );
        assert!(arguments("request 'x", &[]).is_err());
    }
}
