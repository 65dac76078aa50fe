//! What other threads send to a worker: bounded channels, which wake it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::mpsc::SyncSender;

use async_channel::{Receiver, Sender, TrySendError};
use sc_proto::contract::HandOver;

use crate::connection::Unwatched;
use crate::handle::{Order, Stopped};
use crate::statistics::{NoReport, WorkerStatistics};

/// Embedder's messages that wait at most; it blocks beyond.
const ORDERS: usize = 64;
/// Connections of other workers that wait at most; they are closed beyond.
const ADOPTIONS: usize = 256;

/// A connection on its way to the worker of its tunnel.
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
    adoptions: Sender<Adoption>,
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Inbox {
    pub(crate) orders: Pin<Box<Receiver<Order>>>,
    pub(crate) adoptions: Pin<Box<Receiver<Adoption>>>,
}

/// Both ends.
pub(crate) fn inbox() -> (Mailbox, Inbox) {
    let (orders_in, orders) = async_channel::bounded(ORDERS);
    let (adoptions_in, adoptions) = async_channel::bounded(ADOPTIONS);
    let inbox = Inbox { orders: Box::pin(orders), adoptions: Box::pin(adoptions) };
    (Mailbox { orders: orders_in, adoptions: adoptions_in }, inbox)
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

    /// Hands a connection over; drops it, which closes it, if the worker is behind or gone.
    pub(crate) fn adopt(&self, adoption: Adoption) -> Result<(), Lost> {
        self.adoptions.try_send(adoption).map_err(|_| Lost)
    }

    /// Takes no more orders; the worker ends.
    pub(crate) fn close(&self) {
        self.orders.close();
    }
}

/// A transport could not be handed over and is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lost;
