//! The thread that drives all connections of a plan.

use std::io;
use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};

use super::connection::{Connection, Turn};
use super::{Outcome, Plan, Shared};

/// How often the thread looks whether it shall end, when nothing else happens.
const LOOK: Duration = Duration::from_millis(20);
/// A failed connection is dialled again after this, so that a dead tunnel does not become a storm.
const FAILED_DIAL_PAUSE: Duration = Duration::from_millis(5);
/// The most that one call discards of a download.
const DISCARD: usize = 1024 * 1024;
/// How many failures are told.
const TOLD_FAILURES: u64 = 3;

struct Engine<'a> {
    plan: Plan,
    shared: &'a Shared,
    poll: Poll,
    connections: Vec<Option<Connection>>,
    /// Connections that may have more to read without a new event.
    again: Vec<usize>,
    /// Which places have lost a connection while it was recorded.
    broken: Vec<bool>,
    untouched: Vec<MaybeUninit<u8>>,
    outcome: Outcome,
}

pub(super) fn run(plan: Plan, shared: &Shared) -> Outcome {
    let poll = Poll::new().expect("epoll is there");
    let mut outcome = Outcome::default();
    outcome.bytes.resize(plan.connections, 0);
    let connections = (0..plan.connections).map(|_| None).collect();
    let broken = vec![false; plan.connections];
    let untouched = vec![MaybeUninit::uninit(); DISCARD];
    let again = Vec::new();
    let mut engine = Engine { plan, shared, poll, connections, again, broken, untouched, outcome };
    let mut events = Events::with_capacity(1024);
    while !shared.stop.load(Ordering::Relaxed) {
        engine.dial_missing();
        let wait = if engine.again.is_empty() { LOOK } else { Duration::ZERO };
        match engine.poll.poll(&mut events, Some(wait)) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => panic!("epoll: {error}"),
            Ok(()) | Err(_) => {}
        }
        for index in std::mem::take(&mut engine.again) {
            engine.go_on(index);
        }
        for event in &events {
            engine.go_on(event.token().0);
        }
    }
    engine.outcome.broken = engine.broken.iter().filter(|broken| **broken).count();
    engine.outcome
}

impl Engine<'_> {
    /// Fills the places of connections that are not there, or not any more.
    fn dial_missing(&mut self) {
        for index in 0..self.connections.len() {
            if self.connections[index].is_none() && !self.dial(index) {
                std::thread::sleep(FAILED_DIAL_PAUSE);
                return;
            }
        }
    }

    fn dial(&mut self, index: usize) -> bool {
        let dialled = Connection::dial(self.plan.entry, self.plan.work).and_then(|mut new| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            self.poll.registry().register(&mut new.stream, Token(index), interest)?;
            Ok(new)
        });
        match dialled {
            Ok(new) => {
                self.connections[index] = Some(new);
                true
            }
            Err(error) => {
                self.failed(&error);
                false
            }
        }
    }

    fn go_on(&mut self, index: usize) {
        let Some(connection) = &mut self.connections[index] else { return };
        match connection.go_on(&mut self.untouched) {
            Ok(turn) => self.account(index, turn),
            Err(error) => {
                self.connections[index] = None;
                self.broken[index] |= self.shared.recording.load(Ordering::Relaxed);
                self.failed(&error);
            }
        }
    }

    fn account(&mut self, index: usize, turn: Turn) {
        let recording = self.shared.recording.load(Ordering::Relaxed);
        if turn.bytes > 0 {
            self.shared.bytes.fetch_add(turn.bytes, Ordering::Relaxed);
            if recording {
                self.outcome.bytes[index] += turn.bytes;
            }
        }
        if let Some(micros) = turn.answered {
            self.shared.requests.fetch_add(1, Ordering::Relaxed);
            if recording {
                self.outcome.latencies.push(micros);
            }
        }
        if turn.again {
            self.again.push(index);
        }
        if turn.finished {
            // Closed first: its successor takes its place at once.
            self.connections[index] = None;
            self.dial(index);
        }
    }

    fn failed(&self, error: &io::Error) {
        let before = self.shared.failures.fetch_add(1, Ordering::Relaxed);
        if before < TOLD_FAILURES {
            eprintln!("    a connection failed: {error}");
        }
    }
}
