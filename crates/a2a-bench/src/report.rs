//! What a run leaves behind: `results.json`, `figures.md` with the tables, and the plots.

use std::path::Path;

use crate::failure::{Failure, OrFail};
use crate::results::Results;
use crate::{plots, tables};

/// Writes them all.
pub(crate) fn write(results: &Results, dir: &Path) -> Result<(), Failure> {
    results.write(dir)?;
    let mut sections = vec![format!("Machine: {}.", results.machine.shown())];
    sections.push(tables::all(results, tables::MARKDOWN, |title| format!("### {title}\n")));
    let plots = plots::write(results, dir)?;
    sections.extend(plots.iter().map(|(name, title)| format!("![{title}](performance/{name})")));
    let path = dir.join("figures.md");
    std::fs::write(&path, sections.join("\n\n") + "\n").or_fail(|| format!("{}", path.display()))
}
