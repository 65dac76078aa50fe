//! The first bytes of a connection: TLS or not, and what its ClientHello asks for.
//!
//! Nothing is taken off: whoever looked hands the same bytes on, to TLS or to the site.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::HTTP_ALPN;

/// Content type of the handshake (RFC 8446, section 5.1), the first byte of every TLS connection.
const HANDSHAKE: u8 = 22;
/// Message type of the ClientHello (RFC 8446, section 4).
const CLIENT_HELLO: u8 = 1;
/// Extensions (RFC 6066, section 3; RFC 7301, section 3.1).
const SERVER_NAME: u16 = 0;
const ALPN: u16 = 16;
/// Most plaintext of one record.
const MAX_RECORD: usize = 16 * 1024;
/// Largest ClientHello that is looked at.
const MAX_HELLO: usize = 16 * 1024;

/// What the first bytes of a connection are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Glimpse {
    /// It takes more bytes to tell.
    More,
    /// Not TLS, or nothing that a TLS server could make sense of.
    NotTls,
    /// A whole ClientHello.
    Tls(ClientHello),
}

/// What is of interest in a ClientHello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientHello {
    /// The name that the client looks for (SNI), as it was sent.
    pub server_name: Option<Box<str>>,
    /// Whether HTTP/1.1 will do: it is offered, or nothing is.
    pub http1: Http1,
}

/// Whether a client would speak HTTP/1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Http1 {
    /// It offers that, or does not say what it speaks.
    #[default]
    Taken,
    /// It offers other protocols only, HTTP/2 for example.
    Refused,
}

/// Looks at the first bytes of a connection. The verdict on a prefix holds for all that follows.
#[must_use]
pub fn glimpse(bytes: &[u8]) -> Glimpse {
    let (mut message, mut rest) = (Vec::new(), bytes);
    loop {
        match next_record(rest) {
            Record::NotTls => return Glimpse::NotTls,
            Record::More => return Glimpse::More,
            Record::Part(part, after) => {
                message.extend_from_slice(part);
                rest = after;
            }
        }
        let [kind, length @ ..] = message.as_slice() else { continue };
        if *kind != CLIENT_HELLO {
            return Glimpse::NotTls;
        }
        let Some(([a, b, c], body)) = length.split_first_chunk() else { continue };
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        if length > MAX_HELLO {
            return Glimpse::NotTls;
        }
        if let Some(body) = body.get(..length) {
            return parse(body).map_or(Glimpse::NotTls, Glimpse::Tls);
        }
    }
}

enum Record<'a> {
    NotTls,
    More,
    /// What the record carries, as far as it is here, and what follows it.
    Part(&'a [u8], &'a [u8]),
}

/// Reads the record at the front (RFC 8446, section 5.1).
fn next_record(bytes: &[u8]) -> Record<'_> {
    let [kind, more @ ..] = bytes else { return Record::More };
    if *kind != HANDSHAKE || more.first().is_some_and(|major| *major != 3) {
        return Record::NotTls;
    }
    let [_, _, high, low, payload @ ..] = more else { return Record::More };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length == 0 || length > MAX_RECORD {
        return Record::NotTls;
    }
    match payload.split_at_checked(length) {
        Some((part, after)) => Record::Part(part, after),
        None => Record::Part(payload, &[]),
    }
}

/// Reads the body of a ClientHello (RFC 8446, section 4.1.2).
fn parse(body: &[u8]) -> Option<ClientHello> {
    let mut body = Fields(body);
    body.skip(2 + 32)?;
    body.prefixed8()?;
    body.prefixed16()?;
    body.prefixed8()?;
    let mut found = ClientHello::default();
    if body.0.is_empty() {
        return Some(found);
    }
    let mut extensions = Fields(body.prefixed16()?);
    while !extensions.0.is_empty() {
        let kind = extensions.number16()?;
        let content = extensions.prefixed16()?;
        match kind {
            SERVER_NAME => found.server_name = name_of(content),
            ALPN => found.http1 = http1_of(content)?,
            _ => {}
        }
    }
    Some(found)
}

/// The host name of a `server_name` extension; one that is none is left out.
fn name_of(content: &[u8]) -> Option<Box<str>> {
    let mut names = Fields(Fields(content).prefixed16()?);
    while !names.0.is_empty() {
        let kind = names.number8()?;
        let name = names.prefixed16()?;
        if kind == 0 {
            return core::str::from_utf8(name).ok().map(Into::into);
        }
    }
    None
}

