//! Header fields: those that frame a message, and those that are for one hop only.

use alloc::vec::Vec;

use httparse::Header;

use super::message::{Framing, Version};

/// Fields that end at this hop (RFC 9110, section 7.6.1; RFC 9112, appendix C.2.2), beside those
/// that `Connection` lists. What replaces them is written anew.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Fields written anew from their parsed values: a `Connection` field cannot remove them.
const REWRITTEN: [&str; 3] = ["content-length", "transfer-encoding", "host"];

/// Most options taken from `Connection` fields.
const MAX_OPTIONS: usize = 32;

/// Largest `Content-Length`: what a signed 64-bit reader further on can hold, too.
const MAX_LENGTH: u64 = i64::MAX as u64;

/// Header fields that may be read in two ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// More than one `Content-Length`, be they equal or not.
    #[error("there is more than one Content-Length")]
    TwoLengths,
    /// `Content-Length` is not a plain decimal number, or too large.
    #[error("Content-Length is not a plain decimal number within limits")]
    BadLength,
    /// Both `Content-Length` and `Transfer-Encoding`.
    #[error("there are both Content-Length and Transfer-Encoding")]
    LengthAndCoding,
    /// `Transfer-Encoding` is not exactly one `chunked`.
    #[error("Transfer-Encoding is not exactly one \"chunked\"")]
    BadCoding,
    /// `Transfer-Encoding` in a message of HTTP/1.0 (RFC 9112, section 6.1).
    #[error("Transfer-Encoding stands in a message of HTTP/1.0")]
    CodingInHttp10,
    /// `Connection` lists more options than anyone needs.
    #[error("Connection lists too many options")]
    TooManyOptions,
}

/// The options of all `Connection` fields.
pub(super) struct Connection<'a> {
    options: Vec<&'a [u8]>,
}

impl<'a> Connection<'a> {
    /// Collects the options.
    pub(super) fn of(fields: &[Header<'a>]) -> Result<Self, FieldError> {
        let mut options = Vec::new();
        for field in named(fields, "connection") {
            for option in field.value.split(|&byte| byte == b',') {
                let option = option.trim_ascii();
                if option.is_empty() {
                    continue;
                }
                if options.len() == MAX_OPTIONS {
                    return Err(FieldError::TooManyOptions);
                }
                options.push(option);
            }
        }
        Ok(Self { options })
    }

    /// True if `option` is listed.
    pub(super) fn has(&self, option: &str) -> bool {
        let option = option.as_bytes();
        self.options.iter().any(|o| o.eq_ignore_ascii_case(option))
    }

    /// True if a field of this name is not to be copied to the next hop as it is.
    pub(super) fn stops(&self, name: &str) -> bool {
        is_any(name, &HOP_BY_HOP) || is_any(name, &REWRITTEN) || self.has(name)
    }
}

fn is_any(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// The fields of this name, in their order.
pub(super) fn named<'h, 'a>(
    fields: &'h [Header<'a>],
    name: &'static str,
) -> impl Iterator<Item = &'h Header<'a>> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name))
}

/// What the framing fields say: a length, the chunked coding, or `None` if there is neither.
pub(super) fn framing(
    fields: &[Header<'_>],
    version: Version,
) -> Result<Option<Framing>, FieldError> {
    let length = content_length(fields)?;
    let is_chunked = is_chunked(fields, version)?;
    match (length, is_chunked) {
        (Some(_), true) => Err(FieldError::LengthAndCoding),
        (Some(length), false) => Ok(Some(Framing::Length(length))),
        (None, true) => Ok(Some(Framing::Chunked)),
        (None, false) => Ok(None),
    }
}

fn content_length(fields: &[Header<'_>]) -> Result<Option<u64>, FieldError> {
    let mut lengths = named(fields, "content-length");
    let Some(first) = lengths.next() else {
        return Ok(None);
    };
    if lengths.next().is_some() || first.value.contains(&b',') {
        return Err(FieldError::TwoLengths);
    }
    if first.value.is_empty() {
        return Err(FieldError::BadLength);
    }
    let mut length = 0_u64;
    for &byte in first.value {
        if !byte.is_ascii_digit() {
            return Err(FieldError::BadLength);
        }
        length = length
            .checked_mul(10)
            .and_then(|tens| tens.checked_add(u64::from(byte - b'0')))
            .filter(|&length| length <= MAX_LENGTH)
            .ok_or(FieldError::BadLength)?;
    }
    Ok(Some(length))
}

fn is_chunked(fields: &[Header<'_>], version: Version) -> Result<bool, FieldError> {
    let mut codings = named(fields, "transfer-encoding");
    let Some(first) = codings.next() else {
        return Ok(false);
    };
    if version == Version::Http10 {
        return Err(FieldError::CodingInHttp10);
    }
    if codings.next().is_some() || !first.value.eq_ignore_ascii_case(b"chunked") {
        return Err(FieldError::BadCoding);
    }
    Ok(true)
}

/// True for a scheme of authentication that speaks for a connection, not for a request: NTLM, and
/// Negotiate, which may be NTLM (RFC 4559, section 6).
pub(super) fn is_bound_to_connection(value: &[u8]) -> bool {
    value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).any(|part| {
        let scheme = part.split(|&byte| byte == b' ').next().unwrap_or_default();
        scheme.eq_ignore_ascii_case(b"ntlm") || scheme.eq_ignore_ascii_case(b"negotiate")
    })
}

/// Writes one field line.
pub(super) fn write(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Writes the fields that frame a body.
pub(super) fn write_framing(out: &mut Vec<u8>, framing: Framing) {
    match framing {
        Framing::None | Framing::UntilClose => {}
        Framing::Length(length) => {
            write(out, "Content-Length", alloc::format!("{length}").as_bytes());
        }
        Framing::Chunked => write(out, "Transfer-Encoding", b"chunked"),
    }
}

/// Whether a request bears `mark` in `Via`; an empty mark is none.
pub(super) fn has_passed(fields: &[Header<'_>], mark: &str) -> bool {
    let is_mark = |word: &[u8]| !mark.is_empty() && word == mark.as_bytes();
    named(fields, "via").any(|field| {
        let between = |byte: &u8| matches!(byte, b',' | b' ' | b'\t' | b'(');
        field.value.split(between).any(is_mark)
    })
}

/// Puts back the fields of an upgrade, which ended at this hop.
pub(super) fn write_upgrade(out: &mut Vec<u8>, fields: &[Header<'_>]) {
    write(out, "Connection", b"Upgrade");
    for field in named(fields, "upgrade") {
        write(out, "Upgrade", field.value);
    }
}
