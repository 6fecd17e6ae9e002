//! Reads a line, runs the command, says what came of it: the same for every program and every way of typing.
//!
//! A program brings one [`CommandTable`], a `clap` enum; parsing, help, suggestions and completion all come
//! from it. From a pipe or `--exec` the first failed command ends the program; a person is told and asked for
//! the next line.

mod error;
mod parse;

use std::future::{Future, pending};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::console::{Console, Input, Prompt, Vocabulary};
use parse::{Parsed, command_name, is_command, parse};

pub use error::CommandError;
pub(crate) use parse::misused;

/// A program's commands: `#[derive(clap::Parser)] #[command(multicall = true)] enum`, one variant a command.
pub trait CommandTable: clap::Parser {
    /// What the commands work on.
    type Context;

    /// Commands whose argument is free text: the rest of the line is one argument, as typed, and the line is
    /// never remembered in the history.
    const FREE_TEXT: &'static [&'static str] = &[];

    /// Carries the command out. It is dropped half-way if the person presses Ctrl-C.
    fn run(
        self,
        context: &Self::Context,
        console: &Console,
    ) -> impl Future<Output = Result<Outcome, CommandError>>;

    /// What a person is asked just now: said when what was typed is no command at all.
    fn awaited(context: &Self::Context) -> Option<&'static str> {
        let _ = context;
        None
    }

    /// What goes on beside a command that is under way; if it ends, it ends the command.
    fn meanwhile(context: &Self::Context, console: &Console) -> impl Future<Output = CommandError> {
        let _ = (context, console);
        pending()
    }
}

/// What a command that succeeded leaves behind.
#[derive(Debug)]
pub struct Outcome {
    result: Value,
    leave: bool,
}

impl Outcome {
    /// A result for `--json`; a person has been told already.
    pub fn of(result: &impl Serialize) -> Self {
        let result = serde_json::to_value(result).expect("reports have string keys and plain values");
        Self { result, leave: false }
    }

    /// What `--json` shows of it.
    pub fn result(&self) -> &Value {
        &self.result
    }

    /// Nothing to report.
    pub fn done() -> Self {
        Self { result: Value::Null, leave: false }
    }

    /// The program shall end.
    pub fn leave() -> Self {
        Self { result: Value::Null, leave: true }
    }
}

/// The words of a table, for the console's completion.
pub fn vocabulary<T: CommandTable>() -> Vocabulary {
    Vocabulary::of(&T::command(), T::FREE_TEXT)
}

/// What a line would do: read, and not carried out.
#[cfg(feature = "fuzzing")]
pub(crate) fn parsed<T: CommandTable>(line: &str) -> Result<(), CommandError> {
    parse::<T>(line).map(|_| ())
}

/// Why no more commands are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Somebody typed `exit`.
    Left,
    /// The input has come to its end.
    InputExhausted,
    /// A command failed, and nobody is there to type another: its exit code.
    Failed(u8),
}

impl Ended {
    /// 0 unless a command failed.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Self::Left | Self::InputExhausted => ExitCode::SUCCESS,
            Self::Failed(code) => ExitCode::from(code),
        }
    }
}

/// Runs commands until `exit`, the end of the input or, without a person, the first failure.
pub async fn run<T: CommandTable>(console: &Console, context: &T::Context, prompt: &str) -> Ended {
    loop {
        // Listened for before the line is there: from Enter on, Ctrl-C is for the command, however early it comes.
        let interrupts = signal(SignalKind::interrupt()).ok();
        match console.read_line(Prompt::Command(prompt.to_owned())).await {
            Input::Line(line) if is_blank(&line) => {}
            Input::Line(line) => match execute::<T>(console, context, &line, interrupts).await {
                Ok(outcome) if outcome.leave => return Ended::Left,
                Err(error) if !console.is_interactive() => return Ended::Failed(error.exit_code()),
                Ok(_) | Err(_) => {}
            },
            Input::EndOfInput => return Ended::InputExhausted,
            Input::Interrupted => console.print("Type `exit` or press Ctrl-D to leave."),
        }
    }
}

/// Carries out one line and reports it, on the screen or as one JSON object.
async fn execute<T: CommandTable>(
    console: &Console,
    context: &T::Context,
    line: &str,
    interrupts: Option<Signal>,
) -> Result<Outcome, CommandError> {
    let outcome = carry_out::<T>(console, context, line, interrupts).await;
    let command = command_name::<T>(line);
    match &outcome {
        Ok(Outcome { result, .. }) => {
            console.print_json(&json!({"command": command, "ok": true, "result": result}));
        }
        Err(error) => {
            error.show(console);
            console.print_json(&json!({"command": command, "ok": false, "error": error}));
        }
    }
    outcome
}

