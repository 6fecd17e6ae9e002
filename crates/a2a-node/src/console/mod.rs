//! The person's (or script's) side of a program: one line in at a time, and text out that never tears the
//! line being typed.
//!
//! A [`Console`] knows nothing of commands beyond their names for completion, and nothing of agents. Reading
//! happens on one thread of its own, because the libraries block: a blocked `spawn_blocking` would keep the
//! process alive.

mod editor;
mod hidden;
mod input;
mod paint;
mod screen;
pub mod script;
mod terminal;
mod vocabulary;

use std::path::PathBuf;
use std::sync::{Arc, mpsc};

use serde::Serialize;
use tokio::sync::{Mutex, oneshot};

use crate::repl::CommandError;
use editor::Editor;
use input::{Ahead, Lines, ReadRequest, Source};
use screen::Screen;
use terminal::TerminalGuard;

pub(crate) use hidden::Hidden;
pub use input::{Input, Prompt};
pub use vocabulary::Vocabulary;

/// Where lines come from and what is printed. Cheap to clone: all clones are the same console.
#[derive(Clone)]
pub struct Console {
    inner: Arc<Inner>,
}

struct Inner {
    screen: Arc<Screen>,
    requests: mpsc::Sender<ReadRequest>,
    pending: Mutex<Option<Pending>>,
    ahead: Ahead,
    interactive: bool,
    vocabulary: Vocabulary,
    terminal: Option<TerminalGuard>,
}

/// A line that has been asked for and not come yet.
struct Pending {
    is_chat: bool,
    answer: oneshot::Receiver<Input>,
}

/// How a console is set up.
#[derive(Debug, Default)]
pub struct ConsoleOptions {
    /// Commands to run instead of reading them: `--exec`.
    pub exec: Option<String>,
    /// One JSON object a line, and nothing else on stdout.
    pub json: bool,
    /// Where a terminal's lines are remembered.
    pub history: Option<PathBuf>,
}

impl Console {
    /// Opens the terminal if there is one and nothing else was asked for; else plain lines.
    pub fn open(options: ConsoleOptions, vocabulary: Vocabulary) -> Result<Self, CommandError> {
        if let Some(commands) = options.exec {
            let lines = script::split(&commands)?;
            return Ok(Self::plain(Box::new(lines.into_iter()), options.json, vocabulary));
        }
        if !options.json && terminal::is_interactive() {
            let terminal = TerminalGuard::save();
            let (screen, ahead) = (Arc::new(Screen::terminal()), Ahead::default());
            let editor = Editor::open(screen.clone(), vocabulary.clone(), ahead.clone(), options.history);
            let source: Box<dyn Source> = match editor {
                Some(editor) => Box::new(editor),
                None => Box::new(Lines::typed(screen.clone())),
            };
            return Ok(Self::start(source, screen, vocabulary, Some((terminal, ahead))));
        }
        Ok(Self::plain(Box::new(input::stdin_lines()), options.json, vocabulary))
    }

    /// A console without any input, for a program that nobody types to.
    pub fn headless() -> Self {
        Self::plain(Box::new(std::iter::empty()), false, Vocabulary::default())
    }

    /// Reads lines from `lines`; what is printed goes to stdout.
    fn plain(lines: Box<dyn Iterator<Item = String> + Send>, json: bool, vocabulary: Vocabulary) -> Self {
        let screen = Arc::new(Screen::plain(json));
        Self::start(Box::new(Lines::new(lines, screen.clone())), screen, vocabulary, None)
    }

    fn start(
        mut source: Box<dyn Source>,
        screen: Arc<Screen>,
        vocabulary: Vocabulary,
        person: Option<(Option<TerminalGuard>, Ahead)>,
    ) -> Self {
        let (requests, queue) = mpsc::channel::<ReadRequest>();
        std::thread::spawn(move || {
            for request in queue {
                // Whoever asked may have gone; the line then waits for nobody.
                let _ = request.answer.send(source.read(&request.prompt));
            }
        });
        let (pending, interactive) = (Mutex::new(None), person.is_some());
        let (terminal, ahead) = person.unwrap_or_default();
        let inner = Inner { screen, requests, pending, ahead, interactive, vocabulary, terminal };
        Self { inner: Arc::new(inner) }
    }

