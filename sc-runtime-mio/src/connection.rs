//! One connected socket: how it is set up, read, written and closed.

use std::io::{self, ErrorKind, IoSlice, Read as _};
use std::net::{Shutdown, SocketAddr};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use sc_proto::{CloseMode, Read, Time, Write};
use socket2::SockRef;

use crate::capacity::Permit;
use crate::tcp::{self, Incoming, Pace, retried};

/// A connected, non-blocking socket with the token under which it is registered.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    token: Token,
    /// Whether a short read may be taken for an empty socket.
    short_read: ShortRead,
    /// On a long path only.
    pace: Option<Box<Pace>>,
    _permit: Permit,
}

/// What a read that did not fill its space means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ShortRead {
    /// Nothing is left, and whatever comes later makes a new event (epoll(7), question 9).
    Drained,
    /// The end, an error or urgent data was announced, and its event is spent: read on.
    MoreToSee,
    /// The end or an error was read.
    Over,
}

impl Connection {
    /// `stream` has its options. `token` is the one of the registration with [`interest`], made
    /// before or after.
    pub(crate) const fn new(stream: TcpStream, token: Token, permit: Permit) -> Self {
        Self { stream, token, short_read: ShortRead::Drained, pace: None, _permit: permit }
    }

    pub(crate) const fn token(&self) -> Token {
        self.token
    }

    /// Registers the socket, once for its life in this worker.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.token = token;
        registry.register(&mut self.stream, token, interest())
    }

    /// Takes the socket out of this worker; says whom it is connected to.
    pub(crate) fn deregister(&mut self, registry: &Registry) -> io::Result<SocketAddr> {
        registry.deregister(&mut self.stream)?;
        self.stream.peer_addr()
    }

    /// Remembers what an event announced for the reads to come.
    pub(crate) fn note(&mut self, event: &Event) {
        let more = event.is_read_closed() || event.is_error() || event.is_priority();
        if more && self.short_read == ShortRead::Drained {
            self.short_read = ShortRead::MoreToSee;
        }
    }

    /// Reads once.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> Read {
        if space.is_empty() {
            // A read of nothing answers 0, which is not the end.
            return Read::WouldBlock;
        }
        match retried(|| (&self.stream).read(space)) {
            Ok(0) => {
                self.short_read = ShortRead::Over;
                Read::End
            }
            Ok(n) if n < space.len() && self.short_read == ShortRead::Drained => Read::Drained(n),
            Ok(n) => Read::Bytes(n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Read::WouldBlock,
            Err(_) => {
                self.short_read = ShortRead::Over;
                Read::Failed
            }
        }
    }

    /// Writes once.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>], now: Time) -> Write {
        tcp::look_after(self.pace.as_deref_mut(), &self.stream, now);
        tcp::write(&self.stream, slices)
    }

    /// Sends the end of data. A failure shows in the reads.
    pub(crate) fn shutdown_write(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Sets a transport up for a long path.
    pub(crate) fn prepare_for_distance(&mut self) {
        self.pace = tcp::prepare_for_distance(SockRef::from(&self.stream));
    }

    /// Closes the socket.
    pub(crate) fn close(self, mode: CloseMode) {
        let end = match self.short_read {
            ShortRead::Over => Incoming::Over,
            ShortRead::Drained | ShortRead::MoreToSee => Incoming::Open,
        };
        tcp::prepare_close(&self.stream, mode, end);
    }
}

/// What every socket is registered for, once. Edge-triggered, as all of mio.
pub(crate) fn interest() -> Interest {
    let both = Interest::READABLE | Interest::WRITABLE;
    // Reads stop at the mark of urgent data, so a short read there says nothing.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let both = both | Interest::PRIORITY;
    both
}

#[cfg(test)]
mod tests;
