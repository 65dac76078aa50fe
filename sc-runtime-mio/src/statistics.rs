//! How a worker stands, for who asks.
//!
//! Both runtimes are built with this file.

use std::time::Duration;

use sc_proto::contract::TunnelId;
use sc_proto::endpoint::ExchangeStatistics;
use sc_proto::{CacheStatistics, Core, ListenerId, SessionStatistics, Statistics, Time};

/// A worker at a moment, and what it has done since it began.
#[derive(Clone, Debug)]
pub struct WorkerStatistics {
    /// What its core holds and has done.
    pub core: Statistics,
    /// The sessions of its core.
    pub sessions: Vec<SessionStatistics>,
    /// Client: its exchanges with sites.
    pub exchanges: ExchangeStatistics,
    /// The caches of its tunnels.
    pub caches: Vec<(TunnelId, CacheStatistics)>,
    /// How much it has worked.
    pub work: Work,
    /// Connections that each listener has taken.
    pub visits: Vec<(ListenerId, u64)>,
}

/// How much a worker has worked since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Time spent in turns, as opposed to waiting for the operating system.
    pub busy: Duration,
    /// Turns.
    pub turns: u64,
    /// When the present turn began.
    began: Time,
}

impl WorkerStatistics {
    pub(crate) fn of(core: &Core, work: Work) -> Self {
        Self {
            core: core.statistics(),
            sessions: core.session_statistics().collect(),
            exchanges: core.exchange_statistics(),
            caches: core.cache_statistics().collect(),
            work,
            visits: core.visits().collect(),
        }
    }
}

impl Work {
    /// A turn begins.
    pub(crate) fn begin(&mut self, now: Time) {
        self.began = now;
        self.turns += 1;
    }

    /// The turn is over.
    pub(crate) fn end(&mut self, now: Time) {
        self.busy += now.since(self.began);
    }
}

/// A worker did not tell how it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoReport {
    /// It does not exist or has ended.
    #[error("the worker has stopped")]
    Stopped,
    /// It did not get round to it in time.
    #[error("the worker did not answer in time")]
    Late,
}
