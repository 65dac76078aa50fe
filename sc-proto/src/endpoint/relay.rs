//! Proxied sockets and their streams: bytes both ways, half-closes, resets, dials.

use alloc::collections::VecDeque;
use core::ops::Range;

use super::rate::Leave;
use super::socket::{Input, Link, Output, Socket, SocketKey};
use super::story::CANCELLED;
use super::tunnel::Carrier;
use super::{Core, Place, SessionKey};
use crate::contract::{
    Action, AddressGuard, CloseMode, DialFailure, Read, ResetReason, StreamKind,
};
use crate::http1::{Failure, Phase};
use crate::kgp::frame::Frame;
use crate::kgp::{ProtocolError, Received, Side, StreamKey};
use crate::{DeadlineReason, Time};

impl Core {
    /// Takes one frame of a session. `plaintext` holds it, up to `end`.
    pub(super) fn take_session_frame(
        &mut self,
        session: SessionKey,
        frame: Frame<'_>,
        plaintext: &[u8],
        range: Range<usize>,
        now: Time,
    ) -> Result<(), ProtocolError> {
        let Some(entry) = self.sessions.get_mut(session) else {
            return Ok(());
        };
        let tunnel = entry.tunnel;
        match entry.session.receive(frame, range.len(), &mut self.pool, now)? {
            Received::Nothing | Received::GoAway => {}
            Received::Open { stream, open } => match entry.session.side() {
                Side::Client => self.begin_egress(Link { session, stream }, tunnel, open, now),
                // The way leads into the office. A client that could have the server dial would
                // stand in the server's own network.
                Side::Server => {
                    entry.session.answer(stream, Err(DialFailure::Denied), &mut self.pool);
                }
            },
            Received::Answered { owner, outcome } => {
                self.answered(owner.into(), outcome, now);
            }
            Received::Data { owner, payload } => {
                let payload = range.end - payload.len()..range.end;
                self.take_payload(owner.into(), plaintext, payload, now);
            }
            Received::Finished { owner } => self.stream_finished(owner.into(), plaintext, now),
            Received::Reset { owner, reason } => {
                self.stream_reset(owner.into(), reason, plaintext, now);
            }
            Received::Credit { stream } => {
                if let Some(owner) = entry.session.owner(stream) {
                    self.offer_source(owner.into());
                }
            }
        }
        Ok(())
    }

    /// Where the streams of a session may lead.
    pub(super) fn guard_of(&self, session: SessionKey) -> AddressGuard {
        match self.sessions.get(session).map(|entry| entry.carrier) {
            Some(Carrier::Direct) => self.config.direct.clone(),
            // The office decides by rules of its own.
            Some(Carrier::Transport) | None => AddressGuard::Anywhere,
        }
    }

    /// The dial of a stream's target has ended.
    pub(super) fn target_dialled(
        &mut self,
        key: SocketKey,
        outcome: Result<(), DialFailure>,
        now: Time,
    ) {
        let Some(link) = self.sockets.get_mut(key).and_then(Socket::proxied).and_then(|p| p.link)
        else {
            return;
        };
        if let Err(failure) = outcome {
            self.note_failed(link, failure);
        }
        if let Some(entry) = self.sessions.get_mut(link.session) {
            if outcome.is_err() && entry.session.is_answered(link.stream) {
                // A second connection for a request whose first was at its end.
                entry.session.reset(link.stream, ResetReason::ConnectionLost, &mut self.pool);
            } else {
                entry.session.answer(link.stream, outcome, &mut self.pool);
            }
            let transport = entry.transport;
            self.kick_transport(transport);
        }
        match outcome {
            Ok(()) => {
                self.expect_movement(key, now);
                self.flush(key, now);
            }
            Err(_) => drop(self.forget(key)),
        }
        self.note_drained(link.session);
    }

    /// Closes a socket that has ended both ways.
    pub(super) fn close_if_over(&mut self, key: SocketKey) {
        let over = self
            .sockets
            .get_mut(key)
            .and_then(Socket::proxied)
            .is_some_and(|p| p.input == Input::Ended && p.output == Output::Ended);
        if over {
            self.close_socket(key, CloseMode::Graceful);
        }
    }