    /// Whether a person sits in front of it: then a failed command is not the end, and questions may be
    /// repeated.
    pub fn is_interactive(&self) -> bool {
        self.inner.interactive
    }

    /// Whether results are printed as JSON and all other text is left out.
    pub fn is_json(&self) -> bool {
        self.inner.screen.is_json()
    }

    /// Reads one line. Cancel-safe: a line whose reader has gone is given to the next one, whatever its
    /// prompt; only that a message never becomes a command or an answer, nor the reverse: such a line is
    /// given up.
    pub async fn read_line(&self, prompt: Prompt) -> Input {
        let mut pending = self.inner.pending.lock().await;
        let is_chat = matches!(prompt, Prompt::Chat(_));
        loop {
            let current = pending.get_or_insert_with(|| self.request_line(prompt.clone(), is_chat));
            let input = (&mut current.answer).await.unwrap_or(Input::EndOfInput);
            let fits = current.is_chat == is_chat;
            *pending = None;
            match input {
                Input::Line(line) if !fits => {
                    if !line.trim().is_empty() {
                        self.print("That line was typed at another prompt and has not been used.");
                    }
                }
                input => return input,
            }
        }
    }

    fn request_line(&self, prompt: Prompt, is_chat: bool) -> Pending {
        let (answer, receiver) = oneshot::channel();
        // If the thread has gone, so has `answer`, and the receiver says so.
        let _ = self.inner.requests.send(ReadRequest { prompt, answer });
        Pending { is_chat, answer: receiver }
    }

    /// Forgets the lines that have been pasted and not been asked for yet.
    pub fn forget_pasted(&self) {
        self.inner.ahead.clear();
    }

    /// Asks for an argument. An empty answer is asked for again from a person, and is an error from a script.
    pub async fn ask(&self, question: &str) -> Result<String, CommandError> {
        loop {
            match self.read_line(Prompt::Question(question.to_owned())).await {
                Input::Line(line) if !line.trim().is_empty() => return Ok(line.trim().to_owned()),
                Input::Line(_) if self.is_interactive() => {}
                Input::Line(_) | Input::EndOfInput => return Err(CommandError::no_answer(question)),
                Input::Interrupted => return Err(CommandError::cancelled()),
            }
        }
    }

    /// Asks for one of `count` things by its number, and returns its index from 0.
    pub async fn choose(&self, what: &str, count: usize) -> Result<usize, CommandError> {
        loop {
            let answer = self.ask(&format!("Select {what} (1-{count}): ")).await?;
            match answer.parse::<usize>() {
                Ok(number) if (1..=count).contains(&number) => return Ok(number - 1),
                _ if self.is_interactive() => self.print(&format!("Please type a number from 1 to {count}.")),
                _ => {
                    return Err(CommandError::usage(format!("`{answer}` is not a number from 1 to {count}")));
                }
            }
        }
    }

    /// Asks for a yes or a no.
    pub async fn confirm(&self, question: &str) -> Result<bool, CommandError> {
        loop {
            let answer = self.ask(question).await?;
            match answer.to_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ if self.is_interactive() => self.print("Please type y or n."),
                _ => return Err(CommandError::usage(format!("`{answer}` is neither y nor n"))),
            }
        }
    }

    /// Prints whole lines, above the line being typed if there is one. Nothing with `--json`.
    pub fn print(&self, text: &str) {
        self.inner.screen.print(text);
    }

    /// Prints the beginning of a line that [`Console::finish_step`] completes.
    pub fn begin_step(&self, head: &str) {
        self.inner.screen.open_line(head);
    }

    /// Completes a line, or prints all of it if something has come between.
    pub fn finish_step(&self, head: &str, tail: &str) {
        self.inner.screen.close_line(head, tail);
    }

    /// Prints one JSON object on a line of its own, with `--json`; else nothing.
    pub fn print_json(&self, value: &impl Serialize) {
        self.inner.screen.print_json(value);
    }

    /// Lets completion know names that have come up: agent ids, session ids.
    pub fn learn(&self, names: impl IntoIterator<Item = String>) {
        self.inner.vocabulary.learn(names);
    }

    /// Puts the terminal back as it was found. The last thing a program does with its console.
    pub fn close(&self) {
        self.inner.screen.close();
        if let Some(terminal) = &self.inner.terminal {
            terminal.restore();
        }
    }
}

