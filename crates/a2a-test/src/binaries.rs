//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

/// The folder that `A2A_BIN_DIR` names; else the one that this test was built in, where the programs are brought up to
/// date first.
pub fn folder() -> &'static Path {
    &FOLDER
}

static FOLDER: LazyLock<PathBuf> =
    LazyLock::new(|| std::env::var_os("A2A_BIN_DIR").map_or_else(build, PathBuf::from));

fn build() -> PathBuf {
    // target/debug/deps/terminal-0123456789abcdef
    let here = std::env::current_exe().unwrap();
    let folder = here.ancestors().nth(2).unwrap();
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    build.args(["build", "--locked", "--quiet"]).arg("--target-dir").arg(folder.parent().unwrap());
    build.arg("--manifest-path").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"));
    for program in PROGRAMS {
        build.args(["--package", program]);
    }
    if folder.ends_with("release") {
        build.arg("--release");
    }
    assert!(build.status().unwrap().success(), "the programs do not build");
    folder.to_owned()
}

/// All of them.
pub const PROGRAMS: [&str; 4] = ["controller", "traveller", "helper", "worker"];
