//! Sockets to name servers, and waiting for them: what the resolver's thread has of the reactor.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use polling::{Events, Poller};
use sc_proto::dns::Transport;

use crate::dial::begin;
use crate::reactor::{Direction, Reactor, Watched};

/// What waits for all of them.
pub(crate) struct Lines {
    reactor: Rc<Reactor>,
    events: Events,
}

/// Ends a [`Lines::wait`] from another thread.
pub(crate) struct Wake(Arc<Poller>);

/// A socket that is connected to a name server, and does not block. Connected, so that the system
/// drops what others send and tells of a port where nobody listens.
pub(crate) enum Line {
    Udp(Watched<UdpSocket>),
    Tcp(Watched<TcpStream>),
}

impl Lines {
    pub(crate) fn new() -> io::Result<(Self, Wake)> {
        let reactor = Reactor::new()?;
        let wake = Wake(reactor.poller());
        Ok((Self { reactor, events: Events::new() }, wake))
    }

    /// Opens one, from a port that the system chooses at random.
    pub(crate) fn open(&self, _key: usize, by: Transport, server: SocketAddr) -> io::Result<Line> {
        Ok(match by {
            Transport::Udp => {
                let socket = UdpSocket::bind(any_port(server))?;
                socket.set_nonblocking(true)?;
                socket.connect(server)?;
                Line::Udp(Watched::new(&self.reactor, socket)?)
            }
            Transport::Tcp => Line::Tcp(Watched::new(&self.reactor, begin(server)?)?),
        })
    }

    /// Closes one.
    #[allow(clippy::unused_self, reason = "mio needs it")]
    pub(crate) fn close(&self, line: Line) {
        drop(line);
    }

    /// Waits until one of the `open` is ready, a wake, or for `patience`; puts the keys of those
    /// that are ready into `ready`. Each comes with whether it has something to send.
    pub(crate) fn wait<'a>(
        &mut self,
        open: impl Iterator<Item = (usize, &'a Line, bool)> + Clone,
        patience: Option<Duration>,
        ready: &mut Vec<usize>,
    ) -> io::Result<()> {
        let mut look = || {
            let found = open.clone().filter(|(_, line, sends)| line.is_ready(*sends));
            ready.extend(found.map(|(key, ..)| key));
            !ready.is_empty()
        };
        // Looking asks the system to tell of those that are not ready yet.
        if !look() {
            self.reactor.wait(&mut self.events, patience)?;
            look();
        }
        Ok(())
    }
}

impl Wake {
    pub(crate) fn wake(&self) {
        if let Err(error) = self.0.notify() {
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
            Self::Udp(socket) => socket.get_ref().send(bytes),
            Self::Tcp(stream) => stream.get_ref().write(bytes),
        }
    }

    pub(crate) fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Udp(socket) => socket.get_ref().recv(space),
            Self::Tcp(stream) => stream.get_ref().read(space),
        }
    }

    /// One that cannot be watched counts as ready: the next read tells why.
    fn is_ready(&self, sends: bool) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        let mut is = |direction| {
            let polled = match self {
                Self::Udp(socket) => socket.poll_ready(direction, &mut cx),
                Self::Tcp(stream) => stream.poll_ready(direction, &mut cx),
            };
            matches!(polled, Poll::Ready(_))
        };
        let reads = is(Direction::Read);
        (sends && is(Direction::Write)) || reads
    }
}

/// Any port, of the family that leads to a server.
fn any_port(server: SocketAddr) -> SocketAddr {
    match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    }
}
