//! The egress: from a stream's OPEN to its OPENED, by whatever ways the office has.
//!
//! ```text
//! OPEN ─▶ judged ─▶ Asking ─▶ Dialling ─▶ Head ─▶ Shaking ─▶ OPENED
//!            │         │          └─────────┴────────┴── the next way, or OPEN_FAILED
//!            └─────────┴─▶ OPEN_FAILED
//! ```
//!
//! Until the way is open the socket counts as not connected for everybody else: what comes on the
//! stream is kept, and nothing is read for it. What is said to a proxy meanwhile is this file's.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::Range;
use core::time::Duration;

use super::http::ANSWER_SLACK;
use super::socket::{Link, Output, Proxied, Role, Socket, SocketKey};
use super::{Core, MAX_EVENTS};
use crate::contract::{
    Action, AddressGuard, CloseMode, DialFailure, Event, Read, SocketClass, StreamKind, Target,
    TunnelId, Write,
};
use crate::egress::{MAX_WAYS, Route, Way};
use crate::http1::{HeadSearch, Limits};
use crate::kgp::frame::Open;
use crate::upstream::{Forward, Handshake, Progress, forward};
use crate::{DeadlineReason, Time};

/// How long the embedder may take to name the ways.
const CHOICE_TIMEOUT: Duration = Duration::from_secs(20);
/// Most bytes read at once from a proxy that still answers.
const ANSWER_READ: usize = 4 * 1024;
/// The server writes heads anew: what it adds to the largest that it takes, in bytes and fields.
const HEAD_GROWTH: usize = 1024;
const MORE_FIELDS: usize = 8;

/// A stream that is not open yet.
#[derive(Debug)]
pub(super) struct Outgoing {
    target: Target,
    /// Not tried yet, but for the first, which is being tried.
    ways: VecDeque<Way>,
    /// When all of it must be done.
    until: Time,
    stage: Stage,
    /// Whom the hop is connected to.
    peer: Option<SocketAddr>,
    can_read: bool,
    can_write: bool,
}

#[derive(Debug)]
enum Stage {
    /// The embedder names the ways.
    Asking,
    /// The driver connects.
    Dialling,
    /// The proxy gets the request once its head is here.
    Head(HeadSearch),
    /// The proxy is asked for the site.
    Shaking(Box<Handshake>),
}

impl Outgoing {
    /// Whether the driver has a connection for it.
    pub(super) fn is_connected(&self) -> bool {
        self.peer.is_some()
    }

    /// Whether something may be written to the proxy.
    pub(super) fn may_write(&self) -> bool {
        self.can_write && !self.to_send().is_empty()
    }

    /// How much is to be read from the proxy.
    pub(super) fn wanted(&self) -> Option<usize> {
        (self.can_read && matches!(self.stage, Stage::Shaking(_))).then_some(ANSWER_READ)
    }

    /// What is to be written to the proxy.
    pub(super) fn to_send(&self) -> &[u8] {
        match &self.stage {
            Stage::Shaking(shake) => shake.to_send(),
            Stage::Asking | Stage::Dialling | Stage::Head(_) => &[],
        }
    }

    /// Bytes held here.
    pub(super) fn held(&self) -> usize {
        match &self.stage {
            Stage::Shaking(shake) => shake.held(),
            Stage::Asking | Stage::Dialling | Stage::Head(_) => 0,
        }
    }

    /// What a failed dial says, on the way that is being tried.
    fn failure(&self, dial: DialFailure) -> DialFailure {
        match (self.ways.front(), dial) {
            (None | Some(Way::Direct), _) | (_, DialFailure::Resources) => dial,
            (Some(Way::Http(_) | Way::Socks5(_)), _) => DialFailure::ProxyUnreachable,
        }
    }
}

impl Core {
    /// The longest that a client takes to answer an OPEN, and some more for the way.
    pub(super) fn answer_limit(&self) -> Duration {
        self.config.dial_timeout + self.config.upstream_timeout + ANSWER_SLACK
    }

