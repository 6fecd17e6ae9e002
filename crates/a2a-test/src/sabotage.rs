//! What `attacks.toml` says: the threat list, and how each row's mitigations are taken out of a copy of the tree.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// All rows that are attacked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// In their order.
    pub row: Vec<Row>,
}

/// One attack.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// As in T05.
    pub number: String,
    /// What the attack is.
    pub attack: String,
    /// What closes it. Each is taken out by itself.
    pub mitigation: Vec<Mitigation>,
}

/// Something that is taken out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mitigation {
    /// What it is.
    pub removed: String,
    /// A test of the row that fails without it says this: what it has seen, not that something broke.
    pub seen: String,
    /// Made together.
    pub edits: Vec<Edit>,
}

/// A change of one place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    file: PathBuf,
    find: String,
    replace: String,
}

impl Table {
    /// As it stands in the file.
    pub fn read() -> Self {
        toml::from_str(include_str!("../attacks.toml")).expect("attacks.toml")
    }

    /// The files of the tree below `root` that have edits in them, with all of them. Each mitigation is gone while the variable
    /// `A2A_SABOTAGE` has its [`switch`].
    pub fn edited(&self, root: &Path) -> BTreeMap<&Path, String> {
        let mut texts = BTreeMap::new();
        for row in &self.row {
            for (index, mitigation) in row.mitigation.iter().enumerate() {
                let is_gone = format!(
                    "std::env::var(\"A2A_SABOTAGE\").is_ok_and(|gone| gone == \"{}\")",
                    switch(row, index)
                );
                for Edit { file, find, replace } in &mitigation.edits {
                    let text: &mut String = texts
                        .entry(file.as_path())
                        .or_insert_with(|| std::fs::read_to_string(root.join(file)).unwrap());
                    let found = text.matches(find).count();
                    assert_eq!(found, 1, "{}: so often in {}: {find}", row.number, file.display());
                    *text = text.replace(find, &replace.replace("SABOTAGED", &is_gone));
                }
            }
        }
        texts
    }
}

/// The name under which a row's mitigation is taken out.
pub fn switch(row: &Row, index: usize) -> String {
    format!("{}/{index}", row.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mitigation_says_what_is_seen_without_it() {
        let rows = Table::read().row;
        assert_eq!(rows.len(), 36);
        assert!(rows.iter().flat_map(|row| &row.mitigation).all(|mitigation| mitigation.seen.len() > 5));
    }

    /// Who edits the code hears of it before `scripts/evidence/attacks` does.
    #[test]
    fn every_edit_has_its_place_in_the_tree() {
        let table = Table::read();
        let edited = table.edited(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."));
        assert!(edited.values().all(|text| text.contains("A2A_SABOTAGE")));
    }
}
