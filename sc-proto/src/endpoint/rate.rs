//! Limits of bytes a second from and to sites, over all of a client's connections with them.
//!
//! Whoever has no leave now stands aside until the moment that the limit names: a session whose
//! sites are to be read, a site's socket that is to be written. They come back in another order
//! than they went, so that each has its turn; within a session its schedule is fair to streams.

use alloc::collections::VecDeque;

use super::socket::{Proxied, Role, Socket, SocketKey, Toward};
use super::timers::Timer;
use super::{Core, SessionKey};
use crate::Time;
use crate::kgp::Side;

/// Most bytes that one site is given before it is another one's turn.
const TURN: usize = 16 * 1024;

/// What waits for leave.
#[derive(Debug, Default)]
pub(super) struct HeldBack {
    /// Sessions whose sites are to be read. For them they stand in the list of sources.
    sources: VecDeque<SessionKey>,
    /// Sites to be written. For them they stand in the list of writes.
    writes: VecDeque<SocketKey>,
    timer: Option<Time>,
    /// What the last write that was asked for may take.
    grant: Option<(SocketKey, usize)>,
}

/// Whether something may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// So many bytes.
    Granted(usize),
    /// It stands aside.
    HeldBack,
}

impl HeldBack {
    /// How many bytes a write may take.
    pub(super) fn most(&self, key: SocketKey) -> usize {
        match self.grant {
            Some((granted, most)) if granted == key => most,
            _ => usize::MAX,
        }
    }
}

impl Core {
    /// How many bytes may be read from the sites of a session.
    pub(super) fn leave_to_read(&mut self, session: SessionKey, now: Time) -> Leave {
        let Some(rate) = &self.config.egress.rates.read else { return Leave::Granted(usize::MAX) };
        let side = self.sessions.get(session).map(|entry| entry.session.side());
        if side != Some(Side::Client) {
            return Leave::Granted(usize::MAX);
        }
        match rate.allows(now) {
            Ok(bytes) => Leave::Granted(bytes),
            Err(later) => {
                self.held_back.sources.push_back(session);
                self.go_on_at(later);
                Leave::HeldBack
            }
        }
    }

    /// Whether a socket may be written, and how much of what it has.
    pub(super) fn leave_to_write(&mut self, key: SocketKey, now: Time) -> Leave {
        self.held_back.grant = None;
        let Some(rate) = &self.config.egress.rates.write else { return Leave::Granted(usize::MAX) };
        if !self.leads_to_site(key) {
            return Leave::Granted(usize::MAX);
        }
        match rate.allows(now) {
            Ok(bytes) => {
                let most = bytes.min(TURN);
                self.held_back.grant = Some((key, most));
                Leave::Granted(most)
            }
            Err(later) => {
                self.held_back.writes.push_back(key);
                if let Some(socket) = self.sockets.get_mut(key) {
                    socket.write_queued = true;
                }
                self.go_on_at(later);
                Leave::HeldBack
            }
        }
    }

    /// Counts bytes that came from a site.
    pub(super) fn count_read(&self, key: SocketKey, bytes: usize, now: Time) {
        if let Some(rate) = &self.config.egress.rates.read
            && bytes > 0
            && self.leads_to_site(key)
        {
            rate.take(bytes, now);
        }
    }

    /// Counts bytes that went to a site.
    pub(super) fn count_written(&mut self, key: SocketKey, bytes: usize, now: Time) {
        if let Some(rate) = &self.config.egress.rates.write
            && bytes > 0
            && self.leads_to_site(key)
        {
            rate.take(bytes, now);
        }
    }

    fn leads_to_site(&self, key: SocketKey) -> bool {
        match self.sockets.get(key).map(|socket: &Socket| &socket.role) {
            Some(Role::Proxied(Proxied { toward, .. })) => *toward == Toward::Site,
            Some(Role::Transport(_)) | None => false,
        }
    }

    fn go_on_at(&mut self, at: Time) {
        match self.held_back.timer {
            Some(before) if before <= at => return,
            Some(before) => self.timers.cancel(before, Timer::Rate),
            None => {}
        }
        self.held_back.timer = Some(at);
        self.timers.set(at, Timer::Rate);
    }

    /// More bytes may pass. Who stood aside first used up what there was: now it is last.
    pub(super) fn go_on_by_rate(&mut self) {
        self.held_back.timer = None;
        let mut sources = core::mem::take(&mut self.held_back.sources);
        if !sources.is_empty() {
            sources.rotate_left(1);
        }
        for session in sources.drain(..) {
            if let Some(entry) = self.sessions.get_mut(session) {
                entry.queued = true;
                self.sources.push_back(session);
            }
        }
        self.writes.extend(self.held_back.writes.drain(..));
    }
}
