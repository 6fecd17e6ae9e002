//! Public keys and Diffie-Hellman shares as DER, good and bad, written out by hand.

/// DER `SubjectPublicKeyInfo` of PKCS #3, section 6.2 of the protocol, written out by hand.
pub fn modp_share(prime: &[u8], generator: &[u8], value: &[u8]) -> Vec<u8> {
    const OID: [u8; 11] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x03, 0x01];
    let parameters = der(0x30, &[integer(prime), integer(generator)].concat());
    let algorithm = der(0x30, &[OID.to_vec(), parameters].concat());
    let key = der(0x03, &[vec![0], integer(value)].concat());
    der(0x30, &[algorithm, key].concat())
}

/// DER `SubjectPublicKeyInfo` of an RSA key (RFC 3279, section 2.3.1).
pub fn rsa_public_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    const ALGORITHM: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
    let key = der(0x30, &[integer(modulus), integer(exponent)].concat());
    der(0x30, &[der(0x30, &ALGORITHM), der(0x03, &[vec![0], key].concat())].concat())
}

fn integer(value: &[u8]) -> Vec<u8> {
    let padded = if value[0] & 0x80 == 0 { value.to_vec() } else { [&[0], value].concat() };
    der(0x02, &padded)
}

fn der(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    let header = match content.len() {
        0..0x80 => vec![tag, length[1]],
        0x80..0x100 => vec![tag, 0x81, length[1]],
        _ => vec![tag, 0x82, length[0], length[1]],
    };
    [header, content.to_vec()].concat()
}

#[cfg(test)]
mod tests {
    use a2a_core::crypto::kx::modp::{DhPublicKey, GROUP_14, VALUE_LEN};

    use super::*;

    #[test]
    fn the_hand_written_encoding_is_the_right_one() {
        let value = [&[1], &[0_u8; VALUE_LEN - 1][..]].concat();
        let key = DhPublicKey::from_spki_der(&modp_share(&GROUP_14.prime(), &[2], &value));
        assert_eq!(key.unwrap().to_spki_der().unwrap(), modp_share(&GROUP_14.prime(), &[2], &value));
    }
}
