//! Credit: how much a stream may send before its reader has taken some.
//!
//! A window starts small and doubles as long as its reader empties it faster than it can be
//! filled again, so it grows to the bandwidth-delay product by measurement. All windows of a
//! session beyond their guaranteed beginning come out of one [`WindowPool`].

use core::time::Duration;

use super::Settings;
use crate::Time;

/// First size of a window, if the pool has it, in bytes.
const FIRST_WINDOW: u64 = 256 * 1024;
/// No first window takes more than this part of what is left, so that thousands of idle streams
/// leave enough for one that is not.
const POOL_SHARE: u64 = 256;
/// A window that is emptied in less than this is too small whatever the round trip time:
/// both ends need some time to get round to it.
const SHORTEST_FILL: Duration = Duration::from_millis(4);

/// Credit beyond the initial windows, shared by all streams of a session.
#[derive(Debug)]
pub(crate) struct WindowPool {
    free: u64,
    initial: u64,
    max_window: u64,
}

impl WindowPool {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            free: settings.window_pool,
            initial: u64::from(settings.initial_window),
            max_window: u64::from(settings.max_window.max(settings.initial_window)),
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn free(&self) -> u64 {
        self.free
    }
}

/// The receiving side of one stream's credit.
#[derive(Debug)]
pub(crate) struct Window {
    /// Bytes the peer may send in all, as it knows.
    limit: u64,
    /// Bytes that came.
    received: u64,
    /// Bytes that left the process.
    consumed: u64,
    /// What `limit - consumed` is brought up to.
    size: u64,
    /// What of it was taken from the pool.
    pooled: u64,
    /// When the present fill of the window began, and at which count of consumed bytes.
    fill_began: Time,
    fill_mark: u64,
}

/// The peer sent beyond its credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Overrun;

impl Window {
    /// A new stream's window. [`Self::limit`] is what to announce.
    pub(crate) fn new(pool: &mut WindowPool, now: Time) -> Self {
        let size = FIRST_WINDOW
            .min(pool.free / POOL_SHARE)
            .clamp(pool.initial, pool.max_window.max(pool.initial));
        let mut window = Self {
            limit: pool.initial,
            received: 0,
            consumed: 0,
            size,
            pooled: 0,
            fill_began: now,
            fill_mark: 0,
        };
        window.extend(pool);
        window
    }

    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn pooled(&self) -> u64 {
        self.pooled
    }

    /// Counts bytes in; those of an overrun do not count.
    pub(crate) fn receive(&mut self, n: usize) -> Result<(), Overrun> {
        if n as u64 > self.limit - self.received {
            return Err(Overrun);
        }
        self.received += n as u64;
        Ok(())
    }

    /// Counts bytes out. `Some`: a new limit to announce.
    pub(crate) fn consume(
        &mut self,
        n: u64,
        rtt: Duration,
        pool: &mut WindowPool,
        now: Time,
    ) -> Option<u64> {
        self.drain(n, pool);
        if self.consumed + self.size < self.limit + self.size / 2 {
            return None;
        }
        self.grow(rtt, pool, now);
        self.extend(pool)
    }

    /// The peer will send no more: what it has not used goes back to the pool.
    pub(crate) fn close(&mut self, pool: &mut WindowPool) {
        self.limit = self.received;
        self.settle(pool);
    }

    /// Bytes that came and have not left the process.
    pub(crate) fn unconsumed(&self) -> u64 {
        self.received - self.consumed
    }

    /// Counts bytes out without a thought of a new limit, as after [`Self::close`].
    pub(crate) fn drain(&mut self, n: u64, pool: &mut WindowPool) {
        self.consumed = self.consumed.saturating_add(n).min(self.received);
        self.settle(pool);
    }

    /// Doubles the window if a whole one was emptied within four round trips. One that alone slows its
    /// stream takes one to two, as the peer hears of new credit by halves; and congestion control
    /// that spreads packets over time needs half as long again, and never learns what the path can do
    /// behind a window that stays too small.
    fn grow(&mut self, rtt: Duration, pool: &WindowPool, now: Time) {
        if self.consumed - self.fill_mark < self.size {
            return;
        }
        let fast = now.since(self.fill_began) < (4 * rtt).max(SHORTEST_FILL);
        // No stream takes more than a part of what is left, so that some is left for all others.
        if fast && self.size <= pool.free / 2 {
            self.size = (2 * self.size).min(pool.max_window);
        }
        self.fill_began = now;
        self.fill_mark = self.consumed;
    }

    /// Raises the limit as far as size and pool allow.
    fn extend(&mut self, pool: &mut WindowPool) -> Option<u64> {
        let guaranteed = self.consumed + pool.initial;
        let wanted = self.consumed + self.size;
        let affordable = guaranteed + self.pooled + pool.free;
        let limit = wanted.min(affordable).max(guaranteed).max(self.limit);
        if limit == self.limit {
            return None;
        }
        self.limit = limit;
        self.settle(pool);
        Some(limit)
    }

    /// Makes `pooled` what is outstanding beyond the guaranteed part. The only place that moves
    /// credit between a stream and the pool, besides the end in [`Self::release`].
    fn settle(&mut self, pool: &mut WindowPool) {
        let due = (self.limit - self.consumed).saturating_sub(pool.initial);
        pool.free = (pool.free + self.pooled).saturating_sub(due);
        self.pooled = due;
    }

