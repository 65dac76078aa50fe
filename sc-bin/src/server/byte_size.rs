//! Sizes of memory as people write them.

use std::str::FromStr;

use serde::Deserialize;

/// A number of bytes: `262144`, `256K`, `64M` or `1G`, by powers of 1,024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Written")]
pub(crate) struct ByteSize(pub(crate) usize);

/// How a configuration file has it: with a unit or without.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(usize),
    Text(String),
}

/// Not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a size: write a number of bytes, or one with K, M or G")]
pub(crate) struct NotASize;

impl FromStr for ByteSize {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        let text = text.trim();
        let (digits, shift) = match text.as_bytes().last() {
            Some(b'k' | b'K') => (&text[..text.len() - 1], 10),
            Some(b'm' | b'M') => (&text[..text.len() - 1], 20),
            Some(b'g' | b'G') => (&text[..text.len() - 1], 30),
            _ => (text, 0),
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let number = if is_number { digits.parse::<usize>().ok() } else { None };
        number.and_then(|number| number.checked_mul(1 << shift)).map(Self).ok_or(NotASize)
    }
}

impl TryFrom<Written> for ByteSize {
    type Error = NotASize;

    fn try_from(written: Written) -> Result<Self, NotASize> {
        match written {
            Written::Number(number) => Ok(Self(number)),
            Written::Text(text) => text.parse(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [("0", 0), ("17", 17), ("2K", 2048), ("3m", 3 << 20), ("1G", 1 << 30)]
        {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
            let yaml: ByteSize = serde_norway::from_str(text).unwrap();
            assert_eq!(yaml, ByteSize(bytes), "{text}");
        }
        for bad in ["", "M", "-1", "+1", "1.5G", "1T", "99999999999G", "1 M"] {
            assert_eq!(bad.parse::<ByteSize>(), Err(NotASize), "{bad}");
        }
    }
}
