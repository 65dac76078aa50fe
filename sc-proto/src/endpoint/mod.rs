//! The composition: sockets, transports, sessions and proxied connections of one worker.
//!
//! | file | idea |
//! | --- | --- |
//! | `socket.rs` | one socket: its role, its readiness, what waits for it |
//! | `transport.rs` | the sockets of transports, from the dial or accept to the close |
//! | `preamble.rs` | transports that go by a proxy: what is said to it first |
//! | `handshake.rs` | who is let in, and the beginning of a session |
//! | `resume.rs` | a session without a transport, and how it gets another |
//! | `pump.rs` | between a transport's TLS and its session: frames in, bytes out |
//! | `tunnel.rs` | tunnels, the life of sessions, stopping |
//! | `placing.rs` | which session of a tunnel takes the next stream |
//! | `spread.rs` | tunnels whose sessions live on several workers |
//! | `relay.rs` | sockets and streams: reads, half-closes, resets, dials |
//! | `egress.rs` | from OPEN to OPENED: rules, ways, proxies on the way |
//! | `exchange.rs` | HTTP with a site: one exchange after the other |
//! | `story.rs` | what became of each exchange, counted and told |
//! | `kept.rs` | connections to sites that wait for another exchange |
//! | `delivery.rs` | bytes of a stream on their way to its socket |
//! | `route.rs` | where a request goes, by the rules of its tunnel |
//! | `secure.rs` | TLS on proxied sockets: with browsers, sites and proxies |
//! | `resign.rs` | a browser's first bytes after CONNECT, and TLS in place of its site |
//! | `direct.rs` | traffic to sites that the server itself reaches |
//! | `local.rs` | a client's own proxy port |
//! | `rate.rs` | limits of bytes a second from and to sites |
//! | `lent.rs` | payload that is written from where it was decrypted |
//! | `access.rs` | who may use a proxy port, and the way to the worker of their tunnel |
//! | `http.rs` | HTTP with the browser: requests |
//! | `answer.rs` | HTTP with the browser: answers, and the end of an exchange |
//! | `cache/` | answers that need not cross the tunnel |
//! | `turn.rs` | what is done next, in which order |
//! | `timers.rs` | deadlines |
//! | `statistics.rs` | what is held and what was done, in numbers |

mod access;
mod answer;
mod cache;
mod config;
mod delivery;
mod direct;
mod egress;
mod exchange;
mod handshake;
mod http;
mod kept;
mod lent;
mod local;
mod placing;
mod preamble;
mod pump;
mod rate;
mod relay;
mod resign;
mod resume;
mod route;
mod secure;
mod socket;
mod spread;
mod statistics;
mod story;
mod timers;
mod transport;
mod tunnel;
mod turn;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::net::SocketAddr;

use self::access::Visitors;
use self::cache::Cache;
use self::direct::Direct;
use self::kept::Kept;
use self::lent::Lent;
use self::rate::HeldBack;
use self::socket::{Role, Socket, SocketKey};
use self::timers::{Timer, Timers};
use self::tunnel::{SessionEntry, Tunnel};
use self::turn::Phase;
use crate::contract::{
    Action, Command, DialFailure, Door, Event, HandOver, HandedOver, ListenerId, ListenerRole,
    Note, Read, SocketId, Stop, TunnelId, WorkerId, Write,
};
use crate::kgp::{Pool, StreamKey};
use crate::random::Random;
use crate::slab::{Key, Slab};
use crate::tls::BufferPool;
use crate::{Deadline, Time};
pub use config::{Config, Ingress, OwnPorts};
pub(crate) use spread::Browser;
pub use statistics::{
    Carried, Counters, DialFailures, ErrorAnswers, SessionStatistics, Sockets, Statistics,
    Transports, Visits,
};
pub use story::{ExchangeStatistics, Exchanges, Method, Sizes};
pub(crate) use transport::Transport;

type SessionKey = Key<SessionEntry>;

