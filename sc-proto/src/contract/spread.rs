//! What the workers that carry one tunnel know of one another.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

use super::id::{ClientId, ConnectionNumber, TunnelId, WorkerId};

/// Where the sessions of one tunnel live, and how each of these workers stands.
///
/// Made by the embedder, given to all workers with
/// [`Command::Spread`](super::Command::Spread). The session of connection `i` lives on the `i`th
/// worker from the tunnel's home on, round and round, so everybody knows where it is without asking.
///
/// It is written when something changes that matters to the others, a browser's connection or the
/// state of a session, and never for a byte or a frame.
#[derive(Debug)]
pub struct Spread {
    home: WorkerId,
    /// One for each worker, from home on.
    seats: Vec<Seat>,
    /// Whether a client with several connections has come.
    used: AtomicBool,
}

/// One worker of a tunnel.
#[derive(Debug, Default)]
struct Seat {
    standing: AtomicU8,
    /// Connections of browsers.
    browsers: AtomicUsize,
    /// Requests that wait for a stream.
    waiting: AtomicUsize,
}

/// How the sessions of a tunnel stand on one worker: as the best of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// There is none.
    None,
    /// They take no more streams.
    Draining,
    /// They have no transport.
    Interrupted,
    /// They have as many streams as they may.
    Full,
    /// They take streams.
    Open,
}

impl Standing {
    const ALL: [Self; 5] = [Self::None, Self::Draining, Self::Interrupted, Self::Full, Self::Open];

    fn from_number(number: u8) -> Self {
        Self::ALL.get(usize::from(number)).copied().unwrap_or(Self::None)
    }
}

impl Spread {
    /// For a tunnel whose home is `home`, one of `workers` workers.
    #[must_use]
    pub fn new(home: WorkerId, workers: u16) -> Arc<Self> {
        let seats = (0..workers.max(1)).map(|_| Seat::default()).collect();
        Arc::new(Self { home, seats, used: AtomicBool::new(false) })
    }

    /// The worker of a connection's session.
    pub(crate) fn worker_of(&self, connection: ConnectionNumber) -> WorkerId {
        self.worker_at(usize::from(connection.index()))
    }

    /// Notes that the tunnel's client has several connections.
    pub(crate) fn begin(&self) {
        self.used.store(true, Ordering::SeqCst);
    }

    /// Whether sessions live on several workers, or did.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Notes how a worker stands; says how it stood before.
    ///
    /// This and [`Spread::set_waiting`] are in one order with what is read after them, so that of a
    /// worker that has room and one whose request begins to wait at least one sees the other.
    pub(crate) fn set_standing(&self, worker: WorkerId, standing: Standing) -> Standing {
        let before = self.seat(worker).map(|seat| {
            // Most often nothing has changed, and the line stays in all caches.
            let before = seat.standing.load(Ordering::SeqCst);
            if before != standing as u8 {
                seat.standing.store(standing as u8, Ordering::SeqCst);
            }
            before
        });
        before.map_or(standing, Standing::from_number)
    }

    /// Notes how many requests wait at a worker.
    pub(crate) fn set_waiting(&self, worker: WorkerId, waiting: usize) {
        if let Some(seat) = self.seat(worker) {
            seat.waiting.store(waiting, Ordering::SeqCst);
        }
    }