    /// Closes a proxied socket at once. Its stream must have ended or be ended by the caller.
    pub(super) fn close_socket(&mut self, key: SocketKey, mode: CloseMode) {
        if self.forget(key).is_some() {
            self.actions.push_back(Action::Close { socket: key.into(), mode });
            self.check_stopped();
        }
    }

    /// Removes a proxied socket from all books.
    pub(super) fn forget(&mut self, key: SocketKey) -> Option<Socket> {
        self.clear_timer(key);
        let mut socket = self.sockets.remove(key)?;
        self.counters.closed(&socket);
        // It ended when its last byte moved.
        let moved = socket.moved;
        let told = socket.proxied().and_then(|proxied| proxied.end_story());
        self.tell_ended(told, moved);
        if let Some(site) = socket.proxied().and_then(|proxied| proxied.kept.take()) {
            self.kept.remove(&site, key);
        }
        if let Some(link) = socket.proxied().and_then(|proxied| proxied.link)
            && let Some(entry) = self.sessions.get_mut(link.session)
        {
            entry.session.drop_remains(link.stream);
        }
        self.check_stopped();
        Some(socket)
    }

    /// Ends the stream of a socket, if it has one.
    pub(super) fn unlink(&mut self, key: SocketKey, reason: ResetReason, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        proxied.unreturned = 0;
        let Some(link) = proxied.link.take() else {
            return;
        };
        let Some(entry) = self.sessions.get_mut(link.session) else {
            return;
        };
        entry.session.reset(link.stream, reason, &mut self.pool);
        let (transport, tunnel) = (entry.transport, entry.tunnel);
        self.kick_transport(transport);
        self.retry_waiting(tunnel, now);
        self.note_drained(link.session);
    }

    /// Ends the stream of a socket whose last bytes may still have to be written: they keep
    /// their credit until then.
    pub(super) fn retire_stream(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        if !proxied.has_output() {
            return self.unlink(key, ResetReason::Cancelled, now);
        }
        let Some(link) = proxied.link else { return };
        let Some(entry) = self.sessions.get_mut(link.session) else { return };
        entry.session.retire(link.stream, ResetReason::Cancelled, &mut self.pool);
        let (transport, tunnel) = (entry.transport, entry.tunnel);
        self.kick_transport(transport);
        self.retry_waiting(tunnel, now);
        self.note_drained(link.session);
    }

    /// The socket failed: so did its stream.
    pub(super) fn socket_failed(&mut self, key: SocketKey, now: Time) {
        self.leave_cache(key, now);
        self.unlink(key, ResetReason::ConnectionLost, now);
        self.close_socket(key, CloseMode::Abort);
    }

