//! What is done next. One turn goes through these phases, each a bounded step:
//!
//! 1. what was received goes to its sockets, from where it was decrypted;
//! 2. browsers' requests are read;
//! 3. sockets are read into the sessions' rings, as far as the transports will take it soon;
//! 4. transports are written, so that all that was read above shares their records;
//! 5. transports are read.

use super::direct::Moved;
use super::pump::HasOutput;
use super::rate::Leave;
use super::relay::Source;
use super::socket::SocketKey;
use super::{Core, Place};
use crate::Time;
use crate::contract::Action;

/// The phase of a turn, and how many steps of it may still be made before the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Phase {
    at: At,
    left: usize,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Writes,
    Reads,
    Sources,
    TransportWrites,
    TransportReads,
}

impl Core {
    /// The next thing to do, or `None` if there is nothing until the next call of another method.
    #[must_use]
    pub fn poll_action(&mut self, now: Time) -> Option<Action> {
        while let Some(key) = self.drained.pop_front() {
            self.settle();
            self.check_drained(key, now);
        }
        while let Some(key) = self.revive.pop_front() {
            self.go_on(key, now);
        }
        while let Some(key) = self.cache.next_again() {
            self.consult_again(key, now);
        }
        while let Some(tunnel) = self.unplaced.pop_front() {
            self.retry_waiting(tunnel, now);
        }
        while let Some(key) = self.movers.pop_front() {
            let action = self.move_out(key, now);
            if action.is_some() {
                return action;
            }
        }
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        let mut idle_phases = 0;
        while idle_phases <= 5 {
            if self.phase.left > 0 {
                self.phase.left -= 1;
                let action = self.step(now).or_else(|| self.actions.pop_front());
                if action.is_some() {
                    return action;
                }
                if self.phase.left > 0 {
                    continue;
                }
            }
            let moved = self.next_phase(now);
            let is_idle = self.phase.left == 0 && moved == Moved::Nothing;
            idle_phases = if is_idle { idle_phases + 1 } else { 0 };
        }
        self.actions.pop_front()
    }

    /// Goes on to the next phase. Says whether that has moved direct traffic, which gives earlier
    /// phases something to do.
    fn next_phase(&mut self, now: Time) -> Moved {
        let mut moved = Moved::Nothing;
        let (at, left) = match self.phase.at {
            At::TransportReads => (At::Writes, self.writes.len()),
            At::Writes if !self.writes.is_empty() => (At::Writes, self.writes.len()),
            At::Writes => {
                // Every socket had its chance: what is left of the plaintext is copied.
                self.settle();
                while self.lent.is_empty()
                    && let Some(key) = self.resume.pop_front()
                {
                    self.pump_in(key, now);
                    self.queue_transport_read(key);
                }
                match self.writes.len() {
                    0 => (At::Reads, self.reads.len()),
                    more => (At::Writes, more),
                }
            }
            At::Reads => (At::Sources, self.sources.len()),
            // A session stays first in the list until it has nothing to read.
            At::Sources if !self.sources.is_empty() => (At::Sources, self.sources.len()),
            At::Sources => {
                moved = self.pump_direct(now);
                (At::TransportWrites, self.transport_writes.len())
            }
            At::TransportWrites => (At::TransportReads, self.transport_reads.len()),
        };
        self.phase = Phase { at, left };
        moved
    }

    /// One step of the present phase.
    fn step(&mut self, now: Time) -> Option<Action> {
        match self.phase.at {
            At::Writes => {
                let key = self.writes.pop_front()?;
                let socket = self.sockets.get_mut(key)?;
                socket.write_queued = false;
                if socket.is_secure() {
                    self.encrypt_output(key, now);
                }
                if !self.sockets.get(key)?.may_write() {
                    return None;
                }
                match self.leave_to_write(key, now) {
                    Leave::Granted(_) => Some(Action::Write(key.into())),
                    Leave::HeldBack => None,
                }
            }
            At::Reads => {
                let key = self.reads.pop_front()?;
                let socket = self.sockets.get_mut(key)?;
                socket.read_queued = false;
                if socket.is_secure() {
                    return self.secure_read_step(key, now);
                }
                // It may have become a matter of its stream since it was listed.
                let max = self.wanted(key)?;
                self.reading = Some((key, Place::Scratch { max }));
                Some(Action::Read(key.into()))
            }
            At::Sources => {
                let session = self.sources.front().copied()?;
                let source = self.next_source(session, now);
                if let Source::Read(key) = source {
                    return Some(Action::Read(key.into()));
                }
                self.sources.pop_front();
                if let Some(entry) = self.sessions.get_mut(session) {
                    entry.queued = source == Source::HeldBack;
                }
                None
            }
            At::TransportWrites => {
                let key = self.transport_writes.pop_front()?;
                self.sockets.get_mut(key)?.write_queued = false;
                match self.pump_out(key, now) {
                    HasOutput::Yes => Some(Action::Write(key.into())),
                    HasOutput::No => None,
                }
            }
            At::TransportReads => {
                let key = self.transport_reads.pop_front()?;
                let socket = self.sockets.get_mut(key)?;
                socket.read_queued = false;
                if !socket.can_read || !self.transport_may_read(key) {
                    return None;
                }
                self.reading = Some((key, Place::Pipe));
                Some(Action::Read(key.into()))
            }
        }
    }

    /// Puts a transport in the list of those to read.
    pub(super) fn queue_transport_read(&mut self, key: SocketKey) {
        let may_read = self.transport_may_read(key);
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        if may_read && socket.can_read && !socket.read_queued {
            socket.read_queued = true;
            self.transport_reads.push_back(key);
        }
    }
}
