//! Which stream sends next: new and small flows first, then deficit round robin among the rest.
//!
//! After the scheme of FQ-CoDel (RFC 8290, section 4.2) without its queue management. A stream
//! that becomes ready joins the *fresh* list with a small allowance; what needs more goes to the
//! *bulk* list and waits its turn there. A fresh stream that runs dry stays in the bulk list for
//! one round: what is left of its allowance it may still send ahead, as soon as it has more, but
//! only after the round it gets another. So small requests in a row never wait for bulk, and a
//! steady trickle cannot send more than one allowance ahead of each round.

use alloc::collections::VecDeque;

use super::stream::{Direction, StreamKey, Streams};

/// What a fresh stream may send ahead of all bulk, in bytes, in each round of the bulk list.
const FRESH_QUANTUM: usize = 16 * 1024;
/// What a bulk stream may send in its turn, in bytes: one large read.
const BULK_QUANTUM: usize = 64 * 1024;
/// So many entries of ended streams may lie in the lists.
const STALE: usize = 1024;

/// Where a stream stands with the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Place {
    /// In no list.
    #[default]
    Out,
    /// In the fresh list.
    Fresh,
    /// In the bulk list, with something to send as far as is known.
    Bulk,
    /// In the bulk list, with nothing to send at the moment.
    Dry,
    /// In the bulk list until the round is over, with nothing to send at the moment and something
    /// left of what it may send ahead.
    Rested,
    /// As rested, but with something to send: in the fresh list as well.
    Again,
}

/// A stream's part in the scheduling.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Turn {
    place: Place,
    /// What it may still send in this turn.
    deficit: usize,
}

/// Whose turn it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Among {
    /// Any stream's.
    All,
    /// Only that of a stream in the fresh list.
    Fresh,
}

/// The two lists of a session. A stream is in each of them at most once.
#[derive(Debug, Default)]
pub(crate) struct Schedule {
    fresh: VecDeque<StreamKey>,
    bulk: VecDeque<StreamKey>,
}

impl Schedule {
    /// The stream has something to send, or may have.
    pub(crate) fn ready(&mut self, key: StreamKey, turn: &mut Turn) {
        match turn.place {
            Place::Out => {
                *turn = Turn { place: Place::Fresh, deficit: FRESH_QUANTUM };
                self.fresh.push_back(key);
            }
            Place::Rested => {
                turn.place = Place::Again;
                self.fresh.push_back(key);
            }
            Place::Dry => turn.place = Place::Bulk,
            Place::Fresh | Place::Bulk | Place::Again => {}
        }
    }

    /// Whether there are none of those streams.
    pub(crate) fn has_none(&self, among: Among) -> bool {
        self.fresh.is_empty() && (among == Among::Fresh || self.bulk.is_empty())
    }

    /// The stream whose turn it is, and how many bytes it may send.
    pub(crate) fn next(
        &mut self,
        among: Among,
        streams: &mut Streams,
    ) -> Option<(StreamKey, usize)> {
        // Each step either answers or takes an entry a step further; the lists are finite.
        loop {
            let (from_fresh, key) = match (self.fresh.front(), self.bulk.front()) {
                (Some(key), _) => (true, *key),
                (None, Some(key)) if among == Among::All => (false, *key),
                (None, _) => return None,
            };
            let Some(stream) = streams.get_mut(key) else {
                self.pop(from_fresh);
                continue;
            };
            let turn = &mut stream.turn;
            let may_send = stream.sending == Direction::Open && stream.credit > 0;
            if from_fresh && !may_send {
                // Out of credit is like dry: it may not be fresh again at once.
                self.dry(key, turn);
            } else if matches!(turn.place, Place::Dry | Place::Rested) || !may_send {
                // Dry for a whole round, or not allowed to send: `ready` brings it back.
                turn.place = Place::Out;
                self.pop(from_fresh);
            } else if turn.deficit == 0 {
                let listed = turn.place == Place::Again;
                *turn = Turn { place: Place::Bulk, deficit: BULK_QUANTUM };
                self.pop(from_fresh);
                if !listed {
                    self.bulk.push_back(key);
                }
            } else {
                return Some((key, turn.deficit));
            }
        }
    }