    /// The socket takes no more bytes. A site that breaks an upload off has often said why:
    /// the answer to an exchange is read to its end.
    pub(super) fn write_failed(&mut self, key: SocketKey, now: Time) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let connected = socket.peer.is_some();
        let Some(proxied) = socket.proxied() else { return };
        if !connected || proxied.kind == StreamKind::Connect || proxied.input != Input::Open {
            return self.socket_failed(key, now);
        }
        proxied.output = Output::Failed;
        proxied.spill = VecDeque::new();
        proxied.lent = None;
        // How it ended shows in a read.
        if let Some(tls) = &mut proxied.tls {
            tls.write_failed();
            return self.queue_read(key);
        }
        socket.can_read = true;
        self.offer_source(key);
    }

    fn stream_finished(&mut self, key: SocketKey, plaintext: &[u8], now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        if let Some(fetch) = proxied.http().and_then(|http| http.carried()) {
            self.fetch_ended(fetch, plaintext, now);
        } else if proxied.http.is_some() {
            self.answer_ended(key, plaintext, now);
        } else if proxied.is_exchange() {
            self.upload_ended(key, now);
        } else if proxied.output == Output::Open {
            proxied.output = Output::EndWanted;
            self.flush(key, now);
        }
    }

    fn stream_reset(&mut self, key: SocketKey, reason: ResetReason, plaintext: &[u8], now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        proxied.link = None;
        if let Some(story) = &mut proxied.story {
            story.without_answer(CANCELLED);
        }
        if proxied.http.is_some() {
            self.end_exchange(key, Failure::Reset(reason), plaintext, now);
        } else {
            let mode = proxied.on_reset();
            self.close_socket(key, mode);
        }
    }

    /// The session of this socket's stream has ended.
    pub(super) fn session_lost(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        proxied.link = None;
        if proxied.http.is_some() {
            self.end_exchange(key, Failure::SessionLost, &[], now);
        } else {
            self.close_socket(key, CloseMode::Abort);
        }
    }

    /// Tells the session of a socket that it may be read, or that bytes for its stream wait here.
    pub(super) fn offer_source(&mut self, key: SocketKey) {
        let Some(socket) = self.sockets.get_mut(key) else {
            return;
        };
        let can_read = socket.can_read;
        let Some(proxied) = socket.proxied() else {
            return;
        };
        let waiting =
            !proxied.ahead.is_empty() || proxied.http.as_ref().is_some_and(|h| h.has_body());
        let reads = can_read && proxied.input == Input::Open;
        let Some(link) = proxied.link else { return };
        let Some(entry) = self.sessions.get_mut(link.session) else {
            return;
        };
        if waiting || reads {
            entry.session.source_ready(link.stream);
            self.queue_sources(link.session);
        }
    }

    /// Finds the next socket of this session to read. Bytes that wait already are sent on the way.
    pub(super) fn next_source(&mut self, session: SessionKey, now: Time) -> Source {
        loop {
            let Leave::Granted(most) = self.leave_to_read(session, now) else {
                return Source::HeldBack;
            };
            let Some(entry) = self.sessions.get_mut(session) else { return Source::Dry };
            let Some((stream, max)) = entry.session.next_source() else { return Source::Dry };
            let max = max.min(most);
            let Some(key) = entry.session.owner(stream).map(SocketKey::from) else {
                entry.session.source_dry(stream);
                continue;
            };
            if self.send_waiting(key, session, stream, now) == Sent::Some {
                continue;
            }
            let Some(socket) = self.sockets.get_mut(key) else {
                continue;
            };
            let can_read = socket.can_read;
            let proxied = socket.proxied();
            let into = match proxied {
                Some(p) if can_read && p.input == Input::Open && p.ahead.is_empty() => {
                    match (&p.http, &p.exchange) {
                        (None, None) => Some(Place::Ring { session, stream, max }),
                        (None, Some(exchange)) => exchange.place(session, stream, max),
                        (Some(http), _) if http.takes_body() => Some(Place::Scratch { max }),
                        (Some(_), _) => None,
                    }
                }
                _ => None,
            };
            let is_secure = self.sockets.get(key).is_some_and(Socket::is_secure);
            match into {
                Some(into) if is_secure => self.read_decrypted(key, into, now),
                Some(into) => {
                    self.reading = Some((key, into));
                    return Source::Read(key);
                }
                None => {
                    if let Some(entry) = self.sessions.get_mut(session) {
                        entry.session.source_dry(stream);
                    }
                }
            }
        }
    }

    /// Sends bytes that were read before there was credit for them.
    fn send_waiting(
        &mut self,
        key: SocketKey,
        session: SessionKey,
        stream: StreamKey,
        now: Time,
    ) -> Sent {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            if let Some(entry) = self.sessions.get_mut(session) {
                entry.session.source_dry(stream);
            }
            return Sent::Nothing;
        };
        if !proxied.ahead.is_empty() {
            let Some(entry) = self.sessions.get_mut(session) else {
                return Sent::Nothing;
            };
            let n = entry.session.send(stream, &proxied.ahead, &mut self.pool);
            drop(proxied.ahead.split_to(n));
            let transport = entry.transport;
            self.kick_transport(transport);
            return if n > 0 { Sent::Some } else { Sent::Nothing };
        }
        if proxied.http.as_ref().is_some_and(|http| http.has_body()) {
            return self.send_kept_body(key, now);
        }
        Sent::Nothing
    }

    /// The outcome of reading a relayed socket into the ring.
    pub(super) fn relay_read(
        &mut self,
        key: SocketKey,
        session: SessionKey,
        stream: StreamKey,
        outcome: Read,
        now: Time,
    ) {
        let n = match outcome {
            Read::Bytes(n) | Read::Drained(n) => n,
            Read::WouldBlock | Read::End | Read::Failed => 0,
        };
        self.count_read(key, n, now);
        let judged = self.judge_in_ring(key, session, stream, n, now);
        let (read, n) = (n, judged.map_or(n, |judged| judged.goes()));
        let Some(entry) = self.sessions.get_mut(session) else {
            return;
        };
        if n > 0
            && let Some(socket) = self.sockets.get_mut(key)
        {
            socket.moved = now;
        }
        let committed = entry.session.commit(stream, n, &mut self.pool);
        let transport = entry.transport;
        match outcome {
            Read::Bytes(_) => {}
            Read::Drained(_) | Read::WouldBlock | Read::End | Read::Failed => {
                entry.session.source_dry(stream);
            }
        }
        if committed.is_err() && n > 0 {
            // The bytes are lost, so the stream cannot go on.
            self.socket_failed(key, now);
            return;
        }
        self.kick_transport(transport);
        if let Some(judged) = judged {
            return self.after_ring_read(key, judged, read, outcome, now);
        }
        match outcome {
            Read::Bytes(_) | Read::Drained(_) | Read::WouldBlock => {}
            Read::End => self.input_ended(key, now),
            Read::Failed => self.socket_failed(key, now),
        }
    }

    /// The socket of a relayed stream will bring no more bytes.
    pub(super) fn input_ended(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return;
        };
        proxied.input = Input::Ended;
        if let Some(link) = proxied.link
            && let Some(entry) = self.sessions.get_mut(link.session)
        {
            entry.session.finish(link.stream, &mut self.pool);
            let (transport, tunnel) = (entry.transport, entry.tunnel);
            self.kick_transport(transport);
            self.retry_waiting(tunnel, now);
            self.note_drained(link.session);
        }
        if self.output_of(key) == Some(Output::Failed) {
            // What there was to read went before the reset, in order.
            return self.socket_failed(key, now);
        }
        self.close_if_over(key);
    }

    fn output_of(&mut self, key: SocketKey) -> Option<Output> {
        self.sockets.get_mut(key).and_then(Socket::proxied).map(|proxied| proxied.output)
    }

    pub(super) fn proxied_timeout(&mut self, key: SocketKey, reason: DeadlineReason, now: Time) {
        match reason {
            DeadlineReason::Linger => self.close_socket(key, CloseMode::Graceful),
            DeadlineReason::Idle => self.idle_timeout(key, now),
            DeadlineReason::Collapse => self.collapse_timeout(key, now),
            DeadlineReason::Way | DeadlineReason::Upstream | DeadlineReason::Redial => {
                self.hop_timeout(key, reason, now);
            }
            DeadlineReason::Peek => self.peek_timeout(key, now),
            DeadlineReason::TlsHandshake => self.secure_timeout(key, now),
            DeadlineReason::Answer => self.answer_timeout(key, now),
            DeadlineReason::Kept => self.close_socket(key, CloseMode::Graceful),
            _ => self.http_timeout(key, reason, now),
        }
    }

    /// The span in which a byte must move has passed since the timer was set.
    fn idle_timeout(&mut self, key: SocketKey, now: Time) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let deadline = socket.moved.after(self.config.idle_timeout);
        if deadline > now {
            return self.set_timer(key, deadline, DeadlineReason::Idle);
        }
        self.leave_cache(key, now);
        self.unlink(key, ResetReason::TimedOut, now);
        if self.http(key).is_some_and(|http| http.front.phase() == Phase::Exchange) {
            self.end_exchange(key, Failure::Reset(ResetReason::TimedOut), &[], now);
        } else {
            self.close_socket(key, CloseMode::Abort);
        }
    }
}

/// What a session's turn of reading has come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// This socket is to be read.
    Read(SocketKey),
    /// There is nothing to read, or it has to wait for the transport.
    Dry,
    /// A limit of bytes a second is reached; it comes back by itself.
    HeldBack,
}

/// Whether waiting bytes were sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    Some,
    Nothing,
}
