//! Which session of a tunnel takes the next stream.
//!
//! A tunnel has a session for each of its client's connections, and a stream stays where it was
//! opened. So the choice is made once, when it is opened: the session with the fewest streams, as
//! those on a slow or lossy connection take longer to end; then the one with the least waiting to
//! be sent, in steps, so that a few bytes decide nothing; then the one that has the fewest bytes
//! unacknowledged. What waits does not come first: when many downloads begin at once, the later ones
//! would all go where the earlier ones have not begun yet, and share less than these.

use core::time::Duration;

use super::socket::SocketKey;
use super::tunnel::SessionEntry;
use super::{Core, SessionKey};
use crate::Time;
use crate::contract::{DialFailure, Standing, TunnelId, WorkerId};
use crate::http1::Failure;

/// What waits to be sent is compared in steps of so many bytes.
const BACKLOG_STEP: u64 = 64 * 1024;

/// Why a stream cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoPlace {
    /// Not yet: sessions are full, or without a transport.
    Yet,
    /// Here not, but on another worker.
    Elsewhere(WorkerId),
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
        let mut has_room = false;
        for (key, entry) in self.sessions_of(tunnel) {
            if !entry.session.takes_streams() {
                if otherwise != NoPlace::Yet {
                    otherwise = NoPlace::Never(Failure::Dial(DialFailure::Draining));
                }
                continue;
            }
            otherwise = NoPlace::Yet;
            has_room |= entry.outage.is_none() && !entry.session.is_full();
            if entry.outage.is_some() || !entry.session.may_open() {
                continue;
            }
            let load = entry.load();
            if least.is_none_or(|(least, _)| load < least) {
                least = Some((load, key));
            }
        }
        match least {
            Some((_, key)) => Ok(key),
            // What is under way leaves soon.
            None if has_room => Err(otherwise),
            None => Err(self.place_elsewhere(tunnel, otherwise)),
        }
    }

    /// What the other workers of a tunnel have for a stream that has no place here.
    fn place_elsewhere(&self, tunnel: TunnelId, here: NoPlace) -> NoPlace {
        let draining = NoPlace::Never(Failure::Dial(DialFailure::Draining));
        match self.elsewhere(tunnel) {
            (_, Some(worker)) => NoPlace::Elsewhere(worker),
            (Standing::Open | Standing::Full | Standing::Interrupted, None) => NoPlace::Yet,
            (Standing::Draining, None) if here != NoPlace::Yet => draining,
            (Standing::Draining | Standing::None, None) => here,
        }
    }

    /// The session that takes the next stream of this browser to a site which this core itself
    /// reaches.
    pub(super) fn place_direct(
        &mut self,
        key: SocketKey,
        now: Time,
    ) -> Result<SessionKey, NoPlace> {
        let ending = match self.is_local(key) {
            true => Failure::Local(DialFailure::Draining),
            false => Failure::Direct(DialFailure::Draining),
        };
        self.direct_session(now).ok_or(NoPlace::Never(ending))
    }

    /// When a request that waits for a stream is due, `limit` after it might first have had one:
    /// while no session has a transport nobody can serve it, and the grace limits that time.
    pub(super) fn wait_is_due(&self, tunnel: TunnelId, limit: Duration, now: Time) -> Option<Time> {
        let mut sessions = self.sessions_of(tunnel).map(|(_, entry)| entry).peekable();
        match self.elsewhere(tunnel).0 {
            Standing::None | Standing::Draining => drop(sessions.peek()?),
            Standing::Interrupted => {}
            // Whether one is carried for long over there is not known.
            Standing::Full | Standing::Open => return None,
        }
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
