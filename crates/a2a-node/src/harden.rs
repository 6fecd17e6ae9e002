//! What keeps a process's memory to itself: no core dumps, and no other process of the same user that reads along.
//!
//! Keys and passphrases are in memory while a program runs. It does not lock memory against swapping: a machine whose
//! swap others can read has to encrypt it.

use rustix::io;
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::error::NodeError;

/// Turns core dumps off, for this process and all that it starts, and closes its memory to other processes (`ptrace`,
/// `/proc/PID/mem`) but those of root.
pub fn harden() -> Result<(), NodeError> {
    no_core_dumps()
        .map_err(|error| NodeError::Environment(format!("core dumps cannot be turned off: {error}")))
}

fn no_core_dumps() -> io::Result<()> {
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    // The limit alone does not stop a handler that the kernel pipes dumps to (core_pattern).
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rustix::process::{dumpable_behavior, getrlimit};

    use super::*;

    #[test]
    fn there_are_no_core_dumps_any_more() {
        harden().unwrap();
        assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap();
        let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
        assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"]);
    }
}
