//! HTTP with a site: one exchange after the other on its connection.
//!
//! [`Back`] knows HTTP; this file carries its bytes and does what it says. The request's body goes
//! to the site from where it was decrypted; the answer's body is read into the ring, and looked at
//! there if it is chunked.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::ops::Range;

use bytes::Bytes;

use super::egress::Outgoing;
use super::kept::{Site, is_clean};
use super::socket::{Input, Output, Proxied, Role, Socket, SocketKey};
use super::story::LATE;
use super::{Core, Place, SessionKey};
use crate::contract::{CloseMode, DialFailure, Read, ResetReason, StreamKind};
use crate::egress::Way;
use crate::http1::Persistence;
use crate::http1::back::{Back, Binds, Next, Outbound, Reading, SiteEnd, Taken};
use crate::kgp::StreamKey;
use crate::upstream::{Forward, forward};
use crate::{DeadlineReason, Time};

/// An exchange, from its request's head on.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) back: Back,
    binds: Binds,
    /// The head for the site, in origin form.
    head: Bytes,
    /// What its connection leads to, once that is known.
    site: Option<Site>,
    connection: Connection,
}

/// What connection an exchange has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Connection {
    /// One of its own.
    Fresh,
    /// One that had another exchange before, and may have died since.
    Reused,
}

/// How far a read has brought the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    Goes(Taken),
    TooLarge,
}

impl Exchange {
    pub(super) fn new(outbound: Outbound) -> Self {
        Self {
            back: Back::new(&outbound),
            binds: outbound.binds,
            head: outbound.head,
            site: None,
            connection: Connection::Fresh,
        }
    }

    /// Where the answer is to be read to.
    pub(super) fn place(
        &self,
        session: SessionKey,
        stream: StreamKey,
        max: usize,
    ) -> Option<Place> {
        let ring = |max| Some(Place::Ring { session, stream, max });
        match self.back.reading() {
            Reading::Head => Some(Place::Scratch { max }),
            Reading::Up(left) => ring(usize::try_from(left).map_or(max, |left| left.min(max))),
            Reading::All | Reading::Scanned => ring(max),
            Reading::Nothing => None,
        }
    }

    /// Whether the request may go by a connection that had another one before.
    fn may_share(&self) -> bool {
        self.binds == Binds::No && !self.back.asks_upgrade()
    }

    /// Bytes held here.
    pub(super) fn held(&self) -> usize {
        self.head.len()
    }
}

