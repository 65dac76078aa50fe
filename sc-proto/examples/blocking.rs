//! A whole driver of the core with blocking sockets and no event loop: the thread of the core
//! reads and writes, other threads wait until that will not block.
//!
//! `blocking TUNNEL SECRET SERVER:PORT PIN` serves a tunnel; [`run`] drives a server's core, too.

mod client;
pub(crate) mod sockets;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sc_proto::{Action, Core, Event, Read, SocketId, Time, Write};
use sockets::Flow;
use sockets::threads::{self, Inbox, Input, Inputs};

/// How long a write may block, and how soon one that was cut short is tried again.
const TICK: Duration = Duration::from_millis(2);

struct Driver {
    core: Core,
    /// `None`: being dialled.
    sockets: BTreeMap<SocketId, Option<Arc<TcpStream>>>,
    /// Sockets that took less than they were offered.
    blocked: BTreeSet<SocketId>,
    inputs: Inputs,
    now: Time,
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (core, connect) = client::from_arguments()?;
    let (inputs, inbox) = threads::inputs(|| {});
    let _ = inputs.send(Input::Command(connect));
    run(core, inputs, &inbox, client::report);
    Ok(())
}

/// Drives a core until `tell` breaks off.
pub(crate) fn run(core: Core, inputs: Inputs, inbox: &Inbox, tell: impl Fn(Event) -> Flow) {
    let (epoch, sockets, blocked) = (Instant::now(), BTreeMap::new(), BTreeSet::new());
    let mut driver = Driver { core, sockets, blocked, inputs, now: Time::ZERO };
    loop {
        // This comes to an end: before each read, a thread must have said that it will not block.
        while let Some(action) = driver.core.poll_action(driver.now) {
            driver.perform(action);
        }
        while let Some(event) = driver.core.poll_event() {
            if tell(event).is_break() {
                return;
            }
        }
        let tick = (!driver.blocked.is_empty()).then_some(TICK);
        let arrived = threads::wait(inbox, &driver.core, driver.now, tick);
        driver.now = Time::from_duration(epoch.elapsed());
        arrived.into_iter().for_each(|input| driver.take(input));
        std::mem::take(&mut driver.blocked).into_iter().for_each(|id| driver.core.writable(id));
        driver.core.handle_timeout(driver.now);
    }
}

impl Driver {
    fn take(&mut self, input: Input) {
        match input {
            Input::Command(command) => self.core.command(command, self.now),
            Input::Listen(id, role, listener) => {
                self.core.add_listener(id, role);
                self.inputs.accept(id, listener);
            }
            Input::Accepted(listener, peer, stream) => {
                if let Some(id) = self.core.accepted(listener, peer, self.now) {
                    self.keep(id, stream);
                }
            }
            Input::Dialled(id, outcome) if self.sockets.remove(&id).is_some() => match outcome {
                Ok((peer, stream)) => {
                    self.core.connected(id, peer, self.now);
                    self.keep(id, stream);
                }
                Err(failure) => self.core.dial_failed(id, failure, self.now),
            },
            Input::Dialled(..) => {} // The core has closed it meanwhile.
            Input::Failed(id) => {
                self.sockets.remove(&id); // The read that follows finds nothing, and says so.
                self.core.readable(id);
            }
            Input::Readable(id) => self.core.readable(id),
            Input::Writable(id) => self.core.writable(id),
        }
    }

    fn keep(&mut self, id: SocketId, stream: TcpStream) {
        let _ = stream.set_nodelay(true).and(stream.set_write_timeout(Some(TICK)));
        self.sockets.insert(id, Some(Arc::new(stream)));
        self.wait(id);
    }

    fn stream(&self, id: SocketId) -> io::Result<Arc<TcpStream>> {
        self.sockets.get(&id).cloned().flatten().ok_or_else(|| ErrorKind::NotConnected.into())
    }

    fn wait(&mut self, id: SocketId) {
        if self.stream(id).and_then(|stream| self.inputs.wait(id, stream)).is_err() {
            self.take(Input::Failed(id));
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Dial { socket: id, target, deadline, .. } => {
                self.sockets.insert(id, None);
                if let Err(failure) = self.inputs.dial(id, target, deadline.since(self.now)) {
                    self.take(Input::Dialled(id, Err(failure)));
                }
            }
            Action::Read(id) => {
                let stream = self.stream(id);
                let outcome = match stream.and_then(|s| (&*s).read(self.core.read_space(id))) {
                    Ok(0) => Read::End,
                    Ok(n) => Read::Drained(n), // Another read might block.
                    Err(_) => Read::Failed,
                };
                self.core.read_done(id, outcome, self.now);
                self.wait(id);
            }
            Action::Write(id) => {
                let mut out: [&[u8]; 16] = [&[]; 16];
                let count = self.core.write_slices(id, &mut out);
                let slices = &out.map(IoSlice::new)[..count];
                let outcome = match self.stream(id).and_then(|s| (&*s).write_vectored(slices)) {
                    Ok(n) => Write::Bytes(n), // Perhaps it takes more, which the next try tells.
                    Err(error) if error.kind() == ErrorKind::WouldBlock => Write::Blocked(0),
                    Err(_) => Write::Failed,
                };
                self.core.write_done(id, outcome, self.now);
                if outcome == Write::Blocked(0) {
                    self.blocked.insert(id);
                }
            }
            Action::ShutdownWrite(id) => drop(self.stream(id).map(|s| s.shutdown(Shutdown::Write))),
            Action::LongPath(_) | Action::Tell { .. } => {}
            Action::Close { socket, mode } => {
                sockets::close(self.sockets.remove(&socket).flatten(), mode)
            }
            Action::HandOver { socket, .. } => drop(self.sockets.remove(&socket)), // To nobody.
        }
    }
}
