//! The head of a request as it comes on a stream, read strictly.

use alloc::vec;

use bytes::Bytes;
use httparse::Status;

use super::rewrite::Scene;
use super::{Idempotent, Method};
use crate::contract::{StreamKind, Target};
use crate::http1::Limits;
use crate::http1::field::{self, Connection, FieldError};
use crate::http1::message::{Framing, Upgrade, Version};
use crate::http1::request::wants_upgrade;
use crate::http1::search::{HeadError, HeadSearch};

/// A request that goes to its site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outbound {
    /// Its method, as far as framing needs it.
    pub method: Method,
    /// Whether it may be sent twice.
    pub idempotent: Idempotent,
    /// How the end of its body is found. Never [`Framing::UntilClose`].
    pub framing: Framing,
    /// Whether the site is asked to leave HTTP.
    pub upgrade: Upgrade,
    /// Whether its credentials speak for the connection, so that nobody else may have that.
    pub binds: Binds,
    /// The head for the site, in origin form.
    pub head: Bytes,
}

/// Whether a request binds its connection to a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binds {
    /// It does: NTLM or Negotiate.
    Yes,
    /// It does not.
    No,
}

/// Why a request does not go to its site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// Its head breaks the rules for lines, bytes or sizes.
    #[error("the head is malformed: {0}")]
    Head(#[from] HeadError),
    /// It is not `METHOD SP /path SP HTTP/1.1` and fields behind that.
    #[error("it is no request in origin form")]
    Request,
    /// Its framing fields may be read in two ways.
    #[error("the header fields are ambiguous: {0}")]
    Field(#[from] FieldError),
    /// `Host` is missing, is there twice, or names another site than the stream.
    #[error("Host does not name the stream's target")]
    Host,
    /// It bears this program's own mark (RFC 9110, section 7.6.3).
    #[error("it has been here before")]
    Loop,
    /// A rule of the office forbids its URL.
    #[error("a rule forbids its URL")]
    Denied,
}

/// Reads a request head from the front of `input`, and writes the one for the site. `search` is
/// new for every request and comes back with the same bytes and more until the head is whole.
/// Says how many bytes the head took.
///
/// # Errors
/// [`Unfit`] says why the request goes nowhere.
pub fn read(
    search: &mut HeadSearch,
    input: &[u8],
    limits: &Limits,
    scene: &Scene<'_>,
) -> Result<Option<(usize, Outbound)>, Unfit> {
    let Some(span) = search.advance(input, limits)? else {
        return Ok(None);
    };
    let head = input.get(span.start..span.end).unwrap_or_default();
    // One more than there are: httparse looks for the empty line in a free place.
    let mut fields = vec![httparse::EMPTY_HEADER; span.fields + 1];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(Status::Complete(length)) if length == head.len() => {}
        Ok(_) | Err(_) => return Err(Unfit::Request),
    }
    let (Some(method), Some(path), Some(1)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Unfit::Request);
    };
    let fields = &*parsed.headers;
    if !is_origin_form(method, path) {
        return Err(Unfit::Request);
    }
    check_host(fields, scene.kind, scene.target)?;
    let connection = Connection::of(fields)?;
    let framing = field::framing(fields, Version::Http11)?.unwrap_or(Framing::None);
    let is_empty = matches!(framing, Framing::None | Framing::Length(0));
    let upgrade = match is_empty && wants_upgrade(fields, &connection) {
        true => Upgrade::Asked,
        false => Upgrade::No,
    };
    scene.judge(fields, path)?;
    let binds = field::named(fields, "authorization")
        .any(|field| field::is_bound_to_connection(field.value));
    let outbound = Outbound {
        method: if method == "HEAD" { Method::Head } else { Method::Other },
        idempotent: idempotent(method),
        framing,
        upgrade,
        binds: if binds { Binds::Yes } else { Binds::No },
        head: scene.write(method, path, fields, &connection, framing, upgrade).into(),
    };
    Ok(Some((span.end, outbound)))
}

/// RFC 9112, sections 3.2.1 and 3.2.4.
fn is_origin_form(method: &str, path: &str) -> bool {
    match path {
        "*" => method == "OPTIONS",
        _ => method != "CONNECT" && path.starts_with('/') && path.is_ascii(),
    }
}

/// RFC 9110, section 9.2.2, and those of RFC 4918 that say so. Not TRACE and its like by name:
/// what is not known may do anything.
fn idempotent(method: &str) -> Idempotent {
    match method {
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE" | "PROPFIND" => Idempotent::Yes,
        _ => Idempotent::No,
    }
}

fn check_host(
    fields: &[httparse::Header<'_>],
    kind: StreamKind,
    target: &Target,
) -> Result<(), Unfit> {
    let mut hosts = field::named(fields, "host");
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(Unfit::Host) };
    let text = core::str::from_utf8(host.value).map_err(|_| Unfit::Host)?;
    let named = Target::parse(text, Some(kind.usual_port())).map_err(|_| Unfit::Host)?;
    if named == *target { Ok(()) } else { Err(Unfit::Host) }
}