async fn carry_out<T: CommandTable>(
    console: &Console,
    context: &T::Context,
    line: &str,
    interrupts: Option<Signal>,
) -> Result<Outcome, CommandError> {
    let parsed = parse::<T>(line).map_err(|error| match T::awaited(context) {
        Some(next) if !is_command::<T>(line) => error.with_next(next),
        _ => error,
    });
    let command = match parsed? {
        Parsed::Command(command) => command,
        Parsed::Help(text) => {
            console.print(text.trim_end());
            return Ok(Outcome::of(&json!({ "text": text })));
        }
    };
    tokio::select! {
        biased;
        outcome = command.run(context, console) => outcome,
        error = interrupted(console, interrupts) => Err(error),
        error = T::meanwhile(context, console) => Err(error),
    }
}

/// Ctrl-C outside the line editor, which takes it for itself.
async fn interrupted(console: &Console, interrupts: Option<Signal>) -> CommandError {
    match interrupts {
        Some(mut interrupts) => interrupts.recv().await,
        None => pending().await,
    };
    console.forget_pasted();
    // The terminal has shown `^C` where the cursor was.
    console.print("");
    CommandError::cancelled()
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty() || line.trim_start().starts_with('#')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A table for tests.
    #[derive(Debug, clap::Parser)]
    #[command(multicall = true)]
    enum Table {
        /// Says it
        Say { text: String },
        /// Fails
        Fail,
        /// Adds
        Add { left: u32, right: u32 },
        /// Leaves
        #[command(visible_alias = "quit")]
        Exit,
    }

    impl CommandTable for Table {
        type Context = ();
        const FREE_TEXT: &'static [&'static str] = &["say"];

        async fn run(self, (): &(), console: &Console) -> Result<Outcome, CommandError> {
            match self {
                Self::Say { text } => {
                    console.print(&text);
                    Ok(Outcome::of(&json!({ "said": text })))
                }
                Self::Fail => Err(CommandError::new("broken", "it broke", "mend it")),
                Self::Add { left, right } => {
                    console.print(&(left + right).to_string());
                    Ok(Outcome::done())
                }
                Self::Exit => Ok(Outcome::leave()),
            }
        }
    }

    async fn transcript(lines: &[&str], json: bool) -> (Ended, String) {
        let (console, screen) = Console::for_test(lines, json);
        let code = run::<Table>(&console, &(), "test> ").await;
        (code, screen.text())
    }

    #[tokio::test]
    async fn runs_to_the_end_of_the_input() {
        let (code, text) = transcript(&["add 1 2", "", "# a remark", "say it's  fine"], false).await;
        assert_eq!(code, Ended::InputExhausted);
        assert_eq!(text, "3\nit's  fine\n");
    }

    #[tokio::test]
    async fn stops_at_the_first_failure_with_one() {
        let (code, text) = transcript(&["fail", "add 1 2"], false).await;
        assert_eq!(code, Ended::Failed(1));
        assert_eq!(text, "✗ it broke\n  → mend it\n");
    }

    #[tokio::test]
    async fn a_wrong_command_is_a_usage_error() {
        let (code, text) = transcript(&["ad 1 2"], false).await;
        assert_eq!(code, Ended::Failed(2));
        assert_eq!(
            text,
            "✗ there is no command `ad`\n  → did you mean `add`? Type `help` for all commands\n"
        );
        let (code, _) = transcript(&["add 1"], false).await;
        assert_eq!(code, Ended::Failed(2));
    }

    #[tokio::test]
    async fn of_a_long_word_only_the_beginning_is_repeated() {
        let word = "x".repeat(5000);
        for json in [false, true] {
            let (_, text) = transcript(&[&word], json).await;
            assert!(text.len() < 350 && text.contains(&format!("`{}…`", "x".repeat(64))), "{text}");
        }
    }

    #[tokio::test]
    async fn leaves_when_told() {
        let (code, text) = transcript(&["quit", "add 1 2"], false).await;
        assert_eq!((code, text.as_str()), (Ended::Left, ""));
    }

    #[tokio::test]
    async fn json_is_one_object_a_command() {
        let (code, text) = transcript(&["say  hi", "quit"], true).await;
        assert_eq!(code, Ended::Left);
        assert_eq!(
            text,
            "{\"command\":\"say\",\"ok\":true,\"result\":{\"said\":\"hi\"}}\n\
             {\"command\":\"exit\",\"ok\":true,\"result\":null}\n"
        );
        let (code, text) = transcript(&["fail"], true).await;
        assert_eq!(code, Ended::Failed(1));
        assert_eq!(
            text,
            "{\"command\":\"fail\",\"error\":{\"code\":\"broken\",\"message\":\"it broke\",\"next\":\"mend it\"},\
             \"ok\":false}\n"
        );
    }

    #[tokio::test]
    async fn help_lists_the_commands() {
        let (code, text) = transcript(&["help"], false).await;
        assert_eq!(code, Ended::InputExhausted);
        for expected in ["say", "Says it", "exit"] {
            assert!(text.contains(expected), "{text}");
        }
    }
}
