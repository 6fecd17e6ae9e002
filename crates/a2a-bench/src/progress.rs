//! How far a run is: a line that changes on a terminal, lines otherwise.

use std::io::{IsTerminal, Write, stderr};

use indicatif::ProgressBar;

/// Tells on the error output what is being measured.
#[derive(Debug)]
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(crate) fn start() -> Self {
        Self(stderr().is_terminal().then(ProgressBar::new_spinner))
    }

    /// What comes next.
    pub(crate) fn tell(&self, what: &str) {
        match &self.0 {
            Some(bar) => {
                bar.set_message(what.to_owned());
                bar.tick();
            }
            // Nobody may be looking.
            None => drop(writeln!(stderr(), "… {what}")),
        }
    }

    /// There is something else to see.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}
