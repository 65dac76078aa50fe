//! How the tunnels do, sampled once a second: what the page's figures and graphs are drawn from.
//!
//! It is kept whether anybody looks or not, so that who opens the page because something is slow sees
//! the last minute and the last hour. That costs two short questions to each worker a second, none
//! without tunnels, and about 2 KiB for each tunnel.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sc_proto::SessionStatistics;
use sc_proto::contract::{SessionId, TunnelId};
use sc_proto::endpoint::Carried;
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::monitor::worker::WorkerReport;
use crate::server::tunnels::Tunnels;

/// How often is sampled.
const INTERVAL: Duration = Duration::from_secs(1);
/// How many samples of each kind are kept.
pub(super) const KEPT: usize = 60;
/// Samples of a second that make one of a minute.
const SECONDS: u32 = 60;

/// What went through a tunnel, in bytes a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    /// From the client: what sites answer.
    pub(super) down: u64,
    /// To the client: what browsers send.
    pub(super) up: u64,
}

/// A tunnel's connections at the last sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Vitals {
    /// Connections that carry it.
    pub(super) connections: usize,
    /// The longest round trip of them, once measured.
    pub(super) rtt: Option<Duration>,
    /// Streams.
    pub(super) streams: usize,
    /// Of these, those that wait for a reader in the office.
    pub(super) stalled: usize,
    /// Bytes that the client has not acknowledged.
    pub(super) unacknowledged: u64,
}

/// What is known of a tunnel. Samples are oldest first, [`KEPT`] at most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// Now.
    pub(super) vitals: Vitals,
    /// The last seconds.
    pub(super) seconds: Vec<Flow>,
    /// The last minutes, each its average; what is left of this minute is not in it.
    pub(super) minutes: Vec<Flow>,
}

#[derive(Debug, Default)]
struct Record {
    vitals: Vitals,
    /// Bytes received and sent so far of each session that there was at the last sample.
    totals: BTreeMap<SessionId, (u64, u64)>,
    seconds: VecDeque<Flow>,
    minutes: VecDeque<Flow>,
    /// What has gone into the next minute, and how many seconds of it are over.
    minute: Flow,
    elapsed: u32,
}

/// The samples of all tunnels that have not ended.
#[derive(Debug)]
pub(super) struct Health {
    records: Mutex<BTreeMap<TunnelId, Record>>,
    beat: watch::Sender<u64>,
}

impl Default for Health {
    fn default() -> Self {
        Self { records: Mutex::default(), beat: watch::Sender::new(0) }
    }
}

impl Health {
    /// Samples, forever.
    pub(super) async fn run(&self, tunnels: &Arc<Tunnels>) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = Instant::now();
        loop {
            ticks.tick().await;
            let mut live: Vec<TunnelId> =
                tunnels.figures().iter().map(|tunnel| tunnel.id).collect();
            live.sort_unstable();
            let workers = if live.is_empty() { Some(Vec::new()) } else { ask(tunnels).await };
            let now = Instant::now();
            if let Some(workers) = workers {
                self.take(&live, &workers, now.saturating_duration_since(last));
                last = now;
            }
            self.beat.send_modify(|beat| *beat += 1);
        }
    }

    /// Tells of each sample when it has been taken.
    pub(super) fn beats(&self) -> watch::Receiver<u64> {
        self.beat.subscribe()
    }

    /// What is known of a tunnel.
    pub(super) fn course(&self, id: TunnelId) -> Course {
        let records = self.records();
        let Some(record) = records.get(&id) else { return Course::default() };
        Course {
            vitals: record.vitals,
            seconds: record.seconds.iter().copied().collect(),
            minutes: record.minutes.iter().copied().collect(),
        }
    }

    /// One sample of the tunnels that live, in order, so long after the last one.
    fn take(&self, live: &[TunnelId], workers: &[WorkerReport], since: Duration) {
        let mut by_tunnel: BTreeMap<TunnelId, Vec<&SessionStatistics>> = BTreeMap::new();
        for session in workers.iter().flat_map(|worker| &worker.sessions) {
            by_tunnel.entry(session.tunnel).or_default().push(session);
        }
        let mut records = self.records();
        records.retain(|id, _| live.binary_search(id).is_ok());
        for id in live {
            let sessions = by_tunnel.get(id).map_or(&[][..], Vec::as_slice);
            records.entry(*id).or_default().take(sessions, since);
        }
    }

    fn records(&self) -> MutexGuard<'_, BTreeMap<TunnelId, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the workers stand. They are asked on another thread: they may take a moment.
