//! One direction of the line: what is dropped, what is lost, and when the rest comes out.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Conditions;

#[derive(Debug)]
pub(super) struct Direction {
    conditions: Conditions,
    chance: u64,
    /// When the line has sent all that waits in front of it.
    free_at: Instant,
    /// What is waiting or on its way, by when it comes out.
    packets: VecDeque<(Instant, Vec<u8>)>,
}

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Sent,
    Lost,
    Overflowed,
}

impl Direction {
    /// `seed`: of this direction alone, so that the two do not lose the same.
    pub(super) fn new(conditions: Conditions, seed: u64, now: Instant) -> Self {
        let chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self { conditions, chance, free_at: now, packets: VecDeque::new() }
    }

    /// A packet comes.
    pub(super) fn arrive(&mut self, packet: Vec<u8>, now: Instant) -> Fate {
        let waiting = self.free_at.saturating_duration_since(now);
        let length = self.time_of(packet.len() as u64);
        if waiting + length > self.time_of(self.conditions.queue) {
            return Fate::Overflowed;
        }
        // A lost packet takes the line's time as any other.
        self.free_at = now + waiting + length;
        if self.is_lost() {
            return Fate::Lost;
        }
        self.packets.push_back((self.free_at + self.conditions.delay, packet));
        Fate::Sent
    }

    /// A packet that is at the other end by now.
    pub(super) fn leave(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.packets.pop_front_if(|(due, _)| *due <= now).map(|(_, packet)| packet)
    }

    /// When the next one will be.
    pub(super) fn due(&self) -> Option<Instant> {
        self.packets.front().map(|(due, _)| *due)
    }

    /// How long the line takes for so many bytes.
    fn time_of(&self, bytes: u64) -> Duration {
        // One bit takes 1000/rate nanoseconds.
        Duration::from_nanos(bytes * 8 * 1000 / u64::from(self.conditions.rate.max(1)))
    }

    fn is_lost(&mut self) -> bool {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        // No number but 0 is a multiple of 0, and this one never becomes 0.
        self.chance.is_multiple_of(self.conditions.one_in.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(10);
    /// A packet of 1250 bytes takes 1 ms; ten of them may wait.
    const LINE: Conditions =
        Conditions { delay: DELAY, rate: 10, queue: 12_500, one_in: 0, seed: 0 };

    fn packet() -> Vec<u8> {
        vec![0; 1250]
    }

    #[test]
    fn a_packet_takes_its_length_and_the_delay() {
        let now = Instant::now();
        let mut line = Direction::new(LINE, 1, now);
        assert_eq!(line.arrive(packet(), now), Fate::Sent);
        assert_eq!(line.arrive(packet(), now), Fate::Sent);
        let first = now + DELAY + Duration::from_millis(1);
        assert_eq!(line.due(), Some(first));
        assert_eq!(line.leave(first - Duration::from_nanos(1)), None);
        assert_eq!(line.leave(first), Some(packet()));
        assert_eq!(line.due(), Some(first + Duration::from_millis(1)));
    }

    #[test]
    fn what_does_not_fit_into_the_queue_is_dropped() {
        let now = Instant::now();
        let mut line = Direction::new(LINE, 1, now);
        let fates: Vec<_> = (0..12).map(|_| line.arrive(packet(), now)).collect();
        assert_eq!(fates.iter().filter(|fate| **fate == Fate::Sent).count(), 10);
        assert_eq!(fates[10..], [Fate::Overflowed; 2]);
        let later = now + Duration::from_millis(1);
        assert_eq!(line.arrive(packet(), later), Fate::Sent, "one has left the queue");
    }

    #[test]
    fn one_in_so_many_is_lost_and_the_same_ones_by_the_same_seed() {
        let now = Instant::now();
        let fates = |seed| {
            let mut line = Direction::new(Conditions { one_in: 100, ..LINE }, seed, now);
            let each = |index| line.arrive(packet(), now + Duration::from_secs(1) * index);
            (0..10_000).map(each).collect::<Vec<_>>()
        };
        let lost = fates(1).iter().filter(|fate| **fate == Fate::Lost).count();
        assert!((70..130).contains(&lost), "{lost}");
        assert_eq!(fates(1), fates(1));
        assert_ne!(fates(1), fates(2));
    }
}