    /// The stream sent `n` bytes in its turn and has more.
    pub(crate) fn spent(&mut self, turn: &mut Turn, n: usize) {
        turn.deficit = turn.deficit.saturating_sub(n);
    }

    /// The stream, which is first in its list, has nothing to send now.
    pub(crate) fn dry(&mut self, key: StreamKey, turn: &mut Turn) {
        match turn.place {
            Place::Fresh | Place::Again => {
                match self.fresh.front() {
                    Some(front) if *front == key => drop(self.fresh.pop_front()),
                    _ => self.fresh.retain(|other| *other != key),
                }
                if turn.place == Place::Fresh {
                    self.bulk.push_back(key);
                }
                turn.place = if turn.deficit > 0 { Place::Rested } else { Place::Dry };
            }
            Place::Bulk => turn.place = Place::Dry,
            Place::Out | Place::Dry | Place::Rested => {}
        }
    }

    /// Forgets streams that have ended, when there are many of them.
    pub(crate) fn tidy(&mut self, streams: &Streams) {
        if self.fresh.len() + self.bulk.len() > 2 * streams.len() + STALE {
            self.fresh.retain(|key| streams.get(*key).is_some());
            self.bulk.retain(|key| streams.get(*key).is_some());
        }
    }

    fn pop(&mut self, from_fresh: bool) {
        if from_fresh {
            self.fresh.pop_front()
        } else {
            self.bulk.pop_front()
        };
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::kgp::stream::Stream;

    fn streams(n: usize) -> (Streams, Vec<StreamKey>) {
        let mut streams = Streams::new();
        let keys =
            (0..n).map(|i| streams.insert(Stream::for_test(i as u64 + 1, 1 << 30))).collect();
        (streams, keys)
    }

    fn ready(schedule: &mut Schedule, streams: &mut Streams, key: StreamKey) {
        schedule.ready(key, &mut streams.get_mut(key).unwrap().turn);
    }

    #[test]
    fn bulk_streams_share_evenly() {
        let (mut streams, keys) = streams(8);
        let mut schedule = Schedule::default();
        for key in &keys {
            ready(&mut schedule, &mut streams, *key);
        }
        let mut sent = [0_usize; 8];
        for _ in 0..10_000 {
            let (key, max) = schedule.next(Among::All, &mut streams).unwrap();
            // Streams with small reads get no less than those with large ones.
            let i = keys.iter().position(|k| *k == key).unwrap();
            let n = max.min(1000 * (i + 1));
            sent[i] += n;
            schedule.spent(&mut streams.get_mut(key).unwrap().turn, n);
        }
        let (min, max) = (sent.iter().min().unwrap(), sent.iter().max().unwrap());
        assert!(max - min <= 2 * BULK_QUANTUM, "{sent:?}");
    }

    #[test]
    fn a_new_stream_goes_first_and_cannot_stay_first() {
        let (mut streams, keys) = streams(3);
        let mut schedule = Schedule::default();
        for key in &keys[..2] {
            ready(&mut schedule, &mut streams, *key);
        }
        for _ in 0..20 {
            let (key, max) = schedule.next(Among::All, &mut streams).unwrap();
            schedule.spent(&mut streams.get_mut(key).unwrap().turn, max);
        }
        ready(&mut schedule, &mut streams, keys[2]);
        assert_eq!(schedule.next(Among::All, &mut streams).unwrap(), (keys[2], FRESH_QUANTUM));
        // Small pieces go ahead one after another, until the allowance is used up.
        for left in [FRESH_QUANTUM - 6000, FRESH_QUANTUM - 12_000] {
            schedule.spent(&mut streams.get_mut(keys[2]).unwrap().turn, 6000);
            schedule.dry(keys[2], &mut streams.get_mut(keys[2]).unwrap().turn);
            assert_ne!(schedule.next(Among::All, &mut streams).unwrap().0, keys[2]);
            assert_eq!(schedule.next(Among::Fresh, &mut streams), None);
            ready(&mut schedule, &mut streams, keys[2]);
            assert_eq!(schedule.next(Among::Fresh, &mut streams), Some((keys[2], left)));
        }
        schedule.spent(&mut streams.get_mut(keys[2]).unwrap().turn, FRESH_QUANTUM);
        // From here on it waits its turn behind the bulk streams.
        assert_ne!(schedule.next(Among::All, &mut streams).unwrap().0, keys[2]);
        schedule.dry(keys[2], &mut streams.get_mut(keys[2]).unwrap().turn);
        ready(&mut schedule, &mut streams, keys[2]);
        assert_eq!(schedule.next(Among::Fresh, &mut streams), None);
    }

    #[test]
    fn credit_in_small_pieces_does_not_keep_a_stream_first() {
        let (mut streams, keys) = streams(2);
        let mut schedule = Schedule::default();
        ready(&mut schedule, &mut streams, keys[0]);
        for _ in 0..2 {
            let (key, max) = schedule.next(Among::All, &mut streams).unwrap();
            schedule.spent(&mut streams.get_mut(key).unwrap().turn, max);
        }
        let mut sent = [0; 2];
        for _ in 0..2000 {
            streams.get_mut(keys[1]).unwrap().credit = 100;
            ready(&mut schedule, &mut streams, keys[1]);
            for _ in 0..2 {
                let (key, max) = schedule.next(Among::All, &mut streams).unwrap();
                let stream = streams.get_mut(key).unwrap();
                let n = max.min(1000).min(stream.credit as usize);
                stream.credit -= n as u64;
                schedule.spent(&mut stream.turn, n);
                sent[usize::from(key == keys[1])] += n;
            }
        }
        // In each round of the other one: an allowance, and a turn.
        let rounds = sent[0] / BULK_QUANTUM + 1;
        assert!(sent[1] <= rounds * (FRESH_QUANTUM + BULK_QUANTUM), "{sent:?}");
        assert!(sent[0] > sent[1], "{sent:?}");
    }

    #[test]
    fn each_round_of_the_bulk_list_brings_a_new_allowance() {
        let (mut streams, keys) = streams(3);
        let mut schedule = Schedule::default();
        for key in &keys[..2] {
            ready(&mut schedule, &mut streams, *key);
        }
        let (mut ahead, mut bulk) = (0, 0);
        for _ in 0..10_000 {
            ready(&mut schedule, &mut streams, keys[2]);
            let (key, max) = schedule.next(Among::All, &mut streams).unwrap();
            let turn = &mut streams.get_mut(key).unwrap().turn;
            let n = if key == keys[2] { max.min(1000) } else { max };
            schedule.spent(turn, n);
            if key == keys[2] {
                ahead += n;
                schedule.dry(key, turn);
            } else {
                bulk += n;
            }
        }
        // In each round: two turns of bulk streams, one of its own, and one allowance.
        let rounds = bulk / (2 * BULK_QUANTUM) + 1;
        assert!(bulk > 0 && ahead <= rounds * (FRESH_QUANTUM + BULK_QUANTUM), "{ahead} of {bulk}");
    }

    #[test]
    fn ended_streams_do_not_pile_up() {
        let mut streams = Streams::new();
        let mut schedule = Schedule::default();
        for i in 0..10_000 {
            let key = streams.insert(Stream::for_test(i + 1, 1));
            ready(&mut schedule, &mut streams, key);
            schedule.tidy(&streams);
            streams.remove(key);
        }
        assert!(schedule.fresh.len() <= STALE + 2);
    }

    #[test]
    fn without_credit_nothing_is_scheduled() {
        let (mut streams, keys) = streams(1);
        let mut schedule = Schedule::default();
        streams.get_mut(keys[0]).unwrap().credit = 0;
        ready(&mut schedule, &mut streams, keys[0]);
        assert_eq!(schedule.next(Among::All, &mut streams), None);
        streams.get_mut(keys[0]).unwrap().credit = 5;
        ready(&mut schedule, &mut streams, keys[0]);
        assert!(schedule.next(Among::All, &mut streams).is_some());
    }
}
