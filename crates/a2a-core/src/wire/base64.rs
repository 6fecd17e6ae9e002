//! Binary fields: base64 with the standard alphabet and padding, decoded strictly (RFC 4648, section 4).
//!
//! Not for secrets: the content is neither wiped nor compared in constant time.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::PAD;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::WireError;

/// Bytes that stand as base64 in JSON. Each sequence of bytes has one spelling and no other is read: no line
/// breaks, no missing padding, no stray bits in the last digit.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Base64(Vec<u8>);

impl Base64 {
    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Appends the base64 to `text`.
    pub(crate) fn append_to(&self, text: &mut String) {
        ENGINE.encode_string(&self.0, text);
    }

    /// The bytes, without a copy.
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl From<Vec<u8>> for Base64 {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl AsRef<[u8]> for Base64 {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Shows the length alone: a frame may hold a mebibyte.
impl fmt::Debug for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Base64({} bytes)", self.0.len())
    }
}

impl fmt::Display for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&ENGINE.encode(&self.0))
    }
}

impl FromStr for Base64 {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        ENGINE.decode(text).map(Self).map_err(|_| WireError::Base64)
    }
}

impl Serialize for Base64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&ENGINE.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Base64;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a base64 string")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Base64, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

/// Padding is required and stray bits are refused; vector instructions are used where the machine has them.
static ENGINE: LazyLock<Simd> = LazyLock::new(|| Simd::standard(PAD));

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_the_one_spelling_is_read() {
        assert_eq!("/+8=".parse::<Base64>().unwrap().as_bytes(), [0xff, 0xef]);
        for bad in
            ["/+8", "/+9=", "_-8=", "/+8= ", " /+8=", "/+\n8=", "/+8==", "/+8=/+8=", "AA==AAAA", "=", "é"]
        {
            assert_eq!(bad.parse::<Base64>(), Err(WireError::Base64), "{bad:?}");
        }
    }

    #[test]
    fn json_holds_a_string_and_nothing_else() {
        assert_eq!(serde_json::from_str::<Base64>(r#""\u002f+8=""#).unwrap().as_bytes(), [0xff, 0xef]);
        for bad in ["null", "[255, 239]", "7", r#""/+9=""#] {
            assert!(serde_json::from_str::<Base64>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_shows_no_content() {
        assert_eq!(format!("{:?}", Base64::from(vec![7; 2_000_000])), "Base64(2000000 bytes)");
    }

    proptest! {
        #[test]
        fn round_trip(bytes: Vec<u8>) {
            let value = Base64::from(bytes.clone());
            prop_assert_eq!(value.to_string().parse::<Base64>().unwrap(), value.clone());
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Base64>(&json).unwrap().into_vec(), bytes);
        }

        #[test]
        fn what_is_read_is_written_the_same(text in "[A-Za-z0-9+/=]{0,12}") {
            if let Ok(value) = text.parse::<Base64>() {
                prop_assert_eq!(value.to_string(), text);
            }
        }
    }
}
