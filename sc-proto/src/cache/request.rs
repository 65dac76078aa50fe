//! What a request asks of a cache, and the key of its answer.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bytes::Bytes;

use super::directive::{Directive, Directives};
use super::field::{fields, is, number, values};
use crate::contract::{StreamKind, Target, TunnelId};

/// Whose answer it is: a tunnel, a URL with scheme, host and port, and the `Origin` asked from.
///
/// `Origin` belongs to it because sites that answer to it often forget to say so in `Vary`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct CacheKey {
    pub(crate) tunnel: TunnelId,
    /// URL, line feed, origin. Neither holds a line feed.
    text: Box<[u8]>,
}

/// What part the cache takes in an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// It may answer, and may store the answer.
    Get,
    /// It may answer with the head of what is stored.
    Head,
    /// It takes none: the method, a field or the framing says so.
    None,
    /// As `None`; what is stored for the URL is void if the site agrees (RFC 9111, section 4.4).
    Unsafe,
}

/// Whether a request bears credentials (RFC 9111, section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credentials {
    No,
    /// `Authorization`.
    Given,
}

/// Whether a request may be of a person the site knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cookies {
    No,
    Sent,
}

/// Whether the browser has a stored answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Conditional {
    No,
    /// `If-None-Match` or `If-Modified-Since`.
    Yes,
}

/// A request as a cache sees it.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) key: CacheKey,
    pub(crate) part: Part,
    pub(crate) credentials: Credentials,
    pub(crate) conditional: Conditional,
    pub(super) cookies: Cookies,
    pub(super) directives: Directives,
    /// Its head, as the site would get it.
    pub(crate) head: Bytes,
}

/// Fields that change the answer and that few sites name in `Vary`: what was asked with one of
/// them is no answer for others, or one browser could choose what all others see.
const OVERRIDES: [&str; 12] = [
    "forwarded",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-host",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-url",
    "x-rewrite-url",
];
/// Fields that make a request one of a kind: a part, an answer under conditions of its own, another
/// protocol, an answer that comes in two steps.
const SPECIAL: [&str; 8] = [
    "range",
    "if-range",
    "if-match",
    "if-unmodified-since",
    "upgrade",
    "expect",
    "transfer-encoding",
    "x-http-method",
];

impl Asking {
    /// Reads the head of a request as the site would get it. `None`: it is no exchange of HTTP.
    pub(crate) fn read(
        tunnel: TunnelId,
        kind: StreamKind,
        target: &Target,
        head: &Bytes,
    ) -> Option<Self> {
        let scheme = match kind {
            StreamKind::Http => "http",
            StreamKind::Https => "https",
            StreamKind::Connect => return None,
        };
        let mut words = head.split(|byte| *byte == b' ');
        let (method, path) = (words.next()?, words.next()?);
        let mut asking = Self {
            key: CacheKey { tunnel, text: Box::default() },
            part: match method {
                b"GET" => Part::Get,
                b"HEAD" => Part::Head,
                b"OPTIONS" | b"TRACE" => Part::None,
                _ => Part::Unsafe,
            },
            credentials: Credentials::No,
            conditional: Conditional::No,
            cookies: Cookies::No,
            directives: Directives::of(head),
            head: head.clone(),
        };
        let mut text = alloc::format!("{scheme}://{target}").into_bytes();
        text.extend_from_slice(path);
        text.push(b'\n');
        text.extend(values(head, "origin").flatten());
        asking.key.text = text.into_boxed_slice();
        if matches!(asking.part, Part::Get | Part::Head) {
            asking.look_at_fields();
        }
        Some(asking)
    }

    fn look_at_fields(&mut self) {
        let head = self.head.clone();
        for (name, value) in fields(&head) {
            let one_of = |names: &[&str]| names.iter().any(|other| is(name, other));
            if is(name, "authorization") {
                self.credentials = Credentials::Given;
            } else if is(name, "cookie") {
                self.cookies = Cookies::Sent;
            } else if one_of(&["if-none-match", "if-modified-since"]) {
                self.conditional = Conditional::Yes;
            } else if one_of(&SPECIAL)
                || one_of(&OVERRIDES)
                || is(name, "content-length") && number(value) != Some(0)
                || is(name, "accept") && value.eq_ignore_ascii_case(b"text/event-stream")
            {
                self.part = Part::None;
            }
        }
        if self.directives.has(Directive::NoStore) {
            self.part = Part::None;
        }
    }

    /// Whether a site must not be asked (RFC 9111, section 5.2.1.7).
    pub(crate) fn is_only_if_cached(&self) -> bool {
        self.directives.has(Directive::OnlyIfCached)
    }
}

impl CacheKey {
    /// The URL, without the origin, and with a line feed at its end.
    pub(super) fn url(&self) -> &[u8] {
        let end = self.text.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        &self.text[..end]
    }

    /// The key of the same URL without origin: the first in order.
    pub(super) fn first(&self) -> Self {
        Self { tunnel: self.tunnel, text: self.url().into() }
    }

    /// Whether both are of the same URL.
    pub(crate) fn same_url(&self, other: &Self) -> bool {
        self.tunnel == other.tunnel && self.url() == other.url()
    }

    /// What another URL would be, if it is of the same scheme, host and port
    /// (RFC 9111, section 4.4).
    pub(crate) fn sibling(&self, reference: &[u8]) -> Option<Self> {
        let url = self.url();
        let slashes = url.windows(3).position(|three| three == b"://")? + 3;
        let root = slashes + url[slashes..].iter().position(|byte| *byte == b'/')?;
        let path = match reference {
            [b'/', b'/', ..] => return None,
            [b'/', ..] => reference,
            _ => {
                // The port is written out here, and seldom in a reference.
                let bare = url[..root].strip_suffix(b":80").filter(|url| url.starts_with(b"http:"));
                let tls = url[..root].strip_suffix(b":443").filter(|u| u.starts_with(b"https:"));
                let starts = [Some(&url[..root]), bare, tls];
                let path = starts.into_iter().flatten().find_map(|start| {
                    let head = reference.get(..start.len())?;
                    head.eq_ignore_ascii_case(start).then(|| &reference[start.len()..])
                });
                path.filter(|path| path.starts_with(b"/"))?
            }
        };
        let path = path.split(|byte| *byte == b'#').next().unwrap_or_default();
        let mut text = Vec::from(&url[..root]);
        text.extend(path.iter().filter(|byte| **byte > b' '));
        text.push(b'\n');
        Some(Self { tunnel: self.tunnel, text: text.into_boxed_slice() })
    }

    /// Bytes of memory.
    pub(super) fn cost(&self) -> usize {
        self.text.len()
    }
}
