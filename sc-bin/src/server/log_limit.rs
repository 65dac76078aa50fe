//! Log lines about strangers come at a bounded rate: whoever scans ports or guesses keys does not
//! get to fill the disk.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines that are written in each [`WINDOW`].
const LINES: u32 = 20;
/// For so long lines are counted together.
pub(crate) const WINDOW: Duration = Duration::from_secs(1);

/// A limit for log lines of one kind.
#[derive(Debug)]
pub(crate) struct LogLimit {
    /// What the lines are about, as "7 more ..." says it.
    about: &'static str,
    window: Mutex<Window>,
}

/// What was written and kept back since a moment.
#[derive(Debug, Default)]
struct Window {
    begun: Option<Instant>,
    written: u32,
    kept_back: u64,
}

impl LogLimit {
    /// Nothing written yet.
    pub(crate) fn new(about: &'static str) -> Self {
        Self { about, window: Mutex::default() }
    }

    /// Whether one more line may be written now.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.admits(now)
    }

    /// Says how many lines were kept back. To be called about once in a [`WINDOW`].
    pub(crate) fn sum_up(&self) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::take(&mut window.kept_back) {
            0 => {}
            kept_back => log::info!("{kept_back} more {}", self.about),
        }
    }
}

impl Window {
    fn admits(&mut self, now: Instant) -> bool {
        let is_over = |begun: Instant| now.saturating_duration_since(begun) >= WINDOW;
        if self.begun.is_none_or(is_over) {
            (self.begun, self.written) = (Some(now), 0);
        }
        if self.written < LINES {
            self.written += 1;
            return true;
        }
        self.kept_back += 1;
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_the_next_window_speaks_again() {
        let now = Instant::now();
        let mut window = Window::default();
        let mut written = |at| (0..1000).filter(|_| window.admits(at)).count();
        assert_eq!(written(now), LINES as usize);
        assert_eq!(written(now + WINDOW / 2), 0);
        assert_eq!(written(now + WINDOW), LINES as usize);
        assert_eq!(window.kept_back, 3000 - 2 * u64::from(LINES));
    }
}
