//! The head of a request: what a browser asks of the proxy, and what is asked of the site.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use httparse::{Header, Status};

use super::Limits;
use super::basic::Credentials;
use super::field::{self, Connection};
use super::message::{Framing, Method, Persistence, Reader, Upgrade, Version};
use super::refused::Refused;
use super::search::HeadSearch;
use super::trailer::is_token_byte;
use crate::contract::{InvalidTarget, StreamKind, Target};

/// The port of `http:` URLs that name none (RFC 9110, section 4.2.1).
const HTTP_PORT: u16 = 80;
/// The port of `https:` URLs that name none (section 4.2.2).
const HTTPS_PORT: u16 = 443;

/// Whom requests of a connection are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Whomever each names: this is a proxy, asked in the clear.
    Any,
    /// One site only, within its TLS, which this side has opened.
    Site(Box<Target>),
}

impl Scope {
    const fn default_port(&self) -> u16 {
        match self {
            Self::Any => HTTP_PORT,
            Self::Site(_) => HTTPS_PORT,
        }
    }
}

/// A request that may be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The site.
    pub target: Target,
    /// A tunnel of opaque bytes, or one exchange.
    pub kind: StreamKind,
    /// The method, as far as framing needs it.
    pub method: Method,
    /// The version that the browser speaks.
    pub version: Version,
    /// How the end of the body is found. Never [`Framing::UntilClose`].
    pub framing: Framing,
    /// What the browser wants for its connection.
    pub persistence: Persistence,
    /// Whether the site is asked to leave HTTP.
    pub upgrade: Upgrade,
    /// Whom the request is of, as it says to this proxy. Not in the head for the site.
    pub credentials: Credentials,
    /// Who reads an answer that is not the site's.
    pub reader: Reader,
    /// The head for the site. Empty for [`StreamKind::Connect`].
    pub head: Bytes,
}

/// Reads a request head from the front of `input`. `search` is new for every request and comes
/// back with the same bytes and more until the head is whole. Says how many bytes the head took.
/// `scope`: whom it may be for.
///
/// # Errors
/// [`Refused`] says why this request is not passed on.
pub fn read(
    search: &mut HeadSearch,
    input: &[u8],
    limits: &Limits,
    scope: &Scope,
) -> Result<Option<(usize, Request)>, Refused> {
    read_marked(search, input, limits, scope, "")
}

/// As [`read`], for a proxy that knows a request which comes back by its `mark` in `Via`.
pub(super) fn read_marked(
    search: &mut HeadSearch,
    input: &[u8],
    limits: &Limits,
    scope: &Scope,
    mark: &str,
) -> Result<Option<(usize, Request)>, Refused> {
    if input.first().is_some_and(|&byte| cannot_begin(byte)) {
        return Err(Refused::NotHttp);
    }
    let Some(span) = search.advance(input, limits)? else {
        return Ok(None);
    };
    let head = &input[span.start..span.end];
    // One more than there are: httparse looks for the empty line in a free place.
    let mut fields = vec![httparse::EMPTY_HEADER; span.fields + 1];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(head) {
        Ok(Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(Refused::RequestLine),
        Err(error) => return Err(refuse(error, head)),
    }
    let (Some(method), Some(url), Some(minor)) = (parsed.method, parsed.path, parsed.version)
    else {
        return Err(Refused::RequestLine);
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    let line = Line { method, url, version, mark };
    Ok(Some((span.end, line.request(parsed.headers, scope)?)))
}

/// True for a first byte that neither a method nor white space begins with.
fn cannot_begin(byte: u8) -> bool {
    !is_token_byte(byte) && !matches!(byte, b'\r' | b'\n' | b' ' | b'\t')
}

/// Says what a complaint of httparse means.
fn refuse(error: httparse::Error, head: &[u8]) -> Refused {
    match error {
        httparse::Error::Version if names_other_version(head) => Refused::Version,
        httparse::Error::Version
        | httparse::Error::Token
        | httparse::Error::Status
        | httparse::Error::NewLine => Refused::RequestLine,
        httparse::Error::HeaderName
        | httparse::Error::HeaderValue
        | httparse::Error::TooManyHeaders => Refused::FieldLine,
    }
}

/// True if the request line is whole and well-formed but for the number of its version.
fn names_other_version(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|&byte| byte == b' ');
    let (_method, _url, version) = (words.next(), words.next(), words.next());
    let is_version = matches!(version, Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor])
        if major.is_ascii_digit() && minor.is_ascii_digit());
    is_version && words.next().is_none()
}

/// A request line, split.
struct Line<'a> {
    method: &'a str,
    url: &'a str,
    version: Version,
    /// By which word in `Via` this proxy knows a request that comes back; empty: by none.
    mark: &'a str,
}

/// The site and the path within it.
struct Place<'a> {
    target: Target,
    /// As it stands in the URL; may be empty.
    path: &'a str,
}

