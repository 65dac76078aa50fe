//! `Proxy-Authorization` as browsers send it: HTTP Basic (RFC 7617).

use alloc::string::String;
use alloc::vec::Vec;

use httparse::Header;

use super::field;
use crate::contract::Visitor;

/// What a request says of whom it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Nothing.
    #[default]
    None,
    /// Something that cannot be read, or more than one thing.
    Unreadable,
    /// This.
    Basic(Visitor),
}

impl Credentials {
    /// Those of a request.
    pub(super) fn of(fields: &[Header<'_>]) -> Self {
        let mut values = field::named(fields, "proxy-authorization");
        match (values.next(), values.next()) {
            (None, _) => Self::None,
            (Some(one), None) => read(one.value).map_or(Self::Unreadable, Self::Basic),
            (Some(_), Some(_)) => Self::Unreadable,
        }
    }
}

/// Reads `Basic base64(user-id:password)`.
fn read(value: &[u8]) -> Option<Visitor> {
    let (scheme, token) = value.split_at_checked("basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    let text = String::from_utf8(base64(token.trim_ascii())?).ok()?;
    let (user_id, key) = text.split_once(':')?;
    Visitor::new(user_id, key).ok()
}

/// Decodes Base64 with its padding (RFC 4648, section 4). Text that no encoder writes is `None`.
fn base64(text: &[u8]) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take(2).take_while(|byte| **byte == b'=').count();
    let digits = text.get(..text.len() - padding)?;
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for part in digits.chunks(4) {
        let mut bits = 0_u32;
        for at in 0..4 {
            bits = bits << 6 | part.get(at).map_or(Some(0), |byte| value_of(*byte))?;
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        let (whole, rest) = bytes.split_at_checked(part.len() - 1)?;
        if rest.iter().any(|byte| *byte != 0) {
            return None;
        }
        out.extend_from_slice(whole);
    }
    Some(out)
}

fn value_of(digit: u8) -> Option<u32> {
    let value = match digit {
        b'A'..=b'Z' => digit - b'A',
        b'a'..=b'z' => digit - b'a' + 26,
        b'0'..=b'9' => digit - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vectors_of_the_rfc() {
        for (text, encoded) in [
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
            ("foobar", "Zm9vYmFy"),
            ("\u{fb}\u{ff}", "w7vDvw=="),
        ] {
            assert_eq!(base64(encoded.as_bytes()).as_deref(), Some(text.as_bytes()), "{text}");
        }
        for bad in ["", "Z", "Zg", "Zg=", "Zg===", "Zh==", "Zm9=", "====", "Zm 9", "Z=9v", "Zm-v"] {
            assert_eq!(base64(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn credentials_are_read() {
        let of = |value: &'static str| {
            let (name, value) = ("Proxy-Authorization", value.as_bytes());
            Credentials::of(&[Header { name, value }])
        };
        let jane = Credentials::Basic(Visitor::new("jane", "a:b").unwrap());
        // jane:a:b
        assert_eq!(of("Basic amFuZTphOmI="), jane);
        assert_eq!(of("bAsIc  amFuZTphOmI="), jane);
        for bad in ["", "Basic", "Basic ", "Basic ???", "Bearer amFuZTphOmI=", "Basic amFuZQ=="] {
            assert_eq!(of(bad), Credentials::Unreadable, "{bad:?}");
        }
        // Not UTF-8.
        assert_eq!(of("Basic /zp4"), Credentials::Unreadable);
        assert_eq!(Credentials::of(&[]), Credentials::None);
        let twice = Header { name: "proxy-authorization", value: b"Basic amFuZTphOmI=" };
        assert_eq!(Credentials::of(&[twice, twice]), Credentials::Unreadable);
    }
}
