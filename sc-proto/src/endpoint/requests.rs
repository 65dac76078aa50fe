//! What became of the requests that came by streams, and how long they took, in numbers.

use core::time::Duration;

use super::Core;
use super::socket::{Socket, SocketKey};
use crate::Time;
use crate::contract::{DialFailure, StreamKind};

/// Bounds of the times that are counted, in milliseconds, and one more for what is longer.
pub const BOUNDS: [u64; 12] = [5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000];

/// Requests by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Connections to a site, whose bytes are not looked at. They are done when the site is
    /// reached.
    pub connects: Outcomes,
    /// HTTP exchanges. They are done when the head of the final answer is there.
    pub exchanges: Outcomes,
}

/// What became of requests of one kind. Nothing of it ever goes down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outcomes {
    /// By the first digit of the status, from 1 to 5. What did not reach its site has that of the
    /// page that says so.
    pub by_class: [u64; 5],
    /// How long those of class 2 took.
    pub good: Durations,
    /// How long all others took.
    pub other: Durations,
}

/// How long requests took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How many took no longer than the bound at this place of [`BOUNDS`], and longer than the one
    /// before.
    pub counts: [u64; BOUNDS.len() + 1],
    /// All of them together.
    pub sum: Duration,
}

impl Durations {
    fn count(&mut self, took: Duration) {
        let place = BOUNDS.iter().take_while(|bound| took > Duration::from_millis(**bound)).count();
        if let Some(count) = self.counts.get_mut(place) {
            *count += 1;
        }
        self.sum = self.sum.saturating_add(took);
    }
}

impl Outcomes {
    fn count(&mut self, status: u16, took: Duration) {
        let class = usize::from(status / 100).clamp(1, 5);
        if let Some(count) = self.by_class.get_mut(class - 1) {
            *count += 1;
        }
        match class {
            2 => self.good.count(took),
            _ => self.other.count(took),
        }
    }
}

impl Core {
    /// The stream of a socket has its outcome, if that was not counted before.
    pub(super) fn count_outcome(&mut self, key: SocketKey, status: u16, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let Some(begun) = proxied.begun.take() else { return };
        let requests = &mut self.counters.requests;
        let outcomes = match proxied.kind {
            StreamKind::Connect => &mut requests.connects,
            StreamKind::Http | StreamKind::Https => &mut requests.exchanges,
        };
        outcomes.count(status, now.since(begun));
    }

    /// The target of a stream was dialled. An exchange goes on to its answer.
    pub(super) fn count_dialled(
        &mut self,
        key: SocketKey,
        outcome: Result<(), DialFailure>,
        now: Time,
    ) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        match (outcome, proxied.kind) {
            (Ok(()), StreamKind::Connect) => self.count_outcome(key, 200, now),
            (Ok(()), StreamKind::Http | StreamKind::Https) => {}
            (Err(failure), _) => self.count_outcome(key, status_of(failure), now),
        }
    }

    /// A request was refused before it had a socket.
    pub(super) fn count_refused(&mut self, kind: StreamKind, failure: DialFailure) {
        let requests = &mut self.counters.requests;
        let outcomes = match kind {
            StreamKind::Connect => &mut requests.connects,
            StreamKind::Http | StreamKind::Https => &mut requests.exchanges,
        };
        outcomes.count(status_of(failure), Duration::ZERO);
    }
}

/// The class of the page that tells of a failure.
fn status_of(failure: DialFailure) -> u16 {
    match failure {
        DialFailure::Denied | DialFailure::LocalhostDenied => 403,
        _ => 502,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_has_its_place() {
        let mut outcomes = Outcomes::default();
        for (status, millis) in
            [(200, 5), (204, 6), (200, 30_000), (299, 30_001), (502, 0), (101, 7)]
        {
            outcomes.count(status, Duration::from_millis(millis));
        }
        assert_eq!(outcomes.by_class, [1, 4, 0, 0, 1]);
        let mut good = [0; BOUNDS.len() + 1];
        (good[0], good[1], good[11], good[12]) = (1, 1, 1, 1);
        assert_eq!(outcomes.good.counts, good);
        assert_eq!(outcomes.good.sum, Duration::from_millis(60_012));
        assert_eq!(outcomes.other.counts[..2], [1, 1]);
    }
}
