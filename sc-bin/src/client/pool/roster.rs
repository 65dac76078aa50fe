//! Who is in a kept pool and what is to be done about it: without processes, signals or clocks.
//!
//! A member that is due is renewed by one more: when the newcomer is ready, the old one drains. So
//! there are never fewer than the pool's size while nothing fails, and one fewer when one does.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::cli::Exit;
use crate::client::backoff::Backoff;

/// Between two starts of members that fail.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A member, by the order of its start, from 1.
pub(super) type MemberId = u32;

/// What a pool is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptPool {
    /// How many members; at least one.
    pub(super) size: usize,
    /// At which age each is renewed.
    pub(super) max_age: Option<Duration>,
}

/// The members of a pool.
#[derive(Debug)]
pub(super) struct Roster {
    size: usize,
    max_age: Option<Duration>,
    members: BTreeMap<MemberId, Member>,
    last: MemberId,
    /// Members that somebody ended on purpose, and that are not replaced.
    taken: usize,
    backoff: Backoff,
    /// When the next one may start.
    next_start: Instant,
    /// Whether all were ready once.
    complete: bool,
    end: Option<Exit>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Member {
    stage: Stage,
    /// It is to be renewed.
    is_old: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Starting,
    Ready(Instant),
    /// It was asked to end, and may wait for jobs.
    Leaving,
}

/// Something to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// Start it.
    Start(MemberId),
    /// Ask it to end. Asked again, it ends at once.
    End(MemberId),
}

/// What became of a pool by the end of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// It had been asked to end.
    Expected,
    /// Another one comes, after this wait.
    Replaced(Duration),
    /// Somebody ended it on purpose: none comes.
    Taken,
    /// It failed before the pool was ready for the first time: the pool ends.
    Fatal,
}

