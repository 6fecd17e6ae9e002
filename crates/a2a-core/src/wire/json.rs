//! Reading JSON strictly, and writing it canonically (RFC 8785).

use std::io;

use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize};

use super::{MAX_DEPTH, MAX_SAFE_INTEGER, WireError};

/// Reads a body of at most `limit` bytes.
///
/// Refused: more than [`MAX_DEPTH`] levels, bytes after the value, duplicate keys, lone surrogates, a
/// fraction or an exponent in an integer. What serde would let pass (null for a missing field, an array in an
/// object's place, `{"name": null}` for an enum's `"name"`) is caught by writing the value again and
/// comparing the shapes; hence `Serialize`. Types name every field they know and carry `deny_unknown_fields`.
pub fn from_json<T: DeserializeOwned + Serialize>(bytes: &[u8], limit: usize) -> Result<T, WireError> {
    if bytes.len() > limit {
        return Err(WireError::TooLarge { limit, found: bytes.len() });
    }
    let mut received = Shape::default();
    received.read(bytes);
    if received.deepest > MAX_DEPTH {
        return Err(WireError::TooDeep);
    }
    let value = serde_json::from_slice(bytes).map_err(|error| unreadable(&error))?;
    let mut written = Shape::default();
    serde_json::to_writer(&mut written, &value).map_err(|error| WireError::Unencodable(error.to_string()))?;
    if received != written {
        return Err(WireError::NotCanonical);
    }
    Ok(value)
}

/// As [`from_json`], in one pass, for what is a single object of strings and numbers, where serde lets pass nothing but
/// an array in the object's place.
pub(crate) fn from_flat_json<T: DeserializeOwned>(bytes: &[u8], limit: usize) -> Result<T, WireError> {
    if bytes.len() > limit {
        return Err(WireError::TooLarge { limit, found: bytes.len() });
    }
    if bytes.trim_ascii_start().first() == Some(&b'[') {
        return Err(WireError::NotCanonical);
    }
    serde_json::from_slice(bytes).map_err(|error| unreadable(&error))
}

/// What is wrong, and where; never in the words of whoever sent it, which may be a secret in the wrong place.
fn unreadable(error: &serde_json::Error) -> WireError {
    let text = error.to_string();
    let quoting = ["unknown field", "unknown variant", "invalid type", "invalid value", "invalid length"];
    let kind = quoting.into_iter().find(|kind| text.starts_with(kind));
    WireError::Json(kind.map_or_else(
        || text.clone(),
        |kind| format!("{kind} at line {} column {}", error.line(), error.column()),
    ))
}

/// The canonical JSON of `value` (RFC 8785): the bytes that are signed and hashed.
/// Integers beyond [`MAX_SAFE_INTEGER`] would be rounded, so no signed type may hold one.
pub fn canonical_json<T: Serialize>(value: &T) -> Result<Vec<u8>, WireError> {
    serde_json_canonicalizer::to_vec(value).map_err(|error| WireError::Unencodable(error.to_string()))
}

/// As [`canonical_json`], without the named top-level fields: a signed object without its signature. A field
/// that is not there is an error, so that a misspelt name cannot leave a signature among the signed bytes.
pub fn canonical_json_without<T: Serialize>(value: &T, fields: &[&str]) -> Result<Vec<u8>, WireError> {
    let unencodable = |reason: String| WireError::Unencodable(reason);
    let mut object = serde_json::to_value(value).map_err(|error| unencodable(error.to_string()))?;
    for field in fields {
        let members = object.as_object_mut().ok_or_else(|| unencodable("not an object".into()))?;
        members.remove(*field).ok_or_else(|| unencodable(format!("no field {field}")))?;
    }
    canonical_json(&object)
}

/// For optional fields, which are absent rather than null: `#[serde(default, skip_serializing_if =
/// "Option::is_none", deserialize_with = "wire::present")]`.
pub fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// For `u64` fields: refuses more than [`MAX_SAFE_INTEGER`]. `#[serde(deserialize_with = "wire::safe_u64")]`.
pub fn safe_u64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = u64::deserialize(deserializer)?;
    if value > MAX_SAFE_INTEGER {
        return Err(D::Error::custom("integer exceeds 2^53 - 1"));
    }
    Ok(value)
}

/// How a JSON text is built, apart from its strings and numbers. Meaningless for what is not JSON, so only
/// compared after it has been read as such.
#[derive(Debug, Default)]
struct Shape {
    objects: usize,
    arrays: usize,
    members: usize,
    depth: usize,
    deepest: usize,
    in_string: bool,
    escaped: bool,
}

impl PartialEq for Shape {
    fn eq(&self, other: &Self) -> bool {
        (self.objects, self.arrays, self.members) == (other.objects, other.arrays, other.members)
    }
}

impl Shape {
    fn read(&mut self, json: &[u8]) {
        for byte in json {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' => {
                    self.objects += 1;
                    self.open();
                }
                b'[' => {
                    self.arrays += 1;
                    self.open();
                }
                b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                b':' => self.members += 1,
                _ => {}
            }
        }
    }

    fn open(&mut self) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
    }
}

