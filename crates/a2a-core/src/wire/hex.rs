//! Nonces, serials and key ids: lower-case hexadecimal of a fixed length.
//!
//! For public values: comparison is not constant-time.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::WireError;
use crate::crypto::CryptoError;
use crate::crypto::provider::Provider;

/// `N` bytes that stand as `2 N` lower-case hexadecimal digits in JSON and on the screen.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hex<const N: usize>([u8; N]);

impl<const N: usize> Hex<N> {
    /// Wraps the bytes.
    pub const fn from_bytes(bytes: [u8; N]) -> Self {
        Self(bytes)
    }

    /// Fresh bytes from the operating system's generator; fails only when that does.
    pub fn random(provider: Provider) -> Result<Self, CryptoError> {
        let mut bytes = [0; N];
        provider.fill_random(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> From<[u8; N]> for Hex<N> {
    fn from(bytes: [u8; N]) -> Self {
        Self(bytes)
    }
}

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&HEXLOWER.encode(&self.0))
    }
}

impl<const N: usize> fmt::Debug for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hex({self})")
    }
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = WireError;

    fn from_str(text: &str) -> Result<Self, WireError> {
        let refused = WireError::Hex { digits: 2 * N };
        let bytes = HEXLOWER.decode(text.as_bytes()).map_err(|_| refused.clone())?;
        bytes.try_into().map(Self).map_err(|_| refused)
    }
}

impl<const N: usize> Serialize for Hex<N> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, const N: usize> Deserialize<'de> for Hex<N> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<const N: usize>;

        impl<const N: usize> Visitor<'_> for Text<N> {
            type Value = Hex<N>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} lower-case hexadecimal digits", 2 * N)
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Hex<N>, E> {
                text.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_lower_case_of_the_right_length_is_read() {
        assert_eq!("00ff".parse::<Hex<2>>().unwrap().as_bytes(), &[0, 255]);
        for bad in ["", "00f", "00FF", "00ff00", "00fg", " 00ff", "0x00", "00ff "] {
            assert_eq!(bad.parse::<Hex<2>>(), Err(WireError::Hex { digits: 4 }), "{bad:?}");
        }
        for bad in ["null", "255", "[0, 255]", "\"00FF\""] {
            assert!(serde_json::from_str::<Hex<2>>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn debug_and_display() {
        let value = Hex::from_bytes([1, 0xab]);
        assert_eq!((value.to_string(), format!("{value:?}")), ("01ab".into(), "Hex(01ab)".into()));
    }

    proptest! {
        #[test]
        fn round_trip(bytes: [u8; 16]) {
            let value = Hex::from_bytes(bytes);
            prop_assert_eq!(value.to_string().parse::<Hex<16>>().unwrap(), value);
            let json = serde_json::to_string(&value).unwrap();
            prop_assert_eq!(serde_json::from_str::<Hex<16>>(&json).unwrap(), value);
        }
    }
}
