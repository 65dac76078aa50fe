//! The head of an answer: how its body is framed, and what the browser is told.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use httparse::{Header, Status};

use super::Limits;
use super::body::{BodyError, Coding};
use super::field::{self, Connection, FieldError};
use super::message::{Framing, Method, Persistence, Upgrade, Version};
use super::search::{HeadError, HeadSearch};

/// Why an answer of the site is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// The head breaks the rules for lines, bytes or sizes.
    #[error("the head of the answer is malformed: {0}")]
    Head(#[from] HeadError),
    /// The status line is not `HTTP/1.x status reason`.
    #[error("the status line is malformed, or not of HTTP/1.0 or HTTP/1.1")]
    StatusLine,
    /// A header line is not `Name: value`.
    #[error("a header line of the answer is malformed")]
    FieldLine,
    /// The framing fields may be read in two ways.
    #[error("the header fields of the answer are ambiguous: {0}")]
    Field(#[from] FieldError),
    /// 101 to a request that did not ask for it, or without an `Upgrade` field.
    #[error("the answer switches protocols without being asked to")]
    Switch,
    /// The body breaks the rules of its framing.
    #[error("the body of the answer is malformed: {0}")]
    Body(#[from] BodyError),
    /// 407: only a proxy before the site answers so, and the browser has no credentials for that.
    #[error("an upstream proxy does not accept the client's credentials")]
    ProxyCredentials,
    /// The site closed before any answer.
    #[error("the connection closed without an answer")]
    NoAnswer,
    /// The site closed in the middle of its answer.
    #[error("the connection closed in the middle of the answer")]
    Truncated,
}

/// What is known of the request that an answer belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its method.
    pub method: Method,
    /// The version that the browser speaks.
    pub version: Version,
    /// Whether the browser connection may go on after this exchange, as far as the request
    /// decides.
    pub persistence: Persistence,
    /// Whether 101 may be answered.
    pub upgrade: Upgrade,
}

/// An answer that may be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// What follows this head.
    pub follows: Follows,
    /// Whether the site's own connection can carry another exchange after this answer, as far as
    /// its head tells. Never after an answer that must not have the body it announces: some sites
    /// send it all the same.
    pub site: Persistence,
    /// The head for the browser. Empty for an interim answer that HTTP/1.0 must not see.
    pub head: Bytes,
}

/// What follows the head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follows {
    /// Another head: this one was interim (1xx).
    Answer,
    /// Opaque bytes both ways: 101, or success of CONNECT.
    Tunnel,
    /// A body, perhaps an empty one.
    Body {
        /// How its end is found.
        framing: Framing,
        /// What becomes of the chunked coding.
        coding: Coding,
        /// What the head says to the browser about its connection.
        persistence: Persistence,
    },
}

/// Reads the head of an answer from the front of `input`. `search` is new for every head and comes
/// back with the same bytes and more until the head is whole. Says how many bytes the head took.
///
/// # Errors
/// [`Broken`] says why this answer is not passed on.
pub fn read(
    search: &mut HeadSearch,
    input: &[u8],
    asked: Asked,
    limits: &Limits,
) -> Result<Option<(usize, Response)>, Broken> {
    // Any other start is no status line; the search would wait for the end of a head.
    let shown = input.len().min(5);
    if input[..shown] != b"HTTP/"[..shown] {
        return Err(Broken::StatusLine);
    }
    let Some(span) = search.advance(input, limits)? else {
        return Ok(None);
    };
    // One more than there are: httparse looks for the empty line in a free place.
    let mut fields = vec![httparse::EMPTY_HEADER; span.fields + 1];
    let mut parsed = httparse::Response::new(&mut fields);
    match parsed.parse(&input[..span.end]) {
        Ok(Status::Complete(length)) if length == span.end => {}
        Ok(_) => return Err(Broken::StatusLine),
        Err(
            httparse::Error::HeaderName
            | httparse::Error::HeaderValue
            | httparse::Error::TooManyHeaders,
        ) => return Err(Broken::FieldLine),
        Err(_) => return Err(Broken::StatusLine),
    }
    let (Some(status @ 100..), Some(minor)) = (parsed.code, parsed.version) else {
        return Err(Broken::StatusLine);
    };
    let line = Line {
        status,
        reason: parsed.reason.unwrap_or_default(),
        version: if minor == 0 { Version::Http10 } else { Version::Http11 },
    };
    Ok(Some((span.end, line.response(parsed.headers, asked)?)))
}

