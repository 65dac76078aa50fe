//! The state of one connection to the server, as data: fed with the data plane's events.
//!
//! ```text
//!             up                 interrupted
//! Starting ────────▶ Connected ◀─────────────▶ Reconnecting
//!                       ▲  │       resumed          │
//!              restored │  │ down                   │ down
//!                       │  ▼                        │
//!                       Lost ◀──────────────────────┘
//! ```
//!
//! A session that waits for a transport is *reconnecting*: nothing is lost. Without a session the
//! link is *lost*: what was open is gone, and a new session is being made.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sc_proto::contract::{Event, TunnelEnd};

/// A moment, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct At {
    /// For durations.
    pub(crate) instant: Instant,
    /// For people: seconds since 1970.
    pub(crate) unix: u64,
}

impl At {
    /// Now.
    pub(crate) fn now() -> Self {
        Self { instant: Instant::now(), unix: crate::calendar::unix_now() }
    }
}

/// Where the link stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// There was no session yet.
    Starting(Trying),
    /// There is a session with a transport.
    Connected {
        /// The other end, if it is known: a resumed session does not tell.
        peer: Option<SocketAddr>,
    },
    /// The session lost its transport; its streams wait for another.
    Reconnecting(Outage),
    /// The session is gone, and its streams. Another is being made.
    Lost(Outage),
    /// The run is over.
    Ended,
}

impl State {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Starting(_) => "starting",
            Self::Connected { .. } => "connected",
            Self::Reconnecting(_) => "reconnecting",
            Self::Lost(_) => "lost",
            Self::Ended => "ended",
        }
    }

    /// All names.
    pub(crate) const NAMES: [&str; 5] = ["starting", "connected", "reconnecting", "lost", "ended"];
}

/// A time without a transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    /// Why it began.
    pub(crate) cause: String,
    /// What is done about it.
    pub(crate) trying: Trying,
}

/// Tries to connect.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trying {
    /// How many have failed.
    pub(crate) failed: u32,
    /// Why the last of them did.
    pub(crate) failure: Option<String>,
    /// When the next one begins; `None`: it is under way, or not settled.
    pub(crate) next: Option<Instant>,
}

impl Trying {
    fn fail(&mut self, failed: u32, failure: String, next: Option<Instant>) {
        *self = Self { failed, failure: Some(failure), next };
    }
}

/// What happened to the link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The first session is up.
    Connected,
    /// The session lost its transport.
    Interrupted {
        /// What happened to the transport.
        cause: String,
    },
    /// The session goes on with another transport.
    Resumed(Resumed),
    /// The session is gone.
    Lost {
        /// Why.
        cause: String,
    },
    /// Another session took its place.
    Restored,
    /// The run is over.
    Ended,
}

/// How a session went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Resumed {
    /// Bytes that were sent again from here.
    pub(crate) replayed: u64,
    /// Streams that were kept.
    pub(crate) streams: usize,
    /// How long there was no transport.
    pub(crate) outage: Duration,
}

impl Change {
    /// Its name.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Connected => "connected",
            Self::Interrupted { .. } => "interrupted",
            Self::Resumed(_) => "resumed",
            Self::Lost { .. } => "lost",
            Self::Restored => "restored",
            Self::Ended => "ended",
        }
    }
}

/// One connection from the beginning of the run until now.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    state: State,
    since: At,
    first_connected: Option<u64>,
    reconnects: u64,
}

impl Link {
    /// Nothing has happened yet.
    pub(crate) fn new(now: At) -> Self {
        Self {
            state: State::Starting(Trying::default()),
            since: now,
            first_connected: None,
            reconnects: 0,
        }
    }

