//! How the examples get their sockets and get rid of them: what the driver hears of listening,
//! dialling and readiness, what an error of the operating system means for the core, and the two
//! ways to close. [`threads`] and [`tasks`] are two ways to wait for what takes time.
#![allow(dead_code, reason = "no example needs all of it")]

pub(crate) mod tasks;
pub(crate) mod threads;

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::ops::ControlFlow;
use std::time::Duration;

use sc_proto::contract::DialFailure;
use sc_proto::{CloseMode, Command, ListenerId, ListenerRole, SocketId};
use socket2::SockRef;

/// How long accepting pauses when the process is out of descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Whether the driver goes on after an event.
pub(crate) type Flow = ControlFlow<()>;

/// What the driver hears; `S` is a connected socket.
pub(crate) enum Input<S> {
    Command(Command),
    Listen(ListenerId, ListenerRole, TcpListener),
    Accepted(ListenerId, SocketAddr, S),
    Dialled(SocketId, Result<(SocketAddr, S), DialFailure>),
    /// The socket has bytes, an end or an error to read.
    Readable(SocketId),
    /// The socket has failed, and has told its error.
    Failed(SocketId),
    /// The socket takes bytes.
    Writable(SocketId),
}

/// The typed outcome of a dial that failed. A browser gets a page that says it.
pub(crate) fn failure(error: &io::Error) -> DialFailure {
    match error.kind() {
        ErrorKind::ConnectionRefused => DialFailure::Refused,
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => DialFailure::Unreachable,
        ErrorKind::TimedOut => DialFailure::TimedOut,
        ErrorKind::PermissionDenied => DialFailure::Denied,
        ErrorKind::OutOfMemory | ErrorKind::AddrNotAvailable => DialFailure::Resources,
        // Unix: ENFILE and EMFILE, for which std has no stable name.
        _ if matches!(error.raw_os_error(), Some(23 | 24)) => DialFailure::Resources,
        // What std says of a name without address carries no code of the system.
        _ if error.raw_os_error().is_none() => DialFailure::NameNotFound,
        _ => DialFailure::Other,
    }
}

/// Ends a connection, whoever else still holds the socket. It is closed when the last one drops it.
pub(crate) fn close<S>(socket: Option<S>, mode: CloseMode)
where
    for<'a> SockRef<'a>: From<&'a S>,
{
    let Some(socket) = socket else { return };
    let socket = SockRef::from(&socket);
    // A socket that has failed refuses all of this, and needs none of it.
    let _ = match mode {
        // No end of data, which would look like success; the close is to be a reset.
        CloseMode::Abort => {
            socket.set_linger(Some(Duration::ZERO)).and_then(|()| socket.shutdown(Shutdown::Read))
        }
        // Closing with unread bytes would be a reset as well, and destroy what is still on its
        // way to the peer: they are thrown away, up to a limit.
        CloseMode::Graceful => socket.shutdown(Shutdown::Both).and_then(|()| {
            io::copy(&mut io::Read::take(&*socket, 64 * 1024), &mut io::sink()).map(drop)
        }),
    };
}
