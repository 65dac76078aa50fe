//! Everything that waits for a moment, in one ordered set.

use alloc::collections::BTreeSet;

use super::SessionKey;
use crate::contract::SocketId;
use crate::{Deadline, DeadlineReason, Time};

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Socket(SocketId, DeadlineReason),
    Session(SessionKey),
    /// The limit of [`Stop::Drain`](crate::contract::Stop::Drain).
    Drain,
}

/// See the module's head. It holds at most one entry per socket and per session.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Time, Timer)>);

impl Timers {
    pub(super) fn set(&mut self, at: Time, timer: Timer) {
        self.0.insert((at, timer));
    }

    pub(super) fn cancel(&mut self, at: Time, timer: Timer) {
        self.0.remove(&(at, timer));
    }

    /// Takes the first that is due at `now`.
    pub(super) fn take_due(&mut self, now: Time) -> Option<Timer> {
        let (at, _) = self.0.first()?;
        if *at > now {
            None
        } else {
            self.0.pop_first().map(|(_, timer)| timer)
        }
    }

    pub(super) fn next(&self) -> Option<Deadline> {
        let (at, timer) = self.0.first()?;
        let reason = match timer {
            Timer::Socket(_, reason) => *reason,
            Timer::Session(_) => DeadlineReason::Session,
            Timer::Drain => DeadlineReason::Drain,
        };
        Some(Deadline { at: *at, reason })
    }
}