    /// Takes in what the data plane tells. Gives the change that it is, if it is one.
    pub(crate) fn on_event(&mut self, event: &Event, now: At) -> Option<Change> {
        match event {
            Event::TunnelUp { peer, .. } => self.up(*peer, now),
            Event::TunnelInterrupted { cause, .. } => self.interrupted(cause.to_string(), now),
            Event::Reconnecting { attempt, failure, next_try_in, .. } => {
                let next = Some(now.instant + *next_try_in);
                self.try_failed(|_| *attempt, failure.to_string(), next);
                None
            }
            Event::ConnectFailed { failure, .. } => {
                // The controller says when the next one comes.
                self.try_failed(|failed| failed.saturating_add(1), failure.to_string(), None);
                None
            }
            Event::TunnelResumed { replayed, streams, outage, .. } => {
                let resumed = Resumed { replayed: *replayed, streams: *streams, outage: *outage };
                self.resumed(resumed, now)
            }
            // Nobody wants another.
            Event::TunnelDown { end: TunnelEnd::Local, .. } => self.end(now),
            Event::TunnelDown { end, .. } => self.down(end.to_string(), now),
            // Of no concern to the link.
            _ => None,
        }
    }

    /// Without a session: when the next try comes, if that is settled.
    pub(crate) fn set_next_try(&mut self, next: Option<Instant>) {
        if let State::Starting(trying) | State::Lost(Outage { trying, .. }) = &mut self.state {
            trying.next = next;
        }
    }

    /// The run is over.
    pub(crate) fn end(&mut self, now: At) -> Option<Change> {
        match self.state {
            State::Ended => None,
            _ => Some(self.change(State::Ended, Change::Ended, now)),
        }
    }

    fn up(&mut self, peer: SocketAddr, now: At) -> Option<Change> {
        let change = match self.state {
            State::Starting(_) => Change::Connected,
            State::Reconnecting(_) | State::Lost(_) => Change::Restored,
            // A second session beside the first, or after the end: no news for anybody.
            State::Connected { .. } | State::Ended => return None,
        };
        match change {
            Change::Connected => self.first_connected = Some(now.unix),
            _ => self.reconnects += 1,
        }
        Some(self.change(State::Connected { peer: Some(peer) }, change, now))
    }

    fn interrupted(&mut self, cause: String, now: At) -> Option<Change> {
        let State::Connected { .. } = self.state else { return None };
        let outage = Outage { cause: cause.clone(), trying: Trying::default() };
        Some(self.change(State::Reconnecting(outage), Change::Interrupted { cause }, now))
    }

    fn resumed(&mut self, resumed: Resumed, now: At) -> Option<Change> {
        let State::Reconnecting(_) = self.state else { return None };
        self.reconnects += 1;
        Some(self.change(State::Connected { peer: None }, Change::Resumed(resumed), now))
    }

    fn down(&mut self, cause: String, now: At) -> Option<Change> {
        let trying = match &self.state {
            State::Connected { .. } => Trying::default(),
            State::Reconnecting(outage) => outage.trying.clone(),
            State::Starting(_) | State::Lost(_) | State::Ended => return None,
        };
        let outage = Outage { cause: cause.clone(), trying: Trying { next: None, ..trying } };
        Some(self.change(State::Lost(outage), Change::Lost { cause }, now))
    }

    fn try_failed(
        &mut self,
        count: impl FnOnce(u32) -> u32,
        failure: String,
        next: Option<Instant>,
    ) {
        match &mut self.state {
            State::Starting(trying)
            | State::Reconnecting(Outage { trying, .. })
            | State::Lost(Outage { trying, .. }) => {
                trying.fail(count(trying.failed), failure, next);
            }
            State::Connected { .. } | State::Ended => {}
        }
    }

    /// The one place where the state changes.
    fn change(&mut self, state: State, change: Change, now: At) -> Change {
        self.state = state;
        self.since = now;
        change
    }

    /// Where it stands.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Since when.
    pub(crate) fn since(&self) -> At {
        self.since
    }

    /// Whether a session has a transport.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }

    /// When the first session came up, in seconds since 1970.
    pub(crate) fn first_connected(&self) -> Option<u64> {
        self.first_connected
    }

    /// How often it was connected again, by a resume or a new session.
    pub(crate) fn reconnects(&self) -> u64 {
        self.reconnects
    }
}

#[cfg(test)]
mod tests;
