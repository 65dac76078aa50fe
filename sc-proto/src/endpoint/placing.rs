//! Which session of a tunnel takes the next stream.
//!
//! A tunnel has a session for each of its client's connections, and a stream stays where it was
//! opened. So the choice is made once, when it is opened: the session with the least waiting to
//! be sent, in steps, so that a few bytes decide nothing; then the one with the fewest streams, as
//! those on a slow or lossy connection take longer to end; then the one that has the fewest bytes
//! unacknowledged.

use core::time::Duration;

use super::tunnel::SessionEntry;
use super::{Core, SessionKey};
use crate::Time;
use crate::contract::TunnelId;

/// What waits to be sent is compared in steps of so many bytes.
const BACKLOG_STEP: u64 = 64 * 1024;

/// Where a stream may be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placement {
    /// In this session.
    On(SessionKey),
    /// Nowhere yet: sessions are full, or without a transport.
    Later,
    /// Nowhere: all sessions are ending.
    Draining,
    /// There is no session.
    NotConnected,
}

/// How busy a session is: the least is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Load {
    backlog: u64,
    streams: usize,
    retained: u64,
}

impl SessionEntry {
    fn load(&self) -> Load {
        Load {
            backlog: self.session.backlog() / BACKLOG_STEP,
            streams: self.session.stream_count(),
            retained: self.session.retained(),
        }
    }
}

impl Core {
    /// Where the next stream of a tunnel goes.
    pub(super) fn place(&self, tunnel: TunnelId) -> Placement {
        let mut least: Option<(Load, SessionKey)> = None;
        let mut otherwise = Placement::NotConnected;
        for (key, entry) in self.sessions_of(tunnel) {
            if !entry.session.takes_streams() {
                if otherwise == Placement::NotConnected {
                    otherwise = Placement::Draining;
                }
                continue;
            }
            otherwise = Placement::Later;
            if entry.outage.is_some() || !entry.session.may_open() {
                continue;
            }
            let load = entry.load();
            if least.is_none_or(|(least, _)| load < least) {
                least = Some((load, key));
            }
        }
        least.map_or(otherwise, |(_, key)| Placement::On(key))
    }

    /// When a request that waits for a stream is due, `limit` after it might first have had one:
    /// while no session has a transport nobody can serve it, and the grace limits that time.
    pub(super) fn wait_is_due(&self, tunnel: TunnelId, limit: Duration, now: Time) -> Option<Time> {
        let mut sessions = self.sessions_of(tunnel).map(|(_, entry)| entry).peekable();
        sessions.peek()?;
        let carried = sessions.filter(|entry| entry.outage.is_none());
        Some(carried.map(|entry| entry.carried_since).min().unwrap_or(now).after(limit))
    }

    /// The sessions of a tunnel here.
    pub(super) fn sessions_of(
        &self,
        tunnel: TunnelId,
    ) -> impl Iterator<Item = (SessionKey, &SessionEntry)> {
        let keys = self.tunnels.get(&tunnel).map_or(&[][..], |tunnel| &tunnel.sessions);
        keys.iter().filter_map(|key| Some((*key, self.sessions.get(*key)?)))
    }
}
