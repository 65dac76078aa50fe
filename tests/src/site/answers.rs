//! What a [`Site`](super::Site) answers, by path.
//!
//! | path | answer |
//! | --- | --- |
//! | `/hello` | a short text with `Content-Length` |
//! | `/chunked` | chunks of several sizes, an extension, two trailers |
//! | `/until-close` | a body that ends with the connection |
//! | `/status/N` | status N; 204 and 304 without a body, 304 with the length of what it stands for |
//! | `/early-hints` | 103, then 200 |
//! | `/cached` | 304 if `If-None-Match` is `"1"`, else 200 with that `ETag` |
//! | `/asset/N/FRAMING` | N bytes that stay fresh for an hour, with that framing (`length`, `chunked`) |
//! | `/bytes/N` | N bytes of [`Payload`] with seed N |
//! | `/chunked-bytes/N` | the same in chunks |
//! | `/digest` | length and SHA-256 of the request's body; sends 100 first if asked to |
//! | `/refuse-body` | 417 to `Expect: 100-continue`, without reading the body |
//! | `/parts` | to a chunked body: answers with a line for each part as soon as it is there |
//! | `/cut/FRAMING` | half an answer with that framing (`length`, `chunked`, `close`), then a TCP reset as soon as some of the request's body has come |
//! | `/head` | the head that came, as the body |
//! | `/hold` | reads nothing until the test opens the gate, then as `/digest` |
//! | `/events/STREAM/N`, `/confirm/STREAM/K` | see [`super::events`] |
//! | `/websocket` | a WebSocket that sends every message back |
//! | `/page/N`, `/resource/…` | a page with N sub-resources that counts those that arrived |
//!
//! HEAD has the head of GET where that says its length. Anything else is 404.

use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;

use super::Inside;
use super::record::Raw;
use crate::http::Head;
use crate::http::body::{self, Framing};
use crate::payload::{Digest, Payload};
use crate::websocket;

/// What becomes of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The next request may follow.
    Keep,
    /// It ends here.
    Close,
}