    /// Gives everything back at the end of the stream, however it ended.
    pub(crate) fn release(self, pool: &mut WindowPool) {
        pool.free += self.pooled;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn settings() -> Settings {
        Settings { window_pool: 8 << 20, ..Settings::default() }
    }

    #[test]
    fn a_fast_reader_gets_a_larger_window_and_a_slow_one_does_not() {
        for (step, grows) in [(1, true), (300, false)] {
            let mut pool = WindowPool::new(&settings());
            let mut window = Window::new(&mut pool, Time::ZERO);
            let first = window.size;
            let mut now = Time::ZERO;
            for _ in 0..40 {
                let n = (window.limit - window.received) as usize;
                window.receive(n).unwrap();
                now = now.after(Duration::from_millis(step));
                window.consume(n as u64, Duration::from_millis(50), &mut pool, now);
            }
            assert_eq!(window.size > first, grows, "step {step} ms");
            assert!(window.size <= 16 << 20);
        }
    }

    #[test]
    fn overrun_is_noticed() {
        let mut pool = WindowPool::new(&settings());
        let mut window = Window::new(&mut pool, Time::ZERO);
        let limit = window.limit() as usize;
        window.receive(limit).unwrap();
        assert_eq!(window.receive(1), Err(Overrun));
        // The session ends now; what it still does with the stream keeps the books in order.
        window.consume(u64::MAX, Duration::ZERO, &mut pool, Time::ZERO);
        window.release(&mut pool);
        assert_eq!(pool.free(), settings().window_pool);
    }

    #[test]
    fn what_a_finished_peer_did_not_use_is_free_at_once() {
        let settings = settings();
        let mut pool = WindowPool::new(&settings);
        let mut window = Window::new(&mut pool, Time::ZERO);
        assert!(pool.free() < settings.window_pool);
        window.receive(10_000).unwrap();
        window.close(&mut pool);
        let beyond = 10_000 - u64::from(settings.initial_window);
        assert_eq!(pool.free(), settings.window_pool - beyond);
        window.drain(10_000, &mut pool);
        assert_eq!(pool.free(), settings.window_pool);
        window.release(&mut pool);
        assert_eq!(pool.free(), settings.window_pool);
    }

    #[test]
    fn thousands_of_idle_streams_leave_a_fast_one_a_large_window() {
        let mut pool = WindowPool::new(&Settings::default());
        for _ in 0..5000 {
            Window::new(&mut pool, Time::ZERO);
        }
        let mut window = Window::new(&mut pool, Time::ZERO);
        let mut now = Time::ZERO;
        for _ in 0..100 {
            let n = window.limit - window.received;
            window.receive(n as usize).unwrap();
            now = now.after(Duration::from_millis(50));
            window.consume(n, Duration::from_millis(50), &mut pool, now);
        }
        assert!(window.size >= 256 * 1024, "{}", window.size);
    }

    #[test]
    fn stalled_streams_leave_credit_for_others() {
        let settings = settings();
        let mut pool = WindowPool::new(&settings);
        let stalled: Vec<_> = (0..5000).map(|_| Window::new(&mut pool, Time::ZERO)).collect();
        let fresh = Window::new(&mut pool, Time::ZERO);
        assert!(fresh.limit() >= u64::from(settings.initial_window));
        for window in stalled {
            window.release(&mut pool);
        }
        fresh.release(&mut pool);
        assert_eq!(pool.free(), settings.window_pool);
    }

    use std::vec::Vec;
    proptest! {
        /// Whatever streams do, the pool's books balance and its bound holds.
        #[test]
        fn credit_is_conserved(ops in proptest::collection::vec((0..4_u8, 0..8_usize, 0..300_000_u64), 1..400)) {
            let settings = settings();
            let mut pool = WindowPool::new(&settings);
            let mut streams: Vec<Window> = Vec::new();
            let mut now = Time::ZERO;
            for (op, which, amount) in ops {
                now = now.after(Duration::from_micros(amount));
                match op {
                    0 => streams.push(Window::new(&mut pool, now)),
                    1 if !streams.is_empty() => {
                        let i = which % streams.len();
                        streams.swap_remove(i).release(&mut pool);
                    }
                    2 if !streams.is_empty() => {
                        let i = which % streams.len();
                        let n = amount.min(streams[i].limit - streams[i].received);
                        prop_assert!(streams[i].receive(n as usize).is_ok());
                    }
                    3 if !streams.is_empty() => {
                        let i = which % streams.len();
                        let before = streams[i].limit;
                        let announced = streams[i].consume(amount, Duration::from_millis(1), &mut pool, now);
                        prop_assert!(announced.is_none_or(|limit| limit > before));
                    }
                    _ => {}
                }
                let pooled: u64 = streams.iter().map(|s| s.pooled).sum();
                prop_assert_eq!(pool.free + pooled, settings.window_pool);
                for s in &streams {
                    prop_assert!(s.limit - s.consumed <= s.pooled + pool.initial);
                    prop_assert!(s.limit >= s.received);
                }
            }
        }
    }
}