impl Core {
    /// Has a request take a connection that waits for one, if there is. Says whether it has.
    pub(super) fn reuse(&mut self, key: SocketKey, way: Option<&Way>, now: Time) -> Reused {
        if self.kept.len() == 0 {
            return Reused::No;
        }
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return Reused::No;
        };
        let (Some(exchange), Some(outgoing), Some(way)) =
            (&proxied.exchange, &proxied.outgoing, way)
        else {
            return Reused::No;
        };
        if !exchange.may_share() {
            return Reused::No;
        }
        let (target, kind) = (outgoing.target().clone(), proxied.kind);
        let is_idempotent = exchange.back.is_idempotent();
        let site = Site { way: way.clone(), kind, target };
        match self.take_kept(&site, is_idempotent, now) {
            Some(kept) => {
                self.change_over(key, kept, site, now);
                Reused::Yes
            }
            None => Reused::No,
        }
    }

    /// Puts the stream of a socket that was never dialled on one that is connected.
    fn change_over(&mut self, key: SocketKey, kept: SocketKey, site: Site, now: Time) {
        self.clear_timer(key);
        let Some(socket) = self.sockets.remove(key) else { return };
        let Role::Proxied(mut proxied) = socket.role else { return };
        proxied.outgoing = None;
        if let Some(exchange) = &mut proxied.exchange {
            exchange.connection = Connection::Reused;
            exchange.site = Some(site);
        }
        if let Some(link) = proxied.link
            && let Some(entry) = self.sessions.get_mut(link.session)
        {
            entry.session.set_owner(link.stream, kept.into());
        }
        if let Some(slot) = self.sockets.get_mut(kept).and_then(Socket::proxied) {
            // TLS belongs to the connection.
            proxied.tls = slot.tls.take();
            *slot = proxied;
        }
        self.counters.reused += 1;
        self.begin_exchange(kept, now);
        self.target_dialled(kept, Ok(()), now);
        self.time_answer(kept, now);
    }

    /// A connection of its own leads to the site by this way.
    pub(super) fn exchange_by(&mut self, key: SocketKey, outgoing: &Outgoing, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let kind = proxied.kind;
        let Some(exchange) = &mut proxied.exchange else { return };
        let way = outgoing.way().cloned().unwrap_or(Way::Direct);
        exchange.connection = Connection::Fresh;
        exchange.site = Some(Site { way, kind, target: outgoing.target().clone() });
        self.begin_exchange(key, now);
    }

    /// Puts the head before the bytes for the site, and looks at those that came early.
    fn begin_exchange(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let Some(exchange) = &proxied.exchange else { return };
        let head = match &exchange.site {
            Some(Site {
                way: Way::Http(proxy) | Way::Https(proxy),
                kind: StreamKind::Http,
                target,
            }) => match forward(&exchange.head, target, proxy) {
                Some(Forward::Absolute(head)) => Bytes::from(head),
                Some(Forward::Tunnel) | None => exchange.head.clone(),
            },
            _ => exchange.head.clone(),
        };
        let mut early = core::mem::take(&mut proxied.spill);
        proxied.spill.extend(head);
        if !early.is_empty() {
            let early = early.make_contiguous();
            self.upload(key, early, 0..early.len(), Keep::Copied, now);
        }
    }

    /// Bytes of the request's body, at `range` of `plaintext`, which is lent out.
    pub(super) fn take_upload(
        &mut self,
        key: SocketKey,
        plaintext: &[u8],
        range: Range<usize>,
        now: Time,
    ) {
        self.upload(key, plaintext, range, Keep::Lent, now);
        self.time_answer(key, now);
    }

    fn upload(&mut self, key: SocketKey, bytes: &[u8], range: Range<usize>, keep: Keep, now: Time) {
        let mut at = range.start;
        while at < range.end {
            let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
            let Some(exchange) = &mut proxied.exchange else { return };
            let rest = bytes.get(at..range.end).unwrap_or_default();
            let progress = match exchange.back.from_stream(rest) {
                Ok(progress) if progress.consumed > 0 => progress,
                // More than the request, or not what its framing says.
                Ok(_) | Err(_) => {
                    log::debug!("{key:?}: the request's body breaks the rules of its framing");
                    self.unlink(key, ResetReason::Protocol, now);
                    return self.close_socket(key, CloseMode::Abort);
                }
            };
            let forward = at + progress.forward.start..at + progress.forward.end;
            at += progress.consumed;
            if let (Some(story), Some(part)) = (&mut proxied.story, bytes.get(forward.clone())) {
                story.sent(part);
            }
            match keep {
                _ if forward.is_empty() => {}
                Keep::Lent => self.pass_on(key, bytes, forward),
                Keep::Copied => self.push_bytes(key, bytes.get(forward).unwrap_or_default(), &[]),
            }
        }
    }

    /// The outcome of reading the head of an answer, and what follows it, into the scratch buffer.
    pub(super) fn site_read(&mut self, key: SocketKey, outcome: Read, now: Time) {
        let n = match outcome {
            Read::Bytes(n) | Read::Drained(n) => n.min(self.scratch.len()),
            Read::WouldBlock | Read::End | Read::Failed => 0,
        };
        self.count_read(key, n, now);
        let link = self.sockets.get_mut(key).and_then(Socket::proxied).and_then(|p| p.link);
        let scratch = core::mem::take(&mut self.scratch);
        let bytes = scratch.get(..n).unwrap_or_default();
        let judged = self.judge_answer(key, bytes, now);
        if let (Some(Judged::Goes(taken)), Some(link)) = (judged, link)
            && let Some(entry) = self.sessions.get_mut(link.session)
        {
            let answer = bytes.get(..taken.bytes).unwrap_or_default();
            let sent = entry.session.send(link.stream, answer, &mut self.pool);
            if !matches!(outcome, Read::Bytes(_)) {
                entry.session.source_dry(link.stream);
            }
            let transport = entry.transport;
            let rest = answer.get(sent..).unwrap_or_default().to_vec();
            if let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) {
                proxied.send_later(rest);
            }
            self.kick_transport(transport);
        }
        self.scratch = scratch;
        self.after_read(key, judged, n, outcome, now);
    }

    /// Looks at bytes of the answer that were read into the ring; says how many are to be sent on.
    /// `None`: no exchange is looked at on this socket.
    pub(super) fn judge_in_ring(
        &mut self,
        key: SocketKey,
        session: SessionKey,
        stream: StreamKey,
        n: usize,
        now: Time,
    ) -> Option<InRing> {
        self.sockets.get_mut(key)?.proxied()?.exchange.as_ref()?;
        let Self { sessions, sockets, config, .. } = self;
        let bytes = sessions.get(session)?.session.reserved(stream, n);
        let proxied = sockets.get_mut(key)?.proxied()?;
        let judged = proxied.exchange.as_deref_mut()?.judge(bytes, config);
        proxied.hear_answer(bytes, judged);
        if n > 0 {
            self.note_answer(key, now);
        }
        Some(InRing { judged })
    }

    fn judge_answer(&mut self, key: SocketKey, bytes: &[u8], now: Time) -> Option<Judged> {
        let Self { sockets, config, .. } = self;
        let socket = sockets.get_mut(key)?;
        if !bytes.is_empty() {
            socket.moved = now;
        }
        let proxied = socket.proxied()?;
        let judged = proxied.exchange.as_deref_mut()?.judge(bytes, config);
        proxied.hear_answer(bytes, judged);
        if !bytes.is_empty() {
            self.note_answer(key, now);
        }
        Some(judged)
    }

    /// Goes on after a read whose bytes are on their way.
    pub(super) fn after_ring_read(
        &mut self,
        key: SocketKey,
        in_ring: InRing,
        n: usize,
        outcome: Read,
        now: Time,
    ) {
        self.after_read(key, Some(in_ring.judged), n, outcome, now);
    }

    fn after_read(
        &mut self,
        key: SocketKey,
        judged: Option<Judged>,
        n: usize,
        outcome: Read,
        now: Time,
    ) {
        match judged {
            None => {}
            Some(Judged::TooLarge) => {
                self.unlink(key, ResetReason::AnswerTooLarge, now);
                return self.close_socket(key, CloseMode::Abort);
            }
            Some(Judged::Goes(Taken { next: Next::Raw, .. })) => self.leave_http(key, now),
            Some(Judged::Goes(Taken { bytes, next: Next::Ended(site) })) => {
                let site = if n > bytes { Persistence::Close } else { site };
                return self.exchange_over(key, site, now);
            }
            Some(Judged::Goes(Taken { next: Next::More, .. })) => {}
        }
        match outcome {
            Read::Bytes(_) | Read::Drained(_) | Read::WouldBlock => self.offer_source(key),
            Read::End => self.site_ended(key, now),
            Read::Failed => self.site_failed(key, now),
        }
    }

    /// The site sends no more.
    fn site_ended(&mut self, key: SocketKey, now: Time) {
        if self.may_repeat(key) {
            return self.repeat(key, now);
        }
        self.input_ended(key, now);
    }

    /// The connection to the site is lost.
    pub(super) fn site_failed(&mut self, key: SocketKey, now: Time) {
        if self.may_repeat(key) {
            return self.repeat(key, now);
        }
        self.socket_failed(key, now);
    }

    /// Whether a request that got no answer is to be sent once more: on a connection that was used
    /// before its end may have been on the way already.
    fn may_repeat(&mut self, key: SocketKey) -> bool {
        let proxied = self.sockets.get_mut(key).and_then(Socket::proxied);
        proxied.and_then(|proxied| proxied.exchange.as_deref()).is_some_and(|exchange| {
            exchange.connection == Connection::Reused
                && exchange.back.site_ended() == SiteEnd::Silent
                && exchange.back.may_repeat()
        })
    }

    /// Sends a request again, on a connection of its own.
    fn repeat(&mut self, key: SocketKey, now: Time) {
        self.settle();
        let until = now.after(self.config.dial_timeout).after(self.config.upstream_timeout);
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let peer = socket.peer.take();
        let Some(proxied) = socket.proxied() else { return };
        let Some(site) = proxied.exchange.as_ref().and_then(|exchange| exchange.site.clone())
        else {
            return;
        };
        proxied.spill = VecDeque::new();
        (proxied.input, proxied.output) = (Input::Open, Output::Open);
        proxied.outgoing = Some(Box::new(Outgoing::again(site.target, site.way, peer, until)));
        log::debug!("{key:?}: the connection was at its end; the request is sent once more");
        match self.move_on(key) {
            Some(key) => self.dial_way(key, now),
            None => self.give_up(key, DialFailure::Other, now),
        }
    }

    /// The answer has ended: the stream ends, the connection may carry another exchange.
    fn exchange_over(&mut self, key: SocketKey, site_says: Persistence, now: Time) {
        self.clear_timer(key);
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let told = proxied.end_story();
        let exchange = proxied.exchange.take();
        let returned = core::mem::take(&mut proxied.unreturned);
        if let Some(link) = proxied.link.take()
            && let Some(entry) = self.sessions.get_mut(link.session)
        {
            entry.session.consumed(link.stream, returned, now);
            entry.session.finish(link.stream, &mut self.pool);
            // The peer still has to end it. What it says until then is for nobody.
            entry.session.set_owner(link.stream, SocketKey::dangling().into());
            let transport = entry.transport;
            self.kick_transport(transport);
            self.note_drained(link.session);
        }
        self.tell_ended(told, now);
        let is_clean = self.sockets.get_mut(key).is_some_and(is_clean);
        let site = exchange.and_then(|exchange| {
            let keeps = site_says == Persistence::KeepAlive
                && is_clean
                && exchange.may_share()
                && exchange.back.request_is_whole();
            exchange.site.filter(|_| keeps)
        });
        match site {
            Some(site) => self.keep_connection(key, site, now),
            None => self.close_socket(key, CloseMode::Graceful),
        }
    }

    /// The site has agreed to leave HTTP: bytes are relayed as they come.
    fn leave_http(&mut self, key: SocketKey, now: Time) {
        if let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) {
            let told = proxied.end_story();
            proxied.exchange = None;
            self.tell_ended(told, now);
        }
        self.expect_movement(key, now);
    }

    /// Once the request has gone the answer is due, if it has a limit.
    pub(super) fn time_answer(&mut self, key: SocketKey, now: Time) {
        let Some(limit) = self.config.egress.exchanges.answer_timeout else { return };
        let proxied = self.sockets.get_mut(key).and_then(Socket::proxied);
        let Some(exchange) = proxied.and_then(|proxied| proxied.exchange.as_deref()) else {
            return;
        };
        if exchange.back.request_is_whole() && exchange.back.reading() == Reading::Head {
            self.set_timer(key, now.after(limit), DeadlineReason::Answer);
        }
    }

    /// The head of the answer has come: from here on bytes have to move, no more.
    fn note_answer(&mut self, key: SocketKey, now: Time) {
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let is_timed = matches!(socket.timer, Some((_, DeadlineReason::Answer)));
        let has_head = socket
            .proxied()
            .and_then(|proxied| proxied.exchange.as_deref())
            .is_some_and(|exchange| exchange.back.status().is_some());
        if is_timed && has_head {
            self.expect_movement(key, now);
        }
    }

    /// The site has not answered in time.
    pub(super) fn answer_timeout(&mut self, key: SocketKey, now: Time) {
        let proxied = self.sockets.get_mut(key).and_then(Socket::proxied);
        if let Some(story) = proxied.and_then(|proxied| proxied.story.as_mut()) {
            story.without_answer(LATE);
        }
        self.unlink(key, ResetReason::TimedOut, now);
        self.close_socket(key, CloseMode::Abort);
    }

    /// The peer sends no more on the stream. That is not how a request ends.
    pub(super) fn upload_ended(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let is_whole = proxied.exchange.as_ref().is_some_and(|x| x.back.request_is_whole());
        match (is_whole, proxied.outgoing.is_some()) {
            (true, _) => {}
            (false, true) => self.give_up(key, DialFailure::BadRequest, now),
            (false, false) => {
                self.unlink(key, ResetReason::Protocol, now);
                self.close_socket(key, CloseMode::Abort);
            }
        }
    }
}

impl Proxied {
    /// Bytes of the answer have been judged.
    fn hear_answer(&mut self, bytes: &[u8], judged: Judged) {
        if let (Some(story), Judged::Goes(taken)) = (&mut self.story, judged) {
            story.answered(bytes.get(..taken.bytes).unwrap_or_default());
        }
    }
}

impl Exchange {
    /// Judges bytes of the answer.
    fn judge(&mut self, bytes: &[u8], config: &super::Config) -> Judged {
        let taken = self.back.from_site(bytes, &config.http);
        match config.egress.exchanges.max_answer {
            Some(most) if self.back.body_size() > most => Judged::TooLarge,
            Some(_) | None => Judged::Goes(taken),
        }
    }
}

/// What became of bytes in the ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct InRing {
    judged: Judged,
}

impl InRing {
    /// How many of them go on.
    pub(super) fn goes(&self) -> usize {
        match self.judged {
            Judged::Goes(taken) => taken.bytes,
            Judged::TooLarge => 0,
        }
    }
}

/// Whether a request has got a connection that waited for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reused {
    Yes,
    No,
}

/// How bytes for a site are kept until it takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keep {
    /// Where they were decrypted.
    Lent,
    Copied,
}
