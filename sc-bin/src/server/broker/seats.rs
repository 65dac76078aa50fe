//! Which endpoint a session goes to: the least busy one, within what each may have.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::endpoint::WebDriverUrl;

/// How long a new session waits for a place.
const PATIENCE: Duration = Duration::from_secs(300);
/// How many may wait.
const MAX_WAITING: usize = 1_000;

/// All endpoints, and how busy they are.
#[derive(Debug)]
pub(super) struct Seats {
    endpoints: Vec<WebDriverUrl>,
    /// Most sessions of each.
    most: Option<NonZeroU32>,
    taken: Mutex<Taken>,
    freed: Notify,
}

#[derive(Debug)]
struct Taken {
    by_endpoint: Vec<u32>,
    /// Counts choices, so that equals take turns.
    choices: usize,
    waiting: usize,
}

/// One session's place at an endpoint; free again when dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    endpoint: usize,
}

/// There is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSeat {
    /// No endpoint is configured, or none is left to try.
    #[error("this server has no WebDriver endpoint: start it with --webdriver-url URL")]
    NoEndpoint,
    /// All are busy.
    #[error(
        "all WebDriver endpoints are busy, and none became free in {} s: try later, or ask the \
         server's operator for more (--webdriver-url, --webdriver-sessions)", PATIENCE.as_secs()
    )]
    Busy,
    /// Too many wait.
    #[error("all WebDriver endpoints are busy, and {MAX_WAITING} sessions wait already")]
    Crowded,
}

impl Seats {
    pub(super) fn new(endpoints: Vec<WebDriverUrl>, most: Option<NonZeroU32>) -> Arc<Self> {
        let taken = Taken { by_endpoint: vec![0; endpoints.len()], choices: 0, waiting: 0 };
        Arc::new(Self { endpoints, most, taken: Mutex::new(taken), freed: Notify::new() })
    }

    /// A place at the endpoint with the fewest sessions, of those that were not `tried`.
    pub(super) async fn take(self: &Arc<Self>, tried: &[usize]) -> Result<Seat, NoSeat> {
        if (0..self.endpoints.len()).all(|endpoint| tried.contains(&endpoint)) {
            return Err(NoSeat::NoEndpoint);
        }
        if let Some(seat) = self.take_now(tried) {
            return Ok(seat);
        }
        let _waiting = Waiting::begin(self)?;
        let taken = async {
            loop {
                let freed = self.freed.notified();
                tokio::pin!(freed);
                // From here on nothing is missed.
                freed.as_mut().enable();
                if let Some(seat) = self.take_now(tried) {
                    return seat;
                }
                freed.await;
            }
        };
        tokio::time::timeout(PATIENCE, taken).await.map_err(|_| NoSeat::Busy)
    }

    /// The endpoint that shows itself so.
    pub(super) fn named(&self, shown: &str) -> Option<&WebDriverUrl> {
        self.endpoints.iter().find(|url| url.to_string() == shown)
    }

    fn take_now(self: &Arc<Self>, tried: &[usize]) -> Option<Seat> {
        let mut guard = self.taken();
        let taken = &mut *guard;
        let most = self.most.map_or(u32::MAX, NonZeroU32::get);
        let turn = taken.choices % self.endpoints.len();
        let after_turn =
            |endpoint: usize| (endpoint + self.endpoints.len() - turn) % self.endpoints.len();
        let all = taken.by_endpoint.iter_mut().enumerate();
        let free = all.filter(|(endpoint, count)| **count < most && !tried.contains(endpoint));
        let (endpoint, count) =
            free.min_by_key(|(endpoint, count)| (**count, after_turn(*endpoint)))?;
        *count += 1;
        taken.choices = taken.choices.wrapping_add(1);
        Some(Seat { seats: Arc::clone(self), endpoint })
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Where it is.
    pub(super) fn url(&self) -> &WebDriverUrl {
        &self.seats.endpoints[self.endpoint]
    }

    /// Which one that is.
    pub(super) fn endpoint(&self) -> usize {
        self.endpoint
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(count) = self.seats.taken().by_endpoint.get_mut(self.endpoint) {
            *count = count.saturating_sub(1);
        }
        // Whoever waits may have tried this one already: all look.
        self.seats.freed.notify_waiters();
    }
}

/// Counted among those who wait, as long as it lives.
struct Waiting<'a>(&'a Seats);

impl<'a> Waiting<'a> {
    fn begin(seats: &'a Seats) -> Result<Self, NoSeat> {
        let mut taken = seats.taken();
        if taken.waiting >= MAX_WAITING {
            return Err(NoSeat::Crowded);
        }
        taken.waiting += 1;
        Ok(Self(seats))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.taken().waiting -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seats(count: usize, most: u32) -> Arc<Seats> {
        let url = |port| format!("http://h:{port}").parse().unwrap();
        Seats::new((1..=count).map(url).collect(), NonZeroU32::new(most))
    }

    #[tokio::test]
    async fn the_least_busy_is_taken_and_equals_take_turns() {
        let seats = seats(3, 0);
        let mut taken = Vec::new();
        for _ in 0..6 {
            taken.push(seats.take(&[]).await.unwrap());
        }
        let mut counts = [0; 3];
        taken.iter().for_each(|seat| counts[seat.endpoint()] += 1);
        assert_eq!(counts, [2; 3]);
        let freed = taken.remove(4).endpoint();
        assert_eq!(seats.take(&[]).await.unwrap().endpoint(), freed);
        let other = seats.take(&[freed]).await.unwrap().endpoint();
        assert_ne!(other, freed);
        assert_eq!(seats.take(&[0, 1, 2]).await.unwrap_err(), NoSeat::NoEndpoint);
    }

    #[tokio::test]
    async fn who_finds_no_place_waits_for_one() {
        let seats = seats(1, 1);
        let seat = seats.take(&[]).await.unwrap();
        let waiting = tokio::spawn({
            let seats = Arc::clone(&seats);
            async move { seats.take(&[]).await.map(|seat| seat.endpoint()) }
        });
        while seats.taken().waiting == 0 {
            tokio::task::yield_now().await;
        }
        drop(seat);
        assert_eq!(waiting.await.unwrap(), Ok(0));
        assert_eq!(seats.taken().waiting, 0);
    }

    #[tokio::test]
    async fn without_endpoints_that_is_said() {
        assert_eq!(seats(0, 0).take(&[]).await.unwrap_err(), NoSeat::NoEndpoint);
    }
}