#[cfg(test)]
impl Console {
    /// A console that reads `lines` and keeps what it prints.
    pub(crate) fn for_test(lines: &[&str], json: bool) -> (Self, screen::Captured) {
        let (screen, captured) = Screen::captured(json);
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        let screen = Arc::new(screen);
        let source = Box::new(Lines::new(Box::new(lines.into_iter()), screen.clone()));
        (Self::start(source, screen, Vocabulary::default(), None), captured)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn questions_show_their_text_and_the_answer_but_commands_do_not() {
        let (console, screen) = Console::for_test(&["sessions", "2"], false);
        assert_eq!(console.read_line(Prompt::Command("x_1> ".into())).await, Input::Line("sessions".into()));
        assert_eq!(console.choose("session", 3).await.unwrap(), 1);
        assert_eq!(screen.text(), "Select session (1-3): 2\n");
    }

    #[tokio::test]
    async fn a_script_that_answers_wrongly_or_not_at_all_fails() {
        let (console, _) = Console::for_test(&["4", "maybe"], false);
        assert_eq!(console.choose("agent", 3).await.unwrap_err().exit_code(), 2);
        assert_eq!(console.confirm("Sure? ").await.unwrap_err().exit_code(), 2);
        assert_eq!(console.ask("Enter peer agent ID: ").await.unwrap_err().code(), "no_answer");
    }

    /// A console whose lines are sent by the test, with a read under way whose reader has gone.
    async fn abandoned(prompt: Prompt) -> (Console, mpsc::Sender<String>) {
        let (line, lines) = mpsc::channel();
        let screen = Arc::new(Screen::captured(false).0);
        let source = Box::new(Lines::new(Box::new(lines.into_iter()), screen.clone()));
        let console = Console::start(source, screen, Vocabulary::default(), None);
        tokio::select! {
            biased;
            _ = console.read_line(prompt) => panic!("nothing was typed yet"),
            () = std::future::ready(()) => {}
        }
        (console, line)
    }

    #[tokio::test]
    async fn a_reader_that_gives_up_leaves_its_line_to_the_next() {
        let (console, line) = abandoned(Prompt::Question("(y/n): ".into())).await;
        line.send("y".to_owned()).unwrap();
        assert_eq!(console.read_line(Prompt::Command("x> ".into())).await, Input::Line("y".into()));
    }

    #[tokio::test]
    async fn a_message_never_becomes_a_command_nor_an_answer_a_message() {
        let (console, line) = abandoned(Prompt::Chat("[YOU] > ".into())).await;
        line.send("close everything".to_owned()).unwrap();
        line.send("sessions".to_owned()).unwrap();
        assert_eq!(console.read_line(Prompt::Command("x> ".into())).await, Input::Line("sessions".into()));

        let (console, line) = abandoned(Prompt::Question("(y/n): ".into())).await;
        line.send("y".to_owned()).unwrap();
        line.send("hello".to_owned()).unwrap();
        assert_eq!(console.read_line(Prompt::Chat("[YOU] > ".into())).await, Input::Line("hello".into()));
    }

    #[tokio::test]
    async fn with_json_there_is_nothing_but_json() {
        let (console, screen) = Console::for_test(&["1"], true);
        console.print("✓ Trust established");
        console.begin_step("[1/4] ");
        console.finish_step("[1/4] ", "✓");
        assert_eq!(console.choose("agent", 2).await.unwrap(), 0);
        console.print_json(&serde_json::json!({"ok": true}));
        assert_eq!(screen.text(), "{\"ok\":true}\n");
    }
}
