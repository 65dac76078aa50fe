//! How many bytes a second may pass: a token bucket that all workers share.
//!
//! The bucket is one number, the moment up to which all bytes are paid for. Bytes move it on, time
//! overtakes it; how far it is behind now is what may pass. So there is no lock, nothing to refill,
//! and no clock: the moment comes with the question.

use alloc::sync::Arc;
use core::num::NonZeroU64;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::Time;

/// Nanoseconds of a second.
const SECOND: u64 = 1_000_000_000;
/// What may pass at once after a pause, as a part of a second.
const BURST: u64 = SECOND / 10;
/// So many bytes are waited for, if the rate brings them soon: fewer would cost a call each.
const GRAIN: u64 = 4096;

/// Limits of the bytes from and to sites, over all connections of a client.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    /// What is read from sites. `None`: no limit.
    pub read: Option<Arc<Rate>>,
    /// What is written to sites. `None`: no limit.
    pub write: Option<Arc<Rate>>,
}

/// A limit. The cores that share one must have one epoch of [`Time`].
#[derive(Debug)]
pub struct Rate {
    /// Bytes a second.
    bytes: NonZeroU64,
    /// Up to when all is paid for, in nanoseconds.
    paid: AtomicU64,
}

impl Rate {
    /// A limit of so many bytes a second. After a pause a tenth of that may pass at once.
    #[must_use]
    pub fn new(bytes_per_second: NonZeroU64) -> Self {
        Self { bytes: bytes_per_second, paid: AtomicU64::new(0) }
    }

    /// Bytes a second.
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        self.bytes.get()
    }

    /// How many bytes may pass now, or when to ask again: later than now.
    pub(crate) fn allows(&self, now: Time) -> Result<usize, Time> {
        let now = now.as_nanos();
        let paid = self.paid.load(Ordering::Relaxed).max(now.saturating_sub(self.burst()));
        let allowed = self.bytes_in(now.saturating_sub(paid));
        let grain = self.bytes_in(self.burst() / 2).clamp(1, GRAIN);
        if allowed >= grain {
            return Ok(usize::try_from(allowed).unwrap_or(usize::MAX));
        }
        let later = paid.saturating_add(self.time_of(grain));
        Err(Time::from_nanos(later.max(now.saturating_add(SECOND / 1000))))
    }

    /// What may pass at once after a pause, in nanoseconds: not less than two bytes.
    fn burst(&self) -> u64 {
        BURST.max(self.time_of(2))
    }

    /// So many bytes have passed. More than was allowed is waited for later.
    pub(crate) fn take(&self, bytes: usize, now: Time) {
        let now = now.as_nanos();
        let cost = self.time_of(u64::try_from(bytes).unwrap_or(u64::MAX));
        let paid =
            |paid: u64| Some(paid.max(now.saturating_sub(self.burst())).saturating_add(cost));
        let _ = self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid);
    }

    fn bytes_in(&self, nanos: u64) -> u64 {
        let bytes = u128::from(nanos) * u128::from(self.bytes.get()) / u128::from(SECOND);
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }

    fn time_of(&self, bytes: u64) -> u64 {
        let nanos = (u128::from(bytes) * u128::from(SECOND)).div_ceil(u128::from(self.bytes.get()));
        u64::try_from(nanos).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

    use core::time::Duration;

    use super::*;

    /// What passes in a minute if as much as may is taken whenever that may be.
    fn in_a_minute(bytes: u64) -> u64 {
        let rate = Rate::new(NonZeroU64::new(bytes).unwrap());
        let (mut now, mut passed) = (Time::from_nanos(5 * SECOND), 0);
        let end = now.after(Duration::from_secs(60));
        while now < end {
            match rate.allows(now) {
                Ok(n) => {
                    let n = n.min(70_000);
                    passed += n as u64;
                    rate.take(n, now);
                }
                Err(later) => {
                    assert!(later > now, "a deadline moves forward");
                    now = later;
                }
            }
        }
        passed
    }

    #[test]
    fn as_much_passes_as_may_whatever_the_rate() {
        for bytes in [3, 100, 4096, 50_000, 1_000_000, 3_000_000_000] {
            let (passed, most) = (in_a_minute(bytes), 60 * bytes + bytes / 10 + 2);
            assert!(passed <= most, "{bytes}: {passed}");
            assert!(passed >= 60 * bytes * 95 / 100, "{bytes}: {passed}");
        }
    }

    #[test]
    fn a_pause_is_not_saved_up_and_a_debt_is_paid() {
        let rate = Rate::new(NonZeroU64::new(100_000).unwrap());
        let late = Time::from_nanos(1000 * SECOND);
        assert_eq!(rate.allows(late), Ok(10_000));
        rate.take(60_000, late);
        let again = rate.allows(late).unwrap_err();
        assert!((0.5..0.6).contains(&again.since(late).as_secs_f64()), "{again}");
    }
}