/// Free chunks kept per worker: 2 MiB.
const FREE_CHUNKS: usize = 32;
/// Spare buffers kept for TLS on proxied sockets: 1 MiB.
const SPARE_SMALL: usize = 32;
/// The buffer that HTTP is read into, in bytes.
const SCRATCH: usize = 64 * 1024;
/// With so many events unread by the embedder, no new client is let in.
const MAX_EVENTS: usize = 1024;

/// Everything one worker owns. See the [crate] documentation for how a driver runs it.
#[derive(Debug)]
pub struct Core {
    config: Config,
    worker: WorkerId,
    /// Where session ids, their secrets and jitter come from.
    random: Random,
    listeners: BTreeMap<ListenerId, ListenerRole>,
    /// Connections that each listener has taken.
    visits: BTreeMap<ListenerId, u64>,
    /// Fields of requests that come by a listener.
    labels: BTreeMap<ListenerId, Arc<str>>,
    tunnels: BTreeMap<TunnelId, Tunnel>,
    sessions: Slab<SessionEntry>,
    sockets: Slab<Socket>,
    cache: Cache,
    /// Connections to sites that wait for another exchange.
    kept: Kept,
    /// This core's own mark in `Via`.
    mark: Box<str>,
    /// The way to sites that are reached from here; made when the first is wanted.
    direct: Option<Direct>,
    timers: Timers,
    pool: Pool,
    tls_pool: BufferPool,
    /// For TLS on proxied sockets.
    small_pool: BufferPool,
    lent: Lent,
    actions: VecDeque<Action>,
    events: VecDeque<Event>,
    phase: Phase,
    /// Proxied sockets with something to write.
    writes: VecDeque<SocketKey>,
    /// Browsers' sockets to read outside the turns of a session.
    reads: VecDeque<SocketKey>,
    /// Sessions with sockets to read.
    sources: VecDeque<SessionKey>,
    /// What waits for a limit of bytes a second.
    held_back: HeldBack,
    transport_reads: VecDeque<SocketKey>,
    transport_writes: VecDeque<SocketKey>,
    /// Browsers' sockets whose exchange has ended.
    revive: VecDeque<SocketKey>,
    /// Visitors who were let in a moment ago.
    visitors: Visitors,
    /// Sessions that may have ended.
    drained: VecDeque<SessionKey>,
    /// Transports that may have more plaintext, now that what was lent came back.
    resume: VecDeque<SocketKey>,
    /// Tunnels whose waiting requests may find another worker.
    unplaced: VecDeque<TunnelId>,
    /// Sockets that go to another worker. They stay until the driver is told, so that nobody has
    /// their ids meanwhile.
    movers: VecDeque<SocketKey>,
    /// Notes that the driver could not give.
    untold: VecDeque<(WorkerId, Note)>,
    /// What the driver is reading, and where to.
    reading: Option<(SocketKey, Place)>,
    scratch: Box<[u8]>,
    /// Where control frames become one TLS record.
    record: Vec<u8>,
    stopping: Option<Stop>,
    stopped_told: bool,
    counters: Counters,
    /// Exchanges with sites that have ended.
    exchanges: ExchangeStatistics,
}

/// Where a read goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The TLS pipe of the transport.
    Pipe,
    /// TLS of the proxied socket.
    Secure,
    /// The ring of the session, as the next DATA of the stream.
    Ring { session: SessionKey, stream: StreamKey, max: usize },
    /// The scratch buffer.
    Scratch { max: usize },
}

