//! Where an agent listens: https origins, in one spelling each.
//!
//! No name is resolved here.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};
use url::{Host, Url};

use super::NameError;

/// Where an agent listens: an https origin (RFC 6454, section 4) of at most 255 bytes, always with its port,
/// such as `https://localhost:5001` or `https://[::1]:5001`.
///
/// The host is a lower-case DNS name, an IPv4 address or an IPv6 address in brackets (RFC 5952). JSON must
/// hold this canonical form; what a person types (`FromStr`) may have upper-case letters, one slash at the
/// end, and no port, which then is 443.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct AgentAddress {
    text: String,
    port: u16,
}

impl AgentAddress {
    /// The canonical form.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The host, an IPv6 address in its brackets.
    pub fn host(&self) -> &str {
        let host_and_port = self.text.strip_prefix(SCHEME).unwrap_or_default();
        host_and_port.rsplit_once(':').map_or("", |(host, _)| host)
    }

    /// The TCP port, never 0.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The URL of a resource; `path` begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }
}

impl FromStr for AgentAddress {
    type Err = NameError;

    fn from_str(typed: &str) -> Result<Self, NameError> {
        if typed.len() > MAX_ADDRESS {
            return Err(NameError::AddressLength(typed.len()));
        }
        let lower = typed.to_ascii_lowercase();
        let origin = lower.strip_suffix('/').unwrap_or(&lower);
        if !lower.starts_with(SCHEME) {
            return Err(NameError::NotHttps);
        }
        let url = Url::parse(origin).map_err(|_| NameError::NotAnOrigin)?;
        let host = url.host().filter(acceptable_host).ok_or(NameError::Host)?;
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or(NameError::Port)?;
        let text = format!("{SCHEME}{host}:{port}");
        // A URL parser mends much (0x7f.1, back slashes, user names, dots): what it had to mend is refused.
        if origin != text && text.strip_suffix(":443") != Some(origin) {
            return Err(NameError::NotAnOrigin);
        }
        if text.len() > MAX_ADDRESS {
            return Err(NameError::AddressLength(text.len()));
        }
        Ok(Self { text, port })
    }
}

impl TryFrom<String> for AgentAddress {
    type Error = NameError;

    /// Accepts the canonical form alone.
    fn try_from(text: String) -> Result<Self, NameError> {
        let address: Self = text.parse()?;
        if address.text == text { Ok(address) } else { Err(NameError::NotCanonical) }
    }
}

impl AsRef<str> for AgentAddress {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for AgentAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Serialize for AgentAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

/// Addresses of one machine alone are fine: agents may share one. Not so 0.0.0.0 and ::, which nobody can
/// call.
fn acceptable_host(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => is_host_name(name),
        Host::Ipv4(address) => *address != Ipv4Addr::UNSPECIFIED,
        Host::Ipv6(address) => !address.is_unspecified(),
    }
}

/// RFC 1123, section 2.1: labels of letters, digits and inner hyphens; no dot at the end.
fn is_host_name(name: &str) -> bool {
    name.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    })
}

/// Longest address, in bytes.
pub const MAX_ADDRESS: usize = 255;