impl io::Write for Shape {
    fn write(&mut self, json: &[u8]) -> io::Result<usize> {
        self.read(json);
        Ok(json.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[serde(deserialize_with = "safe_u64")]
        number: u64,
        text: String,
        inner: Inner,
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
        note: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        careless: Option<u8>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        kind: Kind,
        list: Vec<u8>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Kind {
        Plain,
    }

    fn read(json: &str) -> Result<Outer, WireError> {
        from_json(json.as_bytes(), 1000)
    }

    /// A good body with `old` replaced.
    fn with(old: &str, new: &str) -> String {
        let good = r#"{"number":7,"text":"t","inner":{"kind":"Plain","list":[1,2]},"note":"n"}"#;
        assert!(good.contains(old));
        good.replacen(old, new, 1)
    }

    #[test]
    fn a_good_body_is_read() {
        assert_eq!(read(&with("", "")).unwrap().number, 7);
        assert_eq!(read(&with(",\"note\":\"n\"", "")).unwrap().note, None);
        assert_eq!(read(&with("\"t\"", r#""\"{[\\\\:\u00e9""#)).unwrap().text, "\"{[\\\\:é");
        assert!(read(&with("7", "9007199254740991")).is_ok());
        assert!(read(&with(":", " :\n\t ")).is_ok());
    }

    #[test]
    fn an_error_does_not_repeat_what_was_sent() {
        for (old, new) in [
            ("\"note\"", "\"canary\""),
            ("7", "\"canary\""),
            ("\"Plain\"", "\"canary\""),
            ("\"t\"", "{\"canary\":1}"),
            ("[1,2]", "\"canary\""),
        ] {
            let error = read(&with(old, new)).unwrap_err().to_string();
            assert!(!error.contains("canary") && error.contains("at line 1 column"), "{error}");
        }
    }

    #[test]
    fn serde_refuses() {
        for (old, new) in [
            ("\"text\":\"t\"", "\"text\":\"t\",\"text\":\"t\""),
            ("\"note\":\"n\"", "\"note\":\"n\",\"note\":\"n\""),
            ("\"note\":\"n\"", "\"note\":\"n\",\"n\\u006fte\":\"n\""),
            ("\"list\":[1,2]", "\"list\":[1,2],\"list\":[]"),
            ("\"list\":[1,2]", "\"list\":[1,2],\"more\":1"),
            ("\"note\"", "\"Note\""),
            ("\"note\":\"n\"", "\"note\":null"),
            ("\"text\":\"t\",", ""),
            ("\"t\"", r#""\ud800""#),
            ("\"t\"", "\"a\nb\""),
            ("7", "7.0"),
            ("7", "7e0"),
            ("7", "-0"),
            ("7", "-1"),
            ("7", "07"),
            ("7", "\"7\""),
            ("7", "9007199254740992"),
            ("7", "18446744073709551616"),
            ("\"n\"}", "\"n\"}}"),
            ("\"n\"}", "\"n\"} {}"),
            ("\"n\"}", "\"n\",}"),
            ("{\"number", "\u{feff}{\"number"),
        ] {
            let json = with(old, new);
            assert!(matches!(read(&json), Err(WireError::Json(_))), "{json} -> {:?}", read(&json));
        }
    }

    #[test]
    fn what_serde_lets_pass_is_refused() {
        for (old, new) in [
            ("{\"kind\":\"Plain\",\"list\":[1,2]}", "[\"Plain\",[1,2]]"),
            ("\"Plain\"", "{\"Plain\":null}"),
            ("\"note\":\"n\"", "\"careless\":null"),
        ] {
            let json = with(old, new);
            assert!(serde_json::from_str::<Outer>(&json).is_ok(), "{json}");
            assert_eq!(read(&json), Err(WireError::NotCanonical), "{json}");
        }
    }

    #[test]
    fn size_and_depth_are_bounded() {
        let json = with("", "");
        assert!(from_json::<Outer>(json.as_bytes(), json.len()).is_ok());
        let limit = json.len() - 1;
        assert_eq!(
            from_json::<Outer>(json.as_bytes(), limit),
            Err(WireError::TooLarge { limit, found: json.len() })
        );
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        let value = |json: String| from_json::<serde_json::Value>(json.as_bytes(), 1_100_000);
        assert!(value(nested(MAX_DEPTH)).is_ok());
        assert_eq!(value(nested(MAX_DEPTH + 1)), Err(WireError::TooDeep));
        assert_eq!(value("[".repeat(1_048_576)), Err(WireError::TooDeep));
        assert_eq!(value(format!("\"{}\"", "[\\\"".repeat(40))).unwrap(), "[\"".repeat(40));
    }

    #[test]
    fn canonical_json_sorts_and_is_exact() {
        let value = json!({"b": [true, null], "a": "é\u{1f}\"", "A": 9_007_199_254_740_991_u64});
        let canonical = canonical_json(&value).unwrap();
        assert_eq!(
            String::from_utf8(canonical).unwrap(),
            r#"{"A":9007199254740991,"a":"é\u001f\"","b":[true,null]}"#
        );
    }

    #[test]
    fn a_signed_object_without_its_signature() {
        let value = json!({"signature": "s", "b": {"signature": 1}, "a": 2});
        assert_eq!(
            canonical_json_without(&value, &["signature"]).unwrap(),
            br#"{"a":2,"b":{"signature":1}}"#
        );
        assert!(matches!(canonical_json_without(&value, &["signatur"]), Err(WireError::Unencodable(_))));
        assert!(matches!(canonical_json_without(&[1], &["signature"]), Err(WireError::Unencodable(_))));
    }
}