/// Reads the rest of one request and answers it.
pub(crate) fn answer(
    inside: &Inside,
    connection: &Raw,
    head: &Head,
    reader: &mut impl BufRead,
    mut out: &TcpStream,
) -> io::Result<After> {
    let path = head.target();
    let expects_continue = head.lists("Expect", "100-continue");
    match path {
        "/refuse-body" if expects_continue => {
            inside.record.add(connection, head, Digest::default().finish(), Vec::new());
            out.write_all(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")?;
            return Ok(After::Close);
        }
        "/hold" => inside.gate.pass(),
        path if path.starts_with("/cut/") => {
            inside.record.add(connection, head, Digest::default().finish(), Vec::new());
            out.write_all(match path {
                "/cut/length" => b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf of it",
                "/cut/chunked" => {
                    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n14\r\nhalf of it"
                }
                _ => b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf of it".as_slice(),
            })?;
            // The body is there and stays unread, which makes closing a reset.
            out.peek(&mut [0])?;
            return Ok(After::Close);
        }
        "/parts" => {
            inside.record.add(connection, head, Digest::default().finish(), Vec::new());
            answer_parts(reader, out)?;
            return Ok(After::Keep);
        }
        _ => {}
    }
    if expects_continue {
        out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    let mut digest = Digest::default();
    let trailers = body::copy(reader, Framing::of_request(head), &mut digest)?;
    let digest = digest.finish();
    inside.record.add(connection, head, digest.clone(), trailers);
    let without_query = path.split('?').next().unwrap_or_default();
    let segments: Vec<&str> = without_query.split('/').skip(1).collect();
    match segments.as_slice() {
        ["hello"] => plain(head, out, "text/plain", b"hello from the site\n"),
        ["head"] => plain(head, out, "text/plain", &head.raw),
        ["digest" | "hold"] => {
            plain(head, out, "text/plain", format!("{} {}\n", digest.0, digest.1).as_bytes())
        }
        ["chunked"] if head.method() == "HEAD" => out.write_all(CHUNKED_HEAD),
        ["chunked"] => out.write_all(&[CHUNKED_HEAD, CHUNKED_REST].concat()),
        ["until-close"] => {
            out.write_all(b"HTTP/1.1 200 OK\r\n\r\nuntil the connection ends\n")?;
            return Ok(After::Close);
        }
        ["early-hints"] => {
            out.write_all(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n")?;
            plain(head, out, "text/plain", b"after the hints\n")
        }
        ["status", code] => status(head, out, code),
        ["cached"] if head.field("If-None-Match") == Some("\"1\"") => {
            out.write_all(b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\n\r\n")
        }
        ["cached"] => {
            out.write_all(b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 7\r\n\r\nfresh!\n")
        }
        ["kept-page"] => {
            kept(out, "text/html", b"<!doctype html><script src=/kept-script></script>")
        }
        ["kept-script"] => kept(out, "text/javascript", b"document.write('script has run')"),
        ["asset", length, framing] => asset(out, number(length)?, framing),
        ["bytes", length] => bytes(inside, head, out, number(length)?),
        ["chunked-bytes", length] => chunked_bytes(out, number(length)?),
        ["events", stream, last] => inside.confirmations.send(stream, number(last)?, out),
        ["confirm", stream, event] => {
            inside.confirmations.confirm(stream, number(event)?);
            plain(head, out, "text/plain", b"")
        }
        ["websocket"] => {
            websocket::echo(head, reader, out)?;
            return Ok(After::Close);
        }
        ["page", count] => plain(head, out, "text/html", page(number(count)?).as_bytes()),
        ["resource", name] => resource(head, out, name),
        _ => out.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    }?;
    Ok(After::Keep)
}

/// Something for every browser, for a while.
fn kept(mut out: impl Write, kind: &str, body: &[u8]) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nCache-Control: max-age=3600\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    out.write_all(&[head.as_bytes(), body].concat())
}

/// Bytes for every browser, for a while.
fn asset(mut out: impl Write, length: u64, framing: &str) -> io::Result<()> {
    let mut body = Vec::new();
    Payload::new(length, length).read_to_end(&mut body)?;
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=3600\r\nETag: \"a\"\r\n";
    let (field, before, after) = match framing {
        "chunked" => {
            let size = format!("{:x}\r\n", body.len());
            ("Transfer-Encoding: chunked".to_owned(), size, "\r\n0\r\n\r\n")
        }
        _ => (format!("Content-Length: {}", body.len()), String::new(), ""),
    };
    let head = format!("{head}{field}\r\n\r\n{before}");
    out.write_all(&[head.as_bytes(), &body, after.as_bytes()].concat())
}

/// The answer of `/chunked`, byte by byte.
const CHUNKED_HEAD: &[u8] =
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Check, X-Last\r\n\r\n";
const CHUNKED_REST: &[u8] = b"1\r\na\r\n5;name=value\r\nbcdef\r\n0a\r\n0123456789\r\n\
    0\r\nX-Check: done\r\nX-Last: yes\r\n\r\n";

/// The body of `/chunked`.
pub const CHUNKED_BODY: &[u8] = b"abcdef0123456789";

fn plain(head: &Head, mut out: impl Write, kind: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let mut answer =
        format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n")
            .into_bytes();
    if head.method() != "HEAD" {
        answer.extend_from_slice(body);
    }
    out.write_all(&answer)
}

fn status(head: &Head, mut out: impl Write, code: &str) -> io::Result<()> {
    match code {
        "204" => out.write_all(b"HTTP/1.1 204 No Content\r\n\r\n"),
        "304" => out.write_all(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4711\r\n\r\n"),
        code => {
            let body = if head.method() == "HEAD" { "" } else { "status" };
            let answer = format!("HTTP/1.1 {code} As Asked\r\nContent-Length: 6\r\n\r\n{body}");
            out.write_all(answer.as_bytes())
        }
    }
}

fn bytes(inside: &Inside, head: &Head, mut out: impl Write, length: u64) -> io::Result<()> {
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    out.write_all(answer.as_bytes())?;
    if head.method() == "HEAD" {
        return Ok(());
    }
    let mut payload = Payload::new(length, length);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let count = payload.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        out.write_all(&buffer[..count])?;
        inside.sent.fetch_add(count as u64, Ordering::Relaxed);
    }
}

fn chunked_bytes(mut out: impl Write, length: u64) -> io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let mut payload = Payload::new(length, length);
    // Sizes from 1 byte to 32 KiB and back: no chunk ends where a buffer does.
    let mut buffer = vec![0; 32 * 1024];
    for size in (0..).map(|round: u32| 1 + (round.wrapping_mul(7919) % 32_768) as usize) {
        let count = payload.read(&mut buffer[..size])?;
        if count == 0 {
            break;
        }
        let mut chunk = format!("{count:x}\r\n").into_bytes();
        chunk.extend_from_slice(&buffer[..count]);
        chunk.extend_from_slice(b"\r\n");
        out.write_all(&chunk)?;
    }
    out.write_all(b"0\r\n\r\n")
}

/// Answers each line of the request's body with a line of its own as soon as it is there.
fn answer_parts(reader: &mut impl BufRead, mut out: impl Write) -> io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    let mut lines = LinesOut { out: &mut out, line: Vec::new() };
    body::copy(reader, Framing::Chunked, &mut lines)?;
    out.write_all(b"0\r\n\r\n")
}

/// Sends every whole line on as a chunk `got LINE`.
struct LinesOut<'a, W> {
    out: &'a mut W,
    line: Vec<u8>,
}

impl<W: Write> Write for LinesOut<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            self.line.push(*byte);
            if *byte == b'\n' {
                let line = String::from_utf8_lossy(&self.line).into_owned();
                let chunk = format!("{:x}\r\ngot {line}\r\n", line.len() + 4);
                self.out.write_all(chunk.as_bytes())?;
                self.line.clear();
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// A page whose scripts, styles and pictures each say when they have arrived.
fn page(count: u64) -> String {
    let resources: String = (0..count)
        .map(|index| match index % 3 {
            0 => format!("<script src=\"/resource/{index}.js\"></script>\n"),
            1 => format!(
                "<link rel=stylesheet href=\"/resource/{index}.css\" onload=\"arrived.add({index})\">\n"
            ),
            _ => format!("<img src=\"/resource/{index}.svg\" onload=\"arrived.add({index})\">\n"),
        })
        .collect();
    format!(
        "<!doctype html><html><head><meta charset=utf-8><title>page</title>\n\
         <link rel=icon href=\"data:,\"><script>const arrived = new Set();</script></head><body>\n\
         {resources}<p id=count>loading</p>\n\
         <script>addEventListener('load', () => {{\n\
         document.getElementById('count').textContent = `arrived: ${{arrived.size}} of {count}`;\n\
         }});</script></body></html>\n"
    )
}

fn resource(head: &Head, out: impl Write, name: &str) -> io::Result<()> {
    let (index, kind) = name.split_once('.').unwrap_or((name, ""));
    match kind {
        "js" => plain(head, out, "text/javascript", format!("arrived.add({index});").as_bytes()),
        "css" => plain(head, out, "text/css", format!(".c{index} {{ color: red }}").as_bytes()),
        _ => plain(
            head,
            out,
            "image/svg+xml",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"></svg>",
        ),
    }
}

fn number(text: &str) -> io::Result<u64> {
    text.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a number in the path"))
}
