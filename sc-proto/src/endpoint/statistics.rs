//! What a core holds at a moment and what it has done so far, in numbers.

use core::time::Duration;

use super::Core;
use super::socket::{Role, Socket};
use super::tunnel::{Carrier, SessionEntry};
use crate::contract::{DialFailure, Read, SessionId, TunnelId, Write};
use crate::http1::ErrorCode;
use crate::kgp::StreamStatistics;

/// What a core holds at a moment, and what it has done so far. Taking it visits every socket and
/// session: for metrics and tests, not for the data path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Sessions.
    pub sessions: usize,
    /// Streams of all sessions.
    pub streams: usize,
    /// Sockets of transports, with those being dialled and those without a session.
    pub transports: usize,
    /// Sockets of browsers and sites, with those being dialled; without those in
    /// [`Statistics::kept`].
    pub proxied: usize,
    /// Client: connections to sites that wait for another exchange.
    pub kept: usize,
    /// Requests that wait for a stream, with those that were given up meanwhile.
    pub waiting: usize,
    /// Bytes that wait for a proxied socket or for a stream, outside of the sessions' rings.
    pub buffered: usize,
    /// Bytes in the rings of sessions that the peers have not acknowledged.
    pub retained: u64,
    /// Bytes of memory that stored answers take, or will take when they have come.
    pub cached: usize,
    /// What happened since the core was made.
    pub counters: Counters,
}

/// What happened since a core was made. Nothing of it ever goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Sockets of transports.
    pub transports: Transports,
    /// Sockets of browsers and sites.
    pub proxied: Sockets,
    /// Client: targets that were to be dialled.
    pub dials: u64,
    /// Client: requests that took a connection which had carried another one before.
    pub reused: u64,
    /// Client: and could not be reached.
    pub dial_failures: DialFailures,
    /// Sessions that began.
    pub sessions: u64,
    /// How often a session went on with another transport.
    pub resumes: u64,
    /// Bytes that this side sent again for that.
    pub replayed: u64,
    /// Streams that were opened, by either side.
    pub streams: u64,
    /// How often a stream used up what the peer lets it send, so that it had to wait for the
    /// peer's reader. Those of sessions that still run are in
    /// [`SessionStatistics::credit_stalls`] alone.
    pub credit_stalls: u64,
    /// Server: answers of its own, for each code.
    pub errors: ErrorAnswers,
    /// Server: who came to its proxy ports.
    pub visits: Visits,
}

/// Who came to proxy ports. Who was turned away is in [`Counters::errors`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Visits {
    /// Connections from where nobody is let in, which were closed.
    pub outside: u64,
    /// Requests whose visitor was remembered.
    pub remembered: u64,
    /// Requests whose visitor the embedder was asked about.
    pub asked: u64,
}

/// How often a browser got an answer of sc's own, for each code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrorAnswers([u64; ErrorCode::COUNT]);

impl Default for ErrorAnswers {
    fn default() -> Self {
        Self([0; ErrorCode::COUNT])
    }
}

impl ErrorAnswers {
    /// Each code and how often it was given.
    pub fn iter(&self) -> impl Iterator<Item = (ErrorCode, u64)> + '_ {
        ErrorCode::ALL.iter().copied().zip(self.0)
    }

    pub(super) fn count(&mut self, code: ErrorCode) {
        if let Some(count) = self.0.get_mut(code as usize) {
            *count += 1;
        }
    }
}

/// Sockets of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// That were connected or accepted, or taken over from another worker.
    pub connected: u64,
    /// Of these, that were given up, closed, or handed over to another worker.
    pub closed: u64,
    /// Bytes read from them.
    pub read: u64,
    /// Bytes written to them.
    pub written: u64,
    /// Reads that failed.
    pub read_failures: u64,
    /// Writes that failed.
    pub write_failures: u64,
}

/// Sockets of transports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transports {
    /// Client: dials that were begun.
    pub dials: u64,
    /// Client: dials that failed.
    pub dial_failures: u64,
    /// Those that came to be. Bytes are those of TLS.
    pub sockets: Sockets,
}

/// How often targets could not be reached, for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DialFailures([u64; DialFailure::ALL.len()]);