impl Core {
    /// A core for worker `worker`. `seed` feeds ids and secrets; it must be
    /// unpredictable.
    pub fn new(config: Config, worker: WorkerId, seed: [u8; 32]) -> Self {
        let random = Random::new(seed);
        Self {
            cache: Cache::new(config.cache),
            mark: route::mark(&config, random.mark()),
            kept: Kept::default(),
            config,
            worker,
            random,
            listeners: BTreeMap::new(),
            visits: BTreeMap::new(),
            labels: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            sessions: Slab::new(),
            sockets: Slab::new(),
            direct: None,
            timers: Timers::default(),
            pool: Pool::new(FREE_CHUNKS),
            tls_pool: BufferPool::default(),
            small_pool: BufferPool::small(SPARE_SMALL),
            lent: Lent::default(),
            actions: VecDeque::new(),
            events: VecDeque::new(),
            phase: Phase::default(),
            writes: VecDeque::new(),
            reads: VecDeque::new(),
            sources: VecDeque::new(),
            held_back: HeldBack::default(),
            transport_reads: VecDeque::new(),
            transport_writes: VecDeque::new(),
            revive: VecDeque::new(),
            visitors: Visitors::default(),
            drained: VecDeque::new(),
            resume: VecDeque::new(),
            unplaced: VecDeque::new(),
            movers: VecDeque::new(),
            untold: VecDeque::new(),
            reading: None,
            scratch: vec![0; SCRATCH].into_boxed_slice(),
            record: Vec::new(),
            stopping: None,
            stopped_told: false,
            counters: Counters::default(),
            exchanges: ExchangeStatistics::default(),
        }
    }

    /// Carries out a command of the embedder.
    pub fn command(&mut self, command: Command, now: Time) {
        self.settle();
        self.carry_out(command, now);
    }

    /// The next thing the embedder should know, until there is none.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Says what connections accepted by `listener` are.
    pub fn add_listener(&mut self, listener: ListenerId, role: ListenerRole) {
        self.listeners.insert(listener, role);
    }

    /// Forgets a listener. Connections it accepted live on.
    pub fn remove_listener(&mut self, listener: ListenerId) {
        self.listeners.remove(&listener);
        self.visits.remove(&listener);
        self.labels.remove(&listener);
    }

    /// How many connections each listener has taken, of those that have taken any.
    pub fn visits(&self) -> impl Iterator<Item = (ListenerId, u64)> {
        self.visits.iter().map(|(listener, count)| (*listener, *count))
    }

    /// A connection was accepted. `None`: the core does not want it; close it.
    ///
    /// The socket counts as writable, and as not readable until told otherwise.
    #[must_use]
    pub fn accepted(
        &mut self,
        listener: ListenerId,
        peer: SocketAddr,
        now: Time,
    ) -> Option<SocketId> {
        let role = self.listeners.get(&listener)?;
        *self.visits.entry(listener).or_default() += 1;
        let accepted = match role {
            ListenerRole::Kgp => self.accept_transport(peer, now),
            ListenerRole::Ingress(tunnel) => self.accept_browser(Door::Tunnel(*tunnel), peer, now),
            ListenerRole::OpenIngress(tunnel) => {
                self.accept_browser(Door::Open(*tunnel), peer, now)
            }
            ListenerRole::SharedIngress => self.accept_browser(Door::Shared, peer, now),
            ListenerRole::LocalIngress => Some(self.accept_local(peer, now)),
        };
        if let (Some(socket), Some(label)) = (accepted, self.labels.get(&listener).cloned())
            && let Some(http) = self.http(socket.into())
        {
            http.label = Some(label);
        }
        accepted
    }

    /// Takes a connection from another worker, or back from the driver; the driver gives its socket
    /// this id. It counts as writable, and as not readable until told otherwise.
    #[must_use]
    pub fn adopt(&mut self, state: HandOver, peer: SocketAddr, now: Time) -> SocketId {
        self.settle();
        match state.0 {
            HandedOver::Transport(transport) => self.adopt_transport(transport, peer, now),
            HandedOver::Browser(browser) => self.adopt_browser(*browser, peer, now),
        }
    }

    /// Takes a note of another worker's core.
    pub fn told(&mut self, note: Note, now: Time) {
        self.settle();
        self.take_note(note, now);
    }

    /// The driver cannot give this note now. It comes again after some milliseconds.
    pub fn untold(&mut self, to: WorkerId, note: Note, now: Time) {
        self.keep_note(to, note, now);
    }

