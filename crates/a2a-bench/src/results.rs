//! What a run has found, as data.

use std::path::Path;

use a2a_core::crypto::kx::Suite;
use serde::{Deserialize, Serialize};

use crate::criterion::Bench;
use crate::failure::{Failure, OrFail};
use crate::machine::Machine;
use crate::measure::growth::Level;
use crate::measure::messages::Comparison;
use crate::measure::others::{Client, Library};
use crate::measure::primitives::Primitives;
use crate::measure::queue::Queue;
use crate::measure::setups::Setups;

/// All figures of a run; what was left out is empty.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    pub(crate) primitives: Option<Primitives>,
    pub(crate) messages: Vec<Comparison>,
    pub(crate) queues: Vec<Queue>,
    pub(crate) setups: Vec<Setups>,
    pub(crate) growth: Vec<Level>,
    pub(crate) clients: Vec<Client>,
    pub(crate) libraries: Vec<Library>,
    pub(crate) criterion: Vec<Bench>,
}

impl Results {
    /// Single messages of one size and number of senders.
    pub(crate) fn message(&self, size: usize, senders: usize) -> Option<&Comparison> {
        self.messages.iter().find(|one| (one.size, one.senders) == (size, senders))
    }

    /// Reads what [`Results::write`] has written.
    pub(crate) fn read(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join(FILE);
        let written = std::fs::read(&path).or_fail(|| format!("{}", path.display()))?;
        serde_json::from_slice(&written).or_fail(|| format!("{}", path.display()))
    }

    /// Writes `results.json`.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), Failure> {
        std::fs::create_dir_all(dir).or_fail(|| format!("{}", dir.display()))?;
        let written = serde_json::to_vec_pretty(self).or_fail(|| "the results".into())?;
        std::fs::write(dir.join(FILE), written).or_fail(|| format!("{}", dir.display()))
    }

    /// Every suite there is: each has its bars.
    pub(crate) fn suites() -> impl Iterator<Item = Suite> {
        Suite::ALL.into_iter()
    }
}

const FILE: &str = "results.json";
