//! Heads: what is stored of an answer's, what a 304 changes in it, and what a browser gets.

use alloc::vec::Vec;

use bytes::Bytes;

use super::answer::is_written_anew;
use super::condition::write;
use super::field::{fields, is};

/// Fields that a 304 does not change: they describe the body, which stays
/// (RFC 9111, section 3.2).
const OF_THE_BODY: [&str; 4] = ["content-encoding", "content-type", "content-range", "content-md5"];
/// What a 304 to a browser repeats (RFC 9110, section 15.4.5).
const OF_NOT_MODIFIED: [&str; 9] = [
    "cache-control",
    "cache-status",
    "content-location",
    "date",
    "etag",
    "expires",
    "last-modified",
    "vary",
    "access-control-allow-origin",
];

/// What is stored of a head: its first line and fields, without framing and without the empty line.
pub(crate) fn stored(head: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(head.len());
    out.extend_from_slice(first_line(head));
    for (name, value) in fields(head).filter(|(name, _)| !is_written_anew(name)) {
        write(&mut out, name, value);
    }
    out.into()
}

/// A stored head after a 304: each field of the 304 takes the place of all of its name.
pub(crate) fn refreshed(stored: &[u8], answer: &[u8]) -> Bytes {
    let changes =
        |name: &[u8]| !is_written_anew(name) && !OF_THE_BODY.iter().any(|other| is(name, other));
    let replaced = |name: &[u8]| {
        changes(name) && fields(answer).any(|(other, _)| other.eq_ignore_ascii_case(name))
    };
    let mut out = Vec::with_capacity(stored.len() + answer.len());
    out.extend_from_slice(first_line(stored));
    for (name, value) in fields(stored).filter(|(name, _)| !replaced(name)) {
        write(&mut out, name, value);
    }
    for (name, value) in fields(answer).filter(|(name, _)| changes(name)) {
        write(&mut out, name, value);
    }
    out.into()
}

/// The head that goes with a stored body, but for its last lines.
pub(crate) fn whole(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(stored.len() + 160);
    out.extend_from_slice(stored);
    out
}

/// The head of a 304 to a browser, but for its last lines.
pub(crate) fn not_modified(stored: &[u8]) -> Vec<u8> {
    let mut out = Vec::from(&b"HTTP/1.1 304 Not Modified\r\n"[..]);
    let repeats = |name: &[u8]| OF_NOT_MODIFIED.iter().any(|other| is(name, other));
    for (name, value) in fields(stored).filter(|(name, _)| repeats(name)) {
        write(&mut out, name, value);
    }
    out
}

fn first_line(head: &[u8]) -> &[u8] {
    let end = head.iter().position(|byte| *byte == b'\n').map_or(head.len(), |at| at + 1);
    &head[..end]
}
