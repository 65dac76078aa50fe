//! What other threads send to a worker: bounded channels and a waker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};

use mio::Waker;
use sc_proto::contract::{HandOver, Note};

use crate::connection::Connection;
use crate::dial::{Answer, ReplyTo};
use crate::handle::{Order, Stopped};
use crate::statistics::{NoReport, WorkerStatistics};

/// Embedder's messages that wait at most; it blocks beyond.
const COMMANDS: usize = 64;
/// What other workers hand over or tell waits here, so much at most; they keep the rest.
const PARCELS: usize = 256;
/// Answers of the resolver that wait at most; its threads block beyond.
const ANSWERS: usize = 256;

/// What comes from another worker.
#[derive(Debug)]
pub(crate) enum Parcel {
    /// A connection.
    Connection(Box<Adoption>),
    /// What its core tells.
    Note(Note),
}

/// A connection on its way to another worker.
#[derive(Debug)]
pub(crate) struct Adoption {
    pub(crate) connection: Connection,
    pub(crate) peer: SocketAddr,
    pub(crate) state: HandOver,
}

/// The senders' end.
#[derive(Clone)]
pub(crate) struct Mailbox {
    orders: SyncSender<Order>,
    parcels: SyncSender<Parcel>,
    waker: Arc<Waker>,
}

/// The worker's end.
pub(crate) struct Inbox {
    pub(crate) orders: Receiver<Order>,
    pub(crate) parcels: Receiver<Parcel>,
    pub(crate) answers: Receiver<Answer>,
}

/// Both ends, and where the resolver's answers go.
pub(crate) fn inbox(waker: Arc<Waker>) -> (Mailbox, Inbox, ReplyTo) {
    let (orders_in, orders) = mpsc::sync_channel(COMMANDS);
    let (parcels_in, parcels) = mpsc::sync_channel(PARCELS);
    let (answers_in, answers) = mpsc::sync_channel(ANSWERS);
    let reply = ReplyTo { answers: answers_in, waker: Arc::clone(&waker) };
    let mailbox = Mailbox { orders: orders_in, parcels: parcels_in, waker };
    let inbox = Inbox { orders, parcels, answers };
    (mailbox, inbox, reply)
}

impl Mailbox {
    /// Sends an order; waits while the worker is behind.
    pub(crate) fn order(&self, order: Order) -> Result<(), Stopped> {
        self.orders.send(order).map_err(|_| Stopped)?;
        self.wake();
        Ok(())
    }

    /// Asks for a report, unless the worker is too far behind to be asked.
    pub(crate) fn ask(&self, answer: SyncSender<WorkerStatistics>) -> Result<(), NoReport> {
        self.orders.try_send(Order::Report(answer)).map_err(|error| match error {
            TrySendError::Full(_) => NoReport::Late,
            TrySendError::Disconnected(_) => NoReport::Stopped,
        })?;
        self.wake();
        Ok(())
    }

    /// Hands something to the worker; gives it back if that is behind or gone.
    pub(crate) fn give(&self, parcel: Parcel) -> Result<(), Parcel> {
        match self.parcels.try_send(parcel) {
            Ok(()) => {}
            Err(TrySendError::Full(back) | TrySendError::Disconnected(back)) => return Err(back),
        }
        self.wake();
        Ok(())
    }

    /// Makes the worker look.
    pub(crate) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            log::error!("cannot wake a worker: {error}");
        }
    }
}