impl Line<'_> {
    fn request(&self, fields: &[Header<'_>], scope: &Scope) -> Result<Request, Refused> {
        let method = match self.method {
            "CONNECT" => Method::Connect,
            "HEAD" => Method::Head,
            _ => Method::Other,
        };
        let place = match (method, scope) {
            (Method::Connect, Scope::Any) => authority(self.url)?,
            // There is a way to the site already.
            (Method::Connect, Scope::Site(_)) => return Err(Refused::ConnectWithin),
            (Method::Head | Method::Other, Scope::Any) => absolute(self.url)?,
            (Method::Head | Method::Other, Scope::Site(site)) => self.within(site)?,
        };
        let connection = Connection::of(fields)?;
        let framing = field::framing(fields, self.version)?.unwrap_or(Framing::None);
        let default_port = match method {
            // Some clients leave out the port of CONNECT in Host.
            Method::Connect => place.target.port,
            Method::Head | Method::Other => scope.default_port(),
        };
        check_host(fields, self.version, default_port, &place.target)?;
        if field::has_passed(fields, self.mark) {
            return Err(Refused::Loop);
        }
        let is_empty = matches!(framing, Framing::None | Framing::Length(0));
        let upgrade = match self.version {
            Version::Http11 if is_empty && wants_upgrade(fields, &connection) => Upgrade::Asked,
            Version::Http10 | Version::Http11 => Upgrade::No,
        };
        let persistence = match self.version {
            Version::Http11 if !connection.has("close") => Persistence::KeepAlive,
            // RFC 9112, section 9.3: a proxy keeps no connection of HTTP/1.0 alive.
            Version::Http10 | Version::Http11 => Persistence::Close,
        };
        let (kind, head) = match method {
            Method::Connect if !is_empty => return Err(Refused::ConnectBody),
            Method::Connect => (StreamKind::Connect, Bytes::new()),
            Method::Head | Method::Other => {
                let host = host_value(&place.target, scope);
                let head = self.forward(&place, &host, fields, &connection, framing, upgrade)?;
                let kind = match scope {
                    Scope::Any => StreamKind::Http,
                    Scope::Site(_) => StreamKind::Https,
                };
                (kind, head.into())
            }
        };
        Ok(Request {
            target: place.target,
            kind,
            method,
            version: self.version,
            framing,
            persistence,
            upgrade,
            credentials: Credentials::of(fields),
            reader: reader(fields),
            head,
        })
    }

    /// The path of a request within a site's TLS: in origin form, or with the URL of that site.
    fn within(&self, site: &Target) -> Result<Place<'_>, Refused> {
        let path = match self.url {
            "*" if self.method == "OPTIONS" => "",
            path if path.starts_with('/') => path,
            url => {
                let (host, path) = url_parts(url, "https")?;
                if target(host, Some(HTTPS_PORT))? != *site {
                    return Err(Refused::HostConflict);
                }
                path
            }
        };
        checked_path(path)?;
        Ok(Place { target: site.clone(), path })
    }

    /// Writes the head for the site.
    fn forward(
        &self,
        place: &Place<'_>,
        host: &str,
        fields: &[Header<'_>],
        connection: &Connection<'_>,
        framing: Framing,
        upgrade: Upgrade,
    ) -> Result<Vec<u8>, Refused> {
        let copied: usize = fields.iter().map(|f| f.name.len() + f.value.len() + 4).sum();
        let mut out = Vec::with_capacity(self.method.len() + self.url.len() + copied + 128);
        out.extend_from_slice(self.method.as_bytes());
        out.push(b' ');
        match place.path.as_bytes() {
            // RFC 9112, section 3.2.4.
            [] if self.method == "OPTIONS" => out.push(b'*'),
            [b'/', ..] => {}
            _ => out.push(b'/'),
        }
        out.extend_from_slice(place.path.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\n");
        field::write(&mut out, "Host", host.as_bytes());
        for field in fields.iter().filter(|field| !connection.stops(field.name)) {
            let is = |name: &str| field.name.eq_ignore_ascii_case(name);
            // RFC 9110, section 10.1.1: what HTTP/1.0 expects is ignored.
            let is_ignored = is("expect") && self.version == Version::Http10;
            if !is_ignored && !is("max-forwards") {
                field::write(&mut out, field.name, field.value);
            }
        }
        self.write_max_forwards(&mut out, fields)?;
        field::write_framing(&mut out, framing);
        match upgrade {
            Upgrade::Asked => field::write_upgrade(&mut out, fields),
            // One connection to the site per exchange.
            Upgrade::No => field::write(&mut out, "Connection", b"close"),
        }
        out.extend_from_slice(b"\r\n");
        Ok(out)
    }

    /// Counts this hop (RFC 9110, section 7.6.2).
    fn write_max_forwards(&self, out: &mut Vec<u8>, fields: &[Header<'_>]) -> Result<(), Refused> {
        let mut counts = field::named(fields, "max-forwards");
        let Some(count) = counts.next() else {
            return Ok(());
        };
        if !matches!(self.method, "TRACE" | "OPTIONS") {
            field::write(out, count.name, count.value);
            return Ok(());
        }
        let digits = core::str::from_utf8(count.value).unwrap_or_default();
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) || counts.next().is_some() {
            return Err(Refused::BadMaxForwards);
        }
        let hops: u32 = digits.parse().map_err(|_| Refused::BadMaxForwards)?;
        let left = hops.checked_sub(1).ok_or(Refused::LastHop)?;
        field::write(out, count.name, alloc::format!("{left}").as_bytes());
        Ok(())
    }
}

/// Reads the target of CONNECT: `host:port` (RFC 9112, section 3.2.3).
fn authority(url: &str) -> Result<Place<'_>, Refused> {
    let target = target(url, None)?;
    Ok(Place { target, path: "" })
}

