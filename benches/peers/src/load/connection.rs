//! One connection of the generator.

use std::io::{self, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::time::Instant;

use mio::net::TcpStream;
use socket2::SockRef;

use super::{Entry, Work};
use crate::origin;

/// Calls on one connection before the others have their turn.
const CALLS: usize = 4;

/// A connection and what it waits for.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    entry: Entry,
    work: Work,
    state: State,
    /// When the request began that is under way.
    begun: Instant,
    /// The answer so far, of small requests.
    answer: Vec<u8>,
    /// Bytes of downloads since the last whole one.
    since_whole: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Dialling,
    /// CONNECT has been sent.
    Asking,
    /// A request has been sent.
    Receiving,
    /// The one request of [`Work::Idle`] has been answered.
    Resting,
}

/// What came of a turn.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Turn {
    /// Bytes received.
    pub(super) bytes: u64,
    /// A request that was answered, and how long it took in microseconds.
    pub(super) answered: Option<u32>,
    /// The connection has done its work: another takes its place.
    pub(super) finished: bool,
    /// There may be more to read now.
    pub(super) again: bool,
}

impl Connection {
    pub(super) fn dial(entry: Entry, work: Work) -> io::Result<Self> {
        let begun = Instant::now();
        let stream = TcpStream::connect(entry.address)?;
        stream.set_nodelay(true)?;
        let answer = Vec::with_capacity(2048);
        Ok(Self { stream, entry, work, state: State::Dialling, begun, answer, since_whole: 0 })
    }

    /// Goes on as far as the socket lets it. `untouched` stands for the bytes of a download, which
    /// the kernel drops: only its length is used.
    pub(super) fn go_on(&mut self, untouched: &mut [MaybeUninit<u8>]) -> io::Result<Turn> {
        match self.state {
            State::Dialling => self.established(),
            State::Asking => self.read_connect_answer(),
            State::Receiving if self.work == Work::Bulk => self.discard(untouched),
            State::Receiving => self.read_answer(),
            State::Resting => self.expect_silence(),
        }
    }

    fn established(&mut self) -> io::Result<Turn> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        if self.stream.peer_addr().is_err() {
            return Ok(Turn::default());
        }
        let Some(target) = self.entry.connect else {
            self.ask()?;
            return Ok(Turn::default());
        };
        let head = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
        self.send(head.as_bytes())?;
        self.state = State::Asking;
        Ok(Turn::default())
    }

    fn read_connect_answer(&mut self) -> io::Result<Turn> {
        self.fill_answer()?;
        let Some(end) = head_end(&self.answer) else { return Ok(Turn::default()) };
        if !self.answer.starts_with(b"HTTP/1.1 200") || end != self.answer.len() {
            return Err(unexpected(&self.answer));
        }
        self.answer.clear();
        self.ask()?;
        Ok(Turn::default())
    }

    /// Sends the request, or the first two downloads: the second waits at the site, so that there
    /// is no pause between the two.
    fn ask(&mut self) -> io::Result<()> {
        self.state = State::Receiving;
        match self.work {
            Work::Bulk => {
                self.send(origin::BULK_REQUEST)?;
                self.send(origin::BULK_REQUEST)
            }
            Work::KeepAlive | Work::Idle => self.send(origin::SMALL_REQUEST),
            Work::Reconnect => self.send(origin::LAST_SMALL_REQUEST),
        }
    }

    fn discard(&mut self, untouched: &mut [MaybeUninit<u8>]) -> io::Result<Turn> {
        let mut turn = Turn::default();
        for call in 0..CALLS {
            match SockRef::from(&self.stream).recv_with_flags(untouched, libc::MSG_TRUNC) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    turn.bytes += count as u64;
                    // A short read says that there is no more; the next bytes are a new edge.
                    turn.again = count == untouched.len() && call == CALLS - 1;
                    if count < untouched.len() {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        self.since_whole += turn.bytes;
        while self.since_whole >= origin::BULK_BYTES {
            self.since_whole -= origin::BULK_BYTES;
            self.send(origin::BULK_REQUEST)?;
        }
        Ok(turn)
    }

    fn read_answer(&mut self) -> io::Result<Turn> {
        let mut turn = Turn { bytes: self.fill_answer()?, ..Turn::default() };
        let Some(end) = head_end(&self.answer) else { return Ok(turn) };
        if !self.answer.starts_with(b"HTTP/1.1 200") {
            return Err(unexpected(&self.answer));
        }
        let length = end + origin::SMALL_BYTES;
        if self.answer.len() < length {
            return Ok(turn);
        }
        if self.answer.len() > length {
            return Err(unexpected(&self.answer));
        }
        self.answer.clear();
        let now = Instant::now();
        let micros = now.duration_since(self.begun).as_micros();
        turn.answered = Some(u32::try_from(micros).unwrap_or(u32::MAX));
        match self.work {
            Work::KeepAlive => {
                self.begun = now;
                self.ask()?;
            }
            Work::Reconnect => turn.finished = true,
            Work::Idle | Work::Bulk => self.state = State::Resting,
        }
        Ok(turn)
    }

    /// Reads what there is: nothing may come that nobody asked for.
    fn expect_silence(&mut self) -> io::Result<Turn> {
        match self.stream.read(&mut [0; 1]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Turn::default()),
            Err(error) => Err(error),
            Ok(_) => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Reads once: answers are small, and a short read says that there is no more.
    fn fill_answer(&mut self) -> io::Result<u64> {
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(count) => {
                self.answer.extend_from_slice(&buffer[..count]);
                Ok(count as u64)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// A request always fits into the buffer of a socket that has nothing else to send.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.stream.write(bytes) {
            Ok(count) if count == bytes.len() => Ok(()),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
            Err(error) => Err(error),
        }
    }
}

fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

fn unexpected(answer: &[u8]) -> io::Error {
    let shown = String::from_utf8_lossy(&answer[..answer.len().min(200)]);
    io::Error::other(format!("not the answer that was asked for: {shown:?}"))
}
