//! Random steps in a [`World`], and what must hold after each.

use alloc::vec::Vec;
use core::time::Duration;

use super::super::{Direction, MAX_UNSENT, Session};
use super::{Answers, App, CLIENT, Choice, End, Outcome, SERVER, Transports, World, byte};
use crate::contract::{DialFailure, ResetReason, TransportLoss};
use crate::kgp::Settings;
use crate::kgp::credit::Window;
use crate::kgp::pool::CHUNK;

/// Rounds of time after which a calm world must have come to rest.
const ROUNDS: usize = 100;

/// Settings small enough that every bound is met now and then.
pub(crate) fn settings(choice: &mut impl Choice) -> Settings {
    let window_pool = [0, 50_000, 2_000_000, 64 << 20][choice.below(4)];
    Settings {
        max_streams: 1 + choice.below(30) as u32,
        initial_window: 1024 << choice.below(7),
        max_window: 100_000 << choice.below(6),
        window_pool,
        max_retained: (256 * 1024) << choice.below(4),
        prompt_bytes: (256 * 1024) << choice.below(3),
        ..Settings::default()
    }
}

impl World {
    /// Does one thing at one end, or lets time pass.
    pub(crate) fn step(&mut self, choice: &mut impl Choice) -> Result<(), TransportLoss> {
        if self.transports == Transports::Mortal && choice.below(10) == 0 {
            self.change_transports(choice);
            return Ok(());
        }
        let i = choice.below(2);
        match choice.below(40) {
            0..3 => drop(self.open(i)),
            3..8 => {
                if let Some(stream) = self.ends[i].any(choice) {
                    let most = 1 << choice.below(20);
                    self.ends[i].produce(stream, 1 + choice.below(most) as u64);
                }
            }
            8..10 => {
                if let Some(stream) = self.ends[i].any(choice) {
                    self.ends[i].end(stream);
                }
            }
            10 => {
                if let Some(stream) = self.ends[i].any(choice) {
                    self.ends[i].reset(stream, ResetReason::Cancelled);
                }
            }
            11 | 12 => self.ends[i].answer_one(choice),
            13 => self.ends[i].change_mood(choice),
            14..19 => {
                for _ in 0..choice.below(8) {
                    self.ends[i].read_source(choice);
                }
            }
            19 => self.read_slowly(i, choice)?,
            20..27 => {
                for _ in 0..choice.below(8) {
                    self.transmit(i, choice);
                }
            }
            27..34 => drop(self.deliver(i, choice)?),
            34..38 => self.ends[i].take(1 << choice.below(20), self.now),
            38 => {
                self.pass(Duration::from_micros(choice.below(20_000) as u64));
                for i in [CLIENT, SERVER] {
                    self.fire_or_break(i)?;
                }
            }
            _ => {
                if choice.below(100) == 1 {
                    let end = &mut self.ends[i];
                    end.session.go_away(&mut end.pool);
                }
            }
        }
        Ok(())
    }

    /// Reads a source while other things happen between the place and the bytes' being taken in.
    fn read_slowly(&mut self, i: usize, choice: &mut impl Choice) -> Result<(), TransportLoss> {
        let end = &mut self.ends[i];
        let Some((key, max)) = end.session.next_source() else {
            return Ok(());
        };
        let found = end.apps.iter().find(|(_, app)| app.key == key);
        let Some((&stream, app)) = found else {
            panic!("the scheduler offers a stream that nobody has");
        };
        let (from, has) = (app.sent, (app.has - app.sent) as usize);
        let place = end.session.reserve(key, max, &mut end.pool);
        let n = place.len().min(has);
        for (at, out) in place[..n].iter_mut().enumerate() {
            *out = byte(stream, i, from + at as u64);
        }
        self.transmit(i, choice);
        self.deliver(i, choice)?;
        if self.transports == Transports::Mortal {
            self.change_transports(choice);
        }
        let end = &mut self.ends[i];
        let committed = end.session.commit(key, n, &mut end.pool);
        if let Some(app) = end.apps.get_mut(&stream) {
            match committed {
                Ok(()) => app.sent += n as u64,
                // The bytes are gone from the socket and in no frame.
                Err(_) => end.reset(stream, ResetReason::ConnectionLost),
            }
        }
        Ok(())
    }

    /// Fires what is due; a transport that counts as dead is given up.
    fn fire_or_break(&mut self, i: usize) -> Result<(), TransportLoss> {
        match self.fire(i) {
            Err(TransportLoss::Silent) if self.transports == Transports::Mortal => {
                self.break_off(i);
                Ok(())
            }
            other => other,
        }
    }

    /// What must hold at any moment.
    pub(crate) fn check(&self) {
        for (end, peer) in [(0, 1), (1, 0)].map(|(a, b)| (&self.ends[a], &self.ends[b])) {
            end.session.check();
            let ring = &end.session.ring;
            let fresh = ring.end() - ring.reached();
            assert!(fresh <= MAX_UNSENT + CHUNK as u64 + 50_000, "{fresh}");
            // What keeps a resume possible, at any moment.
            assert!(ring.acked() <= ring.sent() && ring.sent() <= ring.reached());
            assert!((ring.acked()..=ring.reached()).contains(&peer.session.received()));
            if end.session.is_done() {
                assert!(peer.session.received() >= end.session.owed, "it would go too early");
            }
            for (_, stream) in end.session.streams.iter() {
                let other = peer.session.by_id.get(&stream.id);
                let other = other.and_then(|key| peer.session.streams.get(*key));
                if let Some(other) = other
                    && stream.sending != Direction::Finished
                {
                    let limit = stream.sent + stream.credit;
                    assert!(limit <= other.window.limit(), "credit out of nothing");
                }
            }
            for app in end.apps.values() {
                let lives = end.session.streams.get(app.key).is_some();
                let over = app.outcome != Outcome::Running || app.is_complete();
                assert_eq!(lives, !over, "{app:?}");
            }
        }
    }