    /// The peer opened a stream: its target is judged and dialled.
    pub(super) fn begin_egress(&mut self, link: Link, tunnel: TunnelId, open: Open, now: Time) {
        self.counters.streams += 1;
        self.counters.dials += 1;
        let Some(entry) = self.sessions.get_mut(link.session) else { return };
        let route = match self.config.egress.route(&open.target.host) {
            Ok(Route::Asked) if self.events.len() >= MAX_EVENTS => Err(DialFailure::Resources),
            // TLS to sites is not spoken here yet, and an exchange must never go out in the clear.
            Ok(_) if open.kind == StreamKind::Https => Err(DialFailure::Tls),
            judged => judged,
        };
        let route = match route {
            Ok(route) => route,
            Err(failure) => {
                self.counters.dial_failures.count(failure);
                entry.session.answer(link.stream, Err(failure), &mut self.pool);
                return self.note_drained(link.session);
            }
        };
        let mut proxied = Proxied::new(tunnel, Some(link), None);
        proxied.kind = open.kind;
        proxied.outgoing = Some(Box::new(Outgoing {
            target: open.target,
            ways: VecDeque::new(),
            until: now.after(self.config.dial_timeout).after(self.config.upstream_timeout),
            stage: Stage::Asking,
            peer: None,
            can_read: false,
            can_write: false,
        }));
        let key = self.sockets.insert(Socket::new(Role::Proxied(proxied), None));
        if let Some(entry) = self.sessions.get_mut(link.session) {
            entry.session.set_owner(link.stream, key.into());
        }
        match route {
            Route::Known(ways) => self.take_ways(key, ways.iter().cloned(), now),
            Route::Asked => self.ask_way(key, now),
        }
    }

    fn ask_way(&mut self, key: SocketKey, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let kind = proxied.kind;
        let Some(outgoing) = &proxied.outgoing else { return };
        let target = outgoing.target.clone();
        self.events.push_back(Event::WayWanted { socket: key.into(), kind, target });
        self.set_timer(key, now.after(CHOICE_TIMEOUT), DeadlineReason::Way);
    }

    /// The embedder names the ways; none is a failure. Late answers find nobody.
    pub(super) fn ways_named(&mut self, key: SocketKey, ways: Vec<Way>, now: Time) {
        if self.outgoing(key).is_some_and(|outgoing| matches!(outgoing.stage, Stage::Asking)) {
            self.clear_timer(key);
            self.take_ways(key, ways.into_iter(), now);
        }
    }

    fn take_ways(&mut self, key: SocketKey, ways: impl Iterator<Item = Way>, now: Time) {
        let Some(outgoing) = self.outgoing(key) else { return };
        outgoing.ways = ways.take(MAX_WAYS).collect();
        if outgoing.ways.is_empty() {
            return self.way_failed(key, DialFailure::NoWay, now);
        }
        self.dial_way(key, now);
    }

    /// Dials the first of the ways that are left.
    fn dial_way(&mut self, key: SocketKey, now: Time) {
        let deadline = now.after(self.config.dial_timeout);
        let site_guard = self.site_guard(key);
        let Some(outgoing) = self.outgoing(key) else { return };
        outgoing.stage = Stage::Dialling;
        let (target, guard) = match outgoing.ways.front().and_then(Way::proxy) {
            Some(proxy) => (proxy.address.clone(), AddressGuard::Anywhere),
            None => (outgoing.target.clone(), site_guard),
        };
        let deadline = deadline.min(outgoing.until);
        let (socket, class) = (key.into(), SocketClass::Proxied);
        self.actions.push_back(Action::Dial { socket, target, class, guard, deadline });
    }

    /// Where the stream of a socket may lead.
    fn site_guard(&mut self, key: SocketKey) -> AddressGuard {
        let link = self.sockets.get_mut(key).and_then(Socket::proxied).and_then(|p| p.link);
        link.map_or(AddressGuard::Anywhere, |link| self.guard_of(link.session))
    }

    /// The driver has connected the hop. One that did not look where it leads is put right here.
    pub(super) fn hop_connected(&mut self, key: SocketKey, peer: SocketAddr, now: Time) {
        let limit = now.after(self.config.upstream_timeout);
        let limits = self.head_limits();
        let permitted = self.site_guard(key).permits(peer.ip());
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let kind = proxied.kind;
        let Some(outgoing) = &mut proxied.outgoing else { return };
        outgoing.peer = Some(peer);
        outgoing.can_write = true;
        outgoing.stage = match outgoing.ways.front() {
            None | Some(Way::Direct) if !permitted => {
                return self.give_up(key, DialFailure::Denied, now);
            }
            None | Some(Way::Direct) => return self.way_open(key, Vec::new(), now),
            Some(Way::Http(_)) if kind == StreamKind::Http => Stage::Head(HeadSearch::new()),
            Some(way) => match Handshake::begin(way, &outgoing.target) {
                Some(shake) => Stage::Shaking(Box::new(shake)),
                None => return self.way_open(key, Vec::new(), now),
            },
        };
        let deadline = limit.min(outgoing.until);
        self.set_timer(key, deadline, DeadlineReason::Upstream);
        self.look_at_head(key, limits, now);
        self.queue_write(key);
    }

