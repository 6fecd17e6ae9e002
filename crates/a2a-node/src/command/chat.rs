//! The chat: what is typed is sent, what comes is shown, until one side closes.

use serde_json::json;

use super::close::close;
use super::desk::Desk;
use super::{AgentContext, screens};
use crate::agent::report::SessionReport;
use crate::console::{Console, Input, Prompt};
use crate::error::NodeError;
use crate::repl::{CommandError, Outcome};

/// Chats over an established session. It is closed by `exit` or the end of the input; Ctrl-C only says so.
pub(super) async fn chat(
    session: &SessionReport,
    context: &AgentContext,
    console: &Console,
) -> Result<Outcome, CommandError> {
    console.print(&screens::chat_heading(&session.peer_agent_id));
    let _ongoing = Ongoing::begin(&context.desk, session);
    let mut sent = 0_u64;
    loop {
        let input = tokio::select! {
            biased;
            () = ended(session, &context.desk) => return left_by_peer(session, console),
            input = console.read_line(Prompt::Chat("[YOU] > ".to_owned())) => input,
        };
        match input {
            Input::Line(line) if line.trim() == "exit" => break,
            Input::EndOfInput => break,
            Input::Line(line) if line.trim().is_empty() => {}
            Input::Line(line) => sent += u64::from(say(&line, session, context, console).await?),
            Input::Interrupted => console.print("Type 'exit' to close."),
        }
    }
    let closed = close(session.session_id, context, console).await?;
    Ok(Outcome::of(&json!({"session_id": session.session_id, "sent": sent, "closed": closed})))
}

/// Sends one line; whether it was delivered. A person may try again after a failure, unless the session is
/// gone.
async fn say(
    line: &str,
    session: &SessionReport,
    context: &AgentContext,
    console: &Console,
) -> Result<bool, CommandError> {
    console.print("[Sending encrypted...]");
    match context.node.send(session.session_id, line).await {
        Ok(_) => {
            console.print("✓ Delivered\n");
            Ok(true)
        }
        Err(error @ (NodeError::SessionEnded { .. } | NodeError::UnknownSession(_))) => Err(error.into()),
        Err(error) if console.is_interactive() => {
            CommandError::from(error).show(console);
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Resolves when the session has ended without this side's doing.
async fn ended(session: &SessionReport, desk: &Desk) {
    let id = session.session_id;
    desk.until(|state| state.inbox.closed.any(|report| report.session_id == id).then_some(())).await;
}

/// A person has read why, and still has the chat's prompt; a script had more to say.
fn left_by_peer(session: &SessionReport, console: &Console) -> Result<Outcome, CommandError> {
    if !console.is_interactive() {
        return Err(NodeError::SessionEnded { peer: session.peer_agent_id.clone() }.into());
    }
    console.print("Press Enter to leave the chat.");
    Ok(Outcome::done())
}

/// Marks the desk for as long as the chat lasts, however it ends.
struct Ongoing<'a>(&'a Desk);

impl<'a> Ongoing<'a> {
    fn begin(desk: &'a Desk, session: &SessionReport) -> Self {
        desk.begin_chat(session.session_id);
        Self(desk)
    }
}

impl Drop for Ongoing<'_> {
    fn drop(&mut self) {
        self.0.end_chat();
    }
}
