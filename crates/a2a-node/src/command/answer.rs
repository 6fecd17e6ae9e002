//! `y` and `n`: the answer to the request on the screen.

use std::future::pending;

use serde_json::json;

use super::{AgentContext, screens};
use crate::console::{Console, Input, Prompt};
use crate::repl::{CommandError, Outcome};

/// Gives the answer; after a yes, waits for the session.
pub(super) async fn answer(
    yes: bool,
    context: &AgentContext,
    console: &Console,
) -> Result<Outcome, CommandError> {
    let peer = context.desk.answer(yes)?;
    if !yes {
        console.print("✓ Request rejected.");
        return Ok(Outcome::of(&json!({"agent_id": peer, "accepted": false})));
    }
    // What is printed comes with the event, so that it stands before whatever happens next.
    match context.desk.accepted_session(&peer).await {
        Some(session) => Ok(Outcome::of(&session)),
        None => Err(CommandError::new(
            "request_lapsed",
            format!("the request from {peer} has lapsed meanwhile"),
            "wait for a new one, or `request` one yourself",
        )),
    }
}

/// While a command is under way, a person can still answer requests, and stop the command with Ctrl-C.
pub(super) async fn while_waiting(context: &AgentContext, console: &Console) -> CommandError {
    if !console.is_interactive() {
        return pending().await;
    }
    loop {
        context.desk.until(|state| state.consents.on_screen().map(|_| ())).await;
        let input = tokio::select! {
            biased;
            () = context.desk.until(|state| state.consents.on_screen().is_none().then_some(())) => continue,
            input = console.read_line(Prompt::Question(format!("{} ", screens::ACCEPT_QUESTION))) => input,
        };
        let Input::Line(line) = input else { return CommandError::cancelled() };
        match yes_or_no(&line) {
            Some(yes) => {
                if let Err(error) = answer(yes, context, console).await {
                    error.show(console);
                }
            }
            None => console.print("Please answer y or n. Ctrl-C stops the command that is under way."),
        }
    }
}

fn yes_or_no(line: &str) -> Option<bool> {
    match line.trim().to_lowercase().as_str() {
        "y" | "yes" => Some(true),
        "n" | "no" => Some(false),
        _ => None,
    }
}
