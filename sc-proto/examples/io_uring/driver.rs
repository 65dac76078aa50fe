//! The loop of the driver: one thread owns the core, the sockets and the ring.
//!
//! The core lends its memory for one call, the kernel fills and empties buffers at any time. So
//! each socket has buffers of its own between both: `socket.rs` says how they meet.

#[path = "flights.rs"]
mod flights;
#[path = "socket.rs"]
mod socket;
#[path = "../sockets/mod.rs"]
mod sockets;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(crate) use flights::Flights;
use flights::{Done, Task};
use sc_proto::{Action, CloseMode, Core, Event, Read, SocketId, Time, Write};
use socket::Socket;
use sockets::Flow;
pub(crate) use sockets::threads::{Inbox, Input, Inputs};

struct Driver {
    core: Core,
    /// `None`: being dialled.
    sockets: BTreeMap<SocketId, Option<Socket>>,
    flights: Flights,
    inputs: Inputs,
    now: Time,
}

/// The way to a driver with this ring.
pub(crate) fn inputs(flights: &Flights) -> (Inputs, Inbox) {
    sockets::threads::inputs(flights.waker())
}

/// Drives a core until `tell` breaks off.
pub(crate) fn run(
    core: Core,
    flights: Flights,
    inputs: Inputs,
    inbox: &Inbox,
    tell: impl Fn(Event) -> Flow,
) {
    let mut driver = Driver { core, sockets: BTreeMap::new(), flights, inputs, now: Time::ZERO };
    let epoch = Instant::now();
    loop {
        // This comes to an end: before each read and write the kernel must have done the last.
        while let Some(action) = driver.core.poll_action(driver.now) {
            driver.perform(action);
        }
        while let Some(event) = driver.core.poll_event() {
            if tell(event).is_break() {
                return;
            }
        }
        let deadline = driver.core.next_deadline().map(|due| due.at.since(driver.now));
        let done = driver.flights.wait(deadline.unwrap_or(Duration::from_secs(60)));
        driver.now = Time::from_duration(epoch.elapsed());
        done.into_iter().for_each(|done| driver.land(done));
        inbox.try_iter().for_each(|input| driver.take(input));
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
                    self.sockets.insert(id, Some(Socket::new(id, stream, &mut self.flights)));
                }
            }
            Input::Dialled(id, outcome) if self.sockets.remove(&id).is_some() => match outcome {
                Ok((peer, stream)) => {
                    self.core.connected(id, peer, self.now);
                    self.sockets.insert(id, Some(Socket::new(id, stream, &mut self.flights)));
                }
                Err(failure) => self.core.dial_failed(id, failure, self.now),
            },
            // A dial that the core has closed meanwhile; readiness is no matter here.
            Input::Dialled(..) | Input::Readable(_) | Input::Writable(_) | Input::Failed(_) => {}
        }
    }

    fn socket(&mut self, id: SocketId) -> Option<&mut Socket> {
        self.sockets.get_mut(&id)?.as_mut()
    }

    /// Tells the core what the kernel has done. It takes no notice of sockets it has closed.
    fn land(&mut self, Done { task, buffer, result }: Done) {
        match task {
            Task::Wake => {}
            Task::Receive(id) => {
                let _ = self.socket(id).map(|socket| socket.received(buffer, result));
                self.core.readable(id);
            }
            Task::Send(id) => {
                let written = self.socket(id).map(|socket| socket.sent(result));
                self.core.write_done(id, written.unwrap_or(Write::Failed), self.now);
                self.core.writable(id);
            }
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
                let outcome = match self.sockets.get_mut(&id) {
                    Some(Some(socket)) => socket.read(self.core.read_space(id), &mut self.flights),
                    Some(None) | None => Read::Failed,
                };
                self.core.read_done(id, outcome, self.now);
            }
            Action::Write(id) => {
                let mut slices: [&[u8]; 16] = [&[]; 16];
                let count = self.core.write_slices(id, &mut slices);
                let outcome = match self.sockets.get_mut(&id) {
                    Some(Some(socket)) => socket.write(&slices[..count], &mut self.flights),
                    Some(None) | None => Write::Failed,
                };
                self.core.write_done(id, outcome, self.now);
            }
            Action::ShutdownWrite(id) => drop(self.socket(id).map(|s| s.shutdown_write())),
            Action::LongPath(_) => {}
            Action::Close { socket: id, mode } => self.close(id, mode),
            // With one core there is nobody to hand over to.
            Action::HandOver { socket: id, .. } => self.close(id, CloseMode::Abort),
            Action::Tell { .. } => {}
        }
    }

    fn close(&mut self, id: SocketId, mode: CloseMode) {
        if let Some(socket) = self.sockets.remove(&id).flatten() {
            socket.close(mode, &mut self.flights);
        }
    }
}
