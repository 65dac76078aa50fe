//! One carried connection: two sockets and two directions.

use std::io::{self, Read as _};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;

use super::Counters;
use super::pipe::{Dice, Pipe, is_for_later};

/// The server is on this machine: a dial that takes longer has failed.
const DIAL: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub(super) struct Carrier {
    client: TcpStream,
    server: TcpStream,
    up: Pipe,
    down: Pipe,
}

/// What pumping a carrier came to.
#[derive(Debug)]
pub(super) enum Pumped {
    /// It goes on, and wants to be called again at this time at the latest.
    Open(Option<Instant>),
    /// It is over.
    Over,
}

impl Carrier {
    /// Dials the server for a client. The sockets count as `token` and the one after it.
    pub(super) fn new(
        mut client: TcpStream,
        target: SocketAddr,
        registry: &Registry,
        token: usize,
    ) -> io::Result<Self> {
        let dialled = std::net::TcpStream::connect_timeout(&target, DIAL);
        let Ok(server) = dialled else {
            reset(client);
            return Err(io::ErrorKind::ConnectionRefused.into());
        };
        server.set_nonblocking(true)?;
        let mut server = TcpStream::from_std(server);
        for (socket, token) in [(&mut client, token), (&mut server, token + 1)] {
            socket.set_nodelay(true)?;
            registry.register(socket, Token(token), Interest::READABLE | Interest::WRITABLE)?;
        }
        Ok(Self { client, server, up: Pipe::default(), down: Pipe::default() })
    }

    /// Moves what can move in both directions. A failure of one side becomes a reset of the other.
    pub(super) fn pump(&mut self, dice: &mut Dice, counters: &Counters) -> Pumped {
        let (client, server) = (&mut self.client, &mut self.server);
        let up = self.up.pump(client, server, dice, &counters.up);
        let down = self.down.pump(server, client, dice, &counters.down);
        match (up, down) {
            (Ok(_), Ok(_)) if self.up.is_done() && self.down.is_done() => Pumped::Over,
            (Ok(up), Ok(down)) => Pumped::Open(up.into_iter().chain(down).min()),
            _ => {
                for socket in [&self.client, &self.server] {
                    set_reset(socket);
                }
                Pumped::Over
            }
        }
    }

    pub(super) fn reset(self) {
        reset(self.client);
        reset(self.server);
    }

    /// Says to both sides that nothing more comes. What they still send is read by
    /// [`Self::drain`], or the kernel would make the close a reset.
    pub(super) fn close(&self) {
        for socket in [&self.client, &self.server] {
            // A socket that has failed needs no close.
            let _ = socket.shutdown(Shutdown::Write);
        }
    }

    /// Reads and forgets. False when both sides have ended.
    pub(super) fn drain(&mut self) -> bool {
        let mut is_open = false;
        let mut forgotten = [0; 16 * 1024];
        for socket in [&mut self.client, &mut self.server] {
            loop {
                match socket.read(&mut forgotten) {
                    Ok(1..) => {}
                    Err(error) if is_for_later(&error) => {
                        is_open = true;
                        break;
                    }
                    Ok(0) | Err(_) => break,
                }
            }
        }
        is_open
    }
}

fn set_reset(socket: &TcpStream) {
    // This fails for no open socket.
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// Ends a connection by a TCP reset.
fn reset(socket: TcpStream) {
    set_reset(&socket);
    drop(socket);
}