const SCHEME: &str = "https://";

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_as_typed() {
        for (typed, canonical) in [
            ("https://localhost:5001", "https://localhost:5001"),
            ("HTTPS://LocalHost:5001/", "https://localhost:5001"),
            ("https://agents.example.org", "https://agents.example.org:443"),
            ("https://127.0.0.1:5001", "https://127.0.0.1:5001"),
            ("https://[::1]:5001/", "https://[::1]:5001"),
            ("https://[2001:DB8::1]", "https://[2001:db8::1]:443"),
            ("https://xn--bcher-kva.example:1", "https://xn--bcher-kva.example:1"),
        ] {
            let address: AgentAddress = typed.parse().unwrap();
            assert_eq!(address.as_str(), canonical);
            let in_json = serde_json::from_value::<AgentAddress>(typed.into());
            assert_eq!(in_json.is_ok(), typed == canonical, "{typed}");
        }
    }

    #[test]
    fn parts_of_an_address() {
        let address: AgentAddress = "https://[::1]:5001".parse().unwrap();
        assert_eq!((address.host(), address.port()), ("[::1]", 5001));
        assert_eq!(address.join("/agent/certificate"), "https://[::1]:5001/agent/certificate");
        let address: AgentAddress = "https://localhost".parse().unwrap();
        assert_eq!((address.host(), address.port()), ("localhost", 443));
    }

    #[test]
    fn addresses_that_are_none() {
        use NameError::{Host, NotAnOrigin, NotHttps, Port};
        for (bad, error) in [
            ("", NotHttps),
            ("localhost:5001", NotHttps),
            ("http://localhost:5001", NotHttps),
            ("gopher://localhost", NotHttps),
            ("file:///etc/passwd", NotHttps),
            (" https://localhost", NotHttps),
            ("https:\\\\localhost", NotHttps),
            ("https://", NotAnOrigin),
            ("https://localhost:5001//", NotAnOrigin),
            ("https://localhost:5001/agent", NotAnOrigin),
            ("https://localhost:5001?", NotAnOrigin),
            ("https://localhost:5001#", NotAnOrigin),
            ("https://localhost:5001/?a=b", NotAnOrigin),
            ("https://me@localhost:5001", NotAnOrigin),
            ("https://@localhost:5001", NotAnOrigin),
            ("https://me:secret@localhost:5001", NotAnOrigin),
            ("https://localhost:5001 ", NotAnOrigin),
            ("https://local\thost:5001", NotAnOrigin),
            ("https://localhost:", NotAnOrigin),
            ("https://localhost:05001", NotAnOrigin),
            ("https://localhost:65536", NotAnOrigin),
            ("https:///localhost:5001", NotAnOrigin),
            ("https://localhost\\@evil.example", NotAnOrigin),
            ("https://0x7f.1:5001", NotAnOrigin),
            ("https://2130706433", NotAnOrigin),
            ("https://127.1", NotAnOrigin),
            ("https://[::ffff:127.0.0.1]:5001", NotAnOrigin),
            ("https://[0:0:0:0:0:0:0:1]:5001", NotAnOrigin),
            ("https://[fe80::1%25eth0]:5001", NotAnOrigin),
            ("https://b\u{fc}cher.example:1", NotAnOrigin),
            ("https://%6cocalhost:1", NotAnOrigin),
            ("https://\u{ff4c}ocalhost:1", NotAnOrigin),
            ("https://localhost.:5001", Host),
            ("https://a..b:5001", Host),
            ("https://-a.example:5001", Host),
            ("https://a_b.example:5001", Host),
            ("https://0.0.0.0:5001", Host),
            ("https://[::]:5001", Host),
            ("https://localhost:0", Port),
        ] {
            assert_eq!(bad.parse::<AgentAddress>(), Err(error), "{bad:?}");
        }
        let label = "a".repeat(61);
        let long = format!("https://{label}.{label}.{label}.{label}"); // 255 bytes, and 259 with the port
        assert_eq!(long.len(), 255);
        assert_eq!(long.parse::<AgentAddress>(), Err(NameError::AddressLength(259)));
        assert_eq!(format!("{long}:1").parse::<AgentAddress>(), Err(NameError::AddressLength(257)));
        let label = "a".repeat(64);
        assert_eq!(format!("https://{label}").parse::<AgentAddress>(), Err(NameError::Host));
    }

    proptest! {
        #[test]
        fn address_round_trip(host in "[a-z][a-z0-9]{0,20}(\\.[a-z][a-z0-9]{0,10}){0,3}", port in 1_u16..) {
            let address: AgentAddress = format!("https://{host}:{port}").parse().unwrap();
            prop_assert_eq!((address.host(), address.port()), (&*host, port));
            let json = serde_json::to_string(&address).unwrap();
            prop_assert_eq!(serde_json::from_str::<AgentAddress>(&json).unwrap(), address);
        }

        #[test]
        fn what_is_typed_becomes_an_origin(typed in "(https://)?[a-zA-Z0-9.:/@\\\\%\\[\\]#? -]{0,24}") {
            if let Ok(address) = typed.parse::<AgentAddress>() {
                let url = Url::parse(address.as_str()).unwrap();
                prop_assert_eq!(url.host_str(), Some(address.host()));
                prop_assert_eq!(url.port_or_known_default(), Some(address.port()));
                prop_assert_eq!((url.path(), url.query(), url.username()), ("/", None, ""));
                prop_assert_eq!(AgentAddress::try_from(address.to_string()), Ok(address));
            }
        }
    }
}
