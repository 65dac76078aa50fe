//! One non-blocking connect to one address.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use mio::Token;
use mio::event::Event;
use mio::net::TcpStream;
use sc_proto::SocketClass;
use sc_proto::contract::DialFailure;
use socket2::SockRef;

use super::{Means, failure};
use crate::capacity::Permit;
use crate::connection::{Connection, interest};
use crate::tcp;

/// No system takes a source port below this one by itself.
const FIRST_SOURCE_PORT: u16 = 1024;

/// A connect on its way.
#[derive(Debug)]
pub(super) struct Attempt {
    stream: TcpStream,
    token: Token,
    address: SocketAddr,
    permit: Permit,
}

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Pending,
    Connected(SocketAddr),
    Failed(DialFailure),
}

impl Attempt {
    /// Starts the connect. Its socket is registered as it will be for all its life.
    pub(super) fn start(
        means: &mut Means<'_>,
        index: usize,
        address: SocketAddr,
    ) -> Result<Self, DialFailure> {
        let permit = means.capacity.to_dial().ok_or(DialFailure::Resources)?;
        let judge = |error: io::Error| failure::of_connect(&error, address);
        let mut stream = TcpStream::connect(address).map_err(judge)?;
        let token = means.tokens.socket(index);
        means.registry.register(&mut stream, token, interest()).map_err(|error| {
            log::warn!("cannot watch a socket: {error}");
            DialFailure::Resources
        })?;
        Ok(Self { stream, token, address, permit })
    }

    #[cfg(test)]
    pub(super) const fn for_test(
        stream: TcpStream,
        token: Token,
        address: SocketAddr,
        permit: Permit,
    ) -> Self {
        Self { stream, token, address, permit }
    }

    pub(super) const fn token(&self) -> Token {
        self.token
    }

    /// Judges the connect after an event, by the peer's address and, if there is none, `SO_ERROR`,
    /// since events alone may be spurious.
    pub(super) fn progress(&self, event: &Event) -> Progress {
        match self.stream.peer_addr() {
            Ok(peer) if self.is_connected_to_itself(peer) => Progress::Failed(DialFailure::Refused),
            Ok(peer) => Progress::Connected(peer),
            Err(error) => self.unconnected(&error, event),
        }
    }

    /// Why there is no connection; `error` is what the question for the peer's address said.
    fn unconnected(&self, error: &io::Error, event: &Event) -> Progress {
        match self.stream.take_error() {
            Ok(Some(error)) | Err(error) => self.failed(&error),
            Ok(None) if !is_unconnected(error) => self.failed(error),
            Ok(None) if event.is_error() || event.is_read_closed() || event.is_write_closed() => {
                Progress::Failed(DialFailure::Other)
            }
            Ok(None) => Progress::Pending,
        }
    }

    /// A port nobody listens on, in the range the kernel takes source ports from, can by chance be
    /// connected to itself (RFC 9293, section 3.5, simultaneous open). The well-known ports are
    /// never in that range, so the usual dial is spared the question.
    fn is_connected_to_itself(&self, peer: SocketAddr) -> bool {
        peer.port() >= FIRST_SOURCE_PORT
            && self.stream.local_addr().is_ok_and(|local| local == peer)
    }

    pub(super) fn into_connection(self, class: SocketClass) -> Connection {
        tcp::set_options(SockRef::from(&self.stream), class);
        Connection::new(self.stream, self.token, self.permit)
    }

    fn failed(&self, error: &io::Error) -> Progress {
        Progress::Failed(failure::of_connect(error, self.address))
    }
}

/// `ENOTCONN`; some systems say `EINPROGRESS`.
fn is_unconnected(error: &io::Error) -> bool {
    #[cfg(unix)]
    if rustix::io::Errno::from_io_error(error) == Some(rustix::io::Errno::INPROGRESS) {
        return true;
    }
    error.kind() == ErrorKind::NotConnected
}
