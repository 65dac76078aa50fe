//! What is required of times, and how measured ones are judged on a machine that others use too.
//!
//! A requirement is held against the median: one value may have waited for a CPU that somebody
//! else had. Every single value has a ceiling all the same, and where there are too few for a
//! median the ceiling is all.

use std::time::Duration;

use crate::traffic::percentile;

/// How long something may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The median is below this.
    pub median: Duration,
    /// Every single value is below this.
    pub each: Duration,
}

/// From the link's return to an answered request.
pub const RECOVERY: Limit = seconds(1, 3);
/// From the last byte of a dead link to the client's line about it.
pub const DETECTION: Limit = seconds(5, 7);

/// Limits in seconds.
pub const fn seconds(median: u64, each: u64) -> Limit {
    Limit { median: Duration::from_secs(median), each: Duration::from_secs(each) }
}

/// So few values have no median.
const FEW: usize = 3;

/// By how many times, and by how much on top, a small request's time may differ between two loads
/// that are the same for the tunnel: the median, and the 99th percentile, which is the fourth
/// longest of some 400 and therefore chance on a shared machine.
const MEDIAN_GROWTH: (u32, Duration) = (2, Duration::from_millis(30));
const P99_GROWTH: (u32, Duration) = (3, Duration::from_millis(200));

/// Judges how long `what` took each time.
///
/// # Panics
/// If the median or one value is not below its limit.
pub fn expect_within(what: &str, limit: Limit, took: &[Duration]) {
    let Limit { median: required, each } = limit;
    let median = percentile(took.iter().copied(), 0.5);
    if let Some(median) = median.filter(|_| took.len() >= FEW) {
        assert!(
            median < required,
            "{what}: median {median:.2?}, {required:?} required; {took:.2?}"
        );
    }
    let longest = took.iter().max().copied().unwrap_or_default();
    assert!(longest < each, "{what}: {longest:.2?} is too long; {took:.2?}");
}

/// Judges times of small requests against `calm` ones, which had nothing to suffer.
///
/// # Panics
/// If there are none, or their median or 99th percentile has grown.
pub fn expect_unchanged(calm: &[Duration], took: &[Duration]) {
    for (share, (times, more)) in [(0.5, MEDIAN_GROWTH), (0.99, P99_GROWTH)] {
        let of = |all: &[Duration]| percentile(all.iter().copied(), share).expect("some requests");
        let (before, after) = (of(calm), of(took));
        assert!(after <= before * times + more, "percentile {share}: {before:?} became {after:?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Limit = seconds(1, 3);

    fn millis(all: &[u64]) -> Vec<Duration> {
        all.iter().copied().map(Duration::from_millis).collect()
    }

    #[test]
    fn one_late_value_is_no_failure() {
        expect_within("late once", LIMIT, &millis(&[300, 2900, 400]));
    }

    #[test]
    #[should_panic(expected = "median")]
    fn a_late_median_is() {
        expect_within("late", LIMIT, &millis(&[300, 1100, 1200]));
    }

    #[test]
    #[should_panic(expected = "too long")]
    fn one_value_has_a_ceiling() {
        expect_within("much too late once", LIMIT, &millis(&[3000]));
    }

    #[test]
    #[should_panic(expected = "percentile 0.5")]
    fn slower_requests_are_seen() {
        expect_unchanged(&millis(&[20; 100]), &millis(&[90; 100]));
    }

    #[test]
    #[should_panic(expected = "percentile 0.99")]
    fn a_longer_tail_is_seen() {
        let mut took = millis(&[20; 100]);
        took.extend(millis(&[500; 3]));
        expect_unchanged(&millis(&[20; 100]), &took);
    }
}
