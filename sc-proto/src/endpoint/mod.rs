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
//! | `egress.rs` | from OPEN to OPENED: rules and ways; `egress/hop.rs`: the hop that is dialled |
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
//! | `http.rs` | HTTP with the browser: requests; `http/opening.rs`: their streams |
//! | `answer.rs` | HTTP with the browser: answers, and the end of an exchange |
//! | `cache/` | answers that need not cross the tunnel |
//! | `driver.rs` | what a driver tells and asks |
//! | `turn.rs` | what is done next, in which order |
//! | `timers.rs` | deadlines |
//! | `statistics.rs` | what is held and what was done, in numbers |

mod access;
mod answer;
mod cache;
mod config;
mod delivery;
mod direct;
mod driver;
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

use self::access::Visitors;
use self::cache::Cache;
use self::direct::Direct;
use self::kept::Kept;
use self::lent::Lent;
use self::rate::HeldBack;
use self::socket::{Socket, SocketKey};
use self::timers::Timers;
use self::tunnel::{SessionEntry, Tunnel};
use self::turn::Phase;
use crate::Time;
use crate::contract::{
    Action, Command, Event, ListenerId, ListenerRole, Note, Stop, TunnelId, WorkerId,
};
use crate::kgp::{Pool, StreamKey};
use crate::random::Random;
use crate::slab::{Key, Slab};
use crate::tls::BufferPool;
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

    /// Seconds of the wall clock at `now`.
    fn unix_time(&self, now: Time) -> u64 {
        self.config.unix_time_at_zero + now.as_nanos() / 1_000_000_000
    }
}
