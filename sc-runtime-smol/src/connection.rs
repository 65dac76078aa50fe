//! One connected socket: how it is read, written, awaited and closed.
//!
//! A socket is tried first. Only when it would block, or gave less than was asked for, is its
//! readiness awaited, since to wait costs a system call. One task for each socket
//! waits for both directions; the turn tells it which.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, ErrorKind, IoSlice, Read as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use async_executor::{LocalExecutor, Task};
use sc_proto::{CloseMode, Read, SocketId, Time, Write};
use socket2::SockRef;

use crate::news::News;
use crate::places::Place;
use crate::reactor::{Direction, Reactor, Watched};
use crate::tcp::{self, Incoming, Pace, retried};

/// A connected socket that is not the core's yet, or not any more.
#[derive(Debug)]
pub(crate) struct Stream {
    io: Watched<TcpStream>,
    place: Place,
}

/// A socket of the core.
#[derive(Debug)]
pub(crate) struct Connection {
    wire: Rc<Wire>,
    incoming: Incoming,
    place: Place,
    /// On a long path only.
    pace: Option<Box<Pace>>,
    /// Waits for the wire's readiness; ends with this.
    _watcher: Task<()>,
}

/// What the turn and the task of a socket share.
#[derive(Debug)]
struct Wire {
    id: SocketId,
    io: Watched<TcpStream>,
    news: Rc<News>,
    /// Whether readiness is waited for.
    reads: Cell<Awaited>,
    writes: Cell<Awaited>,
    /// The task's, once it has run.
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Yes,
    No,
}

impl Stream {
    /// The socket does not block and has its options.
    pub(crate) const fn new(io: Watched<TcpStream>, place: Place) -> Self {
        Self { io, place }
    }
}

/// A socket between two workers: nobody watches it.
#[derive(Debug)]
pub(crate) struct Unwatched {
    stream: TcpStream,
    place: Place,
}

impl Unwatched {
    /// Watches it again.
    pub(crate) fn watch(self, reactor: &Rc<Reactor>) -> io::Result<Stream> {
        Ok(Stream { io: Watched::new(reactor, self.stream)?, place: self.place })
    }
}

impl Connection {
    /// Gives `stream` to the core's socket `id`.
    pub(crate) fn new(
        stream: Stream,
        id: SocketId,
        news: &Rc<News>,
        tasks: &LocalExecutor<'static>,
    ) -> Self {
        let wire = Rc::new(Wire {
            id,
            io: stream.io,
            news: Rc::clone(news),
            reads: Cell::new(Awaited::No),
            writes: Cell::new(Awaited::No),
            waker: RefCell::default(),
        });
        let watcher = tasks.spawn(watch(Rc::downgrade(&wire)));
        Self { wire, incoming: Incoming::Open, place: stream.place, pace: None, _watcher: watcher }
    }

    /// Reads once.
    pub(crate) fn read(&mut self, space: &mut [u8]) -> Read {
        let outcome = self.try_read(space);
        match outcome {
            Read::WouldBlock | Read::Drained(_) => self.wire.wait_for(Direction::Read),
            Read::End | Read::Failed => self.incoming = Incoming::Over,
            Read::Bytes(_) => {}
        }
        outcome
    }

    fn try_read(&self, space: &mut [u8]) -> Read {
        if space.is_empty() {
            // A read of nothing answers 0, which is not the end.
            return Read::WouldBlock;
        }
        match retried(|| self.wire.io.get_ref().read(space)) {
            Ok(0) => Read::End,
            // To wait asks the system anew, so nothing that is left or comes is missed.
            Ok(n) if n < space.len() => Read::Drained(n),
            Ok(n) => Read::Bytes(n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Read::WouldBlock,
            Err(_) => Read::Failed,
        }
    }

    /// Writes once.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>], now: Time) -> Write {
        tcp::look_after(self.pace.as_deref_mut(), self.wire.io.get_ref(), now);
        let outcome = tcp::write(self.wire.io.get_ref(), slices);
        if matches!(outcome, Write::Blocked(_)) {
            self.wire.wait_for(Direction::Write);
        }
        outcome
    }

    /// Sends the end of data. A failure shows in the reads.
    pub(crate) fn shutdown_write(&self) {
        let _ = self.wire.io.get_ref().shutdown(Shutdown::Write);
    }

    /// Sets a transport up for a long path.
    pub(crate) fn prepare_for_distance(&mut self) {
        self.pace = tcp::prepare_for_distance(SockRef::from(self.wire.io.get_ref()));
    }

    /// Closes the socket.
    pub(crate) fn close(self, mode: CloseMode) {
        tcp::prepare_close(self.wire.io.get_ref(), mode, self.incoming);
    }

    /// Takes the socket out of this worker; says whom it is connected to.
    pub(crate) fn release(self) -> io::Result<(Unwatched, SocketAddr)> {
        let peer = self.wire.io.get_ref().peer_addr()?;
        let Some(wire) = Rc::into_inner(self.wire) else {
            return Err(ErrorKind::ResourceBusy.into());
        };
        Ok((Unwatched { stream: wire.io.into_inner()?, place: self.place }, peer))
    }
}

/// Waits for a wire until it is gone.
async fn watch(wire: Weak<Wire>) {
    poll_fn(|cx| {
        let Some(wire) = wire.upgrade() else {
            return Poll::Ready(());
        };
        let mut waker = wire.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        drop(waker);
        wire.look(Direction::Read, cx);
        wire.look(Direction::Write, cx);
        Poll::Pending
    })
    .await;
}

impl Wire {
    /// Has the task wait, from this moment on.
    fn wait_for(&self, direction: Direction) {
        self.awaited(direction).set(Awaited::Yes);
        // Before its first step the task has no waker; then it looks by itself.
        if let Some(waker) = &*self.waker.borrow() {
            self.look(direction, &mut Context::from_waker(waker));
        }
    }

    /// Tells the turn if what is waited for has come.
    fn look(&self, direction: Direction, cx: &mut Context<'_>) {
        let awaited = self.awaited(direction);
        if awaited.get() == Awaited::No {
            return;
        }
        if let Poll::Ready(outcome) = self.io.poll_ready(direction, cx) {
            if let Err(error) = outcome {
                // The next read or write says what is wrong.
                log::debug!("cannot watch a socket: {error}");
            }
            awaited.set(Awaited::No);
            self.news.ready(self.id, direction);
        }
    }

    const fn awaited(&self, direction: Direction) -> &Cell<Awaited> {
        match direction {
            Direction::Read => &self.reads,
            Direction::Write => &self.writes,
        }
    }
}
