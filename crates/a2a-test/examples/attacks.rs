//! The threat list against the programs, and the tests of it against programs without each mitigation: `attacks.toml` says
//! what is taken out.
//!
//! Run by `scripts/evidence/attacks`, which builds the programs first; `A2A_BIN_DIR` is where they are.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use a2a_test::sabotage::{Row, Table, switch};

/// Tests by the row that their names begin with.
type Outcomes = BTreeMap<String, Vec<Outcome>>;

#[derive(Debug)]
struct Outcome {
    test: String,
    /// What it says, if it fails.
    failure: Option<String>,
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let table = Table::read();
    let is_wanted = |number: &String| wanted.is_empty() || wanted.contains(number);
    for row in &wanted {
        assert!(numbers().any(|number| number == *row), "there is no row {row}: they are T01 to T36");
    }
    let filter = if let [one] = &wanted[..] { format!("{}_", one.to_lowercase()) } else { String::new() };

    eprintln!("The attacks on the programs as they are");
    let released = PathBuf::from(std::env::var_os("A2A_BIN_DIR").expect("A2A_BIN_DIR"));
    let closed = attack(&released, &filter, None);

    eprintln!("The programs with every mitigation taken out on demand: a build of some minutes");
    let sabotaged = build(&table);
    let same = attack(&sabotaged, &filter, Some("nothing"));
    let changed: Vec<_> = same.values().flatten().filter(|outcome| outcome.failure.is_some()).collect();
    assert!(changed.is_empty(), "the edits change something though nothing is taken out: {changed:#?}");

    let published = std::fs::read_to_string(workspace().join("docs/THREAT_MODEL.md")).unwrap();
    let mut holds = true;
    println!("{:3}  {:48}  {:7}  {:8}  tests; what was taken out", "", "attack", "closed", "sabotage");
    for number in numbers().filter(is_wanted) {
        let tests = closed.get(&number).map_or(&[][..], Vec::as_slice);
        let Some(row) = table.row.iter().find(|row| row.number == number) else {
            println!("{number}  not in attacks.toml");
            holds = false;
            continue;
        };
        let is_closed = !tests.is_empty() && tests.iter().all(|outcome| outcome.failure.is_none());
        let is_caught = all_caught(row, &sabotaged);
        let names = tests.iter().map(|outcome| outcome.test.as_str()).collect::<Vec<_>>();
        let removed = row.mitigation.iter().map(|mitigation| mitigation.removed.as_str());
        let removed = removed.collect::<Vec<_>>().join("; ");
        let line = format!("| {number} | {removed} | `{}` |\n", names.join("`, `"));
        let is_published = published.contains(&line);
        if !is_published {
            eprintln!("docs/THREAT_MODEL.md does not say: {line}");
        }
        holds &= is_closed && is_caught && is_published;
        println!(
            "{number}  {:48}  {:7}  {:8}  {}; {removed}",
            row.attack,
            if is_closed { "yes" } else { "NO" },
            if is_caught { "caught" } else { "NOT SEEN" },
            names.join(", "),
        );
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether a test of the row fails, and for the right reason, without each of its mitigations.
fn all_caught(row: &Row, sabotaged: &Path) -> bool {
    let filter = format!("{}_", row.number.to_lowercase());
    let mut all = true;
    for (index, mitigation) in row.mitigation.iter().enumerate() {
        eprintln!("{} without {}", row.number, mitigation.removed);
        let outcomes = attack(sabotaged, &filter, Some(&switch(row, index)));
        let failures = outcomes.values().flatten().filter_map(|outcome| outcome.failure.as_deref());
        let failures = failures.collect::<Vec<_>>().join("\n");
        if !failures.contains(&mitigation.seen) {
            eprintln!("no test says {:?}, but {failures:?}", mitigation.seen);
            all = false;
        }
    }
    all
}

fn numbers() -> impl Iterator<Item = String> {
    (1..=36).map(|number| format!("T{number:02}"))
}

/// Runs the tests whose names have `filter` in them against the programs in `folder`, with nothing taken out, or what has this
/// switch.
fn attack(folder: &Path, filter: &str, without: Option<&str>) -> Outcomes {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(workspace()).env("A2A_BIN_DIR", folder);
    command.args(["test", "--locked", "--quiet", "--package", "a2a-test", "--test", "programs", "--"]);
    command.args(["--format", "pretty", "--include-ignored"]).args((!filter.is_empty()).then_some(filter));
    if let Some(switch) = without {
        // What then never comes is not waited for as patiently.
        command.env("A2A_SABOTAGE", switch).env("A2A_PATIENCE", "10");
    }
    let output = command.output().unwrap();
    let [text, errors] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if without.is_none() && !output.status.success() {
        eprintln!("{text}{errors}");
    }
    assert!(text.contains("test result: "), "the tests do not run:\n{errors}");
    let mut outcomes = Outcomes::new();
    for line in text.lines() {
        let Some((name, outcome)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "))
        else {
            continue;
        };
        let test = name.rsplit("::").next().unwrap();
        let row = test.split('_').next().unwrap().to_uppercase();
        let failure = (outcome != "ok").then(|| said(&text, name));
        outcomes.entry(row).or_default().push(Outcome { test: test.to_owned(), failure });
    }
    for tests in outcomes.values_mut() {
        tests.sort_by(|one, other| one.test.cmp(&other.test));
    }
    outcomes
}

/// What a test that fails says.
fn said(text: &str, test: &str) -> String {
    let (_, from) = text.split_once(&format!("---- {test} stdout ----\n")).unwrap_or_default();
    let end = ["\n\n---- ", "\n\nfailures:\n"].iter().filter_map(|next| from.find(next)).min();
    from[..end.unwrap_or(from.len())].trim().to_owned()
}

/// The programs from a copy of the tree with all edits in it.
fn build(table: &Table) -> PathBuf {
    let folder = target().join("sabotage");
    let tree = folder.join("tree");
    copy_to(&tree);
    for (file, text) in table.edited(workspace()) {
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

/// The work tree, without what git ignores. Sources that are no longer in it go.
fn copy_to(tree: &Path) {
    let mut git = Command::new("git");
    git.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]).current_dir(workspace());
    let listed = git.output().unwrap();
    assert!(listed.status.success(), "this needs a clone with git");
    let listed = String::from_utf8(listed.stdout).unwrap();
    // One that has been deleted and not committed yet is listed.
    let files: BTreeSet<_> = listed
        .split_terminator('\0')
        .map(Path::new)
        .filter(|file| workspace().join(file).is_file())
        .collect();
    remove_others(tree, tree, &files);
    for file in files {
        write_if_new(&tree.join(file), &std::fs::read(workspace().join(file)).unwrap());
    }
}

fn remove_others(folder: &Path, tree: &Path, files: &BTreeSet<&Path>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            remove_others(&path, tree, files);
        } else if !files.contains(path.strip_prefix(tree).unwrap()) {
            std::fs::remove_file(path).unwrap();
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
