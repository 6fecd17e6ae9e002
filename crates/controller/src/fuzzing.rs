//! Doors for the fuzzer to readers that are nobody else's affair: what an operator types, what an agent asks to have
//! certified, and what the controller keeps on disk. In no program: behind a feature of its own.

use a2a_node::console::Vocabulary;
use a2a_node::repl::{CommandError, vocabulary};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::commands::Line;
use crate::import;
use crate::operator::Backup;
use crate::store::AuditHead;
use crate::tls_authority::RequestedKey;

/// What a line of the REPL would do, without doing it.
pub fn command(line: &str) -> Result<(), CommandError> {
    a2a_node::fuzzing::command::<Line>(line)
}

/// What the REPL completes.
pub fn words() -> Vocabulary {
    vocabulary::<Line>()
}

/// SHA-256 of the key in a PKCS#10 request, if its signature verifies.
pub fn requested_key(pem: &str) -> Option<[u8; 32]> {
    Some(*RequestedKey::from_csr(pem).ok()?.spki_sha256().as_bytes())
}

/// `audit.head` as it would be written again, if it is read at all.
pub fn audit_head(bytes: &[u8]) -> Option<Vec<u8>> {
    rewritten::<AuditHead>(bytes)
}

/// What a backup seals, likewise.
pub fn backup(bytes: &[u8]) -> Option<Vec<u8>> {
    rewritten::<Backup>(bytes)
}

/// How many agents the former version's register names, if it is read at all.
pub fn registry(bytes: &[u8]) -> Option<usize> {
    Some(import::entries(bytes).ok()?.len())
}

fn rewritten<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<Vec<u8>> {
    serde_json::to_vec(&serde_json::from_slice::<T>(bytes).ok()?).ok()
}
