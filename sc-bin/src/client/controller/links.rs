//! The connections of the tunnel, each with a session of its own.
//!
//! The tunnel is up while one of them is. The first connection is made alone, and so is the first
//! after all were lost: that is the tunnel's own start or return, and its failures are told once.
//! The others follow as soon as one is up, and each comes back by itself while another lives.

use std::time::{Duration, Instant};

use sc_proto::contract::ConnectionNumber;

use crate::client::backoff::Backoff;

/// The first wait before a connection is tried again, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(250);
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// A session, or all of them, as seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    /// None, and none wanted.
    Down,
    /// A connect is under way.
    Dialling,
    /// The next connect comes then.
    Waiting(Instant),
    /// Up.
    Up,
    /// Without a transport: the core dials for a new one, until its grace is over.
    Interrupted,
}

impl Link {
    /// There is no session that might be resumed.
    pub(super) fn is_lost(self) -> bool {
        !matches!(self, Self::Up | Self::Interrupted)
    }
}

/// One connection.
#[derive(Debug)]
struct Line {
    number: ConnectionNumber,
    link: Link,
    backoff: Backoff,
    /// Tries in a row that came to nothing.
    failures: u32,
    told: Told,
}

/// Whether people were told that a connection is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    No,
    Missing,
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Links(Vec<Line>);

impl Links {
    /// `count` connections, at least one, none of them made. `seed` makes the jitter.
    pub(super) fn new(count: u8, seed: u64) -> Self {
        let count = count.clamp(1, ConnectionNumber::MOST);
        let line = |index: u8| {
            let number = ConnectionNumber::new(index, count)?;
            let seed = seed.rotate_left(u32::from(index));
            let backoff = Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed);
            let (link, told) = (Link::Down, Told::No);
            Some(Line { number, link, backoff, failures: 0, told })
        };
        Self((0..count).filter_map(line).collect())
    }

    /// How the tunnel is connected: as its best connection.
    pub(super) fn all(&self) -> Link {
        let links = self.0.iter().map(|line| line.link);
        let rank = |link: &Link| match link {
            Link::Down => 0,
            Link::Waiting(_) => 1,
            Link::Dialling => 2,
            Link::Interrupted => 3,
            Link::Up => 4,
        };
        links.max_by_key(rank).unwrap_or(Link::Down)
    }

    /// Notes how this one is.
    pub(super) fn set(&mut self, number: ConnectionNumber, link: Link) {
        if let Some(line) = self.0.get_mut(usize::from(number.index())) {
            line.link = link;
            if link == Link::Up {
                line.backoff.reset();
                line.failures = 0;
            }
        }
    }

    /// A try of this one came to nothing; says which in a row that is.
    pub(super) fn count_failure(&mut self, number: ConnectionNumber) -> u32 {
        let Some(line) = self.0.get_mut(usize::from(number.index())) else { return 1 };
        line.failures = line.failures.saturating_add(1);
        line.failures
    }

    /// Notes what people were told of this one; says what they were told before.
    pub(super) fn tell(&mut self, number: ConnectionNumber, told: Told) -> Told {
        match self.0.get_mut(usize::from(number.index())) {
            Some(line) => std::mem::replace(&mut line.told, told),
            None => Told::No,
        }
    }

    /// How many are up.
    pub(super) fn up(&self) -> usize {
        self.0.iter().filter(|line| line.link == Link::Up).count()
    }

    /// Whether all are up.
    pub(super) fn is_complete(&self) -> bool {
        self.up() == self.0.len()
    }

    /// How long to wait before this one is tried again.
    pub(super) fn next_wait(&mut self, number: ConnectionNumber) -> Duration {
        let line = self.0.get_mut(usize::from(number.index()));
        line.map_or(LONGEST_WAIT, |line| line.backoff.next_wait())
    }

    /// The waits begin anew.
    pub(super) fn reset_waits(&mut self) {
        self.0.iter_mut().for_each(|line| line.backoff.reset());
    }

    /// The one that is made first.
    pub(super) fn first(&self) -> ConnectionNumber {
        self.0.first().map_or(ConnectionNumber::ONLY, |line| line.number)
    }

    /// Those that nothing is done about.
    pub(super) fn down(&self) -> Vec<ConnectionNumber> {
        self.numbers(|link| link == Link::Down)
    }

    /// Those that are to be tried at `now`.
    pub(super) fn due(&self, now: Instant) -> Vec<ConnectionNumber> {
        self.numbers(|link| matches!(link, Link::Waiting(moment) if moment <= now))
    }

    /// When the next one is to be tried.
    pub(super) fn next(&self) -> Option<Instant> {
        let waits = self.0.iter().filter_map(|line| match line.link {
            Link::Waiting(moment) => Some(moment),
            _ => None,
        });
        waits.min()
    }

    /// When each of them is to be tried, if that is settled.
    pub(super) fn waits(&self) -> impl Iterator<Item = (ConnectionNumber, Option<Instant>)> + '_ {
        self.0.iter().map(|line| match line.link {
            Link::Waiting(moment) => (line.number, Some(moment)),
            _ => (line.number, None),
        })
    }

    /// None is wanted any more.
    pub(super) fn forget(&mut self) {
        self.0.iter_mut().for_each(|line| line.link = Link::Down);
    }

    fn numbers(&self, wanted: impl Fn(Link) -> bool) -> Vec<ConnectionNumber> {
        self.0.iter().filter(|line| wanted(line.link)).map(|line| line.number).collect()
    }
}