/// Reads an absolute URL of `http:` (RFC 9112, section 3.2.2).
///
/// Path and query are passed on as they are, as long as they are visible ASCII: browsers send a
/// lone `%`, `|` or `^` there, and what it means is the site's own matter.
fn absolute(url: &str) -> Result<Place<'_>, Refused> {
    let (host, path) = url_parts(url, "http")?;
    let target = target(host, Some(HTTP_PORT))?;
    Ok(Place { target, path })
}

/// Takes the authority and what follows it out of a URL of this scheme.
fn url_parts<'a>(url: &'a str, scheme: &str) -> Result<(&'a str, &'a str), Refused> {
    let Some((said, rest)) = url.split_once("://") else {
        return Err(Refused::NoSite);
    };
    if said.contains('/') {
        return Err(Refused::NoSite);
    }
    if !said.eq_ignore_ascii_case(scheme) {
        return Err(match said.eq_ignore_ascii_case("https") {
            true => Refused::Https,
            false => Refused::Scheme,
        });
    }
    checked_path(rest)?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    Ok(rest.split_at(end))
}

/// Refuses what neither host nor path of a URL may hold.
fn checked_path(text: &str) -> Result<(), Refused> {
    match text {
        text if !text.is_ascii() => Err(Refused::UrlByte),
        text if text.contains('#') => Err(Refused::Fragment),
        _ => Ok(()),
    }
}

fn target(text: &str, default_port: Option<u16>) -> Result<Target, Refused> {
    if text.contains('@') {
        return Err(Refused::UserInfo);
    }
    Target::parse(text, default_port).map_err(|error| match error {
        InvalidTarget::Host => Refused::Host,
        InvalidTarget::Port => Refused::Port,
    })
}

/// The value of `Host` for a target.
fn host_value(target: &Target, scope: &Scope) -> alloc::string::String {
    match target.port == scope.default_port() {
        true => alloc::format!("{}", target.host),
        false => alloc::format!("{target}"),
    }
}

/// Holds the `Host` field against the request line. The request line alone decides where the
/// request goes (RFC 9112, section 3.2.2), but a sender that names two sites is not trusted.
fn check_host(
    fields: &[Header<'_>],
    version: Version,
    default_port: u16,
    target: &Target,
) -> Result<(), Refused> {
    let mut hosts = field::named(fields, "host");
    let Some(host) = hosts.next() else {
        return match version {
            Version::Http10 => Ok(()),
            Version::Http11 => Err(Refused::NoHostField),
        };
    };
    if hosts.next().is_some() {
        return Err(Refused::TwoHostFields);
    }
    let text = core::str::from_utf8(host.value).map_err(|_| Refused::BadHostField)?;
    let named = Target::parse(text, Some(default_port)).map_err(|_| Refused::BadHostField)?;
    if named == *target { Ok(()) } else { Err(Refused::HostConflict) }
}

/// Who reads an answer. `text/html` is all that counts: browsers name it when a person waits for a
/// page, programs send `*/*`.
fn reader(fields: &[Header<'_>]) -> Reader {
    let takes_html = |value: &[u8]| {
        let mut kinds = value.split(|&byte| byte == b',');
        kinds.any(|kind| {
            let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default();
            kind.trim_ascii().eq_ignore_ascii_case(b"text/html")
        })
    };
    match field::named(fields, "accept").any(|field| takes_html(field.value)) {
        true => Reader::Person,
        false => Reader::Program,
    }
}

/// True if an upgrade is asked for that may be passed on.
///
/// HTTP/2 over an upgrade is not: its `HTTP2-Settings` ends at this hop, and a site may answer
/// any upgrade in plain HTTP/1.1. Nor is an upgrade with a body, whose end and the switch would
/// cross each other; the caller sees to that.
pub(super) fn wants_upgrade(fields: &[Header<'_>], connection: &Connection<'_>) -> bool {
    let mut protocols = field::named(fields, "upgrade")
        .flat_map(|field| field.value.split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|protocol| !protocol.is_empty())
        .peekable();
    connection.has("upgrade")
        && protocols.peek().is_some()
        && protocols.all(|protocol| !protocol.eq_ignore_ascii_case(b"h2c"))
}
