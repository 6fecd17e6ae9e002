//! Every target over its seeds, and over mutants of them: what fuzzing finds in its first seconds, on any compiler. What
//! longer runs found stands among the seeds, as `found-...`.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use a2a_fuzz::{TARGETS, run};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::Value;

fn fuzz_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

/// In the order of their names.
fn seeds(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = fuzz_dir().join("seeds").join(target);
    let files = fs::read_dir(&dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let mut seeds: Vec<_> = files
        .map(|file| {
            let path = file.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap())
        })
        .collect();
    seeds.sort();
    seeds
}

#[test]
fn every_target_has_a_program_and_seeds() {
    let manifest = fs::read_to_string(fuzz_dir().join("Cargo.toml")).unwrap();
    assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    for (target, _) in TARGETS {
        let program = fs::read_to_string(fuzz_dir().join(format!("fuzz_targets/{target}.rs"))).unwrap();
        assert!(program.contains(&format!("run(\"{target}\", bytes)")), "{target}");
        assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
        assert!(!seeds(target).is_empty(), "{target}");
    }
}

#[test]
fn every_seed_passes() {
    for (target, body) in TARGETS {
        for (name, seed) in seeds(target) {
            let outcome = std::panic::catch_unwind(|| body(&seed));
            assert!(outcome.is_ok(), "fuzz/seeds/{target}/{name}");
        }
    }
}

/// Not for chance to find: at each place of each message, what a careless reader takes for the same.
#[test]
fn no_message_is_taken_in_another_form() {
    let targets = ["certificate", "handshake_messages", "controller_messages", "enrolment", "frames_json"];
    let mut tried = 0;
    for target in targets {
        for (name, seed) in seeds(target) {
            let Ok(message) = serde_json::from_slice::<Value>(&seed) else { continue };
            let order = String::from_utf8_lossy(&seed);
            for disguise in disguises(&message, &order) {
                let outcome = std::panic::catch_unwind(|| run(target, disguise.as_bytes()));
                assert!(outcome.is_ok(), "{target}/{name}: {disguise}");
                tried += 1;
            }
        }
    }
    assert!(tried > 1000, "{tried}");
}

/// The same with one value, at whatever depth, in another form. An array in an object's place has the values in their
/// order in `text`.
fn disguises(value: &Value, text: &str) -> Vec<String> {
    let json = value.to_string();
    let mut forms =
        vec!["null".to_owned(), format!("[{json}]"), format!("{{{json}:null}}"), format!("{json}.0")];
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(name, _)| text.find(&format!("{name:?}:")));
            let values: Vec<_> = members.iter().map(|(_, value)| value.to_string()).collect();
            forms.push(format!("[{}]", values.join(",")));
            forms.push(json.replacen('{', "{\"unknown\":1,", 1));
            for (name, value) in &members {
                forms.push(json.replacen('{', &format!("{{{name:?}:0,"), 1));
                let whole = format!("{name:?}:{value}");
                forms.extend(disguises(value, text).iter().map(|form| {
                    let disguised = format!("{name:?}:{form}");
                    json.replacen(&whole, &disguised, 1)
                }));
            }
        }
        Value::Array(items) => {
            let first = items.first().map(|first| disguises(first, text)).unwrap_or_default();
            forms.extend(first.into_iter().map(|form| format!("[{form}]")));
        }
        _ => {}
    }
    forms
}

/// All of Unicode, between two letters.
#[test]
fn every_character_is_harmless_when_it_is_shown() {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    for some in all.chunks(256) {
        let text: String = some.iter().flat_map(|char| ['a', *char, 'b']).collect();
        run("texts", text.as_bytes());
    }
}

/// Some bytes of a seed become others, or those of a second seed.
fn mutants(seeds: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0..8_usize, prop::collection::vec(any::<u8>(), 0..4));
    let of = prop::sample::select(seeds);
    (of.clone(), of, prop::collection::vec(edit, 0..4)).prop_map(|(mut bytes, second, edits)| {
        for (place, taken, put) in edits {
            let start = place.index(bytes.len() + 1);
            let end = (start + taken).min(bytes.len());
            if taken == 7 {
                bytes.truncate(start);
                bytes.extend_from_slice(&second[place.index(second.len() + 1)..]);
            } else {
                bytes.splice(start..end, put);
            }
        }
        bytes
    })
}

fn every_mutant_passes(target: &str) {
    let seeds = seeds(target).into_iter().map(|(_, seed)| seed).collect();
    let config = Config {
        cases: 600,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(1),
        max_shrink_iters: 500,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&mutants(seeds), |bytes| {
        run(target, &bytes);
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{target}: {error}"));
}

/// One test a target, so that they run beside each other.
macro_rules! mutants_pass {
    ($($target:ident)*) => {
        const MUTATED: &[&str] = &[$(stringify!($target)),*];
        $(#[test]
        fn $target() {
            every_mutant_passes(stringify!($target));
        })*
    };
}

mutants_pass! {
    certificate handshake_messages controller_messages enrolment frames_json frames_binary json keys texts files commands
    handshake session
}

#[test]
fn every_target_is_mutated() {
    assert_eq!(MUTATED, TARGETS.map(|(target, _)| target));
}

proptest! {
    #![proptest_config(Config { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(2), ..Config::default() })]

    /// Without a seed: any bytes at all tell a story.
    #[test]
    fn any_story_of_two_parties_ends_well(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        run("session", &bytes);
    }

    #[test]
    fn any_handshake_is_taken_only_as_it_was_sent(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        run("handshake", &bytes);
    }
}
