//! What the tasks of a worker tell its turn.
//!
//! Tasks wait; only the turn touches the core. Between both lies this: what a task found out is
//! left here, and the turn, which runs after the tasks in the same step of the thread, takes it.
//! No list outgrows what is open: a socket has one entry for each direction at most, a dial one,
//! and who accepts waits for the turn's leave.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::mem;
use std::net::SocketAddr;
use std::task::{Poll, Waker};

use sc_proto::contract::DialFailure;
use sc_proto::{ListenerId, SocketId, Time};

use crate::connection::Stream;
use crate::reactor::Direction;
use crate::tcp;

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct News {
    ready: RefCell<Vec<(SocketId, Direction)>>,
    arrivals: RefCell<Vec<Arrival>>,
    /// How many connections may still be accepted in this turn.
    accepts: Cell<usize>,
    /// Who waits for the next turn to accept.
    patient: RefCell<Vec<Waker>>,
    pause_told: Cell<Option<Time>>,
}

/// A socket that is there, or will not be.
#[derive(Debug)]
pub(crate) enum Arrival {
    Accepted { listener: ListenerId, peer: SocketAddr, stream: Stream },
    Dialled { socket: SocketId, outcome: Result<(Stream, SocketAddr), DialFailure> },
}

impl News {
    /// A socket is ready.
    pub(crate) fn ready(&self, socket: SocketId, direction: Direction) {
        self.ready.borrow_mut().push((socket, direction));
    }

    /// A connection came, or a dial ended.
    pub(crate) fn arrived(&self, arrival: Arrival) {
        self.arrivals.borrow_mut().push(arrival);
    }

    /// Takes what sockets are ready; `into` is empty, its memory is used again.
    pub(crate) fn take_ready(&self, into: &mut Vec<(SocketId, Direction)>) {
        mem::swap(&mut *self.ready.borrow_mut(), into);
    }

    pub(crate) fn take_arrivals(&self) -> Vec<Arrival> {
        mem::take(&mut *self.arrivals.borrow_mut())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.borrow().is_empty() && self.arrivals.borrow().is_empty()
    }

    /// Waits until one more connection may be accepted in a turn.
    pub(crate) async fn leave_to_accept(&self) {
        poll_fn(|cx| {
            let left = self.accepts.get();
            if left == 0 {
                self.patient.borrow_mut().push(cx.waker().clone());
                return Poll::Pending;
            }
            self.accepts.set(left - 1);
            Poll::Ready(())
        })
        .await;
    }

    /// A turn is over: so many connections may be accepted before the next.
    pub(crate) fn allow_accepts(&self, count: usize) {
        self.accepts.set(count);
        for waker in self.patient.take() {
            waker.wake();
        }
    }

    /// Tells the log that nobody is accepted, unless it was told a moment ago.
    pub(crate) fn tell_pause(&self, why: &str, now: Time) {
        let quiet = |told: Time| now.since(told) < tcp::PAUSES_TOLD;
        if !self.pause_told.get().is_some_and(quiet) {
            self.pause_told.set(Some(now));
            tcp::tell_pause(why);
        }
    }
}
