//! The tunnel's figures in the log, every so often (`--log-stats`).

use std::time::{Duration, Instant};

use super::board::Snapshot;
use crate::monitor::worker::{AskWorkers, WorkerReport};

/// When the next figures are due.
pub(super) struct Figures {
    every: Duration,
    next: Instant,
    workers: AskWorkers,
}

impl Figures {
    /// From now on, every so often.
    pub(super) fn new(every: Duration, workers: AskWorkers) -> Self {
        Self { every, next: Instant::now() + every, workers }
    }

    /// When [`Figures::on_time`] is due.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// Logs the figures if they are due.
    pub(super) fn on_time(&mut self, snapshot: &Snapshot, now: Instant) {
        if self.next > now {
            return;
        }
        self.next = now + self.every;
        match (self.workers)() {
            Ok(workers) => {
                log::info!(target: "stats", "figures {}", text(snapshot, &workers));
            }
            Err(error) => log::warn!(target: "stats", "no figures: {error}"),
        }
    }
}

/// Bytes are those since the start; `rtt-ms` is absent until it was measured.
fn text(snapshot: &Snapshot, workers: &[WorkerReport]) -> String {
    let sum = |of: fn(&WorkerReport) -> u64| workers.iter().map(of).sum::<u64>();
    let sessions = || workers.iter().flat_map(|worker| &worker.sessions);
    let streams: usize = workers.iter().map(|worker| worker.core.streams).sum();
    let mut text = format!(
        "state={} connections={} streams={streams} requests={} dials-failed={} received={} sent={} \
         unacknowledged={} replayed={} reconnects={}",
        snapshot.links.state().name(),
        snapshot.links.connected(),
        sum(|worker| worker.core.counters.streams),
        sum(|worker| worker.core.counters.dial_failures.total()),
        sum(|worker| worker.core.counters.transports.sockets.read),
        sum(|worker| worker.core.counters.transports.sockets.written),
        sessions().map(|session| session.unacknowledged).sum::<u64>(),
        sum(|worker| worker.core.counters.replayed),
        snapshot.links.reconnects(),
    );
    if let Some(rtt) = sessions().filter_map(|session| session.rtt).max() {
        text.push_str(&format!(" rtt-ms={:.3}", rtt.as_secs_f64() * 1000.0));
    }
    text
}
