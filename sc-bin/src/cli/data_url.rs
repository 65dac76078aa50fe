//! What a `data:` URL holds (RFC 2397), for options that take one in a file's place.

use base64::Engine as _;

/// A text is not what follows `data:`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InvalidData {
    /// Not base64 where that is said.
    #[error("it is not base64")]
    Base64,
    /// `%` without two digits.
    #[error("a % in it is not followed by two digits")]
    Escape,
}

/// Decodes what follows `data:`: text with `%` escapes after a comma, or base64 if it says so.
/// Version 5 also takes base64 alone.
pub(crate) fn decode(url: &str) -> Result<Vec<u8>, InvalidData> {
    let (kind, content) = url.split_once(',').unwrap_or(("base64", url));
    let bytes = unescape(content)?;
    if !kind.ends_with("base64") {
        return Ok(bytes);
    }
    let engine = base64::engine::general_purpose::STANDARD;
    engine.decode(bytes.trim_ascii()).map_err(|_| InvalidData::Base64)
}

/// Takes `%` escapes away (RFC 3986, section 2.1).
pub(crate) fn unescape(text: &str) -> Result<Vec<u8>, InvalidData> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        match (digit(), digit()) {
            (Some(high), Some(low)) => out.push((high << 4 | low) as u8),
            _ => return Err(InvalidData::Escape),
        }
    }
    Ok(out)
}
