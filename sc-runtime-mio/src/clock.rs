//! The only place that reads a clock. A worker reads it twice per turn.
//!
//! Both runtimes are built with this file.

use std::time::{Duration, Instant};

use sc_proto::Time;

/// Ten years, which every clock reaches.
const FAR: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Counts from the start of the runtime. All workers share one epoch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    epoch: Instant,
}

impl Clock {
    /// [`Time::ZERO`] is now.
    pub(crate) fn start() -> Self {
        Self { epoch: Instant::now() }
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_duration(self.epoch.elapsed())
    }

    /// The moment `at` for a timer of the runtime; far away if the clock does not reach it.
    #[allow(dead_code, reason = "mio waits for a span, not for a moment")]
    pub(crate) fn instant(self, at: Time) -> Instant {
        let since = at.since(Time::ZERO);
        self.epoch.checked_add(since).unwrap_or_else(|| self.epoch + FAR)
    }
}
