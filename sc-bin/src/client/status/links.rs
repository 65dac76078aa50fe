//! The connections of the tunnel together, with their history.
//!
//! The tunnel is as well as its best connection: tests can use it while one is connected.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sc_proto::contract::{ConnectionNumber, Event};

use super::link::{At, Change, Link, Resumed, State};

/// Changes that are kept for who asks. Older ones are only counted.
const KEPT_CHANGES: usize = 64;

/// All connections from the beginning of the run until now.
#[derive(Clone, Debug)]
pub(crate) struct Links {
    each: Vec<Link>,
    /// Since when the best of them is in its state.
    since: At,
    last_resume: Option<Resumed>,
    /// Time without any connection after the first, up to `since`.
    down: Duration,
    changes: VecDeque<Recorded>,
    changes_in_all: u64,
}

/// A change that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// When, in seconds since 1970.
    pub(crate) at: u64,
    /// To which connection, from 0.
    pub(crate) connection: usize,
    /// What.
    pub(crate) change: Change,
}

impl Links {
    /// `count` connections, at least one, to which nothing has happened yet.
    pub(crate) fn new(count: u8, now: At) -> Self {
        Self {
            each: vec![Link::new(now); usize::from(count.max(1))],
            since: now,
            last_resume: None,
            down: Duration::ZERO,
            changes: VecDeque::new(),
            changes_in_all: 0,
        }
    }

    /// Takes in what the data plane tells. Gives the change that it is, if it is one.
    pub(crate) fn on_event(&mut self, event: &Event, now: At) -> Option<Change> {
        let index = usize::from(connection_of(event)?.index());
        let before = (self.state().name(), self.down_until(now.instant));
        let change = self.each.get_mut(index)?.on_event(event, now)?;
        if let Change::Resumed(resumed) = &change {
            self.last_resume = Some(*resumed);
        }
        self.record(index, change.clone(), before, now);
        Some(change)
    }

    /// When the next try of each connection without a session comes, if that is settled.
    pub(crate) fn set_next_tries(
        &mut self,
        tries: impl Iterator<Item = (ConnectionNumber, Option<Instant>)>,
    ) {
        for (connection, next) in tries {
            if let Some(link) = self.each.get_mut(usize::from(connection.index())) {
                link.set_next_try(next);
            }
        }
    }

    /// The run is over. Gives what that changes.
    pub(crate) fn end(&mut self, now: At) -> Vec<Change> {
        let mut changes = Vec::new();
        for index in 0..self.each.len() {
            let before = (self.state().name(), self.down_until(now.instant));
            if let Some(change) = self.each.get_mut(index).and_then(|link| link.end(now)) {
                self.record(index, change.clone(), before, now);
                changes.push(change);
            }
        }
        changes
    }

    /// Keeps a change that was made. `before` it the tunnel's state had this name, and it had been
    /// down so long.
    fn record(&mut self, connection: usize, change: Change, before: (&str, Duration), now: At) {
        let (name, down) = before;
        if self.state().name() != name {
            self.down = down;
            self.since = now;
        }
        self.changes_in_all += 1;
        if self.changes.len() == KEPT_CHANGES {
            self.changes.pop_front();
        }
        self.changes.push_back(Recorded { at: now.unix, connection, change });
    }

    /// Each connection.
    pub(crate) fn each(&self) -> &[Link] {
        &self.each
    }

    /// Where the best connection stands, and so the tunnel.
    pub(crate) fn state(&self) -> &State {
        let rank = |link: &&Link| match link.state() {
            State::Ended => 0,
            State::Starting(_) => 1,
            State::Lost(_) => 2,
            State::Reconnecting(_) => 3,
            State::Connected { .. } => 4,
        };
        // The first of those that are equally well.
        let best = self.each.iter().rev().max_by_key(rank);
        best.map_or(&State::Ended, Link::state)
    }

    /// Since when.
    pub(crate) fn since(&self) -> At {
        self.since
    }

    /// How many are connected.
    pub(crate) fn connected(&self) -> usize {
        self.each.iter().filter(|link| link.is_connected()).count()
    }

    /// Whether any is connected.
    pub(crate) fn is_connected(&self) -> bool {
        self.connected() > 0
    }

    /// When the first session came up, in seconds since 1970.
    pub(crate) fn first_connected(&self) -> Option<u64> {
        self.each.iter().filter_map(Link::first_connected).min()
    }

    /// How often one was connected again, by a resume or a new session.
    pub(crate) fn reconnects(&self) -> u64 {
        self.each.iter().map(Link::reconnects).sum()
    }

    /// How a session last went on.
    pub(crate) fn last_resume(&self) -> Option<Resumed> {
        self.last_resume
    }

    /// The latest changes, oldest first.
    pub(crate) fn changes(&self) -> impl Iterator<Item = &Recorded> {
        self.changes.iter()
    }

    /// How many changes there were.
    pub(crate) fn changes_in_all(&self) -> u64 {
        self.changes_in_all
    }

    /// Time without any connection after the first.
    pub(crate) fn down_until(&self, now: Instant) -> Duration {
        match self.state() {
            State::Reconnecting(_) | State::Lost(_) => {
                self.down + now.saturating_duration_since(self.since.instant)
            }
            State::Starting(_) | State::Connected { .. } | State::Ended => self.down,
        }
    }
}

/// Which connection an event is about, if it is about one.
pub(super) fn connection_of(event: &Event) -> Option<ConnectionNumber> {
    match event {
        Event::TunnelUp { connection, .. }
        | Event::TunnelInterrupted { connection, .. }
        | Event::Reconnecting { connection, .. }
        | Event::TunnelResumed { connection, .. }
        | Event::TunnelDown { connection, .. }
        | Event::ConnectFailed { connection, .. } => Some(*connection),
        _ => None,
    }
}
