//! Asking a monitor, from another process.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::time::{Duration, Instant};

use super::address::ListenAddress;
use super::basic_auth::BasicAuth;
use super::socket::Socket;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: usize = 64 * 1024;

/// What a monitor said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// The status code.
    pub(crate) code: u16,
    /// The body.
    pub(crate) body: String,
}

/// Asks for a path; the whole may take `patience`, and connecting to each address of a name as long.
///
/// # Errors
///
/// Nobody is there, or does not speak HTTP, or not in time.
pub(crate) fn ask(
    address: &ListenAddress,
    path: &str,
    auth: Option<&BasicAuth>,
    patience: Duration,
) -> io::Result<Said> {
    let deadline = Instant::now() + patience;
    let mut socket = Socket::connect(address, patience)?;
    let login =
        auth.map_or(String::new(), |auth| format!("Authorization: {}\r\n", auth.authorization()));
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{login}\r\n");
    socket.set_write_timeout(patience)?;
    socket.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    while answer.len() < MAX_ANSWER {
        let wait = deadline.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        socket.set_read_timeout(wait)?;
        match socket.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => answer.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(ErrorKind::TimedOut.into());
            }
            Err(error) => return Err(error),
        }
    }
    parse(&answer).ok_or_else(|| io::Error::new(ErrorKind::InvalidData, "the answer is no HTTP"))
}

fn parse(answer: &[u8]) -> Option<Said> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(answer).ok()? else { return None };
    let body = String::from_utf8_lossy(answer.get(length..)?).into_owned();
    Some(Said { code: head.code?, body })
}
