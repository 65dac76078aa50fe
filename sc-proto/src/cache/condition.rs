//! Conditional requests (RFC 9110, section 13; RFC 9111, section 4.3): a browser's, answered from
//! what is stored, and ours, that ask the site whether that is still good.

use alloc::vec::Vec;

use bytes::Bytes;

use super::Seconds;
use super::date;
use super::field::{fields, is, members, only, values};

/// What a browser gets of a stored answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// All of it.
    Whole,
    /// It has it: 304.
    NotModified,
}

/// Evaluates a browser's conditions against a stored answer of status 200
/// (RFC 9111, section 4.3.2).
pub(crate) fn outcome(request: &[u8], stored: &[u8], now: Seconds) -> Outcome {
    let mut tags = values(request, "if-none-match").flat_map(members).peekable();
    let holds = if tags.peek().is_some() {
        let own = only(stored, "etag");
        !tags.any(|tag| tag == b"*" || own.is_some_and(|own| weakly_equal(tag, own)))
    } else {
        let moment = |head, name| only(head, name).and_then(|value| date::parse(value, now));
        match (moment(request, "if-modified-since"), moment(stored, "last-modified")) {
            (Some(since), Some(modified)) => modified > since,
            _ => true,
        }
    };
    if holds { Outcome::Whole } else { Outcome::NotModified }
}

/// RFC 9110, section 8.8.3.2.
fn weakly_equal(one: &[u8], other: &[u8]) -> bool {
    opaque(one) == opaque(other)
}

fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether a 304 speaks of this stored answer (RFC 9111, section 4.3.4).
pub(crate) fn confirms(answer: &[u8], stored: &[u8]) -> bool {
    match (only(answer, "etag"), only(stored, "etag")) {
        (Some(new), Some(old)) => weakly_equal(new, old),
        (Some(_), None) => false,
        (None, _) => match (only(answer, "last-modified"), only(stored, "last-modified")) {
            (Some(new), Some(old)) => new == old,
            (Some(_), None) => false,
            // It was asked about one only.
            (None, _) => true,
        },
    }
}

/// The head of a request without the browser's conditions, and with those that ask after `stored`
/// (RFC 9111, section 4.3.1), if something is.
pub(crate) fn ask_about(head: &[u8], stored: Option<&[u8]>) -> Bytes {
    let line = head.iter().position(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
    let mut out = Vec::with_capacity(head.len() + 128);
    out.extend_from_slice(&head[..line]);
    for (name, value) in fields(head) {
        if !is(name, "if-none-match") && !is(name, "if-modified-since") {
            write(&mut out, name, value);
        }
    }
    if let Some(tag) = stored.and_then(|stored| only(stored, "etag")) {
        write(&mut out, b"If-None-Match", tag);
    }
    if let Some(date) = stored.and_then(|stored| only(stored, "last-modified")) {
        write(&mut out, b"If-Modified-Since", date);
    }
    out.extend_from_slice(b"\r\n");
    out.into()
}

/// Writes one field line.
pub(super) fn write(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