/// A status line, split.
struct Line<'a> {
    status: u16,
    reason: &'a str,
    version: Version,
}

impl Line<'_> {
    fn response(&self, fields: &[Header<'_>], asked: Asked) -> Result<Response, Broken> {
        let connection = Connection::of(fields)?;
        // Read even where it does not count, so that two answers cannot hide in one.
        let stated = field::framing(fields, self.version)?;
        match (self.status, asked.method) {
            (407, _) => Err(Broken::ProxyCredentials),
            (101, _) => {
                let has_protocol = field::named(fields, "upgrade").next().is_some();
                if asked.upgrade == Upgrade::No || !has_protocol {
                    return Err(Broken::Switch);
                }
                let mut out = self.start(fields, &connection);
                field::write_upgrade(&mut out, fields);
                Ok(self.end(out, Follows::Tunnel, Persistence::Close))
            }
            (100..200, _) => {
                let out = match asked.version {
                    Version::Http11 => self.start(fields, &connection),
                    // RFC 9110, section 15.2.
                    Version::Http10 => Vec::new(),
                };
                Ok(self.end(out, Follows::Answer, Persistence::KeepAlive))
            }
            (200..300, Method::Connect) => {
                let out = self.start(fields, &connection);
                Ok(self.end(out, Follows::Tunnel, Persistence::Close))
            }
            _ => {
                let out = self.start(fields, &connection);
                let site = self.site_persistence(fields, &connection);
                Ok(self.finish(out, stated, asked, site))
            }
        }
    }

    /// Whether the site keeps its connection. One that is bound to a person by its way of
    /// authentication must not serve another (RFC 4559, section 6).
    fn site_persistence(&self, fields: &[Header<'_>], connection: &Connection<'_>) -> Persistence {
        let is_bound = field::named(fields, "www-authenticate")
            .any(|field| field::is_bound_to_connection(field.value));
        match self.version {
            Version::Http11 if !connection.has("close") && !is_bound => Persistence::KeepAlive,
            Version::Http10 | Version::Http11 => Persistence::Close,
        }
    }

    /// Writes the status line and the fields that go further than this hop.
    fn start(&self, fields: &[Header<'_>], connection: &Connection<'_>) -> Vec<u8> {
        let copied: usize = fields.iter().map(|f| f.name.len() + f.value.len() + 4).sum();
        let mut out = Vec::with_capacity(self.reason.len() + copied + 128);
        out.extend_from_slice(alloc::format!("HTTP/1.1 {} ", self.status).as_bytes());
        out.extend_from_slice(self.reason.as_bytes());
        out.extend_from_slice(b"\r\n");
        for field in fields.iter().filter(|field| !connection.stops(field.name)) {
            field::write(&mut out, field.name, field.value);
        }
        out
    }

    /// Ends the head of a final answer: framing and the fate of the browser's connection.
    fn finish(
        &self,
        mut out: Vec<u8>,
        stated: Option<Framing>,
        asked: Asked,
        site: Persistence,
    ) -> Response {
        // RFC 9112, section 6.3, rule 1: these never have a body, whatever their fields say.
        let is_bare = asked.method == Method::Head || matches!(self.status, 204 | 304);
        let site = match stated {
            Some(Framing::Length(1..) | Framing::Chunked) if is_bare => Persistence::Close,
            _ => site,
        };
        let stated = stated.unwrap_or(Framing::UntilClose);
        let framing = if is_bare { Framing::None } else { stated };
        let coding = match asked.version {
            Version::Http11 => Coding::Keep,
            Version::Http10 => Coding::Remove,
        };
        let persistence = match framing {
            Framing::UntilClose => Persistence::Close,
            Framing::None | Framing::Length(_) | Framing::Chunked => asked.persistence,
        };
        match (stated, coding) {
            // RFC 9110, section 8.6: 204 has no length.
            _ if self.status == 204 => {}
            (Framing::Chunked, Coding::Remove) => {}
            _ => field::write_framing(&mut out, stated),
        }
        let option: &[u8] = match persistence {
            Persistence::KeepAlive => b"keep-alive",
            Persistence::Close => b"close",
        };
        field::write(&mut out, "Connection", option);
        let follows = Follows::Body { framing, coding, persistence };
        self.end(out, follows, site)
    }

    fn end(&self, mut out: Vec<u8>, follows: Follows, site: Persistence) -> Response {
        if !out.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
        Response { status: self.status, follows, site, head: out.into() }
    }
}
