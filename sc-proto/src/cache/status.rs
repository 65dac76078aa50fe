//! The field `Cache-Status` (RFC 9211).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use super::Seconds;

/// Why a request went on to the site (RFC 9211, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forwarded {
    /// The cache takes no part in it.
    Bypass,
    /// Nothing is stored for the URL.
    UriMiss,
    /// What is stored is for requests with other fields.
    VaryMiss,
    /// What is stored is too old.
    Stale,
    /// What is stored is fresh, but the request wants the site to be asked.
    Request,
}

/// What became of the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    No,
    /// It is stored, or will be when it is whole.
    Stored,
    /// The site said 304: what is stored was used.
    Revalidated,
}

/// How an answer came to a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// From what is stored; so long it stays fresh.
    Hit { ttl: i64 },
    /// From the site, for this request.
    Forwarded(Forwarded, Kept),
    /// From the site, for another request that came before.
    Collapsed(Forwarded),
}

impl Status {
    /// The field's value.
    pub(crate) fn text(self) -> String {
        let mut text = String::from("sc; ");
        // Writing to a text does not fail.
        let _ = match self {
            Self::Hit { ttl } => write!(text, "hit; ttl={ttl}"),
            Self::Forwarded(why, kept) => write!(text, "fwd={}{}", why.name(), kept.text()),
            Self::Collapsed(why) => write!(text, "fwd={}; collapsed", why.name()),
        };
        text
    }
}

impl Forwarded {
    fn name(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

impl Kept {
    fn text(self) -> &'static str {
        match self {
            Self::No => "",
            Self::Stored => "; stored",
            Self::Revalidated => "; fwd-status=304; stored",
        }
    }
}

/// Puts `Cache-Status` at the end of a whole head.
pub(crate) fn mark(head: &[u8], status: Status) -> Vec<u8> {
    let fields = head.strip_suffix(b"\r\n").unwrap_or(head);
    let mut out = Vec::with_capacity(head.len() + 64);
    out.extend_from_slice(fields);
    add(&mut out, status);
    out.extend_from_slice(b"\r\n");
    out
}

/// Writes the field line.
pub(crate) fn add(out: &mut Vec<u8>, status: Status) {
    out.extend_from_slice(b"Cache-Status: ");
    out.extend_from_slice(status.text().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes the field `Age`.
pub(crate) fn add_age(out: &mut Vec<u8>, age: Seconds) {
    let mut line = String::new();
    let _ = write!(line, "Age: {age}\r\n");
    out.extend_from_slice(line.as_bytes());
}