impl DialFailures {
    /// Each reason and how often it was so.
    pub fn iter(&self) -> impl Iterator<Item = (DialFailure, u64)> + '_ {
        DialFailure::ALL.into_iter().zip(self.0)
    }

    /// How often it was so for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn count(&mut self, failure: DialFailure) {
        if let Some(place) = DialFailure::ALL.iter().position(|known| *known == failure)
            && let Some(count) = self.0.get_mut(place)
        {
            *count += 1;
        }
    }
}

/// One session at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionStatistics {
    /// Its tunnel.
    pub tunnel: TunnelId,
    /// The session.
    pub session: SessionId,
    /// Whether a transport carries it.
    pub carried: Carried,
    /// The smoothed round trip time, once the present transport has shown one.
    pub rtt: Option<Duration>,
    /// Its streams.
    pub streams: StreamStatistics,
    /// Bytes that the peer has not acknowledged, with those not sent yet.
    pub unacknowledged: u64,
    /// Bytes that wait to be sent for the first time, or again.
    pub unsent: u64,
    /// Reliable bytes that came in, frame headers included.
    pub received: u64,
    /// Reliable bytes that were put in to be sent, frame headers included.
    pub sent: u64,
    /// How often a stream used up what the peer lets it send.
    pub credit_stalls: u64,
}

/// Whether a transport carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// Yes.
    Yes,
    /// It lost the last one, and waits for another.
    Interrupted,
}

impl Core {
    /// What the core holds now.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut all = Statistics {
            waiting: self.tunnels.values().map(|tunnel| tunnel.waiting.len()).sum(),
            cached: self.cached(),
            counters: self.counters,
            kept: self.kept.len(),
            ..Statistics::default()
        };
        for (_, entry) in self.sessions.iter() {
            all.sessions += usize::from(entry.carrier == Carrier::Transport);
            all.streams += entry.session.stream_count();
            all.retained += entry.session.retained();
        }
        for (_, socket) in self.sockets.iter() {
            match &socket.role {
                Role::Transport(_) => all.transports += 1,
                Role::Proxied(proxied) => {
                    all.proxied += usize::from(proxied.kept.is_none());
                    all.buffered += proxied.buffered();
                    all.buffered +=
                        self.lent.ranges(proxied).map(|range| range.len()).sum::<usize>();
                }
            }
        }
        all
    }

    /// Each session now. Visits every stream.
    pub fn session_statistics(&self) -> impl Iterator<Item = SessionStatistics> + '_ {
        let carried = |entry: &&SessionEntry| entry.carrier == Carrier::Transport;
        self.sessions.iter().map(|(_, entry)| entry).filter(carried).map(SessionEntry::statistics)
    }
}

impl Counters {
    fn of(&mut self, role: &Role) -> &mut Sockets {
        match role {
            Role::Transport(_) => &mut self.transports.sockets,
            Role::Proxied(_) => &mut self.proxied,
        }
    }

    /// A socket was accepted, or its dial succeeded.
    pub(super) fn connected(&mut self, role: &Role) {
        self.of(role).connected += 1;
    }

    /// The socket is no more; it counts if its dial had succeeded.
    pub(super) fn closed(&mut self, socket: &Socket) {
        if socket.is_connected() {
            self.of(&socket.role).closed += 1;
        }
    }

    pub(super) fn read(&mut self, role: &Role, outcome: Read) {
        let sockets = self.of(role);
        match outcome {
            Read::Bytes(n) | Read::Drained(n) => {
                sockets.read = sockets.read.saturating_add(n as u64)
            }
            Read::Failed => sockets.read_failures += 1,
            Read::WouldBlock | Read::End => {}
        }
    }

    pub(super) fn wrote(&mut self, role: &Role, outcome: Write) {
        let sockets = self.of(role);
        match outcome {
            Write::Bytes(n) | Write::Blocked(n) => {
                sockets.written = sockets.written.saturating_add(n as u64)
            }
            Write::Failed => sockets.write_failures += 1,
        }
    }
}

impl SessionEntry {
    fn statistics(&self) -> SessionStatistics {
        let carried = if self.outage.is_some() { Carried::Interrupted } else { Carried::Yes };
        let session = &self.session;
        SessionStatistics {
            tunnel: self.tunnel,
            session: session.id,
            carried,
            rtt: session.measured_rtt(),
            streams: session.stream_statistics(),
            unacknowledged: session.retained(),
            unsent: session.unsent_len(),
            received: session.received(),
            sent: session.put_in_all(),
            credit_stalls: session.credit_stalls(),
        }
    }
}