impl Roster {
    pub(super) fn new(pool: KeptPool, seed: u64, now: Instant) -> Self {
        Self {
            size: pool.size,
            max_age: pool.max_age,
            members: BTreeMap::new(),
            last: 0,
            taken: 0,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT, seed),
            next_start: now,
            complete: false,
            end: None,
        }
    }

    /// What is to be done at `now`.
    pub(super) fn orders(&mut self, now: Instant) -> Vec<Order> {
        let mut orders = Vec::new();
        if self.end.is_some() {
            return orders;
        }
        self.age(now);
        let (size, ready) = (self.wanted(), self.ready());
        let renewing = self.members.values().any(|member| member.is_old);
        // One more, when nothing else is under way.
        let most = if renewing && ready >= size { size + 1 } else { size };
        while self.serving() < most && now >= self.next_start {
            self.last += 1;
            self.members.insert(self.last, Member { stage: Stage::Starting, is_old: false });
            orders.push(Order::Start(self.last));
        }
        if ready > size {
            let old = self.members.iter_mut().find(|(_, one)| one.is_old && one.is_ready());
            if let Some((id, member)) = old {
                *member = Member { stage: Stage::Leaving, is_old: false };
                orders.push(Order::End(*id));
            }
        }
        orders
    }

    /// When [`Roster::orders`] is to be asked again, if nothing happens before.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        if self.end.is_some() {
            return None;
        }
        let start = (self.serving() < self.wanted()).then_some(self.next_start.max(now));
        let ages = self.members.values().filter(|member| !member.is_old);
        let due = ages.filter_map(|member| match (member.stage, self.max_age) {
            (Stage::Ready(since), Some(age)) => since.checked_add(age),
            _ => None,
        });
        start.into_iter().chain(due).min()
    }

    /// A member is ready. Says whether the pool is complete by that, for the first time.
    pub(super) fn on_ready(&mut self, id: MemberId, now: Instant) -> bool {
        if let Some(member) = self.members.get_mut(&id)
            && member.stage == Stage::Starting
        {
            member.stage = Stage::Ready(now);
            self.backoff.reset();
        }
        let is_news = !self.complete && self.is_complete();
        self.complete |= is_news;
        is_news
    }

    /// A member has ended.
    pub(super) fn on_exit(&mut self, id: MemberId, code: Option<u8>, now: Instant) -> Loss {
        let Some(member) = self.members.remove(&id) else { return Loss::Expected };
        if member.stage == Stage::Leaving || self.end.is_some() {
            return Loss::Expected;
        }
        if code == Some(Exit::EndedElsewhere.code()) {
            self.taken += 1;
            if self.wanted() == 0 {
                self.end = Some(Exit::EndedElsewhere);
            }
            return Loss::Taken;
        }
        if !self.complete && code.is_some() {
            // What is wrong with one is wrong with all: the key, the URL, the limit.
            self.end = Some(match code {
                Some(code) if code == Exit::Listener.code() => Exit::Listener,
                _ => Exit::Failed,
            });
            return Loss::Fatal;
        }
        let wait = self.backoff.next_wait();
        self.next_start = now + wait;
        Loss::Replaced(wait)
    }

    /// All that are there are to be renewed; who was taken is replaced.
    pub(super) fn renew(&mut self) {
        self.taken = 0;
        for member in self.members.values_mut().filter(|member| member.is_serving()) {
            member.is_old = true;
        }
    }

    /// The pool ends, or at once if it is ending already.
    pub(super) fn end(&mut self) -> Vec<Order> {
        self.end = Some(match self.end {
            None => Exit::Orderly,
            Some(Exit::Orderly | Exit::Forced) => Exit::Forced,
            Some(other) => other,
        });
        for member in self.members.values_mut() {
            *member = Member { stage: Stage::Leaving, is_old: false };
        }
        self.members.keys().map(|id| Order::End(*id)).collect()
    }

    /// How it has ended, once it has.
    pub(super) fn ended(&self) -> Option<Exit> {
        self.end.filter(|_| self.members.is_empty())
    }

    /// How many there are to be.
    pub(super) fn wanted(&self) -> usize {
        self.size.saturating_sub(self.taken)
    }

    /// How many are ready.
    pub(super) fn ready(&self) -> usize {
        self.members.values().filter(|member| member.is_ready()).count()
    }

    /// Whether as many are ready as there are to be.
    pub(super) fn is_complete(&self) -> bool {
        self.end.is_none() && self.ready() >= self.size
    }

    fn serving(&self) -> usize {
        self.members.values().filter(|member| member.is_serving()).count()
    }

    fn age(&mut self, now: Instant) {
        let Some(age) = self.max_age else { return };
        for member in self.members.values_mut() {
            if let Stage::Ready(since) = member.stage {
                member.is_old |= now.saturating_duration_since(since) >= age;
            }
        }
    }
}

impl Member {
    fn is_ready(self) -> bool {
        matches!(self.stage, Stage::Ready(_))
    }

    fn is_serving(self) -> bool {
        self.stage != Stage::Leaving
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        roster: Roster,
        now: Instant,
    }

    impl World {
        fn new(size: u16, max_age: Option<Duration>) -> Self {
            let now = Instant::now();
            let pool = KeptPool { size: usize::from(size), max_age };
            Self { roster: Roster::new(pool, 7, now), now }
        }

        fn ready(size: u16, max_age: Option<Duration>) -> Self {
            let mut world = Self::new(size, max_age);
            let ids: Vec<MemberId> = (1..=u32::from(size)).collect();
            assert_eq!(world.orders(), ids.iter().map(|id| Order::Start(*id)).collect::<Vec<_>>());
            for id in &ids {
                assert_eq!(world.roster.on_ready(*id, world.now), *id == u32::from(size));
            }
            assert!(world.roster.is_complete());
            world
        }

        fn orders(&mut self) -> Vec<Order> {
            self.roster.orders(self.now)
        }

        fn later(&mut self, seconds: u64) {
            self.now += Duration::from_secs(seconds);
        }
    }

    #[test]
    fn what_fails_is_started_again_after_a_wait() {
        let mut world = World::ready(2, None);
        let mut longest = Duration::ZERO;
        for id in [1, 3, 4, 5] {
            let loss = world.roster.on_exit(id, Some(4), world.now);
            let Loss::Replaced(wait) = loss else { panic!("{loss:?}") };
            longest = longest.max(wait);
            assert!(world.orders().is_empty() && !world.roster.is_complete());
            let due = world.roster.next(world.now).unwrap();
            assert_eq!(due, world.now + wait);
            world.now = due;
            assert_eq!(world.orders().len(), 1);
        }
        assert!(longest > Duration::from_secs(3), "{longest:?}");
        assert!(!world.roster.on_ready(6, world.now) && world.roster.is_complete());
        assert_eq!(world.roster.next(world.now), None);
    }