    /// Everybody reads, answers and comes to an end; then all must be done soon.
    pub(crate) fn calm_down(&mut self, choice: &mut impl Choice) -> Result<(), TransportLoss> {
        if self.transports == Transports::Mortal {
            self.mend(choice);
            self.check();
        }
        for end in &mut self.ends {
            end.is_blocked = false;
            end.answers = Answers::AtOnce;
        }
        for _ in 0..ROUNDS {
            for end in &mut self.ends {
                let all: Vec<u32> = end.apps.keys().copied().collect();
                for stream in all {
                    end.apps.entry(stream).and_modify(|app| app.is_stalled = false);
                    end.answer(stream, Ok(()));
                    end.end(stream);
                }
            }
            self.run_on(1)?;
            self.check();
            if self.ends.iter().all(|end| end.session.is_at_rest()) {
                self.check_results();
                return Ok(());
            }
        }
        panic!("the world is calm and does not come to rest");
    }

    fn check_results(&self) {
        let [client, server] = &self.ends;
        for (stream, app) in &client.apps {
            match server.apps.get(stream) {
                Some(other) => {
                    for (to, from) in [(app, other), (other, app)] {
                        if to.is_complete() {
                            let all = (from.has, from.has, true);
                            assert_eq!((to.got, to.taken, from.has_finished), all, "{stream}");
                            // It may have dropped the stream before it saw the end of it.
                            let dropped = from.outcome == Outcome::Dropped;
                            assert!(from.is_complete() || dropped, "{stream}: {from:?}");
                        }
                    }
                }
                // It crossed a GOAWAY, if this end did not drop it before.
                None => assert!(matches!(
                    app.outcome,
                    Outcome::Failed(DialFailure::Draining) | Outcome::Dropped
                )),
            }
        }
    }
}

impl End {
    /// The number of any of its streams that still run.
    fn any(&self, choice: &mut impl Choice) -> Option<u32> {
        let runs = |app: &App| app.outcome == Outcome::Running && !app.is_complete();
        let running = || self.apps.iter().filter(|(_, app)| runs(app));
        let n = choice.below(running().count());
        running().nth(n).map(|(stream, _)| *stream)
    }

    fn answer_one(&mut self, choice: &mut impl Choice) {
        let outcome = match choice.below(4) {
            0 => Err(DialFailure::Refused),
            _ => Ok(()),
        };
        let waits = |stream: u32, app: &App| {
            !app.is_answered && app.outcome == Outcome::Running && !self.is_mine(stream)
        };
        let waiting = self.apps.iter().find(|(stream, app)| waits(**stream, app));
        if let Some((&stream, _)) = waiting {
            self.answer(stream, outcome);
        }
    }

    fn change_mood(&mut self, choice: &mut impl Choice) {
        match choice.below(4) {
            0 => self.is_blocked = !self.is_blocked,
            1 => {
                self.answers = match self.answers {
                    Answers::AtOnce => Answers::WhenTold,
                    Answers::WhenTold => Answers::AtOnce,
                }
            }
            _ => {
                if let Some(stream) = self.any(choice)
                    && let Some(app) = self.apps.get_mut(&stream)
                {
                    app.is_stalled = !app.is_stalled;
                }
            }
        }
    }
}

impl Session {
    /// The books balance and the bounds hold.
    pub(crate) fn check(&self) {
        let pooled: u64 = self.streams.iter().map(|(_, s)| s.window.pooled()).sum();
        let remaining: u64 = self.remains.values().map(Window::pooled).sum();
        assert_eq!(self.credit.free() + pooled + remaining, self.settings.window_pool);
        assert_eq!(self.by_id.len(), self.streams.len());
        let mine = self.by_id.keys().filter(|id| self.is_mine(**id)).count();
        assert_eq!(mine, self.opened_here as usize);
        assert!(self.streams.len() - mine <= self.settings.max_streams as usize);
        // Each stream may add its last frames to what is read up to the bounds.
        let most = u64::from(self.settings.max_streams.saturating_add(self.peer.max_streams));
        let extra = CHUNK as u64 + 100 * most;
        let retained = self.ring.retained();
        assert!(retained <= 2 * self.settings.max_retained + extra);
        // A chunk is left with up to 4 KiB unused; the first and the last hold less.
        let full = (CHUNK - 5000) as u64;
        assert!(self.ring.memory() as u64 <= (retained / full + 3) * CHUNK as u64);
        assert!(self.credits_due.len() <= 2 * self.streams.len() + 1025);
    }

    /// No stream, no memory, all credit back.
    pub(crate) fn is_at_rest(&self) -> bool {
        (self.streams.len(), self.by_id.len(), self.opened_here) == (0, 0, 0)
            && (self.ring.retained(), self.ring.memory()) == (0, 0)
            && self.remains.is_empty()
            && self.credit.free() == self.settings.window_pool
            && !self.wants_to_send()
    }
}
