//! Reading a body by its framing (RFC 9112, section 6).

use std::io::{self, BufRead, Read as _, Write};

use super::head::{self, Head};

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// There is no body.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks and trailers.
    Chunked,
    /// Until the connection ends.
    UntilClose,
}

impl Framing {
    /// Of a request.
    pub fn of_request(head: &Head) -> Self {
        Self::declared(head).unwrap_or(Self::None)
    }

    /// Of the answer to a request with `method`.
    pub fn of_answer(head: &Head, method: &str) -> Self {
        let status = head.status();
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Self::None;
        }
        Self::declared(head).unwrap_or(Self::UntilClose)
    }

    fn declared(head: &Head) -> Option<Self> {
        if head.lists("Transfer-Encoding", "chunked") {
            return Some(Self::Chunked);
        }
        head.field("Content-Length").and_then(|text| text.parse().ok()).map(Self::Length)
    }
}

/// Copies a body to `sink` and returns its trailers.
///
/// # Errors
/// Those of both sides; `UnexpectedEof` if it ends early; `InvalidData` for a bad chunk.
pub fn copy(
    reader: &mut impl BufRead,
    framing: Framing,
    sink: &mut impl Write,
) -> io::Result<Vec<(String, String)>> {
    match framing {
        Framing::None => {}
        Framing::Length(length) => copy_exactly(reader, length, sink)?,
        Framing::UntilClose => {
            io::copy(reader, sink)?;
        }
        Framing::Chunked => return copy_chunks(reader, sink),
    }
    Ok(Vec::new())
}

fn copy_chunks(
    reader: &mut impl BufRead,
    sink: &mut impl Write,
) -> io::Result<Vec<(String, String)>> {
    loop {
        let line = line(reader)?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16).map_err(|_| bad("chunk size", &line))?;
        if size == 0 {
            break;
        }
        copy_exactly(reader, size, sink)?;
        let end = self::line(reader)?;
        if !end.is_empty() {
            return Err(bad("end of chunk", &end));
        }
    }
    let mut trailers = Vec::new();
    loop {
        let line = line(reader)?;
        if line.is_empty() {
            return Ok(trailers);
        }
        trailers.push(head::field(&line).ok_or_else(|| bad("trailer", &line))?);
    }
}

fn copy_exactly(reader: &mut impl BufRead, length: u64, sink: &mut impl Write) -> io::Result<()> {
    let copied = io::copy(&mut reader.take(length), sink)?;
    if copied == length { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn line(reader: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    reader.take(64 * 1024).read_until(b'\n', &mut line)?;
    match line.strip_suffix(b"\r\n") {
        Some(text) => Ok(String::from_utf8_lossy(text).into_owned()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

fn bad(what: &str, text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("bad {what}: {text:?}"))
}
