//! What the core asks of a driver, and how the driver answers.

use alloc::boxed::Box;

use super::guard::AddressGuard;
use super::id::{SocketId, WorkerId};
use super::spread::Note;
use super::target::Target;
use crate::Time;
use crate::endpoint::{Browser, Transport};

/// One thing the driver shall do now.
#[derive(Debug)]
pub enum Action {
    /// Read once into [`Core::read_space`](crate::Core::read_space), then report with
    /// [`Core::read_done`](crate::Core::read_done).
    Read(SocketId),
    /// Write once from [`Core::write_slices`](crate::Core::write_slices), then report with
    /// [`Core::write_done`](crate::Core::write_done).
    Write(SocketId),
    /// Resolve and connect; answer [`Core::connected`](crate::Core::connected) or
    /// [`Core::dial_failed`](crate::Core::dial_failed) once.
    Dial {
        /// The socket to be.
        socket: SocketId,
        /// Where to.
        target: Target,
        /// How to set the socket up.
        class: SocketClass,
        /// Which addresses of the target to try. With others alone the dial fails with
        /// [`DialFailure::Denied`](super::DialFailure::Denied). The core looks at the connected
        /// address once more.
        guard: AddressGuard,
        /// When to give up with [`DialFailure::TimedOut`](super::DialFailure::TimedOut).
        deadline: Time,
    },
    /// Half-close: no more will be written. Reading goes on.
    ShutdownWrite(SocketId),
    /// The peer of this transport is far away: once for each, when its first round trip has shown
    /// it. A driver may set the socket up for a line that is long and loses packets (`TCP_CONGESTION`,
    /// buffers), or do nothing.
    LongPath(SocketId),
    /// Close the socket, or stop dialling it. The id is dead from here on.
    Close {
        /// Which.
        socket: SocketId,
        /// How.
        mode: CloseMode,
    },
    /// Take the socket out of this worker and give it, with `state`, to worker `to`, whose core
    /// takes it by [`Core::adopt`](crate::Core::adopt). The id is dead from here on.
    HandOver {
        /// Which.
        socket: SocketId,
        /// The worker that is to have it.
        to: WorkerId,
        /// What the core of that worker needs.
        state: HandOver,
    },
    /// Give a note to worker `to`, whose core takes it by [`Core::told`](crate::Core::told). If that
    /// is not possible now, say so with [`Core::untold`](crate::Core::untold).
    Tell {
        /// To whom.
        to: WorkerId,
        /// What.
        note: Note,
    },
}

/// How to close a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseMode {
    /// Orderly: what was written is still delivered, and then the end of data, if it was not said.
    Graceful,
    /// With a TCP reset, so that the peer sees a failure and not an end of data.
    Abort,
}

/// What a socket carries: decides its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketClass {
    /// A KGP transport: `TCP_NODELAY`, a small `TCP_NOTSENT_LOWAT`.
    Transport,
    /// A proxied connection: `TCP_NODELAY`.
    Proxied,
}

/// The outcome of [`Action::Read`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    /// So many bytes came, at least 1; more may be waiting, so the socket still counts as readable.
    Bytes(usize),
    /// So many bytes came, at least 1, and nothing is left; [`Core::readable`](crate::Core::readable)
    /// will follow when there is more or the end.
    Drained(usize),
    /// Nothing to read now; [`Core::readable`](crate::Core::readable) will follow.
    WouldBlock,
    /// The peer will send no more.
    End,
    /// The socket failed.
    Failed,
}

/// The outcome of [`Action::Write`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// So many bytes went, and the socket may take more now.
    Bytes(usize),
    /// So many bytes went, perhaps none, and the socket takes no more now;
    /// [`Core::writable`](crate::Core::writable) will follow. Say so after a short write.
    Blocked(usize),
    /// The socket failed.
    Failed,
}

/// A connection on its way to another worker. One that cannot be given to that worker now is to be
/// adopted by the core that it comes from: a browser waits then, a transport is closed.
#[derive(Debug)]
pub struct HandOver(pub(crate) HandedOver);

/// See [`HandOver`].
#[derive(Debug)]
pub(crate) enum HandedOver {
    /// A transport, to the worker that owns its session.
    Transport(Box<Transport>),
    /// A browser's connection, to a worker that has a session for it.
    Browser(Box<Browser>),
}