fn http1_of(content: &[u8]) -> Option<Http1> {
    let mut offers = Fields(Fields(content).prefixed16()?);
    while !offers.0.is_empty() {
        if offers.prefixed8()? == HTTP_ALPN {
            return Some(Http1::Taken);
        }
    }
    Some(Http1::Refused)
}

/// Fields of a message, taken off the front; `None` where they end too early.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(|_| ())
    }

    fn number8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number16(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(*self.take(2)?.first_chunk()?))
    }

    fn prefixed8(&mut self) -> Option<&'a [u8]> {
        let length = self.number8()?;
        self.take(usize::from(length))
    }

    fn prefixed16(&mut self) -> Option<&'a [u8]> {
        let length = self.number16()?;
        self.take(usize::from(length))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use alloc::vec;

    use super::*;
    use crate::tls::{BufferPool, TlsClient, TlsPipe, Trust};

    fn hello_of(name: &str) -> Vec<u8> {
        let client = TlsClient::for_sites(Trust::Anything).unwrap();
        let mut pool = BufferPool::small(1);
        TlsPipe::client(&client, name, 0, &mut pool).unwrap().ciphertext().to_vec()
    }

    /// The same message in records of `size` bytes.
    fn split(hello: &[u8], size: usize) -> Vec<u8> {
        let record = |part: &[u8]| {
            [&[HANDSHAKE, 3, 1][..], &(part.len() as u16).to_be_bytes(), part].concat()
        };
        hello[5..].chunks(size).flat_map(record).collect()
    }

    #[test]
    fn the_name_is_found_however_the_hello_is_cut() {
        let hello = hello_of("app.test");
        for bytes in [hello.clone(), split(&hello, 1), split(&hello, 7)] {
            for end in 0..bytes.len() {
                assert_eq!(glimpse(&bytes[..end]), Glimpse::More, "{end}");
            }
            let Glimpse::Tls(found) = glimpse(&bytes) else { panic!("not TLS") };
            assert_eq!(found.server_name.as_deref(), Some("app.test"));
            assert_eq!(found.http1, Http1::Taken);
        }
        // RFC 6066, section 3: an address is not sent.
        let found = glimpse(&hello_of("192.0.2.1"));
        assert_eq!(found, Glimpse::Tls(ClientHello::default()));
    }

    #[test]
    fn what_is_not_tls_is_known_by_its_first_bytes() {
        for bytes in [
            b"GET / HTTP/1.1\r\n".as_slice(),
            b"SSH-2.0",
            &[22, 2],
            &[21, 3, 1],
            &[22, 3, 1, 0, 0],
            &[22, 3, 1, 0x40, 1],
            &[22, 3, 1, 0, 1, 2],
            &[22, 3, 1, 0, 4, 1, 1, 0, 0],
        ] {
            assert_eq!(glimpse(bytes), Glimpse::NotTls, "{bytes:?}");
        }
    }

    /// A ClientHello with these extensions.
    fn made(extensions: &[u8]) -> Vec<u8> {
        let mut body = vec![3, 3];
        body.extend([0; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0]);
        body.extend((extensions.len() as u16).to_be_bytes());
        body.extend(extensions);
        let mut bytes = vec![HANDSHAKE, 3, 1];
        bytes.extend((body.len() as u16 + 4).to_be_bytes());
        bytes.extend([CLIENT_HELLO, 0]);
        bytes.extend((body.len() as u16).to_be_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn what_is_offered_is_told() {
        let http1 = |extensions: &[u8]| match glimpse(&made(extensions)) {
            Glimpse::Tls(hello) => Some(hello.http1),
            _ => None,
        };
        assert_eq!(http1(&[]), Some(Http1::Taken));
        assert_eq!(http1(b"\0\x10\0\x05\0\x03\x02h2"), Some(Http1::Refused));
        assert_eq!(http1(b"\0\x10\0\x0e\0\x0c\x02h2\x08http/1.1"), Some(Http1::Taken));
        // A length that leads beyond the end.
        assert_eq!(http1(b"\0\x10\0\x05\0\x09\x02h2"), None);
        assert_eq!(http1(b"\0\x10\0\x05\0"), None);
    }
}
