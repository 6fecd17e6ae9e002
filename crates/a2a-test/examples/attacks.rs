//! The threat list against the programs, and the tests of it against programs without each mitigation: `attacks.toml` says
//! what is taken out.
//!
//! Run by `scripts/evidence/attacks`, which builds the programs first; `A2A_BIN_DIR` is where they are.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    row: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    number: String,
    attack: String,
    /// What the edits take out.
    removed: String,
    edits: Vec<Edit>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    file: PathBuf,
    find: String,
    replace: String,
}

/// Tests by the row that their names begin with, and whether each passed.
type Outcomes = BTreeMap<String, Vec<(String, bool)>>;

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let table: Table = toml::from_str(include_str!("../attacks.toml")).expect("attacks.toml");
    let is_wanted = |number: &String| wanted.is_empty() || wanted.contains(number);
    for row in &wanted {
        assert!(numbers().any(|number| number == *row), "there is no row {row}: they are T01 to T36");
    }
    let filter = if let [one] = &wanted[..] { format!("{}_", one.to_lowercase()) } else { String::new() };

    eprintln!("The attacks on the programs as they are");
    let released = PathBuf::from(std::env::var_os("A2A_BIN_DIR").expect("A2A_BIN_DIR"));
    let closed = attack(&released, &filter, None);

    eprintln!("The programs with every mitigation taken out on demand: a build of some minutes");
    let sabotaged = build(&table.row);
    let same = attack(&sabotaged, &filter, None);
    assert!(all_passed(&same), "the edits change something though nothing is taken out: {same:?}");

    let published = std::fs::read_to_string(workspace().join("docs/THREAT_MODEL.md")).unwrap();
    let mut holds = true;
    println!("{:3}  {:48}  {:7}  {:8}  tests; what was taken out", "", "attack", "closed", "sabotage");
    for number in numbers().filter(is_wanted) {
        let row = table.row.iter().find(|row| row.number == number);
        let tests = closed.get(&number).map_or(&[][..], Vec::as_slice);
        let is_closed = !tests.is_empty() && tests.iter().all(|(_, passed)| *passed);
        let caught = row.map(|row| {
            eprintln!("{number} without {}", row.removed);
            let outcome = attack(&sabotaged, &format!("{}_", number.to_lowercase()), Some(&number));
            outcome.get(&number).is_some_and(|tests| tests.iter().any(|(_, passed)| !passed))
        });
        let names: Vec<_> = tests.iter().map(|(name, _)| name.as_str()).collect();
        let is_published = row.is_none_or(|row| {
            let line = format!("| {number} | {} | `{}` |\n", row.removed, names.join("`, `"));
            published.contains(&line) || {
                eprintln!("docs/THREAT_MODEL.md does not say: {line}");
                false
            }
        });
        holds &= is_closed && caught == Some(true) && is_published;
        println!(
            "{number}  {:48}  {:7}  {:8}  {}; {}",
            row.map_or("", |row| &row.attack),
            if tests.is_empty() {
                "no test"
            } else if is_closed {
                "yes"
            } else {
                "NO"
            },
            match caught {
                Some(true) => "caught",
                Some(false) => "NOT SEEN",
                None => "no edit",
            },
            names.join(", "),
            row.map_or("", |row| &row.removed),
        );
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn numbers() -> impl Iterator<Item = String> {
    (1..=36).map(|number| format!("T{number:02}"))
}

fn all_passed(outcomes: &Outcomes) -> bool {
    outcomes.values().flatten().all(|(_, passed)| *passed)
}

/// Runs the tests whose names have `filter` in them against the programs in `folder`.
fn attack(folder: &Path, filter: &str, without: Option<&str>) -> Outcomes {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace()).env("A2A_BIN_DIR", folder);
    command.args(["test", "--locked", "--quiet", "--package", "a2a-test", "--test", "programs", "--"]);
    command.args(["--format", "pretty", "--include-ignored"]).args((!filter.is_empty()).then_some(filter));
    if let Some(row) = without {
        // What then never comes is not waited for as patiently.
        command.env("A2A_SABOTAGE", row).env("A2A_PATIENCE", "10");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    if without.is_none() && !output.status.success() {
        eprintln!("{text}{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!(
        text.contains("test result: "),
        "the tests do not run:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let mut outcomes = Outcomes::new();
    for line in text.lines() {
        let Some((name, outcome)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "))
        else {
            continue;
        };
        let test = name.rsplit("::").next().unwrap();
        let row = test.split('_').next().unwrap().to_uppercase();
        outcomes.entry(row).or_default().push((test.to_owned(), outcome == "ok"));
    }
    outcomes
}

/// The programs from a copy of the tree with all edits in it.
fn build(rows: &[Row]) -> PathBuf {
    let folder = target().join("sabotage");
    let tree = folder.join("tree");
    copy_to(&tree);
    let mut texts = BTreeMap::new();
    for row in rows {
        for edit in &row.edits {
            let text: &mut String = texts
                .entry(&edit.file)
                .or_insert_with(|| std::fs::read_to_string(workspace().join(&edit.file)).unwrap());
            let found = text.matches(&edit.find).count();
            assert_eq!(
                found,
                1,
                "{}: in {} there is so often: {}",
                row.number,
                edit.file.display(),
                edit.find
            );
            let switch =
                format!("std::env::var(\"A2A_SABOTAGE\").is_ok_and(|row| row == \"{}\")", row.number);
            *text = text.replace(&edit.find, &edit.replace.replace("SABOTAGED", &switch));
        }
    }
    for (file, text) in texts {
        write_if_new(&tree.join(file), text.as_bytes());
    }
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(&tree).args(["build", "--locked", "--quiet", "--target-dir"]).arg(&folder);
    for program in a2a_test::binaries::PROGRAMS {
        command.args(["--package", program]);
    }
    assert!(command.status().unwrap().success(), "the programs with the edits do not build");
    folder.join("debug")
}

/// All that git knows of, as it is in the work tree.
fn copy_to(tree: &Path) {
    let listed = Command::new("git").current_dir(workspace()).args(["ls-files", "-z"]).output().unwrap();
    assert!(listed.status.success(), "this needs a clone with git");
    for file in String::from_utf8(listed.stdout).unwrap().split_terminator('\0') {
        // One that has been deleted and not committed yet is not there.
        if let Ok(bytes) = std::fs::read(workspace().join(file)) {
            write_if_new(&tree.join(file), &bytes);
        }
    }
}

/// What has not changed keeps its time, so that it is not built again.
fn write_if_new(path: &Path, bytes: &[u8]) {
    if std::fs::read(path).is_ok_and(|there| there == bytes) {
        return;
    }
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Cargo's target folder: target/debug/examples/attacks
fn target() -> PathBuf {
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().to_owned()
}
