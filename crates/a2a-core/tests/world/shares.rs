//! Shares that nobody honest would send.

use a2a_core::wire::Base64;

/// Where in a MODP share the generator stands: after the headers, the identifier and the prime of 257 bytes.
pub(crate) const GENERATOR_AT: usize = 286;

/// The bytes with others in their place.
pub(crate) fn put(bytes: &Base64, at: usize, value: &[u8]) -> Base64 {
    let mut bytes = bytes.as_bytes().to_vec();
    assert_ne!(bytes[at..at + value.len()], *value);
    bytes[at..at + value.len()].copy_from_slice(value);
    bytes.into()
}

/// DER of a share in the group of `any`, with this value.
pub(crate) fn modp_share(any: &Base64, value: &[u8]) -> Base64 {
    let algorithm = &any.as_bytes()[4..=GENERATOR_AT];
    let sign: &[u8] = if value[0] < 0x80 { &[] } else { &[0] };
    let integer = tlv(0x02, &[sign, value].concat());
    tlv(0x30, &[algorithm, &tlv(0x03, &[&[0], &integer[..]].concat())].concat()).into()
}

fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header: &[u8] = match content.len() {
        0..0x80 => &[tag, low],
        0x80..0x100 => &[tag, 0x81, low],
        _ => &[tag, 0x82, high, low],
    };
    [header, content].concat()
}
