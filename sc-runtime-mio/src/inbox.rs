//! What other threads send to a worker: bounded channels and a waker.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};

use mio::Waker;
use sc_proto::contract::HandOver;

use crate::connection::Connection;
use crate::dial::{Answer, ReplyTo};
use crate::handle::{Order, Stopped};
use crate::statistics::{NoReport, WorkerStatistics};

/// Embedder's messages that wait at most; it blocks beyond.
const COMMANDS: usize = 64;
/// Connections of other workers that wait at most; they are closed beyond.
const ADOPTIONS: usize = 256;
/// Answers of the resolver that wait at most; its threads block beyond.
const ANSWERS: usize = 256;

/// A connection on its way to the worker of its tunnel.
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
    adoptions: SyncSender<Adoption>,
    waker: Arc<Waker>,
}

/// The worker's end.
pub(crate) struct Inbox {
    pub(crate) orders: Receiver<Order>,
    pub(crate) adoptions: Receiver<Adoption>,
    pub(crate) answers: Receiver<Answer>,
}

/// Both ends, and where the resolver's answers go.
pub(crate) fn inbox(waker: Arc<Waker>) -> (Mailbox, Inbox, ReplyTo) {
    let (orders_in, orders) = mpsc::sync_channel(COMMANDS);
    let (adoptions_in, adoptions) = mpsc::sync_channel(ADOPTIONS);
    let (answers_in, answers) = mpsc::sync_channel(ANSWERS);
    let reply = ReplyTo { answers: answers_in, waker: Arc::clone(&waker) };
    let mailbox = Mailbox { orders: orders_in, adoptions: adoptions_in, waker };
    let inbox = Inbox { orders, adoptions, answers };
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

    /// Hands a connection over; gives it back if the worker is behind or gone.
    pub(crate) fn adopt(&self, adoption: Adoption) -> Result<(), Adoption> {
        match self.adoptions.try_send(adoption) {
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
