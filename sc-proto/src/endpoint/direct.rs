//! Direct traffic: sites that a core reaches itself, for browsers of its own: a server's rules say
//! so, or a client has a proxy port of its own (`local.rs`).
//!
//! It takes the way of all streams, so that there is one way: two sessions of this core, the near
//! one for browsers and the far one for sites, whose frames are handed from one to the other
//! without a transport. Where the far one may dial is limited by [`Config::direct`](super::Config).

use super::lent::Lending;
use super::socket::{Socket, SocketKey};
use super::tunnel::{Carrier, SessionEntry};
use super::{Core, SessionKey};
use crate::Time;
use crate::contract::{ConnectionNumber, ResetReason, ResumeSecret, SessionId, TunnelId};
use crate::kgp::frame::Frame;
use crate::kgp::handshake::Parameters;
use crate::kgp::{Session, Side};

/// The id of both sessions, and of what would be their tunnel: nobody is ever told.
const NOBODY: [u8; 16] = [0; 16];

/// The two sessions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Direct {
    near: SessionKey,
    far: SessionKey,
}

/// Whether frames were handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moved {
    Some,
    Nothing,
}

impl Core {
    /// The session whose streams lead to sites directly. `None` when the core is stopping.
    pub(super) fn direct_session(&mut self, now: Time) -> Option<SessionKey> {
        if let Some(direct) = self.direct {
            // What was opened before makes room.
            self.pump_direct(now);
            return Some(direct.near);
        }
        if self.stopping.is_some() {
            return None;
        }
        let near = self.direct_entry(Side::Server);
        let far = self.direct_entry(Side::Client);
        self.direct = Some(Direct { near, far });
        Some(near)
    }

    fn direct_entry(&mut self, side: Side) -> SessionKey {
        let settings = self.config.kgp;
        let session = Session::new(SessionId(NOBODY), side, settings, Parameters::of(&settings));
        let secret = ResumeSecret::new(self.random.bytes());
        let (tunnel, connection) = (TunnelId(NOBODY), ConnectionNumber::ONLY);
        let nowhere = SocketKey::dangling();
        let mut entry = SessionEntry::new(session, tunnel, connection, nowhere, secret, None);
        entry.carrier = Carrier::Direct;
        self.sessions.insert(entry)
    }

    /// Hands frames on, both ways, until there is none. Says whether there was one.
    pub(super) fn pump_direct(&mut self, now: Time) -> Moved {
        let Some(Direct { near, far }) = self.direct else { return Moved::Nothing };
        if !self.wants_to_send(near) && !self.wants_to_send(far) {
            return Moved::Nothing;
        }
        self.settle();
        self.lent.lending = Lending::Closed;
        // An answer may call for another frame; what moves is bounded by what both rings hold.
        while self.hand_on(near, far, now) == Moved::Some
            || self.hand_on(far, near, now) == Moved::Some
        {}
        self.lent.lending = Lending::Open;
        Moved::Some
    }

    /// Ends the direct traffic of a tunnel that is no more.
    pub(super) fn end_direct_streams(&mut self, tunnel: TunnelId, now: Time) {
        let near = self.direct.and_then(|direct| self.sessions.get(direct.near));
        for owner in near.map(|entry| entry.session.owners()).unwrap_or_default() {
            let key = SocketKey::from(owner);
            let proxied = self.sockets.get_mut(key).and_then(Socket::proxied);
            if proxied.is_some_and(|proxied| proxied.tunnel == tunnel) {
                self.unlink(key, ResetReason::ShuttingDown, now);
                self.session_lost(key, now);
            }
        }
    }

    fn wants_to_send(&self, session: SessionKey) -> bool {
        self.sessions.get(session).is_some_and(|entry| entry.session.wants_to_send())
    }

    fn hand_on(&mut self, from: SessionKey, to: SessionKey, now: Time) -> Moved {
        let mut moved = Moved::Nothing;
        let mut frames = core::mem::take(&mut self.record);
        while self.wants_to_send(from) {
            let Some(entry) = self.sessions.get_mut(from) else { break };
            let session = &mut entry.session;
            frames.clear();
            while let Some(frame) = session.next_control(now) {
                frames.extend_from_slice(frame.as_slice());
            }
            // Frames stand in a piece of the ring whole.
            let piece = session.unsent();
            frames.extend_from_slice(piece);
            session.mark_sent(piece.len());
            if frames.is_empty() {
                break;
            }
            moved = Moved::Some;
            self.take_handed_on(to, &frames, now);
            self.queue_sources(from);
            self.note_drained(from);
        }
        frames.clear();
        self.record = frames;
        moved
    }

    fn take_handed_on(&mut self, session: SessionKey, frames: &[u8], now: Time) {
        let mut used = 0;
        while let Some(rest) = frames.get(used..)
            && let Ok(Some((frame, length))) = Frame::decode(rest)
        {
            let range = used..used + length;
            used = range.end;
            // Both ends are this core: what one says the other takes.
            let taken = self.take_session_frame(session, frame, frames, range, now);
            debug_assert!(taken.is_ok(), "{taken:?}");
        }
        self.after_session(session, now);
    }
}
