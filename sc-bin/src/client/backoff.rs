//! How long to wait before the next try, and when to stop trying.

use std::time::Duration;

/// Doubling waits with jitter: each is between half and the whole of its step, so that clients
/// that lost the same server do not come back in the same moment.
#[derive(Clone, Debug)]
pub(super) struct Backoff {
    first: Duration,
    most: Duration,
    step: Duration,
    random: u64,
}

impl Backoff {
    /// Steps from `first` up to `most`. `seed` makes the jitter; any number does.
    pub(super) fn new(first: Duration, most: Duration, seed: u64) -> Self {
        Self {
            first,
            most,
            step: first,
            // The generator below stays at 0 for ever if it starts there.
            random: seed | 1,
        }
    }

    /// The next wait.
    pub(super) fn next_wait(&mut self) -> Duration {
        let step = self.step;
        self.step = step.saturating_mul(2).min(self.most);
        // xorshift64: good enough to spread clients.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let thousandths = u32::try_from(self.random % 500).unwrap_or(0) + 500;
        step.saturating_mul(thousandths) / 1000
    }

    /// Begins again with the first step, after a success.
    pub(super) fn reset(&mut self) {
        self.step = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_most_and_begin_again() {
        let second = Duration::from_secs(1);
        for seed in [0, 1, 0xdead_beef, u64::MAX] {
            let mut backoff = Backoff::new(second, 4 * second, seed);
            for step in [1, 2, 4, 4, 4] {
                let wait = backoff.next_wait();
                assert!(wait >= step * second / 2 && wait <= step * second, "{wait:?} of {step}");
            }
            backoff.reset();
            assert!(backoff.next_wait() <= second);
        }
    }
}
