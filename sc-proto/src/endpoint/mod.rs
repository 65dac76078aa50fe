//! The composition: sockets, transports, sessions and proxied connections of one worker.

mod config;

use core::net::SocketAddr;

use crate::contract::{
    Action, Command, DialFailure, Event, HandOver, ListenerId, ListenerRole, Read, SocketId,
    WorkerId, Write,
};
use crate::{Deadline, Time};
pub use config::Config;

/// State of a transport while it moves between workers.
#[derive(Debug)]
pub(crate) struct Transport;

/// Everything one worker owns. See the [crate] documentation for how a driver runs it.
#[derive(Debug)]
pub struct Core {}

impl Core {
    /// A core for worker `worker`. `seed` feeds ids and jitter; it must be unpredictable.
    pub fn new(config: Config, worker: WorkerId, seed: [u8; 32]) -> Self {
        let _ = (config, worker, seed);
        Self {}
    }

    /// Carries out a command of the embedder.
    pub fn command(&mut self, command: Command, now: Time) {
        let _ = (command, now);
    }

    /// The next thing the embedder should know, until there is none.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// Says what connections accepted by `listener` are.
    pub fn add_listener(&mut self, listener: ListenerId, role: ListenerRole) {
        let _ = (listener, role);
    }

    /// Forgets a listener. Connections it accepted live on.
    pub fn remove_listener(&mut self, listener: ListenerId) {
        let _ = listener;
    }

    /// A connection was accepted. `None`: the core does not want it; close it.
    pub fn accepted(
        &mut self,
        listener: ListenerId,
        peer: SocketAddr,
        now: Time,
    ) -> Option<SocketId> {
        let _ = (listener, peer, now);
        None
    }

    /// Takes a transport from another worker; the driver has registered its socket.
    pub fn adopt(&mut self, state: HandOver, now: Time) -> SocketId {
        let _ = (state, now);
        SocketId {
            index: 0,
            generation: 0,
        }
    }

    /// A dial succeeded. The socket counts as writable and not readable until told otherwise.
    pub fn connected(&mut self, socket: SocketId, peer: SocketAddr, now: Time) {
        let _ = (socket, peer, now);
    }

    /// A dial failed. The id is dead from here on.
    pub fn dial_failed(&mut self, socket: SocketId, failure: DialFailure, now: Time) {
        let _ = (socket, failure, now);
    }

    /// The socket may have bytes, an end or an error to read. Sticks until a read says otherwise.
    pub fn readable(&mut self, socket: SocketId) {
        let _ = socket;
    }

    /// The socket may take bytes. Sticks until a write is short.
    pub fn writable(&mut self, socket: SocketId) {
        let _ = socket;
    }

    /// The next thing to do, or `None` if there is nothing until the next call of another method.
    #[must_use]
    pub fn poll_action(&mut self, now: Time) -> Option<Action> {
        let _ = now;
        None
    }

    /// Where to read into, after [`Action::Read`]. Empty if the id is stale: then report
    /// [`Read::WouldBlock`].
    pub fn read_space(&mut self, socket: SocketId) -> &mut [u8] {
        let _ = socket;
        &mut []
    }

    /// What the read brought.
    pub fn read_done(&mut self, socket: SocketId, outcome: Read, now: Time) {
        let _ = (socket, outcome, now);
    }

    /// What to write, after [`Action::Write`]: fills `out` from its front, says how many slices.
    pub fn write_slices<'a>(&'a self, socket: SocketId, out: &mut [&'a [u8]]) -> usize {
        let _ = (socket, out);
        0
    }

    /// What the write took, in bytes over all slices.
    pub fn write_done(&mut self, socket: SocketId, outcome: Write, now: Time) {
        let _ = (socket, outcome, now);
    }

    /// When to call [`Core::handle_timeout`]. `None`: nothing is due.
    pub fn next_deadline(&self) -> Option<Deadline> {
        None
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        let _ = now;
    }
}
