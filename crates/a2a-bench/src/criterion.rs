//! What criterion's benches of the core have left behind, to stand in the same report.

use std::path::Path;

use serde::{Deserialize, Serialize};

/// One bench: its full name, and its median in microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bench {
    pub(crate) name: String,
    pub(crate) micros: f64,
}

/// All that there are below a folder, by name; none if it is not there.
pub(crate) fn read(dir: &Path) -> Vec<Bench> {
    let mut found = Vec::new();
    collect(dir, &mut found);
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn collect(dir: &Path, found: &mut Vec<Bench>) {
    if dir.ends_with("new") {
        found.extend(bench(dir));
        return;
    }
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.path().is_dir()) {
        collect(&entry.path(), found);
    }
}

fn bench(dir: &Path) -> Option<Bench> {
    let read = |file| std::fs::read(dir.join(file)).ok();
    let id: Id = serde_json::from_slice(&read("benchmark.json")?).ok()?;
    let estimates: Estimates = serde_json::from_slice(&read("estimates.json")?).ok()?;
    Some(Bench { name: id.full_id, micros: estimates.median.point_estimate / 1e3 })
}

#[derive(Deserialize)]
struct Id {
    full_id: String,
}

#[derive(Deserialize)]
struct Estimates {
    median: Estimate,
}

#[derive(Deserialize)]
struct Estimate {
    point_estimate: f64,
}
