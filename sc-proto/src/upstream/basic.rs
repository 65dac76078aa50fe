//! Basic credentials (RFC 7617): `user:password` in Base64 (RFC 4648, section 4).

use alloc::vec::Vec;

use crate::egress::Credentials;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The credentials as they stand after `Basic `.
pub(crate) fn encode(credentials: &Credentials) -> Vec<u8> {
    let text = [credentials.user(), ":", credentials.expose()].concat();
    base64(text.as_bytes())
}

fn base64(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len().div_ceil(3) * 4);
    for part in bytes.chunks(3) {
        let byte = |at: usize| u32::from(part.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let digit = (bits >> (18 - 6 * at) & 63) as usize;
            out.push(if at <= part.len() { ALPHABET[digit] } else { b'=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc() {
        for (text, encoded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(text.as_bytes()), encoded.as_bytes(), "{text}");
        }
        let credentials = Credentials::new("Aladdin", "open sesame").unwrap();
        assert_eq!(encode(&credentials), b"QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    }
}
