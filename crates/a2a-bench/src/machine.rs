//! What a run has taken place on.

use serde::{Deserialize, Serialize};

/// As far as the system tells.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    /// How many of its cores this process may use.
    pub(crate) cores: usize,
    pub(crate) memory_mib: u64,
    pub(crate) kernel: String,
}

impl Machine {
    /// This one.
    pub(crate) fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
        let model = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB"));
        Self {
            processor: model.map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, name)| name.to_owned()),
            cores: std::thread::available_parallelism().map_or(0, std::num::NonZero::get),
            memory_mib: kib.and_then(|kib| kib.parse::<u64>().ok()).unwrap_or_default() / 1024,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
        }
    }

    /// In one line.
    pub(crate) fn shown(&self) -> String {
        let Self { processor, cores, memory_mib, kernel } = self;
        format!("{processor}, {cores} cores, {memory_mib} MiB of memory, Linux {kernel}")
    }
}
