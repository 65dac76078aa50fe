//! One connection: requests in, answers out, each within a time.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::Shutdown;
use std::time::{Duration, Instant};

use super::answer::{Answer, Status};
use super::request::{After, BadRequest, Method, Request};
use super::socket::Socket;
use crate::calendar::unix_now;

/// From the first byte of a head to its last, and for an answer to be taken.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// Largest head, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// What a connection needs of its server.
pub(super) trait Server {
    /// The connection begins to wait for a request; it may be ended from now on.
    fn idle(&mut self);
    /// A request has begun.
    fn busy(&mut self);
    /// Answers a request.
    fn answer(&self, request: &Request) -> Answer;
}

/// Serves a connection until it ends. `idle` is how long it may wait for the next request.
pub(super) fn serve(mut socket: Socket, idle: Duration, server: &mut impl Server) {
    let mut input = Vec::new();
    // Who connects has something to say.
    let mut wait = TIMEOUT;
    loop {
        server.idle();
        let next = next_request(&mut socket, &mut input, wait, server);
        let (answer, method, after) = match next {
            Ok(Some(request)) => (server.answer(&request), request.method, request.after),
            Ok(None) | Err(Trouble::Io) => return,
            Err(Trouble::Told(answer)) => (answer, Method::Get, After::Close),
        };
        let bytes = answer.bytes(method, after, unix_now());
        if write_all(&mut socket, &bytes).is_err() {
            return;
        }
        if after == After::Close {
            return say_goodbye(&mut socket);
        }
        wait = idle;
    }
}

/// Why there is no request.
enum Trouble {
    /// The connection has failed.
    Io,
    /// To be told.
    Told(Answer),
}

/// The next request; `None`: the connection has ended, or waited long enough.
fn next_request(
    socket: &mut Socket,
    input: &mut Vec<u8>,
    idle: Duration,
    server: &mut impl Server,
) -> Result<Option<Request>, Trouble> {
    let mut deadline = None;
    loop {
        if !input.is_empty() && deadline.is_none() {
            server.busy();
            deadline = Some(Instant::now() + TIMEOUT);
        }
        match Request::parse(input) {
            Ok(Some((request, length))) => {
                input.drain(..length);
                return Ok(Some(request));
            }
            Ok(None) if input.len() >= MAX_HEAD => {
                let text = "the request's head is too large";
                return Err(Trouble::Told(Answer::text(Status::HeadTooLarge, text)));
            }
            Ok(None) => {}
            Err(bad) => return Err(Trouble::Told(refusal(bad))),
        }
        let wait = match deadline {
            Some(at) => at.saturating_duration_since(Instant::now()),
            None => idle,
        };
        let mut buffer = [0; 2048];
        match read_within(socket, wait, &mut buffer) {
            Ok(0) => return Ok(None),
            Ok(n) => input.extend_from_slice(buffer.get(..n).unwrap_or_default()),
            Err(error) if is_timeout(&error) && deadline.is_some() => {
                let text = "the request was not complete in time";
                return Err(Trouble::Told(Answer::text(Status::TimedOut, text)));
            }
            Err(error) if is_timeout(&error) => return Ok(None),
            Err(_) => return Err(Trouble::Io),
        }
    }
}

fn refusal(bad: BadRequest) -> Answer {
    match bad {
        BadRequest::Syntax => Answer::text(Status::BadRequest, "this is not an HTTP/1.1 request"),
        BadRequest::Body => Answer::text(Status::BodyTooLarge, "no request has a body here"),
        BadRequest::Method => Answer::text(Status::MethodNotAllowed, "only GET and HEAD"),
    }
}

fn read_within(socket: &mut Socket, wait: Duration, buffer: &mut [u8]) -> io::Result<usize> {
    if wait.is_zero() {
        return Err(ErrorKind::TimedOut.into());
    }
    socket.set_read_timeout(wait)?;
    loop {
        match socket.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Writes all, in [`TIMEOUT`] altogether.
fn write_all(socket: &mut Socket, mut bytes: &[u8]) -> io::Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while !bytes.is_empty() {
        let wait = deadline.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        socket.set_write_timeout(wait)?;
        match socket.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(n) => bytes = bytes.get(n..).unwrap_or_default(),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Ends the connection so that the answer is not lost to a reset for bytes that nobody read.
fn say_goodbye(socket: &mut Socket) {
    socket.shutdown(Shutdown::Write);
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut sink = [0; 4096];
    for _ in 0..64 {
        let wait = deadline.saturating_duration_since(Instant::now());
        if !matches!(read_within(socket, wait, &mut sink), Ok(1..)) {
            return;
        }
    }
}

/// A socket's timeout has one of two names, by system.
fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
}
