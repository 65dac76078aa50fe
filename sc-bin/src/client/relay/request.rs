//! Reads a request of a WebDriver client.

use std::io::{self, Read, Write};

use ureq::http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::strip;

/// Largest head, and most fields of it.
const MAX_HEAD: usize = 32 * 1024;
const MAX_FIELDS: usize = 64;
/// Largest body. A browser's profile may be in it.
const MAX_BODY: u64 = 32 * 1024 * 1024;

/// A request, to be sent on.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) method: Method,
    /// Path and query, below the broker's own.
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// There is no request to send on.
#[derive(Debug)]
pub(super) enum Bad {
    /// The connection failed.
    Io(io::Error),
    /// It is refused: status line, and why.
    Request(&'static str, &'static str),
}

impl From<io::Error> for Bad {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

const SYNTAX: Bad = Bad::Request("400 Bad Request", "this is not HTTP/1.1");

impl Request {
    /// Whether it asks for a session.
    pub(super) fn is_new_session(&self) -> bool {
        self.method == Method::POST && self.path.trim_end_matches('/') == "/session"
    }
}

/// Reads a request with its body.
pub(super) fn read(stream: &mut (impl Read + Write)) -> Result<Request, Bad> {
    let mut input = Vec::new();
    let (mut request, length) = loop {
        let mut some = [0; 4096];
        let count = stream.read(&mut some)?;
        if count == 0 {
            return Err(Bad::Io(io::ErrorKind::UnexpectedEof.into()));
        }
        input.extend_from_slice(some.get(..count).unwrap_or_default());
        if let Some((request, head, length)) = parse(&input)? {
            input.drain(..head);
            break (request, length);
        }
        if input.len() > MAX_HEAD {
            return Err(Bad::Request(
                "431 Request Header Fields Too Large",
                "the head is too large",
            ));
        }
    };
    if length > MAX_BODY {
        return Err(Bad::Request("413 Content Too Large", "the body is larger than 32 MiB"));
    }
    let missing = length.saturating_sub(input.len() as u64);
    if missing > 0 && request.headers.remove(header::EXPECT).is_some() {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if (stream.take(missing).read_to_end(&mut input)? as u64) < missing {
        return Err(Bad::Io(io::ErrorKind::UnexpectedEof.into()));
    }
    request.body = input;
    strip(&mut request.headers);
    Ok(request)
}

/// The request, the length of its head and that of its body; `None`: its head is not complete.
fn parse(input: &[u8]) -> Result<Option<(Request, usize, u64)>, Bad> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut parsed = httparse::Request::new(&mut fields);
    let head = match parsed.parse(input) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(SYNTAX),
    };
    let method = Method::from_bytes(parsed.method.unwrap_or_default().as_bytes());
    let mut headers = HeaderMap::new();
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| SYNTAX)?;
        headers.append(name, HeaderValue::from_bytes(field.value).map_err(|_| SYNTAX)?);
    }
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return Err(Bad::Request("411 Length Required", "the body needs a Content-Length"));
    }
    // A page in a browser of this machine must not drive sessions with this client's key.
    if headers.contains_key(header::ORIGIN) || !is_for_this_machine(headers.get(header::HOST)) {
        return Err(Bad::Request(
            "403 Forbidden",
            "this port is for WebDriver clients, not for pages",
        ));
    }
    let length =
        match (headers.get(header::CONTENT_LENGTH), headers.get_all(header::CONTENT_LENGTH)) {
            (None, _) => 0,
            (Some(value), all) if all.iter().count() == 1 => {
                value.to_str().ok().and_then(|text| text.parse().ok()).ok_or(SYNTAX)?
            }
            _ => return Err(SYNTAX),
        };
    let path = parsed.path.unwrap_or_default();
    let path = path.strip_prefix("/wd/hub").unwrap_or(path);
    if !path.starts_with("/session") && path != "/status" {
        return Err(Bad::Request("404 Not Found", "paths begin with /wd/hub/session or /session"));
    }
    let (method, path) = (method.map_err(|_| SYNTAX)?, path.to_owned());
    Ok(Some((Request { method, path, headers, body: Vec::new() }, head, length)))
}

/// A name that leads here only for a page that wants to be this machine is refused.
fn is_for_this_machine(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    };
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost")
        || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Request, Bad> {
        read(&mut io::Cursor::new(text.as_bytes().to_vec()))
    }

    #[test]
    fn requests_are_read_with_their_bodies() {
        let text = "POST /wd/hub/session?x HTTP/1.1\r\nHost: localhost:4445\r\nX-One: 1\r\n\
                    Connection: keep-alive\r\nContent-Length: 2\r\n\r\n{}";
        let request = read_text(text).unwrap();
        assert_eq!((request.path.as_str(), request.body.as_slice()), ("/session?x", &b"{}"[..]));
        let names: Vec<&str> = request.headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-one"]);
        let request = read_text("GET /status HTTP/1.1\r\nHost: [::1]:1\r\n\r\n").unwrap();
        assert!(request.body.is_empty() && !request.is_new_session());
    }

    #[test]
    fn pages_and_nonsense_are_refused() {
        for (text, expected) in [
            ("POST /session HTTP/1.1\r\nHost: localhost\r\nOrigin: http://x\r\n\r\n", "403"),
            ("POST /session HTTP/1.1\r\nHost: evil.test:4445\r\n\r\n", "403"),
            ("POST /session HTTP/1.1\r\n\r\n", "403"),
            ("GET /other HTTP/1.1\r\nHost: localhost\r\n\r\n", "404"),
            (
                "POST /session HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
                "411",
            ),
            ("GET /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", "413"),
            ("GET /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n", "400"),
            ("nonsense\r\n\r\n", "400"),
        ] {
            match read_text(text) {
                Err(Bad::Request(status, _)) => assert!(status.starts_with(expected), "{text}"),
                other => panic!("{text}: {other:?}"),
            }
        }
    }
}