    /// A dial succeeded. The socket counts as writable, and as not readable until told otherwise.
    pub fn connected(&mut self, socket: SocketId, peer: SocketAddr, now: Time) {
        let key = SocketKey::from(socket);
        let Some(entry) = self.sockets.get_mut(key) else {
            return;
        };
        if entry.is_connected() {
            return;
        }
        self.counters.connected(&entry.role);
        match entry.role {
            Role::Transport(_) => {
                entry.peer = Some(peer);
                entry.can_write = true;
                self.transport_connected(key, now);
            }
            Role::Proxied(_) => self.hop_connected(key, peer, now),
        }
    }

    /// A dial failed. The id is dead from here on.
    pub fn dial_failed(&mut self, socket: SocketId, failure: DialFailure, now: Time) {
        let key = SocketKey::from(socket);
        let Some(entry) = self.sockets.get_mut(key) else {
            return;
        };
        if entry.is_connected() {
            return;
        }
        match entry.role {
            Role::Transport(_) => {
                self.counters.transports.dial_failures += 1;
                self.transport_dial_failed(key, failure, now);
            }
            Role::Proxied(_) => self.hop_dial_failed(key, failure, now),
        }
    }

    /// The socket may have bytes, an end or an error to read. Sticks until a read says otherwise.
    pub fn readable(&mut self, socket: SocketId) {
        let key = SocketKey::from(socket);
        let Some(entry) = self.sockets.get_mut(key) else {
            return;
        };
        if entry.is_secure() {
            return self.secure_readable(key);
        }
        if entry.peer.is_none() {
            return self.hop_readable(key);
        }
        entry.can_read = true;
        match entry.role {
            Role::Transport(_) => self.queue_transport_read(key),
            Role::Proxied(_) => {
                self.queue_read(key);
                self.offer_source(key);
            }
        }
    }

    /// The socket may take bytes. Sticks until a write is short.
    pub fn writable(&mut self, socket: SocketId) {
        let key = SocketKey::from(socket);
        let Some(entry) = self.sockets.get_mut(key) else {
            return;
        };
        if entry.peer.is_none() {
            return self.hop_writable(key);
        }
        entry.can_write = true;
        match entry.role {
            Role::Transport(_) => self.kick_transport(key),
            Role::Proxied(_) => self.queue_write(key),
        }
    }

    /// Where to read into, after [`Action::Read`]. Empty if the id is stale, or another
    /// [`Action::Read`] was taken since: then report [`Read::WouldBlock`].
    ///
    /// Read and report with [`Core::read_done`] before calling anything else, or what was read
    /// is lost and its connection is reset.
    pub fn read_space(&mut self, socket: SocketId) -> &mut [u8] {
        let key = SocketKey::from(socket);
        match self.reading {
            Some((reading, place)) if reading == key => match place {
                Place::Pipe => self.transport_space(key),
                Place::Secure => self.secure_space(key),
                Place::Ring { session, stream, max } => match self.sessions.get_mut(session) {
                    Some(entry) => entry.session.reserve(stream, max, &mut self.pool),
                    None => &mut [],
                },
                Place::Scratch { max } => {
                    let end = max.min(self.scratch.len());
                    &mut self.scratch[..end]
                }
            },
            _ => &mut [],
        }
    }

