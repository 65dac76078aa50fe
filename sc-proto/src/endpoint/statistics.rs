//! What a core holds at a moment, in numbers.

use super::Core;
use super::socket::Role;

/// What a core holds at a moment. Taking it visits every socket and session: for metrics and
/// tests, not for the data path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Sessions.
    pub sessions: usize,
    /// Streams of all sessions.
    pub streams: usize,
    /// Sockets of transports, with those being dialled and those without a session.
    pub transports: usize,
    /// Sockets of browsers and sites, with those being dialled.
    pub proxied: usize,
    /// Requests that wait for a stream, with those that were given up meanwhile.
    pub waiting: usize,
    /// Bytes that wait for a proxied socket or for a stream, outside of the sessions' rings.
    pub buffered: usize,
    /// Bytes in the rings of sessions that the peers have not acknowledged.
    pub retained: u64,
}

impl Core {
    /// What the core holds now.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let mut all = Statistics {
            waiting: self.tunnels.values().map(|tunnel| tunnel.waiting.len()).sum(),
            ..Statistics::default()
        };
        for (_, entry) in self.sessions.iter() {
            all.sessions += 1;
            all.streams += entry.session.stream_count();
            all.retained += entry.session.retained();
        }
        for (_, socket) in self.sockets.iter() {
            match &socket.role {
                Role::Transport(_) => all.transports += 1,
                Role::Proxied(proxied) => {
                    all.proxied += 1;
                    all.buffered += proxied.buffered();
                    all.buffered +=
                        self.lent.ranges(proxied).map(|range| range.len()).sum::<usize>();
                }
            }
        }
        all
    }
}
