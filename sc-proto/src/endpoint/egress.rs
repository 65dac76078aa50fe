//! The egress: from a stream's OPEN to its OPENED, by whatever ways the office has.
//!
//! ```text
//! OPEN ─▶ judged ─▶ Head ─▶ Asking ─▶ Dialling ─▶ Shaking, Securing ─▶ OPENED
//!            │        │        │          └─────────┴── again, the next way, or OPEN_FAILED
//!            └────────┴────────┴─▶ OPEN_FAILED
//! ```
//!
//! An exchange waits for the head of its request first: it decides whether the request goes anywhere,
//! and on what connection. Until the way is open the socket counts as not connected for everybody else: what comes on the
//! stream is kept, and nothing is read for it. What is said to a proxy meanwhile is `egress/hop.rs`'s.

mod hop;

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::ops::Range;
use core::time::Duration;

use super::exchange::{Exchange, Reused};
use super::http::ANSWER_SLACK;
use super::secure::Secure;
use super::socket::{Link, Proxied, Role, Socket, SocketKey, Toward};
use super::story::Story;
use super::{Core, MAX_EVENTS};
use crate::contract::{
    Action, AddressGuard, CloseMode, DialFailure, Event, SocketClass, StreamKind, Target, TunnelId,
    Write,
};
use crate::egress::{MAX_WAYS, Route, Way};
use crate::http1::back::{self, Scene, Unfit};
use crate::http1::{HeadSearch, Limits, Persistence};
use crate::kgp::frame::Open;
use crate::upstream::Handshake;
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
    /// What the rules say of the site, until it is asked for.
    route: Option<Route>,
    /// Dials of the first way that are left.
    attempts: u32,
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
    /// The head of the request comes.
    Head(HeadSearch),
    /// The embedder names the ways.
    Asking,
    /// The driver connects, or a dial that failed is tried again after a pause.
    Dialling,
    /// The proxy is asked for the site.
    Shaking(Box<Handshake>),
    /// TLS begins with whoever is reached.
    Securing(Peer),
}

/// With whom TLS begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Peer {
    Proxy,
    Site,
}

impl Outgoing {
    fn new(target: Target, route: Option<Route>, until: Time, stage: Stage) -> Self {
        Self {
            target,
            route,
            attempts: 1,
            ways: VecDeque::new(),
            until,
            stage,
            peer: None,
            can_read: false,
            can_write: false,
        }
    }

    /// One more connection for a request whose first one, to `peer`, was at its end.
    pub(super) fn again(target: Target, way: Way, peer: Option<SocketAddr>, until: Time) -> Self {
        let ways = VecDeque::from([way]);
        Self { ways, peer, ..Self::new(target, None, until, Stage::Dialling) }
    }

    /// Where it leads.
    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The way that is being tried.
    pub(super) fn way(&self) -> Option<&Way> {
        self.ways.front()
    }

    /// Whether the driver has a connection for it.
    pub(super) fn is_connected(&self) -> bool {
        self.peer.is_some()
    }

    /// Whether something may be written to the hop.
    pub(super) fn may_write(&self, tls: Option<&Secure>) -> bool {
        let has_plain = !self.to_send().is_empty();
        self.can_write && tls.map_or(has_plain, |tls| tls.may_write(has_plain))
    }

    /// Whether there is something decrypted to read from the hop.
    pub(super) fn plain_reads(&mut self, can_read: bool) {
        self.can_read = can_read;
    }

    /// The hop was written, or not any more.
    pub(super) fn wrote(&mut self, outcome: Write) {
        self.can_write = matches!(outcome, Write::Bytes(_));
    }

    /// So much of [`Self::to_send`] has gone.
    pub(super) fn sent(&mut self, n: usize) {
        if let Stage::Shaking(shake) = &mut self.stage {
            shake.sent(n);
        }
    }

    /// How much is to be read from the proxy.
    pub(super) fn wanted(&self) -> Option<usize> {
        (self.can_read && matches!(self.stage, Stage::Shaking(_))).then_some(ANSWER_READ)
    }

