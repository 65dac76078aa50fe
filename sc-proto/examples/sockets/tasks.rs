//! Listening, dialling and waiting for readiness, each by a task of tokio.

use std::io::{self, ErrorKind, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use sc_proto::contract::Target;
use sc_proto::{CloseMode, ListenerId, Read, SocketId, Write};
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_local};
use tokio::time::{sleep, timeout};

use super::{PAUSE, failure};

pub(crate) type Input = super::Input<TcpStream>;
type Inputs = mpsc::Sender<Input>;

/// A socket, connected or being dialled, and what is awaited for it.
pub(crate) struct Socket {
    id: SocketId,
    stream: Option<Rc<TcpStream>>,
    /// They end when this is dropped.
    tasks: JoinSet<()>,
}

impl Socket {
    /// Says so when there is something to read.
    pub(crate) fn connected(id: SocketId, stream: TcpStream, inputs: &Inputs) -> Self {
        let _ = stream.set_nodelay(true); // If it has failed the first read tells.
        let mut socket = Self { id, stream: Some(Rc::new(stream)), tasks: JoinSet::new() };
        socket.wait(Interest::READABLE, inputs);
        socket
    }

    /// Resolves and connects; [`Input::Dialled`](super::Input::Dialled) follows.
    pub(crate) fn dial(id: SocketId, target: Target, patience: Duration, inputs: &Inputs) -> Self {
        let (inputs, mut tasks) = (inputs.clone(), JoinSet::new());
        tasks.spawn_local(async move {
            let dialled = timeout(patience, connect(target)).await;
            let dialled = dialled.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()));
            let outcome = dialled.map_err(|error| failure(&error));
            let _ = inputs.send(Input::Dialled(id, outcome)).await;
        });
        Self { id, stream: None, tasks }
    }

    /// Reads once. If that would block, says so when it would no more.
    pub(crate) fn read(&mut self, space: &mut [u8], inputs: &Inputs) -> Read {
        match self.stream().and_then(|stream| stream.try_read(space)) {
            Ok(0) => Read::End,
            Ok(n) => Read::Bytes(n),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.wait(Interest::READABLE, inputs);
                Read::WouldBlock
            }
            Err(_) => Read::Failed,
        }
    }

    /// Writes once. If that would block, says so when it would no more.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>], inputs: &Inputs) -> Write {
        match self.stream().and_then(|stream| stream.try_write_vectored(slices)) {
            Ok(n) => Write::Bytes(n), // Perhaps it takes more, which the next try tells.
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.wait(Interest::WRITABLE, inputs);
                Write::Blocked(0)
            }
            Err(_) => Write::Failed,
        }
    }

    pub(crate) fn shutdown_write(&self) {
        // A failure shows in the reads.
        let _ = self.stream().and_then(|stream| SockRef::from(&stream).shutdown(Shutdown::Write));
    }

    pub(crate) fn close(self, mode: CloseMode) {
        super::close(self.stream, mode);
    }

    fn stream(&self) -> io::Result<Rc<TcpStream>> {
        self.stream.clone().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    fn wait(&mut self, interest: Interest, inputs: &Inputs) {
        let Ok(stream) = self.stream() else { return };
        let (id, inputs) = (self.id, inputs.clone());
        while self.tasks.try_join_next().is_some() {} // Forgets those that have ended.
        self.tasks.spawn_local(async move {
            let _ = stream.ready(interest).await; // If it has failed the next try tells.
            let readable = interest.is_readable();
            let input = if readable { Input::Readable(id) } else { Input::Writable(id) };
            let _ = inputs.send(input).await;
        });
    }
}

async fn connect(target: Target) -> io::Result<(SocketAddr, TcpStream)> {
    let stream = TcpStream::connect(target.to_string()).await?;
    Ok((stream.peer_addr()?, stream))
}

/// Accepts until the driver has ended.
pub(crate) fn accept(id: ListenerId, listener: std::net::TcpListener, inputs: &Inputs) {
    let inputs = inputs.clone();
    spawn_local(async move {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => {
                    if inputs.send(Input::Accepted(id, peer, stream)).await.is_err() {
                        return io::Result::Ok(());
                    }
                }
                Err(_) => sleep(PAUSE).await,
            }
        }
    });
}
