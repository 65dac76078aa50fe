//! The Selenium relay (`--se-port`): tests of the office reach the server's WebDriver broker by a
//! port of this machine, by the way of the client's own REST calls. User, key and tunnel are added
//! where a test leaves them out.
//!
//! Plain blocking HTTP/1.1, a thread and an exchange for each connection. `request` reads, `names`
//! adds the tunnel's name to a new session.

mod names;
mod request;

use std::io::{self, ErrorKind, Read, Write as _};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;
use ureq::http::{HeaderMap, HeaderName, header};

use super::failure::Failure;
use super::rest::Rest;
use request::{Bad, Request};

/// Connections at once, each on a thread of its own. One more is refused.
const MAX_CONNECTIONS: usize = 256;
/// For a request to come, and for its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long accepting rests when the system has no descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);
/// Bytes that are handed on at once.
const CHUNK: usize = 16 * 1024;

/// Listens on the loopback address.
///
/// # Errors
///
/// The port is taken.
pub(super) fn listen(port: u16) -> Result<TcpListener, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| Failure::Listen {
        flag: "--se-port",
        address: format!("127.0.0.1:{port}"),
        error: error.to_string(),
    })
}

/// Serves what comes, until the process ends.
///
/// # Errors
///
/// The system has no threads left.
pub(super) fn start(listener: TcpListener, rest: Rest, tunnel: Option<String>) -> io::Result<()> {
    let relay = Arc::new(Relay { rest, tunnel, open: AtomicUsize::new(0) });
    let thread = thread::Builder::new().name("sc-relay".to_owned());
    thread.spawn(move || relay.accept(&listener)).map(drop)
}

struct Relay {
    rest: Rest,
    /// Its name.
    tunnel: Option<String>,
    open: AtomicUsize,
}

impl Relay {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept() else {
                thread::sleep(ACCEPT_PAUSE);
                continue;
            };
            if self.open.fetch_add(1, Ordering::Relaxed) >= MAX_CONNECTIONS {
                self.open.fetch_sub(1, Ordering::Relaxed);
                continue;
            }
            let relay = Arc::clone(self);
            let thread = thread::Builder::new().name("sc-relayed".to_owned());
            let spawned = thread.spawn(move || {
                if let Err(error) = relay.serve(&stream) {
                    log::debug!("the Selenium listener: {error}");
                }
                relay.open.fetch_sub(1, Ordering::Relaxed);
            });
            if spawned.is_err() {
                self.open.fetch_sub(1, Ordering::Relaxed);
            }
        }
    }

    /// One request and its answer.
    fn serve(&self, mut stream: &TcpStream) -> io::Result<()> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        match request::read(&mut stream) {
            Ok(request) => self.exchange(request, stream),
            Err(Bad::Io(error)) => Err(error),
            Err(Bad::Request(status, why)) => refuse(stream, status, "invalid argument", why),
        }?;
        stream.shutdown(Shutdown::Write)?;
        // What was not read would reset the connection, and the answer with it.
        let _ = io::copy(&mut stream.take(1 << 20), &mut io::sink());
        Ok(())
    }

    fn exchange(&self, mut request: Request, mut stream: &TcpStream) -> io::Result<()> {
        if request.is_new_session()
            && let Some(name) = &self.tunnel
            && let Some(body) = names::named(&request.body, name)
        {
            request.body = body;
        }
        let answer =
            match self.rest.relay(&request.method, &request.path, request.headers, request.body) {
                Ok(answer) => answer,
                Err(error) => {
                    let why = format!("the server's WebDriver broker cannot be reached: {error}");
                    return refuse(stream, "502 Bad Gateway", "unknown error", &why);
                }
            };
        let status = answer.status();
        let reason = status.canonical_reason().unwrap_or("Unknown");
        let mut head = format!("HTTP/1.1 {} {reason}\r\n", status.as_u16()).into_bytes();
        for (name, value) in answer.headers() {
            if !is_of_one_hop(name) {
                head.extend_from_slice(name.as_str().as_bytes());
                head.extend_from_slice(b": ");
                head.extend_from_slice(value.as_bytes());
                head.extend_from_slice(b"\r\n");
            }
        }
        head.extend_from_slice(b"Connection: close\r\n\r\n");
        stream.write_all(&head)?;
        let mut body = answer.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            match body.read(&mut chunk) {
                Ok(0) => return Ok(()),
                Ok(count) => stream.write_all(chunk.get(..count).unwrap_or_default())?,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// Fields of one connection (RFC 9110, 7.6.1).
fn is_of_one_hop(name: &HeaderName) -> bool {
    [header::CONNECTION, header::TRANSFER_ENCODING, header::UPGRADE, header::TE, header::TRAILER]
        .contains(name)
        || name.as_str() == "keep-alive"
}

/// Takes out of a request what belongs to its connection, or is said anew.
fn strip(headers: &mut HeaderMap) {
    let gone: Vec<HeaderName> =
        headers.keys().filter(|name| is_of_one_hop(name)).cloned().collect();
    for name in gone.iter().chain(&[header::HOST, header::CONTENT_LENGTH, header::EXPECT]) {
        headers.remove(name);
    }
}

/// Says why not, in the form of W3C WebDriver.
fn refuse(mut stream: &TcpStream, status: &str, error: &str, why: &str) -> io::Result<()> {
    let body = json!({"value": {"error": error, "message": why, "stacktrace": ""}}).to_string();
    let length = body.len();
    stream.write_all(
        format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json; charset=utf-8\r\n\
             Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .as_bytes(),
    )
}
