//! How the workers of a data plane stand, whatever runtime drives them.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "client")]
use sc_proto::endpoint::ExchangeStatistics;
#[cfg(feature = "server")]
use sc_proto::{CacheStatistics, ListenerId, TunnelId};
use sc_proto::{SessionStatistics, Statistics};

use super::exposition::{Exposition, Samples, amount, number};

/// How long a worker may take to answer. It does so between two turns, which are short.
pub(crate) const PATIENCE: Duration = Duration::from_secs(2);

/// One worker at a moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkerReport {
    /// What its core holds and has done.
    pub(crate) core: Statistics,
    /// The sessions of its core.
    pub(crate) sessions: Vec<SessionStatistics>,
    /// Its exchanges with sites; a server has none.
    #[cfg(feature = "client")]
    pub(crate) exchanges: ExchangeStatistics,
    /// The caches of its tunnels; a client has none.
    #[cfg(feature = "server")]
    pub(crate) caches: Vec<(TunnelId, CacheStatistics)>,
    /// Time it has spent working, as opposed to waiting.
    pub(crate) busy: Duration,
    /// How often it has gone round.
    pub(crate) turns: u64,
    /// Connections that each of its listeners has taken.
    #[cfg(feature = "server")]
    pub(crate) visits: Vec<(ListenerId, u64)>,
}

/// A worker did not answer: it has ended, or hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the data plane does not answer")]
pub(crate) struct NoAnswer;

/// Asks all workers how they stand; they are woken for it.
pub(crate) type AskWorkers = Arc<dyn Fn() -> Result<Vec<WorkerReport>, NoAnswer> + Send + Sync>;

/// Adds how much each worker works.
pub(crate) fn expose(all: &mut Exposition, workers: &[WorkerReport]) {
    let (mut busy, mut turns) = (Samples::new(), Samples::new());
    let (mut sessions, mut streams) = (Samples::new(), Samples::new());
    let (mut proxied, mut buffered) = (Samples::new(), Samples::new());
    for (index, worker) in workers.iter().enumerate() {
        let index = index.to_string();
        let labels = [("worker", index.as_str())];
        busy.add(&labels, worker.busy.as_secs_f64());
        turns.add(&labels, number(worker.turns));
        sessions.add(&labels, amount(worker.core.sessions));
        streams.add(&labels, amount(worker.core.streams));
        proxied.add(&labels, amount(worker.core.proxied));
        buffered.add(&labels, amount(worker.core.buffered));
    }
    all.counters(
        "worker_busy_seconds_total",
        "Time that a data worker spent working rather than waiting; its rate is its busy share.",
        busy,
    );
    all.counters("worker_turns_total", "How often a data worker went round its loop.", turns);
    all.gauges(
        "worker_sessions",
        "Sessions that a data worker carries; those of one tunnel may be shared out.",
        sessions,
    );
    all.gauges("worker_streams", "Streams of these sessions.", streams);
    all.gauges(
        "worker_proxied_sockets",
        "Sockets of browsers or sites that a data worker has, with those being dialled.",
        proxied,
    );
    all.gauges(
        "worker_buffered_bytes",
        "Bytes that wait for such a socket, outside of what is kept for sending again.",
        buffered,
    );
}