async fn ask(tunnels: &Arc<Tunnels>) -> Option<Vec<WorkerReport>> {
    let tunnels = Arc::clone(tunnels);
    tokio::task::spawn_blocking(move || tunnels.workers()).await.ok()?.ok()
}

impl Record {
    fn take(&mut self, sessions: &[&SessionStatistics], since: Duration) {
        let (mut received, mut sent) = (0_u64, 0_u64);
        let mut vitals = Vitals::default();
        let before = std::mem::take(&mut self.totals);
        for session in sessions {
            let (had_received, had_sent) = before.get(&session.session).copied().unwrap_or((0, 0));
            received += session.received.saturating_sub(had_received);
            sent += session.sent.saturating_sub(had_sent);
            self.totals.insert(session.session, (session.received, session.sent));
            vitals.connections += usize::from(session.carried == Carried::Yes);
            vitals.rtt = vitals.rtt.max(session.rtt);
            vitals.streams += session.streams.all();
            vitals.stalled += session.streams.stalled;
            vitals.unacknowledged += session.unacknowledged;
        }
        self.vitals = vitals;
        let flow = Flow { down: a_second(received, since), up: a_second(sent, since) };
        push(&mut self.seconds, flow);
        self.minute.down += flow.down;
        self.minute.up += flow.up;
        self.elapsed += 1;
        if self.elapsed == SECONDS {
            let seconds = u64::from(SECONDS);
            let average = Flow { down: self.minute.down / seconds, up: self.minute.up / seconds };
            push(&mut self.minutes, average);
            (self.minute, self.elapsed) = (Flow::default(), 0);
        }
    }
}

fn a_second(bytes: u64, span: Duration) -> u64 {
    let millis = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1);
    bytes.saturating_mul(1000) / millis
}

fn push(kept: &mut VecDeque<Flow>, flow: Flow) {
    if kept.len() >= KEPT {
        kept.pop_front();
    }
    kept.push_back(flow);
}

#[cfg(test)]
mod tests {
    use super::*;

    const TUNNEL: TunnelId = TunnelId([1; 16]);

    fn session(number: u8, received: u64, sent: u64) -> SessionStatistics {
        SessionStatistics {
            tunnel: TUNNEL,
            session: SessionId([number; 16]),
            carried: Carried::Yes,
            rtt: Some(Duration::from_millis(u64::from(number))),
            streams: Default::default(),
            unacknowledged: 5,
            unsent: 0,
            received,
            sent,
            credit_stalls: 0,
        }
    }

    fn report(sessions: Vec<SessionStatistics>) -> [WorkerReport; 1] {
        [WorkerReport { sessions, ..WorkerReport::default() }]
    }

    #[test]
    fn what_a_session_adds_is_counted_whichever_session_it_is() {
        let health = Health::default();
        let take = |sessions, span| {
            health.take(&[TUNNEL], &report(sessions), span);
            health.course(TUNNEL)
        };
        take(vec![session(1, 1000, 10)], INTERVAL);
        let course = take(vec![session(1, 1500, 10), session(2, 300, 7)], INTERVAL);
        assert_eq!(course.seconds, [Flow { down: 1000, up: 10 }, Flow { down: 800, up: 7 }]);
        assert_eq!((course.vitals.connections, course.vitals.unacknowledged), (2, 10));
        assert_eq!(course.vitals.rtt, Some(Duration::from_millis(2)));
        // A late sample is of more than a second; a session that is gone takes nothing back.
        let course = take(vec![session(2, 2300, 7)], 2 * INTERVAL);
        assert_eq!(course.seconds.last(), Some(&Flow { down: 1000, up: 0 }));
    }

    #[test]
    fn minutes_are_averages_and_all_is_bounded() {
        let health = Health::default();
        let seconds = u64::from(SECONDS) * (KEPT as u64 + 2);
        for second in 1..=seconds {
            health.take(&[TUNNEL], &report(vec![session(1, second * 600, 0)]), INTERVAL);
        }
        let course = health.course(TUNNEL);
        assert_eq!((course.seconds.len(), course.minutes.len()), (KEPT, KEPT));
        assert!(course.minutes.iter().all(|flow| flow.down == 600));
        health.take(&[], &[], INTERVAL);
        assert_eq!(health.course(TUNNEL), Course::default(), "what has ended is forgotten");
    }
}
