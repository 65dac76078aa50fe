//! Which session of a tunnel takes the next stream.
//!
//! A tunnel has a session for each of its client's connections, and a stream stays where it was
//! opened. So the choice is made once, when it is opened: the session with the fewest streams, as
//! those on a slow or lossy connection take longer to end; then the one with the least waiting to
//! be sent, in steps, so that a few bytes decide nothing; then the one that has the fewest bytes
//! unacknowledged. What waits does not come first: when many downloads begin at once, the later ones
//! would all go where the earlier ones have not begun yet, and share less than these.

use core::time::Duration;

use super::tunnel::SessionEntry;
use super::{Core, SessionKey};
use crate::Time;
use crate::contract::{DialFailure, TunnelId};
use crate::http1::Failure;

/// What waits to be sent is compared in steps of so many bytes.
const BACKLOG_STEP: u64 = 64 * 1024;

/// Why a stream cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Not yet: sessions are full, or without a transport.
    Yet,
    /// For this reason.
    Never(Failure),
}

/// How busy a session is: the least is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Load {
    streams: usize,
    backlog: u64,
    retained: u64,
}

impl SessionEntry {
    fn load(&self) -> Load {
        Load {
            streams: self.session.stream_count(),
            backlog: self.session.backlog() / BACKLOG_STEP,
            retained: self.session.retained(),
        }
    }
}

impl Core {
    /// The session that takes the next stream of a tunnel.
    pub(super) fn place(&self, tunnel: TunnelId) -> Result<SessionKey, NoPlace> {
        let mut least: Option<(Load, SessionKey)> = None;
        let mut otherwise = NoPlace::Never(Failure::NotConnected);
        for (key, entry) in self.sessions_of(tunnel) {
            if !entry.session.takes_streams() {
                if otherwise != NoPlace::Yet {
                    otherwise = NoPlace::Never(Failure::Dial(DialFailure::Draining));
                }
                continue;
            }
            otherwise = NoPlace::Yet;
            if entry.outage.is_some() || !entry.session.may_open() {
                continue;
            }
            let load = entry.load();
            if least.is_none_or(|(least, _)| load < least) {
                least = Some((load, key));
            }
        }
        least.map(|(_, key)| key).ok_or(otherwise)
    }

    /// The session that takes the next stream to a site which the server itself reaches.
    pub(super) fn place_direct(&mut self, now: Time) -> Result<SessionKey, NoPlace> {
        let ending = NoPlace::Never(Failure::Direct(DialFailure::Draining));
        self.direct_session(now).ok_or(ending)
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
