//! One socket of the driver: what has arrived for the core, and what the kernel is sending.

use std::mem;
use std::net::{Shutdown, TcpStream};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use sc_proto::{CloseMode, Read, SocketId, Write};
use socket2::SockRef;

use super::flights::{Flights, Task};
use super::sockets;

/// Bytes received, or sent, at once.
const BUFFER: usize = 16 * 1024;

pub(crate) struct Socket {
    id: SocketId,
    fd: Arc<OwnedFd>,
    arrived: Arrived,
    /// The number of the flight that sends.
    sending: Option<u64>,
}

/// What has been received and not yet been read by the core.
enum Arrived {
    /// Nothing: the kernel has the buffer.
    Nothing,
    Bytes(Vec<u8>, Range<usize>),
    Over(Read),
}

impl Socket {
    /// Has the kernel receive the first bytes.
    pub(crate) fn new(id: SocketId, stream: TcpStream, flights: &mut Flights) -> Self {
        let _ = stream.set_nodelay(true);
        let mut socket =
            Self { id, fd: Arc::new(stream.into()), arrived: Arrived::Nothing, sending: None };
        socket.receive(vec![0; BUFFER], flights);
        socket
    }

    fn receive(&mut self, buffer: Vec<u8>, flights: &mut Flights) {
        flights.launch(Task::Receive(self.id), Arc::clone(&self.fd), buffer);
    }

    /// The kernel has received: there is something to read.
    pub(crate) fn received(&mut self, buffer: Vec<u8>, result: i32) {
        self.arrived = match usize::try_from(result) {
            Ok(0) => Arrived::Over(Read::End),
            Ok(n) => Arrived::Bytes(buffer, 0..n),
            Err(_) => Arrived::Over(Read::Failed),
        };
    }

    /// Serves a read of the core. When all has been read the kernel receives more.
    pub(crate) fn read(&mut self, space: &mut [u8], flights: &mut Flights) -> Read {
        let (buffer, range) = match &mut self.arrived {
            Arrived::Nothing => return Read::WouldBlock,
            Arrived::Over(how) => return *how,
            Arrived::Bytes(buffer, range) => (buffer, range),
        };
        let n = space.len().min(range.len());
        space[..n].copy_from_slice(&buffer[range.start..][..n]);
        range.start += n;
        if range.start < range.end {
            return Read::Bytes(n);
        }
        let buffer = mem::take(buffer);
        self.arrived = Arrived::Nothing;
        self.receive(buffer, flights);
        Read::Drained(n)
    }

    /// Copies what the core lends and has the kernel send it. That is not done yet, so for the
    /// core the socket is blocked, and the same bytes stay first in its queue.
    pub(crate) fn write(&mut self, slices: &[&[u8]], flights: &mut Flights) -> Write {
        if self.sending.is_none() {
            let bytes = slices.iter().copied().flatten().copied().take(BUFFER).collect();
            self.sending = Some(flights.launch(Task::Send(self.id), Arc::clone(&self.fd), bytes));
        }
        Write::Blocked(0)
    }

    /// The kernel has sent so much: that is what the core is told of its write.
    pub(crate) fn sent(&mut self, result: i32) -> Write {
        self.sending = None;
        usize::try_from(result).map_or(Write::Failed, Write::Bytes)
    }

    pub(crate) fn shutdown_write(&self) {
        // A failure shows in what is received.
        let _ = SockRef::from(&self.fd).shutdown(Shutdown::Write);
    }

    /// Ends the connection and what the kernel still does with it.
    pub(crate) fn close(self, mode: CloseMode, flights: &mut Flights) {
        if let Some(number) = self.sending {
            flights.cancel(number);
        }
        sockets::close(Some(self.fd), mode);
    }
}
