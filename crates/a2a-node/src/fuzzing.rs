//! Doors for the fuzzer to readers that are nobody else's affair: what is typed, and what an agent keeps on disk. In no
//! program: behind a feature of its own.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::agent::{StoredCertificate, Trust};
use crate::console::Vocabulary;
use crate::repl::{CommandError, CommandTable, parsed};

/// What a line of the REPL would do, without doing it.
pub fn command<T: CommandTable>(line: &str) -> Result<(), CommandError> {
    parsed::<T>(line)
}

/// What the editor offers where `line` ends: the place at which the words begin, and the words.
pub fn completion(vocabulary: &Vocabulary, line: &str) -> (usize, Vec<String>) {
    vocabulary.complete(line)
}

/// What the editor shows behind `line`.
pub fn hint(vocabulary: &Vocabulary, line: &str) -> Option<String> {
    vocabulary.hint(line).map(|(text, _)| text)
}

/// `trust.json` as an agent would write it again, if it reads it at all.
pub fn trust(bytes: &[u8]) -> Option<Vec<u8>> {
    rewritten::<Trust>(bytes)
}

/// The same of `certificate.json`.
pub fn certificate(bytes: &[u8]) -> Option<Vec<u8>> {
    rewritten::<StoredCertificate>(bytes)
}

/// As [`DataDir`](crate::store::DataDir) reads and writes.
fn rewritten<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<Vec<u8>> {
    serde_json::to_vec_pretty(&serde_json::from_slice::<T>(bytes).ok()?).ok()
}
