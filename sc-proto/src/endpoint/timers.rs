//! Everything that waits for a moment, in one ordered set.

use alloc::collections::BTreeSet;

use super::socket::SocketKey;
use super::{Core, SessionKey};
use crate::contract::SocketId;
use crate::{Deadline, DeadlineReason, Time};

/// Whose deadline it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Socket(SocketId, DeadlineReason),
    Session(SessionKey),
    /// A session without a transport is given up.
    Grace(SessionKey),
    /// A session without a transport tries to get one.
    Try(SessionKey),
    /// The limit of [`Stop::Drain`](crate::contract::Stop::Drain).
    Drain,
    /// Notes to other workers are offered again.
    Notes,
    /// What a limit of bytes a second held back may go on.
    Rate,
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
        if *at > now { None } else { self.0.pop_first().map(|(_, timer)| timer) }
    }

    pub(super) fn next(&self) -> Option<Deadline> {
        let (at, timer) = self.0.first()?;
        let reason = match timer {
            Timer::Socket(_, reason) => *reason,
            Timer::Session(_) => DeadlineReason::Session,
            Timer::Grace(_) => DeadlineReason::Grace,
            Timer::Try(_) => DeadlineReason::Reconnect,
            Timer::Drain => DeadlineReason::Drain,
            Timer::Notes => DeadlineReason::Notes,
            Timer::Rate => DeadlineReason::Rate,
        };
        Some(Deadline { at: *at, reason })
    }
}

impl Core {
    pub(super) fn set_timer(&mut self, key: SocketKey, at: Time, reason: DeadlineReason) {
        self.clear_timer(key);
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.timer = Some((at, reason));
            self.timers.set(at, Timer::Socket(key.into(), reason));
        }
    }

    /// From here on bytes have to move on this connection now and then.
    pub(super) fn expect_movement(&mut self, key: SocketKey, now: Time) {
        if let Some(socket) = self.sockets.get_mut(key) {
            socket.moved = now;
            self.set_timer(key, now.after(self.config.idle_timeout), DeadlineReason::Idle);
        }
    }

    pub(super) fn clear_timer(&mut self, key: SocketKey) {
        if let Some((at, reason)) = self.sockets.get_mut(key).and_then(|socket| socket.timer.take())
        {
            self.timers.cancel(at, Timer::Socket(key.into(), reason));
        }
    }
}
