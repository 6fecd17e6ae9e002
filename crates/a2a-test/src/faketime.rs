//! The system's clock, moved under running programs by libfaketime, which is a package `faketime` on Debian.

use std::path::PathBuf;
use std::process::Command;

use crate::arena::Arena;

/// The hand that moves the clock of an arena's agents. The controller's and the test's stay as they are.
#[derive(Debug)]
pub struct Faketime {
    file: PathBuf,
}

impl Faketime {
    /// For the agents that are started from now on.
    pub fn install(arena: &mut Arena) -> Self {
        let preload = Command::new("faketime").args(["-f", "+0", "printenv", "LD_PRELOAD"]).output();
        let preload = preload.expect("faketime is not here: sudo apt-get install faketime").stdout;
        let faketime = Self { file: arena.world.path().join("clock") };
        faketime.set("+0");
        arena.environment = vec![
            ("LD_PRELOAD", String::from_utf8(preload).unwrap().trim().to_owned()),
            ("FAKETIME_TIMESTAMP_FILE", faketime.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            // Time-outs go on as they are.
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        faketime
    }

    /// Moves the clock: `+2d` is two days ahead of the true time, `-1h` an hour behind.
    pub fn set(&self, offset: &str) {
        // At once: who reads half of it has no clock.
        let new = self.file.with_extension("new");
        std::fs::write(&new, offset).unwrap();
        std::fs::rename(new, &self.file).unwrap();
    }
}
