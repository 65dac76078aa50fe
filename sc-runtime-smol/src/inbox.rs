//! What other threads send to a worker: bounded channels, which wake it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc::SyncSender;

use async_channel::{Receiver, Sender, TrySendError};
use sc_proto::contract::{HandOver, Note};

use crate::connection::Unwatched;
use crate::handle::{Order, Stopped};
use crate::statistics::{NoReport, WorkerStatistics};

/// Embedder's messages that wait at most; it blocks beyond.
const ORDERS: usize = 64;
/// What other workers hand over or tell waits here, so much at most; they keep the rest.
const PARCELS: usize = 256;

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
    pub(crate) stream: Unwatched,
    pub(crate) peer: SocketAddr,
    pub(crate) state: HandOver,
}

/// The senders' end.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    orders: Sender<Order>,
    parcels: Sender<Parcel>,
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) orders: Pin<Box<Receiver<Order>>>,
    pub(crate) parcels: Pin<Box<Receiver<Parcel>>>,
}

/// Both ends.
pub(crate) fn inbox() -> (Mailbox, Inbox) {
    let (orders_in, orders) = async_channel::bounded(ORDERS);
    let (parcels_in, parcels) = async_channel::bounded(PARCELS);
    let inbox = Inbox { orders: Box::pin(orders), parcels: Box::pin(parcels) };
    (Mailbox { orders: orders_in, parcels: parcels_in }, inbox)
}

impl Mailbox {
    /// Sends an order; waits while the worker is behind.
    pub(crate) fn order(&self, order: Order) -> Result<(), Stopped> {
        self.orders.send_blocking(order).map_err(|_| Stopped)
    }

    /// Asks for a report, unless the worker is too far behind to be asked.
    pub(crate) fn ask(&self, answer: SyncSender<WorkerStatistics>) -> Result<(), NoReport> {
        self.orders.try_send(Order::Report(answer)).map_err(|error| match error {
            TrySendError::Full(_) => NoReport::Late,
            TrySendError::Closed(_) => NoReport::Stopped,
        })
    }

    /// Hands something to the worker; gives it back if that is behind or gone.
    pub(crate) fn give(&self, parcel: Parcel) -> Result<(), Parcel> {
        self.parcels.try_send(parcel).map_err(TrySendError::into_inner)
    }

    /// Takes no more orders; the worker ends.
    pub(crate) fn close(&self) {
        self.orders.close();
    }
}