    /// The dial of the hop has failed; the socket's id is dead for the driver.
    pub(super) fn hop_dial_failed(&mut self, key: SocketKey, failure: DialFailure, now: Time) {
        let Some(outgoing) = self.outgoing(key) else { return };
        let failure = outgoing.failure(failure);
        self.way_failed(key, failure, now);
    }

    /// Bytes for the site, which is not reached yet.
    pub(super) fn take_early_payload(
        &mut self,
        key: SocketKey,
        plaintext: &[u8],
        range: Range<usize>,
        now: Time,
    ) {
        let limits = self.head_limits();
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let n = range.len() as u64;
        if let Some(bytes) = plaintext.get(range) {
            proxied.spill.extend(bytes);
        }
        let Some(outgoing) = &proxied.outgoing else { return };
        // A head larger than the stream's first window comes only if there is more credit.
        let by_head = matches!(outgoing.ways.front(), Some(Way::Http(_)));
        let waits_for_head = by_head && proxied.kind == StreamKind::Http;
        match proxied.link {
            Some(link) if waits_for_head && proxied.spill.len() <= limits.max_head => {
                if let Some(entry) = self.sessions.get_mut(link.session) {
                    entry.session.consumed(link.stream, n, now);
                    entry.session.announce(link.stream);
                    let transport = entry.transport;
                    self.kick_transport(transport);
                }
            }
            _ => proxied.unreturned += n,
        }
        self.look_at_head(key, limits, now);
    }

    fn head_limits(&self) -> Limits {
        let http = self.config.http;
        Limits {
            max_head: http.max_head.saturating_add(HEAD_GROWTH),
            max_start_line: http.max_start_line,
            max_headers: http.max_headers.saturating_add(MORE_FIELDS),
        }
    }

    /// Sends a request to an HTTP proxy once its head is whole.
    fn look_at_head(&mut self, key: SocketKey, limits: Limits, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let Some(outgoing) = &mut proxied.outgoing else { return };
        let Stage::Head(search) = &mut outgoing.stage else { return };
        let bytes = &*proxied.spill.make_contiguous();
        let end = match search.advance(bytes, &limits) {
            Ok(Some(span)) => span.end,
            Ok(None) if proxied.output == Output::Open => return,
            Ok(None) | Err(_) => return self.give_up(key, DialFailure::Other, now),
        };
        let way = outgoing.ways.front();
        let Some((way, proxy)) = way.and_then(|way| Some((way, way.proxy()?))) else { return };
        let head = bytes.get(..end).unwrap_or_default();
        match forward(head, &outgoing.target, proxy) {
            Some(Forward::Absolute(absolute)) => {
                let rest = proxied.spill.split_off(end);
                proxied.spill = absolute.into_iter().chain(rest).collect();
                self.way_open(key, Vec::new(), now);
            }
            Some(Forward::Tunnel) => {
                if let Some(shake) = Handshake::begin(way, &outgoing.target) {
                    outgoing.stage = Stage::Shaking(Box::new(shake));
                }
                self.queue_write(key);
                self.queue_read(key);
            }
            None => self.give_up(key, DialFailure::Other, now),
        }
    }

    /// The hop may have something to read.
    pub(super) fn hop_readable(&mut self, key: SocketKey) {
        if let Some(outgoing) = self.outgoing(key)
            && outgoing.is_connected()
        {
            outgoing.can_read = true;
            self.queue_read(key);
        }
    }

    /// The hop may take bytes.
    pub(super) fn hop_writable(&mut self, key: SocketKey) {
        if let Some(outgoing) = self.outgoing(key)
            && outgoing.is_connected()
        {
            outgoing.can_write = true;
            self.queue_write(key);
        }
    }

    /// The outcome of reading what a proxy says, in the scratch buffer.
    pub(super) fn hop_read(&mut self, key: SocketKey, outcome: Read, now: Time) {
        let n = match outcome {
            Read::Bytes(n) | Read::Drained(n) => n,
            Read::WouldBlock | Read::End | Read::Failed => 0,
        };
        let bytes = self.scratch.get(..n).unwrap_or_default().to_vec();
        let Some(outgoing) = self.outgoing(key) else { return };
        outgoing.can_read = matches!(outcome, Read::Bytes(_));
        let Stage::Shaking(shake) = &mut outgoing.stage else { return };
        match (shake.receive(&bytes), outcome) {
            (Ok(Progress::Done(rest)), _) => self.way_open(key, rest, now),
            (Ok(Progress::Pending), Read::End | Read::Failed) => {
                self.way_failed(key, DialFailure::ProxyProtocol, now);
            }
            (Ok(Progress::Pending), _) => {
                self.queue_write(key);
                self.queue_read(key);
            }
            (Err(failure), _) => self.way_failed(key, failure, now),
        }
    }

