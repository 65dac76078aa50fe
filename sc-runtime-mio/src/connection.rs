//! One connected socket: how it is set up, read, written and closed.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use sc_proto::{CloseMode, Read, SocketClass, Write};
use socket2::{SockRef, TcpKeepalive};

use crate::capacity::Permit;

/// Most slices in one `writev`.
pub(crate) const MAX_SLICES: usize = 32;

/// How long a proxied connection may be silent before the kernel asks whether its peer lives.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(120);

/// Unsent bytes the kernel holds for a transport before it counts as not writable.
///
/// What lies there can no longer be overtaken by a control frame or a small flow, so it is little:
/// a millisecond at 1 Gbit/s. It is not less, because the kernel asks for more only when half of it
/// has gone, and must not run dry until the worker's next turn.
const TRANSPORT_UNSENT: u32 = 128 * 1024;

/// Most bytes thrown away before an orderly close, see [`Connection::close`].
const MAX_DISCARD: usize = 64 * 1024;

/// A connected, non-blocking socket with the token under which it is registered.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    token: Token,
    /// Whether a short read may be taken for an empty socket.
    short_read: ShortRead,
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
    /// Sets the options of `class`. `token` is the one of the registration with
    /// [`interest`], made before or after.
    pub(crate) fn new(stream: TcpStream, token: Token, class: SocketClass, permit: Permit) -> Self {
        set_options(&stream, class);
        Self { stream, token, short_read: ShortRead::Drained, _permit: permit }
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
    pub(crate) fn write(&self, slices: &[IoSlice<'_>]) -> Write {
        let mut stream = &self.stream;
        let outcome = retried(|| match slices {
            [one] => stream.write(one),
            many => stream.write_vectored(many),
        });
        let offered = slices.iter().map(|slice| slice.len()).sum();
        match outcome {
            Ok(n) if n < offered => Write::Blocked(n),
            Ok(n) => Write::Bytes(n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Write::Blocked(0),
            Err(_) => Write::Failed,
        }
    }

    /// Sends the end of data. A failure shows in the reads.
    pub(crate) fn shutdown_write(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// Closes the socket.
    ///
    /// Orderly: the end of data is sent, and what has arrived is thrown away, up to a limit:
    /// closing a socket with unread bytes resets it, and a reset destroys what was written but not
    /// delivered (RFC 1122, section 4.2.2.13; RFC 9112, section 9.6). To wait for what is still on
    /// its way is the core's part, before it closes.
    pub(crate) fn close(self, mode: CloseMode) {
        match mode {
            CloseMode::Abort => {
                let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
            }
            CloseMode::Graceful if self.short_read == ShortRead::Over => {}
            CloseMode::Graceful => {
                self.shutdown_write();
                let mut bin = [0; 8 * 1024];
                let mut left = MAX_DISCARD;
                while let Ok(n @ 1..) = retried(|| (&self.stream).read(&mut bin)) {
                    left = left.saturating_sub(n);
                    if n < bin.len() || left == 0 {
                        break;
                    }
                }
            }
        }
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

/// A failure to set an option costs speed, not correctness; and a socket that has failed already
/// will say so when read.
fn set_options(stream: &TcpStream, class: SocketClass) {
    if let Err(error) = stream.set_nodelay(true) {
        log::debug!("cannot set TCP_NODELAY: {error}");
    }
    // Who vanished without a word is noticed by the kernel. A transport has KGP's keepalive.
    if class == SocketClass::Proxied {
        let keepalive = TcpKeepalive::new().with_time(KEEPALIVE_IDLE);
        if let Err(error) = SockRef::from(stream).set_tcp_keepalive(&keepalive) {
            log::debug!("cannot set SO_KEEPALIVE: {error}");
        }
    }
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if class == SocketClass::Transport
        && let Err(error) = SockRef::from(stream).set_tcp_notsent_lowat(TRANSPORT_UNSENT)
    {
        log::debug!("cannot set TCP_NOTSENT_LOWAT: {error}");
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (class, TRANSPORT_UNSENT);
}

/// Repeats a call that a signal interrupted.
fn retried<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests;
