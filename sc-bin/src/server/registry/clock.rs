//! The clock of the registry.
//!
//! The clocks of servers may differ by minutes. What servers that share a registry write into it is
//! therefore told by the clock of its database: each learns it with its heartbeat, and counts on
//! from there by its own monotonic clock.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::server::tunnels::unix_now;

/// What time it is.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// What the database told, and when; nothing: this machine's clock counts.
    told: Mutex<Option<(u64, Instant)>>,
}

impl Clock {
    /// Unix seconds at `now`.
    pub(super) fn at(&self, now: Instant) -> u64 {
        match *self.told.lock().unwrap_or_else(PoisonError::into_inner) {
            Some((seconds, then)) => seconds + now.saturating_duration_since(then).as_secs(),
            None => unix_now(),
        }
    }

    /// Takes in what the database told, asked at `asked`.
    pub(super) fn set(&self, seconds: u64, asked: Instant) {
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = Some((seconds, asked));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_databases_time_goes_on_by_the_monotonic_clock() {
        let (clock, now) = (Clock::default(), Instant::now());
        assert!(clock.at(now).abs_diff(unix_now()) <= 1);
        // Minutes apart from this machine's clock.
        let of_database = unix_now() + 600;
        clock.set(of_database, now);
        assert_eq!(clock.at(now + Duration::from_millis(2500)), of_database + 2);
    }
}