    /// The outcome of writing to a proxy.
    pub(super) fn hop_written(&mut self, key: SocketKey, outcome: Write, now: Time) {
        let Some(outgoing) = self.outgoing(key) else { return };
        outgoing.can_write = matches!(outcome, Write::Bytes(_));
        if let (Stage::Shaking(shake), Write::Bytes(n) | Write::Blocked(n)) =
            (&mut outgoing.stage, outcome)
        {
            shake.sent(n);
        }
        match outcome {
            Write::Bytes(_) | Write::Blocked(_) => self.queue_write(key),
            Write::Failed => self.way_failed(key, DialFailure::ProxyProtocol, now),
        }
    }

    /// A deadline before OPENED has passed.
    pub(super) fn hop_timeout(&mut self, key: SocketKey, now: Time) {
        let Some(outgoing) = self.outgoing(key) else { return };
        let failure = match outgoing.stage {
            Stage::Asking => DialFailure::NoWay,
            Stage::Dialling | Stage::Head(_) | Stage::Shaking(_) => DialFailure::ProxyTimedOut,
        };
        self.way_failed(key, failure, now);
    }

    /// The site's bytes begin; `rest` are the first of them.
    fn way_open(&mut self, key: SocketKey, rest: Vec<u8>, now: Time) {
        self.clear_timer(key);
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let Some(outgoing) = socket.proxied().and_then(|proxied| proxied.outgoing.take()) else {
            return;
        };
        socket.peer = outgoing.peer;
        (socket.can_read, socket.can_write) = (outgoing.can_read, outgoing.can_write);
        if let Some(proxied) = socket.proxied() {
            proxied.send_later(rest);
        }
        self.target_dialled(key, Ok(()), now);
        self.offer_source(key);
    }

    /// A way came to nothing: the next is tried, unless a proxy's rule has decided.
    fn way_failed(&mut self, key: SocketKey, failure: DialFailure, now: Time) {
        let Some(outgoing) = self.outgoing(key) else { return };
        outgoing.ways.pop_front();
        let may_go_on = failure != DialFailure::ProxyDenied && now < outgoing.until;
        if outgoing.ways.is_empty() || !may_go_on {
            return self.give_up(key, failure, now);
        }
        log::debug!("{key:?}: a way failed: {failure}");
        match self.move_on(key) {
            Some(key) => self.dial_way(key, now),
            None => self.give_up(key, failure, now),
        }
    }

    /// Puts the stream on a socket of another id: the driver knows the old one as used up.
    fn move_on(&mut self, key: SocketKey) -> Option<SocketKey> {
        let link = self.sockets.get_mut(key)?.proxied()?.link?;
        self.clear_timer(key);
        let socket = self.sockets.remove(key)?;
        self.counters.closed(&socket);
        let Role::Proxied(mut proxied) = socket.role else { return None };
        if let Some(outgoing) = &mut proxied.outgoing {
            (outgoing.can_read, outgoing.can_write) = (false, false);
            if outgoing.peer.take().is_some() {
                let mode = CloseMode::Graceful;
                self.actions.push_back(Action::Close { socket: key.into(), mode });
            }
        }
        let key = self.sockets.insert(Socket::new(Role::Proxied(proxied), None));
        if let Some(entry) = self.sessions.get_mut(link.session) {
            entry.session.set_owner(link.stream, key.into());
        }
        Some(key)
    }

    /// There is no way: the peer is told.
    fn give_up(&mut self, key: SocketKey, failure: DialFailure, now: Time) {
        let is_connected = self.outgoing(key).is_some_and(|outgoing| outgoing.is_connected());
        self.counters.dial_failures.count(failure);
        self.target_dialled(key, Err(failure), now);
        if is_connected {
            let mode = match failure {
                DialFailure::Denied => CloseMode::Abort,
                _ => CloseMode::Graceful,
            };
            self.actions.push_back(Action::Close { socket: key.into(), mode });
        }
    }

    fn outgoing(&mut self, key: SocketKey) -> Option<&mut Outgoing> {
        self.sockets.get_mut(key)?.proxied()?.outgoing.as_deref_mut()
    }
}
