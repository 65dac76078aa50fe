//! Listening, dialling and waiting for bytes, each on a thread of its own.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use sc_proto::contract::{DialFailure, Target};
use sc_proto::{Core, ListenerId, SocketId, Time};

use super::{PAUSE, failure};

pub(crate) type Input = super::Input<TcpStream>;
pub(crate) type Inbox = mpsc::Receiver<Input>;

/// The way to the thread that owns the core.
#[derive(Clone)]
pub(crate) struct Inputs {
    sender: mpsc::SyncSender<Input>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

/// The driver has ended and hears nothing more.
#[derive(Debug)]
pub(crate) struct Ended;

/// A way with room for a few inputs: who brings more waits. `wake` is called after each.
pub(crate) fn inputs(wake: impl Fn() + Send + Sync + 'static) -> (Inputs, Inbox) {
    let (sender, inbox) = mpsc::sync_channel(64);
    (Inputs { sender, wake: Arc::new(wake) }, inbox)
}

impl Inputs {
    pub(crate) fn send(&self, input: Input) -> Result<(), Ended> {
        self.sender.send(input).map_err(|_| Ended)?;
        (self.wake)();
        Ok(())
    }

    /// Resolves and connects on a thread; `Dialled` follows, unless there is no thread to be had.
    pub(crate) fn dial(
        &self,
        id: SocketId,
        target: Target,
        patience: Duration,
    ) -> Result<(), DialFailure> {
        let inputs = self.clone();
        let thread = thread::Builder::new().spawn(move || {
            let outcome = connect(&target, patience).map_err(|error| failure(&error));
            // If nobody listens any more the socket is closed.
            let _ = inputs.send(Input::Dialled(id, outcome));
        });
        thread.map(drop).map_err(|_| DialFailure::Resources)
    }

    /// Waits on a thread for bytes or the end; `Readable` or `Failed` follows. An error means that
    /// there is no thread to be had.
    pub(crate) fn wait(&self, id: SocketId, stream: Arc<TcpStream>) -> io::Result<()> {
        let inputs = self.clone();
        thread::Builder::new().spawn(move || {
            // A socket tells its error once: to this thread, not to the read that follows.
            let peeked = stream.peek(&mut [0]);
            let input = peeked.map_or(Input::Failed(id), |_| Input::Readable(id));
            let _ = inputs.send(input);
        })?;
        Ok(())
    }

    /// Accepts on a thread until the driver has ended.
    pub(crate) fn accept(&self, id: ListenerId, listener: TcpListener) {
        let inputs = self.clone();
        thread::spawn(move || {
            loop {
                match listener.accept() {
                    Ok((stream, peer)) => {
                        if inputs.send(Input::Accepted(id, peer, stream)).is_err() {
                            return;
                        }
                    }
                    Err(_) => thread::sleep(PAUSE),
                }
            }
        });
    }
}

fn connect(target: &Target, patience: Duration) -> io::Result<(SocketAddr, TcpStream)> {
    let mut last = Err(ErrorKind::NotFound.into());
    for address in target.to_string().to_socket_addrs()? {
        last = TcpStream::connect_timeout(&address, patience).map(|stream| (address, stream));
        if last.is_ok() {
            break;
        }
    }
    last
}

/// Waits for an input until the core's deadline, or `tick` if that is sooner. Gives it, and a few
/// more if they are there.
pub(crate) fn wait(inbox: &Inbox, core: &Core, now: Time, tick: Option<Duration>) -> Vec<Input> {
    let deadline = core.next_deadline().map(|deadline| deadline.at.since(now));
    let patience = deadline.into_iter().chain(tick).min().unwrap_or(Duration::MAX);
    let first = inbox.recv_timeout(patience).ok();
    first.into_iter().chain(inbox.try_iter().take(64)).collect()
}
