//! The embedder's way to the workers.
//!
//! Both runtimes are built with this file, so that an embedder talks to either in the same way.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::time::Duration;

use sc_proto::{Command, ListenerId, ListenerRole, WorkerId};

use crate::inbox::Mailbox;
use crate::statistics::{NoReport, WorkerStatistics};

/// The way to the workers of a [`Runtime`](crate::Runtime), for any thread.
///
/// Its methods wait while the worker has 64 orders before it. They must not be called where the
/// worker would have to wait for the caller; the worker itself never waits for anybody.
#[derive(Clone)]
pub struct Handle {
    pub(crate) mailboxes: Arc<[Mailbox]>,
}

/// The worker does not exist or has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker has stopped")]
pub struct Stopped;

/// What the embedder asks of a worker, in its order.
#[derive(Debug)]
pub(crate) enum Order {
    Command(Command),
    Listen {
        id: ListenerId,
        role: ListenerRole,
        socket: TcpListener,
    },
    Unlisten(ListenerId),
    /// Tell how it stands, through this channel, which has room for the answer.
    Report(SyncSender<WorkerStatistics>),
}

impl Handle {
    /// How many workers there are; their ids count from 0.
    pub fn workers(&self) -> usize {
        self.mailboxes.len()
    }

    /// Gives a command to a worker's core.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if there is no such worker any more.
    pub fn command(&self, worker: WorkerId, command: Command) -> Result<(), Stopped> {
        self.order(worker, Order::Command(command))
    }

    /// Lets a worker accept from `socket`, which is bound and listens; its backlog is made larger
    /// than the 128 of std. An earlier listener of the same id is closed. To share one address
    /// among workers give each a clone of its socket, or sockets bound with `SO_REUSEPORT`.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if there is no such worker any more.
    pub fn listen(
        &self,
        worker: WorkerId,
        id: ListenerId,
        role: ListenerRole,
        socket: TcpListener,
    ) -> Result<(), Stopped> {
        self.order(worker, Order::Listen { id, role, socket })
    }

    /// Closes a listener. Its connections live on.
    ///
    /// # Errors
    ///
    /// [`Stopped`] if there is no such worker any more.
    pub fn unlisten(&self, worker: WorkerId, id: ListenerId) -> Result<(), Stopped> {
        self.order(worker, Order::Unlisten(id))
    }

    /// How a worker stands. The worker is woken for it and visits all it has, so this is for
    /// someone who looks from time to time.
    ///
    /// # Errors
    ///
    /// [`NoReport::Stopped`] if there is no such worker any more, [`NoReport::Late`] if it does not
    /// answer within `patience`.
    pub fn statistics(
        &self,
        worker: WorkerId,
        patience: Duration,
    ) -> Result<WorkerStatistics, NoReport> {
        let mailbox = self.mailboxes.get(usize::from(worker.0)).ok_or(NoReport::Stopped)?;
        let (sender, answer) = mpsc::sync_channel(1);
        mailbox.ask(sender)?;
        answer.recv_timeout(patience).map_err(|error| match error {
            RecvTimeoutError::Timeout => NoReport::Late,
            RecvTimeoutError::Disconnected => NoReport::Stopped,
        })
    }

    fn order(&self, worker: WorkerId, order: Order) -> Result<(), Stopped> {
        let mailbox = self.mailboxes.get(usize::from(worker.0));
        mailbox.ok_or(Stopped)?.order(order)
    }
}
