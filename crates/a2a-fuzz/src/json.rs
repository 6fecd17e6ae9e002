//! The strict reader and the canonical writer, on JSON of no particular type.

use a2a_core::wire::{MAX_DEPTH, MAX_HANDSHAKE_BODY, MAX_SAFE_INTEGER, canonical_json, from_json};
use serde_json::Value;

/// What is read is bounded in depth; its canonical form is read again, and is its own canonical form. Of what may stand in
/// a signed object (no fractions, no integer that would be rounded) nothing changes on the way.
pub(crate) fn any(bytes: &[u8]) {
    let Ok(value) = from_json::<Value>(bytes, MAX_HANDSHAKE_BODY) else { return };
    assert!(depth(&value) <= MAX_DEPTH, "too deep");
    let canonical = canonical_json(&value).expect("what was read can be written");
    let again: Value = from_json(&canonical, 8 * MAX_HANDSHAKE_BODY).expect("what was written can be read");
    assert_eq!(canonical_json(&again).as_ref(), Ok(&canonical));
    assert!(canonical.iter().all(|byte| *byte >= b' '), "a control character in canonical JSON");
    if is_exact(&value) {
        assert_eq!(again, value);
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        _ => 0,
    }
}

fn is_exact(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
            magnitude.is_some_and(|magnitude| magnitude <= MAX_SAFE_INTEGER)
        }
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        _ => true,
    }
}
