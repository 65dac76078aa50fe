//! Sockets to name servers, and waiting for them: what the resolver's thread has of mio.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use mio::net::{TcpStream, UdpSocket};
use mio::{Events, Interest, Poll, Token, Waker};
use sc_proto::dns::Transport;

/// The waker's token; exchanges count from 1.
const WAKE: Token = Token(0);
/// Events taken at once.
const EVENTS: usize = 128;

/// What waits for all of them.
pub(crate) struct Lines {
    poll: Poll,
    events: Events,
}

/// Ends a [`Lines::wait`] from another thread.
pub(crate) struct Wake(Waker);

/// A socket that is connected to a name server, and does not block. Connected, so that the system
/// drops what others send and tells of a port where nobody listens.
pub(crate) enum Line {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Lines {
    pub(crate) fn new() -> io::Result<(Self, Wake)> {
        let poll = Poll::new()?;
        let wake = Wake(Waker::new(poll.registry(), WAKE)?);
        Ok((Self { poll, events: Events::with_capacity(EVENTS) }, wake))
    }

    /// Opens one, from a port that the system chooses at random.
    pub(crate) fn open(&self, key: usize, by: Transport, server: SocketAddr) -> io::Result<Line> {
        let (registry, token) = (self.poll.registry(), Token(key));
        let interest = Interest::READABLE | Interest::WRITABLE;
        Ok(match by {
            Transport::Udp => {
                let mut socket = UdpSocket::bind(any_port(server))?;
                socket.connect(server)?;
                registry.register(&mut socket, token, interest)?;
                Line::Udp(socket)
            }
            Transport::Tcp => {
                let mut stream = TcpStream::connect(server)?;
                registry.register(&mut stream, token, interest)?;
                Line::Tcp(stream)
            }
        })
    }

    /// Closes one.
    pub(crate) fn close(&self, line: Line) {
        let registry = self.poll.registry();
        let done = match line {
            Line::Udp(mut socket) => registry.deregister(&mut socket),
            Line::Tcp(mut stream) => registry.deregister(&mut stream),
        };
        if let Err(error) = done {
            log::debug!("cannot stop watching a socket: {error}");
        }
    }

    /// Waits until one is ready, a wake, or for `patience`; puts the keys of those that are ready
    /// into `ready`. `_open`, with whether each has something to send, is what smol asks for.
    pub(crate) fn wait<'a>(
        &mut self,
        _open: impl Iterator<Item = (usize, &'a Line, bool)>,
        patience: Option<Duration>,
        ready: &mut Vec<usize>,
    ) -> io::Result<()> {
        match self.poll.poll(&mut self.events, patience) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        let keys = self.events.iter().map(mio::event::Event::token);
        ready.extend(keys.filter(|token| *token != WAKE).map(|token| token.0));
        Ok(())
    }
}

impl Wake {
    pub(crate) fn wake(&self) {
        if let Err(error) = self.0.wake() {
            log::error!("cannot wake the resolver: {error}");
        }
    }
}

impl Line {
    pub(crate) const fn is_stream(&self) -> bool {
        matches!(self, Self::Tcp(_))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.send(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    pub(crate) fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.recv(space),
            Self::Tcp(stream) => stream.read(space),
        }
    }
}

/// Any port, of the family that leads to a server.
fn any_port(server: SocketAddr) -> SocketAddr {
    match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