    /// What is to be written to the proxy.
    pub(super) fn to_send(&self) -> &[u8] {
        match &self.stage {
            Stage::Shaking(shake) => shake.to_send(),
            Stage::Asking | Stage::Dialling | Stage::Head(_) | Stage::Securing(_) => &[],
        }
    }

    /// Bytes held here.
    pub(super) fn held(&self) -> usize {
        match &self.stage {
            Stage::Shaking(shake) => shake.held(),
            Stage::Asking | Stage::Dialling | Stage::Head(_) | Stage::Securing(_) => 0,
        }
    }

    /// What a failed dial says, on the way that is being tried.
    fn failure(&self, dial: DialFailure) -> DialFailure {
        match (self.ways.front(), dial) {
            (None | Some(Way::Direct), _) | (_, DialFailure::Resources) => dial,
            (Some(Way::Http(_) | Way::Https(_) | Way::Socks4(_) | Way::Socks5(_)), _) => {
                DialFailure::ProxyUnreachable
            }
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
        if log::log_enabled!(target: "request", log::Level::Debug)
            && let Some(id) = self.request_id(link)
        {
            let target = &open.target;
            log::debug!(target: "request", "a stream came target={target} request={id}");
        }
        let Some(entry) = self.sessions.get_mut(link.session) else { return };
        let route = self.config.egress.route(&open.target.host);
        let route = match route {
            Ok(route) => route,
            Err(failure) => {
                self.counters.dial_failures.count(failure);
                entry.session.answer(link.stream, Err(failure), &mut self.pool);
                self.note_failed(link, failure);
                let story = Story::begin(&open.target, open.kind, self.config.egress.watch, now);
                self.tell_refused(*story, open.kind, failure, now);
                return self.note_drained(link.session);
            }
        };
        let mut proxied = Proxied::new(tunnel, Some(link), None);
        proxied.kind = open.kind;
        proxied.toward = Toward::Site;
        proxied.story = Some(Story::begin(&open.target, open.kind, self.config.egress.watch, now));
        let until = now.after(self.config.dial_timeout).after(self.config.upstream_timeout);
        let stage = match open.kind {
            StreamKind::Connect => Stage::Asking,
            StreamKind::Http | StreamKind::Https => Stage::Head(HeadSearch::new()),
        };
        let outgoing = Outgoing::new(open.target, Some(route), until, stage);
        proxied.outgoing = Some(Box::new(outgoing));
        let key = self.sockets.insert(Socket::new(Role::Proxied(proxied), None));
        if let Some(entry) = self.sessions.get_mut(link.session) {
            entry.session.set_owner(link.stream, key.into());
        }
        match open.kind {
            StreamKind::Connect => self.choose_way(key, now),
            StreamKind::Http | StreamKind::Https => {
                self.set_timer(key, until, DeadlineReason::Upstream);
            }
        }
    }

    /// Tells the log of a request that did not reach its site.
    pub(super) fn note_failed(&self, link: Link, failure: DialFailure) {
        if log::log_enabled!(target: "request", log::Level::Debug)
            && let Some(id) = self.request_id(link)
        {
            log::debug!(target: "request", "the site was not reached: {failure} request={id}");
        }
    }

    fn choose_way(&mut self, key: SocketKey, now: Time) {
        let has_room = self.events.len() < MAX_EVENTS;
        match self.outgoing(key).and_then(|outgoing| outgoing.route.take()) {
            Some(Route::Known(ways)) => self.take_ways(key, ways.iter().cloned(), now),
            Some(Route::Asked) if has_room => self.ask_way(key, now),
            Some(Route::Asked) => self.give_up(key, DialFailure::Resources, now),
            None => {}
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
        let way = outgoing.ways.front().cloned();
        if self.reuse(key, way.as_ref(), now) == Reused::No {
            self.counters.dials += 1;
            self.first_dial(key, now);
        }
    }

    /// Dials the first of the ways that are left, which was not tried yet.
    fn first_dial(&mut self, key: SocketKey, now: Time) {
        let attempts = self.config.egress.dials.attempts.max(1);
        if let Some(outgoing) = self.outgoing(key) {
            outgoing.attempts = attempts;
        }
        self.dial_way(key, now);
    }

    /// Dials the first of the ways that are left.
    pub(super) fn dial_way(&mut self, key: SocketKey, now: Time) {
        let deadline = now.after(self.config.dial_timeout);
        let site_guard = self.site_guard(key);
        let Some(outgoing) = self.outgoing(key) else { return };
        outgoing.stage = Stage::Dialling;
        outgoing.attempts = outgoing.attempts.saturating_sub(1);
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
        let waits_for_head = matches!(outgoing.stage, Stage::Head(_));
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

    /// Judges a request once its head is whole, and goes on to its way.
    fn look_at_head(&mut self, key: SocketKey, limits: Limits, now: Time) {
        let Self { sockets, config, mark, .. } = self;
        let Some(proxied) = sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let Some(outgoing) = &mut proxied.outgoing else { return };
        let Stage::Head(search) = &mut outgoing.stage else { return };
        let rules = &config.egress.exchanges;
        let persistence = match rules.keep.per_site.min(rules.keep.in_all) {
            0 => Persistence::Close,
            _ => Persistence::KeepAlive,
        };
        let (target, kind) = (&outgoing.target, proxied.kind);
        let scene = Scene { target, kind, rules, mark, persistence };
        let read = back::read(search, proxied.spill.make_contiguous(), &limits, &scene);
        let unfit = match read {
            Ok(None) => return,
            Ok(Some((used, outbound))) => {
                proxied.spill.drain(..used);
                if let Some(story) = &mut proxied.story {
                    story.asked(&outbound.head);
                }
                proxied.exchange = Some(Box::new(Exchange::new(outbound)));
                outgoing.stage = Stage::Asking;
                self.clear_timer(key);
                return self.choose_way(key, now);
            }
            Err(unfit) => unfit,
        };
        log::debug!("{key:?}: the request is not passed on: {unfit}");
        let failure = match unfit {
            Unfit::Loop => DialFailure::Loop,
            Unfit::Denied => DialFailure::Denied,
            Unfit::Head(_) | Unfit::Request | Unfit::Field(_) | Unfit::Host => {
                DialFailure::BadRequest
            }
        };
        self.give_up(key, failure, now);
    }

    /// The site's bytes begin; `rest` are the first of them.
    fn way_open(&mut self, key: SocketKey, rest: Vec<u8>, now: Time) {
        self.clear_timer(key);
        let Some(socket) = self.sockets.get_mut(key) else { return };
        let Some(outgoing) = socket.proxied().and_then(|proxied| proxied.outgoing.take()) else {
            return;
        };
        socket.peer = outgoing.peer;
        socket.can_write = outgoing.can_write;
        if !socket.is_secure() {
            socket.can_read = outgoing.can_read;
        }
        let Some(proxied) = socket.proxied() else { return };
        if proxied.exchange.is_none() {
            proxied.send_later(rest);
        } else if rest.is_empty() {
            self.exchange_by(key, &outgoing, now);
        } else {
            // An answer before the question is nobody's.
            proxied.outgoing = Some(outgoing);
            return self.give_up(key, DialFailure::Other, now);
        }
        self.tell_open(key, now);
        self.target_dialled(key, Ok(()), now);
        self.time_answer(key, now);
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
            Some(key) => self.first_dial(key, now),
            None => self.give_up(key, failure, now),
        }
    }

    /// Puts the stream on a socket of another id: the driver knows the old one as used up.
    pub(super) fn move_on(&mut self, key: SocketKey) -> Option<SocketKey> {
        let link = self.sockets.get_mut(key)?.proxied()?.link?;
        self.clear_timer(key);
        let socket = self.sockets.remove(key)?;
        self.counters.closed(&socket);
        let Role::Proxied(mut proxied) = socket.role else { return None };
        if let Some(outgoing) = &mut proxied.outgoing {
            (outgoing.can_read, outgoing.can_write) = (false, false);
            proxied.tls = None;
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
    pub(super) fn give_up(&mut self, key: SocketKey, failure: DialFailure, now: Time) {
        let is_connected = self.outgoing(key).is_some_and(|outgoing| outgoing.is_connected());
        self.counters.dial_failures.count(failure);
        self.tell_failure(key, failure, now);
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
