//! `wait`: lets a script go on only when the other side has done its part.

use std::time::Duration;

use clap::{Args, ValueEnum};
use serde_json::json;

use super::AgentContext;
use super::desk::Desk;
use crate::console::Console;
use crate::repl::{CommandError, Outcome};

/// What to wait for, and how long.
#[derive(Debug, Args)]
pub struct Wait {
    /// What shall happen
    #[arg(value_enum)]
    what: What,
    /// How long to wait for it
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = humantime::parse_duration)]
    timeout: Duration,
}

/// Something that happens by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    /// A request is on the screen and waits for `y` or `n`
    Request,
    /// A peer has exchanged the keys of a session
    Session,
    /// A message has come; each is waited for once
    Message,
    /// A session has ended without this side's doing
    Closed,
}

impl Wait {
    /// Takes the oldest that no other `wait` has taken, or waits for the next.
    pub async fn run(self, context: &AgentContext, _: &Console) -> Result<Outcome, CommandError> {
        wait(&context.desk, self.what, self.timeout).await
    }
}

/// As [`Wait::run`], for any desk.
pub(super) async fn wait(desk: &Desk, what: What, limit: Duration) -> Result<Outcome, CommandError> {
    let happened = desk.until(|state| match what {
        What::Request => state.consents.look().map(|request| {
            Outcome::of(&json!({"request_id": request.request_id, "agent_id": request.agent_id}))
        }),
        What::Session => state.inbox.established.take().map(|report| Outcome::of(&report)),
        What::Message => state.inbox.messages.take().map(|message| Outcome::of(&message)),
        What::Closed => state.inbox.closed.take().map(|report| Outcome::of(&report)),
    });
    tokio::time::timeout(limit, happened).await.map_err(|_| {
        let (what, limit) = (what.noun(), humantime::format_duration(limit));
        CommandError::new(
            "timeout",
            format!("{what} within {limit}"),
            "see to the other side, or wait longer with --timeout",
        )
    })
}

impl What {
    fn noun(self) -> &'static str {
        match self {
            Self::Request => "no request has come",
            Self::Session => "no peer has exchanged keys",
            Self::Message => "no message has come",
            Self::Closed => "no session has ended",
        }
    }
}