    /// What the read brought.
    pub fn read_done(&mut self, socket: SocketId, outcome: Read, now: Time) {
        let key = SocketKey::from(socket);
        let place = match self.reading.take() {
            Some((reading, place)) if reading == key => Some(place),
            _ => None,
        };
        let Some(entry) = self.sockets.get_mut(key) else {
            return;
        };
        if place.is_none() && outcome == Read::WouldBlock {
            // Another read took the place. Nothing is lost, and nothing known.
            if entry.can_read && !entry.is_secure() {
                self.readable(socket);
            }
            self.queue_read(key);
            return;
        }
        self.counters.read(&entry.role, outcome);
        match outcome {
            // That is said of plaintext.
            _ if place == Some(Place::Secure) => {}
            Read::Bytes(_) => {}
            Read::Drained(_) | Read::WouldBlock | Read::End | Read::Failed => {
                entry.can_read = false
            }
        }
        match (place, &entry.role) {
            (Some(Place::Pipe), _) => self.transport_read(key, outcome, now),
            (Some(Place::Secure), _) => self.secure_read(key, outcome, now),
            (Some(Place::Ring { session, stream, .. }), _) => {
                self.relay_read(key, session, stream, outcome, now);
            }
            (Some(Place::Scratch { .. }), Role::Proxied(proxied)) if proxied.outgoing.is_some() => {
                self.hop_read(key, outcome, now);
            }
            (Some(Place::Scratch { .. }), Role::Proxied(proxied)) if proxied.kept.is_some() => {
                self.kept_read(key, outcome);
            }
            (Some(Place::Scratch { .. }), Role::Proxied(proxied)) if proxied.exchange.is_some() => {
                self.site_read(key, outcome, now);
            }
            (Some(Place::Scratch { .. }), _) => self.http_read(key, outcome, now),
            // Nobody asked for it: bytes were read into nowhere.
            (None, Role::Transport(_)) => {
                self.settle();
                self.lose_transport(key, crate::contract::TransportLoss::Failed, now);
            }
            (None, Role::Proxied(_)) => self.socket_failed(key, now),
        }
        self.queue_transport_read(key);
    }

    /// What to write, after [`Action::Write`]: fills `out` from its front, says how many slices.
    pub fn write_slices<'a>(&'a self, socket: SocketId, out: &mut [&'a [u8]]) -> usize {
        let key = SocketKey::from(socket);
        match self.sockets.get(key).map(|entry| &entry.role) {
            Some(Role::Transport(_)) => self.transport_slices(key, out),
            Some(Role::Proxied(_)) => self.proxied_slices(key, out),
            None => 0,
        }
    }

    /// What the write took, in bytes over all slices.
    ///
    /// A driver that hands buffers to the kernel copies what [`Core::write_slices`] lends and
    /// reports [`Write::Blocked`] with 0 at once. When the kernel is done it reports here again how
    /// much has gone, and [`Core::writable`]. Until then the same bytes stay first in the queue, and
    /// neither their credit is returned nor the socket half-closed or gracefully closed.
    pub fn write_done(&mut self, socket: SocketId, outcome: Write, now: Time) {
        let key = SocketKey::from(socket);
        let Some(entry) = self.sockets.get_mut(key) else {
            return;
        };
        entry.can_write &= matches!(outcome, Write::Bytes(_));
        self.counters.wrote(&entry.role, outcome);
        let is_transport = matches!(entry.role, Role::Transport(_));
        if let (false, Write::Bytes(n) | Write::Blocked(n)) = (is_transport, outcome) {
            self.count_written(key, n, now);
        }
        match is_transport {
            true => self.transport_written(key, outcome, now),
            false => self.proxied_written(key, outcome, now),
        }
    }

    /// When to call [`Core::handle_timeout`]. `None`: nothing is due.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Deadline> {
        self.timers.next()
    }

    /// Fires what is due at `now`.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(timer) = self.timers.take_due(now) {
            self.settle();
            match timer {
                Timer::Session(key) => self.session_timeout(key, now),
                Timer::Grace(key) => self.grace_over(key, now),
                Timer::Try(key) => self.try_again(key, now),
                Timer::Drain => self.drain_timeout(now),
                Timer::Notes => self.retry_notes(),
                Timer::Rate => self.go_on_by_rate(),
                Timer::Socket(id, reason) => {
                    let key = SocketKey::from(id);
                    let Some(socket) = self.sockets.get_mut(key) else {
                        continue;
                    };
                    socket.timer = None;
                    match socket.role {
                        Role::Transport(_) => self.transport_timeout(key, reason, now),
                        Role::Proxied(_) => self.proxied_timeout(key, reason, now),
                    }
                }
            }
        }
    }

    /// Seconds of the wall clock at `now`.
    fn unix_time(&self, now: Time) -> u64 {
        self.config.unix_time_at_zero + now.as_nanos() / 1_000_000_000
    }
}
