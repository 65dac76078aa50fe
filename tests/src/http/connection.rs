//! A user's connection: to a proxy, through it, or straight to a site.

use std::io::{self, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::body::{self, Framing};
use super::head::Head;
use crate::wait::PATIENCE;

/// A TCP connection that speaks HTTP/1.1. Every read and write has the deadline [`PATIENCE`].
#[derive(Debug)]
pub struct Connection {
    reader: BufReader<TcpStream>,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its final head.
    pub head: Head,
    /// The interim answers (1xx) before it.
    pub interim: Vec<u16>,
    /// Its body, decoded.
    pub body: Vec<u8>,
    /// Trailers of a chunked body.
    pub trailers: Vec<(String, String)>,
}

impl Answer {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.head.status()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One that somebody else has opened.
impl From<TcpStream> for Connection {
    fn from(stream: TcpStream) -> Self {
        Self { reader: BufReader::with_capacity(64 * 1024, stream) }
    }
}

impl Connection {
    /// Connects to `address`.
    ///
    /// # Errors
    /// Those of the system.
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(stream.into())
    }

    /// Connects to `target` (`host:port`) by CONNECT.
    ///
    /// # Errors
    /// Those of the system; `ConnectionRefused` with the proxy's answer if that is not 200.
    pub fn through(proxy: SocketAddr, target: &str) -> io::Result<Self> {
        let mut connection = Self::open(proxy)?;
        connection.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n"))?;
        let head = connection.read_head()?;
        if head.status() == 200 {
            return Ok(connection);
        }
        let raw = String::from_utf8_lossy(&head.raw).into_owned();
        Err(io::Error::new(io::ErrorKind::ConnectionRefused, raw))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Those of the system.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream().write_all(bytes.as_ref())
    }

    /// Sends a request without a body and reads its answer.
    ///
    /// # Errors
    /// Those of the system, and of an answer that is not HTTP.
    pub fn exchange(&mut self, request: &str) -> io::Result<Answer> {
        self.send(request)?;
        self.read_answer(request.split(' ').next().unwrap_or_default())
    }

    /// Reads the next head, interim ones included.
    ///
    /// # Errors
    /// As [`Self::exchange`]; `UnexpectedEof` if the peer closed.
    pub fn read_head(&mut self) -> io::Result<Head> {
        let head = Head::read(&mut self.reader)?;
        head.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer"))
    }

    /// Reads the answer to a request with `method`.
    ///
    /// # Errors
    /// As [`Self::read_head`].
    pub fn read_answer(&mut self, method: &str) -> io::Result<Answer> {
        let mut body = Vec::new();
        let mut answer = self.read_answer_into(method, &mut body)?;
        answer.body = body;
        Ok(answer)
    }

    /// As [`Self::read_answer`], but the body goes to `sink`.
    ///
    /// # Errors
    /// As [`Self::read_head`], and those of `sink`.
    pub fn read_answer_into(&mut self, method: &str, sink: &mut impl Write) -> io::Result<Answer> {
        let mut interim = Vec::new();
        let head = loop {
            let head = self.read_head()?;
            match head.status() {
                101 | 200.. => break head,
                status => interim.push(status),
            }
        };
        let framing = Framing::of_answer(&head, method);
        let trailers = body::copy(&mut self.reader, framing, sink)?;
        Ok(Answer { head, interim, body: Vec::new(), trailers })
    }

    /// Reads until the peer closes. A reset counts as closing.
    ///
    /// # Errors
    /// If it does not close within [`PATIENCE`].
    pub fn read_to_close(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match self.reader.read_to_end(&mut bytes) {
            Err(error) if error.kind() != io::ErrorKind::ConnectionReset => Err(error),
            _ => Ok(bytes),
        }
    }

    /// What is read next, unparsed.
    pub fn reader(&mut self) -> &mut impl io::BufRead {
        &mut self.reader
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        self.reader.get_ref()
    }

    /// The socket, when nothing is left in the reader's buffer.
    ///
    /// # Panics
    /// If bytes are left there.
    pub fn into_stream(self) -> TcpStream {
        assert!(self.reader.buffer().is_empty(), "bytes would be lost");
        self.reader.into_inner()
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream().flush()
    }
}

/// One GET of an absolute URL by way of `proxy`, on a connection of its own.
///
/// # Errors
/// As [`Connection::exchange`].
pub fn get(proxy: SocketAddr, url: &str) -> io::Result<Answer> {
    let authority = url.trim_start_matches("http://").split('/').next().unwrap_or_default();
    let request = format!("GET {url} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    Connection::open(proxy)?.exchange(&request)
}
