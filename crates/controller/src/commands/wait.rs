//! `wait`: lets a script go on only when an agent has come.

use std::time::Duration;

use a2a_node::repl::{CommandError, Outcome};
use clap::{Args, ValueEnum};

use super::{Here, duration};

/// What is waited for.
#[derive(Debug, Args)]
pub(crate) struct WaitArgs {
    /// For what
    what: Awaited,
    /// How long at most
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    timeout: Duration,
}

/// See [`WaitArgs`].
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Awaited {
    /// Somebody asks for approval
    Enrolment,
    /// Somebody has been certified
    Enrolled,
}

impl WaitArgs {
    pub(super) async fn run(self, here: &Here) -> Result<Outcome, CommandError> {
        let what = match self.what {
            Awaited::Enrolment => "enrolment",
            Awaited::Enrolled => "enrolled",
        };
        let awaited = async {
            match self.what {
                Awaited::Enrolment => Outcome::of(&here.desk.next_enrolment().await),
                Awaited::Enrolled => Outcome::of(&here.desk.next_enrolled().await),
            }
        };
        tokio::time::timeout(self.timeout, awaited).await.map_err(|_| {
            let waited = humantime::format_duration(self.timeout);
            let text = format!("nothing came within {waited} (wait {what})");
            CommandError::new("timeout", text, "look at the agent, or wait longer with --timeout")
        })
    }
}
