//! How long calls take.

use std::fmt;
use std::time::{Duration, Instant};

/// Durations of calls of one kind.
#[derive(Clone, Debug, Default)]
pub struct Latencies(Vec<Duration>);

impl Latencies {
    /// Times one more call.
    pub fn time<T>(&mut self, call: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = call();
        self.0.push(begun.elapsed());
        done
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// What `percent` of them are not above: 50 is the median.
    ///
    /// # Panics
    /// If there are none.
    pub fn percentile(&self, percent: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
        sorted[at]
    }
}

/// Median, 99th percentile and maximum.
impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = |percent| self.percentile(percent).as_secs_f64() * 1000.0;
        let (half, most, all) = (millis(50), millis(99), millis(100));
        write!(f, "p50 {half:.1} ms, p99 {most:.1} ms, max {all:.1} ms of {}", self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let latencies = Latencies((1..=100).rev().map(Duration::from_millis).collect());
        let millis = [1, 50, 99, 100].map(|percent| latencies.percentile(percent).as_millis());
        assert_eq!(millis, [1, 50, 99, 100]);
        assert_eq!(Latencies(vec![Duration::ZERO]).percentile(99), Duration::ZERO);
    }
}
