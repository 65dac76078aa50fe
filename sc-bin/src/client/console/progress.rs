//! The line that shows what a start waits for, on a terminal: the last line, drawn again and again,
//! gone when the tunnel is ready.

use std::time::{Duration, Instant};

use crate::client::line::Waiting;

/// Between two drawings.
const INTERVAL: Duration = Duration::from_millis(100);
/// To the line's beginning, and what is on it away.
const CLEAR: &str = "\r\x1b[K";

/// What is waited for, and since when.
#[derive(Debug)]
pub(super) struct Progress {
    state: State,
    is_drawn: bool,
}

#[derive(Debug)]
enum State {
    /// Nobody looks, or the start is over.
    Off,
    /// Nothing is waited for yet.
    Idle,
    /// This is.
    Waiting { what: Waiting, since: Instant, next: Instant },
}

impl Progress {
    /// Never drawn.
    pub(super) const fn off() -> Self {
        Self { state: State::Off, is_drawn: false }
    }

    /// Drawn as soon as something is waited for.
    pub(super) const fn on() -> Self {
        Self { state: State::Idle, is_drawn: false }
    }

    /// From now on this is waited for.
    pub(super) fn begin(&mut self, what: Waiting, now: Instant) {
        match &self.state {
            State::Off => {}
            State::Waiting { what: known, .. } if *known == what => {}
            State::Idle | State::Waiting { .. } => {
                self.state = State::Waiting { what, since: now, next: now };
            }
        }
    }

    /// The start is over. Says what takes the line away.
    pub(super) fn over(&mut self) -> &'static str {
        self.state = State::Off;
        self.cleared()
    }

    /// What makes room for another line.
    pub(super) fn cleared(&mut self) -> &'static str {
        if let State::Waiting { next, .. } = &mut self.state {
            *next = Instant::now();
        }
        if std::mem::take(&mut self.is_drawn) { CLEAR } else { "" }
    }

    /// When it is to be drawn next, if ever.
    pub(super) fn next(&self) -> Option<Instant> {
        match &self.state {
            State::Off | State::Idle => None,
            State::Waiting { next, .. } => Some(*next),
        }
    }

    /// What draws it, if it is due.
    pub(super) fn drawn(&mut self, now: Instant) -> Option<String> {
        let State::Waiting { what, since, next } = &mut self.state else { return None };
        if *next > now {
            return None;
        }
        *next = now + INTERVAL;
        self.is_drawn = true;
        let waited = now.saturating_duration_since(*since).as_secs_f64();
        // What comes from a server moves no cursor.
        let what: String = what.to_string().chars().filter(|c| !c.is_control()).take(100).collect();
        Some(format!("{CLEAR}... {what} ({waited:.1} s)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_drawn_while_something_is_waited_for_and_then_gone() {
        let now = Instant::now();
        let mut progress = Progress::on();
        assert_eq!((progress.next(), progress.drawn(now)), (None, None));
        progress.begin(Waiting::Tunnel, now);
        let drawn = progress.drawn(now + Duration::from_millis(1500)).unwrap();
        assert_eq!(drawn, "\r\x1b[K... waiting for the server to make the tunnel (1.5 s)");
        assert_eq!(progress.drawn(now + Duration::from_millis(1550)), None, "not due");
        progress.begin(Waiting::Tunnel, now + Duration::from_secs(9));
        assert!(progress.drawn(now + Duration::from_secs(2)).unwrap().ends_with("(2.0 s)"));
        assert_eq!((progress.cleared(), progress.cleared()), (CLEAR, ""));
        assert_eq!(progress.over(), "");
        progress.begin(Waiting::Running, now);
        assert_eq!(progress.next(), None);
    }

    #[test]
    fn nobody_looks() {
        let mut progress = Progress::off();
        progress.begin(Waiting::Running, Instant::now());
        assert_eq!((progress.next(), progress.over()), (None, ""));
    }
}