    #[test]
    fn all_are_renewed_one_after_the_other_and_never_too_few_are_ready() {
        let mut world = World::ready(3, None);
        world.roster.renew();
        for round in 1..=3 {
            let newcomer = 3 + round;
            assert_eq!(world.orders(), [Order::Start(newcomer)]);
            assert!(world.orders().is_empty(), "one at a time");
            world.roster.on_ready(newcomer, world.now);
            let orders = world.orders();
            assert_eq!(orders[0], Order::End(round));
            assert_eq!(world.roster.ready(), 3);
            if round < 3 {
                // The next begins while the last one drains.
                assert_eq!(orders.len(), 1);
            }
            assert_eq!(world.roster.on_exit(round, Some(0), world.now), Loss::Expected);
        }
        assert!(world.orders().is_empty() && world.roster.is_complete());
    }

    #[test]
    fn a_newcomer_that_fails_costs_nothing() {
        let mut world = World::ready(2, Some(Duration::from_secs(60)));
        assert_eq!(world.roster.next(world.now), Some(world.now + Duration::from_secs(60)));
        world.later(60);
        assert_eq!(world.orders(), [Order::Start(3)]);
        assert!(matches!(world.roster.on_exit(3, Some(1), world.now), Loss::Replaced(_)));
        assert_eq!((world.orders(), world.roster.ready()), (vec![], 2));
        world.later(2);
        assert_eq!(world.orders(), [Order::Start(4)]);
        world.roster.on_ready(4, world.now);
        assert_eq!(world.orders(), [Order::End(1)]);
    }

    #[test]
    fn a_member_that_dies_while_another_is_renewed_is_replaced_first() {
        let mut world = World::ready(2, None);
        world.roster.renew();
        assert_eq!(world.orders(), [Order::Start(3)]);
        world.roster.on_exit(2, None, world.now);
        world.roster.on_ready(3, world.now);
        assert!(world.orders().is_empty(), "two are ready, of which one is old");
        world.later(2);
        assert_eq!(world.orders(), [Order::Start(4)]);
        world.roster.on_ready(4, world.now);
        assert_eq!(world.orders(), [Order::End(1)]);
    }

    #[test]
    fn a_start_that_fails_ends_the_pool_and_one_that_was_killed_does_not() {
        let mut world = World::new(2, None);
        world.orders();
        assert!(matches!(world.roster.on_exit(1, None, world.now), Loss::Replaced(_)));
        assert_eq!(world.roster.on_exit(2, Some(1), world.now), Loss::Fatal);
        assert_eq!(world.roster.ended(), Some(Exit::Failed));
    }

    #[test]
    fn who_is_ended_on_purpose_stays_away_until_the_pool_is_renewed() {
        let mut world = World::ready(2, None);
        assert_eq!(world.roster.on_exit(1, Some(3), world.now), Loss::Taken);
        assert!(world.orders().is_empty());
        world.roster.renew();
        assert_eq!(world.orders(), [Order::Start(3)]);
        world.roster.on_ready(3, world.now);
        let mut world = World::ready(1, None);
        world.roster.on_exit(1, Some(3), world.now);
        assert_eq!(world.roster.ended(), Some(Exit::EndedElsewhere));
    }

    #[test]
    fn an_end_is_for_all() {
        let mut world = World::ready(2, None);
        assert_eq!(world.roster.end(), [Order::End(1), Order::End(2)]);
        assert!(world.orders().is_empty() && world.roster.next(world.now).is_none());
        assert_eq!(world.roster.on_exit(1, Some(0), world.now), Loss::Expected);
        assert_eq!(world.roster.ended(), None);
        assert_eq!(world.roster.end(), [Order::End(2)]);
        world.roster.on_exit(2, Some(5), world.now);
        assert_eq!(world.roster.ended(), Some(Exit::Forced));
    }
}
