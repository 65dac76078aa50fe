//! A whole driver of the core on one thread of tokio: one task owns the core and all sockets. It
//! tries a socket first, and only when that would block has a small task await its readiness.
//!
//! `tokio TUNNEL SECRET SERVER:PORT PIN` serves a tunnel; [`run`] drives a server's core, too.

mod client;
pub(crate) mod sockets;

use std::collections::BTreeMap;
use std::io::IoSlice;

use sc_proto::{Action, Core, Event, Read, SocketId, Time, Write};
use sockets::Flow;
use sockets::tasks::{self, Input, Socket};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

/// Actions between two looks at the inbox, for the sake of all other tasks.
const BUDGET: usize = 256;

struct Driver {
    core: Core,
    sockets: BTreeMap<SocketId, Socket>,
    inputs: Sender<Input>,
    now: Time,
}

#[tokio::main(flavor = "local")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (core, connect) = client::from_arguments()?;
    let (inputs, inbox) = mpsc::channel(64);
    inputs.send(Input::Command(connect)).await?;
    run(core, inputs, inbox, client::report).await;
    Ok(())
}

/// Drives a core until `tell` breaks off. To be awaited on a local runtime.
pub(crate) async fn run(
    core: Core,
    inputs: Sender<Input>,
    mut inbox: Receiver<Input>,
    tell: impl Fn(Event) -> Flow,
) {
    let mut driver = Driver { core, sockets: BTreeMap::new(), inputs, now: Time::ZERO };
    let epoch = Instant::now();
    loop {
        let actions = (0..BUDGET).map_while(|_| driver.act()).count();
        while let Some(event) = driver.core.poll_event() {
            if tell(event).is_break() {
                return;
            }
        }
        let due = driver.core.next_deadline().map(|due| epoch + due.at.since(Time::ZERO));
        let mut input = match due {
            _ if actions == BUDGET => {
                yield_now().await;
                None
            }
            Some(due) => timeout_at(due, inbox.recv()).await.ok().flatten(),
            None => inbox.recv().await,
        };
        driver.now = Time::from_duration(epoch.elapsed());
        while let Some(one) = input.take().or_else(|| inbox.try_recv().ok()) {
            driver.take(one);
        }
        driver.core.handle_timeout(driver.now);
    }
}

impl Driver {
    fn take(&mut self, input: Input) {
        match input {
            Input::Command(command) => self.core.command(command, self.now),
            Input::Listen(id, role, listener) => {
                self.core.add_listener(id, role);
                tasks::accept(id, listener, &self.inputs);
            }
            Input::Accepted(listener, peer, stream) => {
                if let Some(id) = self.core.accepted(listener, peer, self.now) {
                    self.sockets.insert(id, Socket::connected(id, stream, &self.inputs));
                }
            }
            Input::Dialled(id, _) if !self.sockets.contains_key(&id) => {} // Closed meanwhile.
            Input::Dialled(id, Ok((peer, stream))) => {
                self.core.connected(id, peer, self.now);
                self.sockets.insert(id, Socket::connected(id, stream, &self.inputs));
            }
            Input::Dialled(id, Err(failure)) => {
                self.sockets.remove(&id);
                self.core.dial_failed(id, failure, self.now);
            }
            Input::Readable(id) | Input::Failed(id) => self.core.readable(id),
            Input::Writable(id) => self.core.writable(id),
        }
    }

    /// Does one thing that the core wants; `None`: there is nothing to do.
    fn act(&mut self) -> Option<()> {
        match self.core.poll_action(self.now)? {
            Action::Dial { socket: id, target, deadline, .. } => {
                let patience = deadline.since(self.now);
                self.sockets.insert(id, Socket::dial(id, target, patience, &self.inputs));
            }
            Action::Read(id) => {
                let outcome = match self.sockets.get_mut(&id) {
                    Some(socket) => socket.read(self.core.read_space(id), &self.inputs),
                    None => Read::Failed,
                };
                self.core.read_done(id, outcome, self.now);
            }
            Action::Write(id) => {
                let mut slices: [&[u8]; 16] = [&[]; 16];
                let count = self.core.write_slices(id, &mut slices);
                let slices = slices.map(IoSlice::new);
                let outcome = match self.sockets.get_mut(&id) {
                    Some(socket) => socket.write(&slices[..count], &self.inputs),
                    None => Write::Failed,
                };
                self.core.write_done(id, outcome, self.now);
            }
            Action::ShutdownWrite(id) => {
                let _ = self.sockets.get(&id).map(Socket::shutdown_write);
            }
            Action::LongPath(_) => {}
            Action::Close { socket, mode } => {
                let _ = self.sockets.remove(&socket).map(|socket| socket.close(mode));
            }
            Action::HandOver { socket, .. } => drop(self.sockets.remove(&socket)), // To nobody.
            Action::Tell { .. } => {}
        }
        Some(())
    }
}
