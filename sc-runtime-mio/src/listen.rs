//! Listeners: who is accepted, and when accepting pauses.
//!
//! Edge-triggered: a listener whose event came is in the ready queue until an accept says that
//! nobody waits. Pausing therefore needs no change of registration: the queue is left alone and
//! connections wait in the kernel's backlog.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use sc_proto::{ListenerId, ListenerRole, Time};
use socket2::SockRef;

use crate::capacity::{Capacity, Permit};
use crate::slots::MAX_INDEX;
use crate::tcp::{self, BACKLOG};
use crate::token::Tokens;

/// The listeners of one worker.
pub(crate) struct Listeners {
    slots: Vec<Option<Listener>>,
    /// Slots where somebody may wait, each at most once.
    ready: VecDeque<usize>,
    capacity: Arc<Capacity>,
    retry: Duration,
    pause: Option<Pause>,
    logged: Option<Time>,
}

struct Listener {
    id: ListenerId,
    role: ListenerRole,
    socket: TcpListener,
    token: Token,
    queued: bool,
}

/// Why nobody is accepted now, and when to look again.
#[derive(Clone, Copy, Debug)]
struct Pause {
    cause: Cause,
    until: Time,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// All sockets that may be open are.
    Full,
    /// The system has no descriptors or memory left.
    Exhausted,
}

/// What [`Listeners::accept`] did.
#[derive(Debug)]
pub(crate) enum Step {
    Accepted(Accepted),
    /// The connection at the front was gone already.
    Skipped,
    /// Nobody waits, or accepting pauses.
    Idle,
}

/// A new connection. Its socket has its options.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) listener: ListenerId,
    pub(crate) stream: TcpStream,
    pub(crate) peer: SocketAddr,
    pub(crate) permit: Permit,
}

impl Listeners {
    pub(crate) const fn new(capacity: Arc<Capacity>, retry: Duration) -> Self {
        Self {
            slots: Vec::new(),
            ready: VecDeque::new(),
            capacity,
            retry,
            pause: None,
            logged: None,
        }
    }

    /// Takes a bound and listening socket. An earlier listener of the same id is closed.
    pub(crate) fn add(
        &mut self,
        registry: &Registry,
        tokens: &mut Tokens,
        id: ListenerId,
        role: ListenerRole,
        socket: std::net::TcpListener,
    ) -> io::Result<()> {
        self.remove(registry, id);
        socket.set_nonblocking(true)?;
        // To listen again changes the backlog of a listening socket.
        SockRef::from(&socket).listen(BACKLOG)?;
        tcp::set_listener_options(SockRef::from(&socket), role.class());
        let free = self.slots.iter().position(Option::is_none);
        let slot = free.unwrap_or(self.slots.len());
        if slot > MAX_INDEX {
            return Err(ErrorKind::OutOfMemory.into());
        }
        let token = tokens.listener(slot);
        let mut socket = TcpListener::from_std(socket);
        registry.register(&mut socket, token, Interest::READABLE)?;
        let listener = Some(Listener { id, role, socket, token, queued: false });
        match self.slots.get_mut(slot) {
            Some(place) => *place = listener,
            None => self.slots.push(listener),
        }
        Ok(())
    }

    /// Closes a listener.
    pub(crate) fn remove(&mut self, registry: &Registry, id: ListenerId) {
        for (slot, place) in self.slots.iter_mut().enumerate() {
            if let Some(mut listener) = place.take_if(|listener| listener.id == id) {
                // A duplicate of the socket may live on elsewhere: closing this one would not end
                // its registration. If that fails, its events find nobody.
                let _ = registry.deregister(&mut listener.socket);
                self.ready.retain(|ready| *ready != slot);
            }
        }
    }

    /// Notes an event.
    pub(crate) fn ready(&mut self, slot: usize, token: Token) {
        if let Some(Some(listener)) = self.slots.get_mut(slot)
            && listener.token == token
            && !listener.queued
        {
            listener.queued = true;
            self.ready.push_back(slot);
        }
    }

    /// Whether [`Listeners::accept`] may find somebody.
    pub(crate) fn has_work(&self) -> bool {
        self.pause.is_none() && !self.ready.is_empty()
    }

    /// Accepts one connection, from each listener in turn.
    pub(crate) fn accept(&mut self, now: Time) -> Step {
        if self.pause.is_some() {
            return Step::Idle;
        }
        let Some(slot) = self.ready.pop_front() else {
            return Step::Idle;
        };
        let Some(Some(listener)) = self.slots.get_mut(slot) else {
            return Step::Skipped;
        };
        let Some(permit) = self.capacity.to_accept() else {
            self.ready.push_front(slot);
            self.pause(Cause::Full, now, "as many as may be are open");
            return Step::Idle;
        };
        match listener.socket.accept() {
            Ok((stream, peer)) => {
                self.ready.push_back(slot);
                tcp::set_accepted_options(SockRef::from(&stream), listener.role.class());
                Step::Accepted(Accepted { listener: listener.id, stream, peer, permit })
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                listener.queued = false;
                Step::Skipped
            }
            Err(error) if tcp::is_of_one_connection(&error) => {
                self.ready.push_back(slot);
                Step::Skipped
            }
            // EMFILE, ENFILE, ENOMEM, ENOBUFS, and whatever else: wait, or this would spin.
            Err(error) => {
                self.ready.push_front(slot);
                drop(permit);
                self.pause(Cause::Exhausted, now, &error.to_string());
                Step::Idle
            }
        }
    }

    /// When [`Listeners::retry`] has something to do.
    pub(crate) fn next_retry(&self) -> Option<Time> {
        self.pause.map(|pause| pause.until)
    }

    /// Ends a pause that is over, or makes it longer.
    pub(crate) fn retry(&mut self, now: Time) {
        match &mut self.pause {
            Some(pause) if pause.until <= now => {
                if pause.cause == Cause::Exhausted || self.capacity.has_room_again() {
                    self.pause = None;
                } else {
                    pause.until = now.after(self.retry);
                }
            }
            _ => {}
        }
    }

    /// A socket of this worker was closed, which may end a pause early.
    pub(crate) fn socket_closed(&mut self) {
        if let Some(pause) = self.pause
            && (pause.cause == Cause::Exhausted || self.capacity.has_room_again())
        {
            self.pause = None;
        }
    }

    fn pause(&mut self, cause: Cause, now: Time, why: &str) {
        self.pause = Some(Pause { cause, until: now.after(self.retry) });
        let quiet = |logged: Time| now.since(logged) < tcp::PAUSES_TOLD;
        if !self.logged.is_some_and(quiet) {
            self.logged = Some(now);
            tcp::tell_pause(why);
        }
    }
}

#[cfg(test)]
mod tests;
