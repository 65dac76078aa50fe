//! The only place that reads a clock. A worker reads it twice per turn.

use std::time::Instant;

use sc_proto::Time;

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
}