    /// The other workers, and how they stand.
    pub(crate) fn others(
        &self,
        worker: WorkerId,
    ) -> impl Iterator<Item = (WorkerId, Standing)> + '_ {
        self.workers().filter(move |(other, _)| *other != worker).map(|(other, seat)| {
            (other, Standing::from_number(seat.standing.load(Ordering::SeqCst)))
        })
    }

    /// The other workers where requests wait.
    pub(crate) fn waiting(&self, worker: WorkerId) -> impl Iterator<Item = WorkerId> + '_ {
        let waits = |seat: &Seat| seat.waiting.load(Ordering::SeqCst) > 0;
        let waiting = self.workers().filter(move |(other, seat)| *other != worker && waits(seat));
        waiting.map(|(other, _)| other)
    }

    /// The worker with the fewest browsers of those whose sessions take streams, but for `except`.
    pub(crate) fn least_busy(&self, except: Option<WorkerId>) -> Option<WorkerId> {
        let open = self.workers().filter(|(worker, seat)| {
            let standing = seat.standing.load(Ordering::SeqCst);
            standing == Standing::Open as u8 && Some(*worker) != except
        });
        let least = open.min_by_key(|(_, seat)| seat.browsers.load(Ordering::Relaxed));
        least.map(|(worker, _)| worker)
    }

    /// How many workers it has.
    pub(crate) fn len(&self) -> usize {
        self.seats.len()
    }

    fn worker_at(&self, seat: usize) -> WorkerId {
        let worker = (usize::from(self.home.0) + seat) % self.seats.len();
        WorkerId(u16::try_from(worker).unwrap_or_default())
    }

    fn workers(&self) -> impl Iterator<Item = (WorkerId, &Seat)> {
        self.seats.iter().enumerate().map(|(index, seat)| (self.worker_at(index), seat))
    }

    fn seat(&self, worker: WorkerId) -> Option<&Seat> {
        let count = self.seats.len();
        let index = usize::from(worker.0).checked_add(count)?.checked_sub(self.home.0.into())?;
        self.seats.get(index % count)
    }
}

/// A browser's connection as it counts for its worker; it does so until this is dropped.
#[derive(Debug)]
pub(crate) struct Seated {
    spread: Arc<Spread>,
    worker: WorkerId,
}

impl Seated {
    /// Counts one more.
    pub(crate) fn at(spread: &Arc<Spread>, worker: WorkerId) -> Self {
        if let Some(seat) = spread.seat(worker) {
            seat.browsers.fetch_add(1, Ordering::Relaxed);
        }
        Self { spread: Arc::clone(spread), worker }
    }

    /// For whom it counts.
    pub(crate) fn worker(&self) -> WorkerId {
        self.worker
    }
}

impl Drop for Seated {
    fn drop(&mut self) {
        if let Some(seat) = self.spread.seat(self.worker) {
            seat.browsers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What one worker's core tells another's, by [`Action::Tell`](super::Action::Tell).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(pub(crate) News);

/// See [`Note`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Its sessions of this tunnel stand otherwise than before.
    Standing(TunnelId),
    /// From home: the tunnel has another client, the `era`th.
    Client { tunnel: TunnelId, client: ClientId, connections: u8, era: u64 },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_go_round_the_workers_from_home_on() {
        let spread = Spread::new(WorkerId(2), 3);
        let worker = |index| spread.worker_of(ConnectionNumber::new(index, 8).unwrap()).0;
        assert_eq!([0, 1, 2, 3, 4].map(worker), [2, 0, 1, 2, 0]);
        let alone = Spread::new(WorkerId(0), 0);
        assert_eq!(alone.worker_of(ConnectionNumber::new(7, 8).unwrap()), WorkerId(0));
    }

    #[test]
    fn the_least_busy_that_is_open_is_found() {
        let spread = Spread::new(WorkerId(1), 3);
        assert_eq!(spread.least_busy(None), None);
        for worker in [0, 1, 2] {
            spread.set_standing(WorkerId(worker), Standing::Open);
        }
        assert_eq!(spread.least_busy(None), Some(WorkerId(1)), "home, if all are equal");
        let _one = Seated::at(&spread, WorkerId(1));
        let two = Seated::at(&spread, WorkerId(2));
        assert_eq!(spread.least_busy(None), Some(WorkerId(0)));
        assert_eq!(spread.set_standing(WorkerId(0), Standing::Interrupted), Standing::Open);
        drop(two);
        assert_eq!(spread.least_busy(None), Some(WorkerId(2)));
    }

    #[test]
    fn a_stranger_is_nobody() {
        let spread = Spread::new(WorkerId(0), 2);
        spread.set_waiting(WorkerId(1), 3);
        assert_eq!(spread.waiting(WorkerId(0)).collect::<Vec<_>>(), [WorkerId(1)]);
        assert_eq!(spread.waiting(WorkerId(1)).count(), 0);
        assert_eq!(spread.others(WorkerId(0)).count(), 1);
    }
}
