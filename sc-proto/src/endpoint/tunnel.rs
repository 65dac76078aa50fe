//! Tunnels and their sessions: who is known here, and how a session begins, goes on and ends.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::placing::NoPlace;
use super::resume::{Outage, Reach};
use super::socket::{Link, Proxied, Role, Socket, SocketKey};
use super::timers::Timer;
use super::{Core, SessionKey};
use crate::contract::{
    Action, ClientId, CloseMode, Command, ConnectionNumber, Event, Refusal, RequestId,
    ResumeSecret, Spread, Stop, TunnelEnd, TunnelId, TunnelSecret, WorkerId,
};
use crate::http1::Failure;
use crate::kgp::Session;
use crate::rules::Routing;
use crate::{DeadlineReason, Time};

/// Most requests of one tunnel that wait for a stream. More are answered 503 at once.
const MAX_WAITING: usize = 1024;

/// Server: a tunnel whose client may come.
#[derive(Debug)]
pub(super) struct Tunnel {
    pub(super) secret: TunnelSecret,
    /// The worker that owns its sessions and its proxy port.
    pub(super) home: WorkerId,
    pub(super) life: Life,
    /// Whose the sessions are, and how many connections that client means to have.
    pub(super) client: Option<(ClientId, u8)>,
    /// The sessions, at most one for each connection of the client.
    pub(super) sessions: Vec<SessionKey>,
    /// Requests that wait until a stream may be opened.
    pub(super) waiting: VecDeque<SocketKey>,
    /// Where its requests go.
    pub(super) routing: Arc<Routing>,
    /// What its workers share, if there are several.
    pub(super) spread: Option<Arc<Spread>>,
    /// How many clients it has had, as its home counts them.
    pub(super) era: u64,
}

/// Whether a tunnel takes new sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Serving,
    /// It is to end, see [`Command::DrainTunnel`].
    Ending,
}

impl Tunnel {
    /// For the moment it has no session.
    fn new(secret: TunnelSecret, home: WorkerId) -> Self {
        Self {
            secret,
            home,
            life: Life::Serving,
            client: None,
            sessions: Vec::new(),
            waiting: VecDeque::new(),
            routing: Arc::default(),
            spread: None,
            era: 0,
        }
    }

    /// Whether its sessions live on several workers, or did.
    pub(super) fn is_spread(&self) -> bool {
        self.spread.as_ref().is_some_and(|spread| spread.is_used())
    }
}

/// A session and what belongs to it.
#[derive(Debug)]
pub(crate) struct SessionEntry {
    pub(super) session: Session,
    pub(super) tunnel: TunnelId,
    /// Which of the tunnel's connections it is of.
    pub(super) connection: ConnectionNumber,
    /// What a client has to prove to go on with it.
    pub(super) secret: ResumeSecret,
    /// What carries it; stale during an outage.
    pub(super) transport: SocketKey,
    /// The time without a transport, if it is one.
    pub(super) outage: Option<Outage>,
    /// What it is carried by.
    pub(super) carrier: Carrier,
    /// Client: how to get another transport.
    pub(super) reach: Option<Box<Reach>>,
    /// Whether it stands in the list of sessions with sockets to read.
    pub(super) queued: bool,
    /// When the present transport, or the last one, took it up.
    pub(super) carried_since: Time,
    /// How many transports in a row were lost soon after that.
    pub(super) quick_losses: u32,
    timer: Option<Time>,
}

/// What a session is carried by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    /// Transports, one after the other.
    Transport,
    /// This core: the other end is here, too.
    Direct,
}

impl SessionEntry {
    pub(super) fn new(
        session: Session,
        tunnel: TunnelId,
        connection: ConnectionNumber,
        transport: SocketKey,
        secret: ResumeSecret,
        reach: Option<Box<Reach>>,
    ) -> Self {
        Self {
            session,
            tunnel,
            connection,
            secret,
            transport,
            outage: None,
            carrier: Carrier::Transport,
            reach,
            queued: false,
            carried_since: Time::ZERO,
            quick_losses: 0,
            timer: None,
        }
    }
}

impl SessionEntry {
    /// Whether it drains and nothing is left to do. Without a transport nothing can be said.
    fn is_over(&self) -> bool {
        self.session.is_drained() || self.outage.is_some() && self.session.is_done()
    }
}

impl Core {
    /// What both sides call the request of a stream; `None` if it does not go through a tunnel.
    pub(super) fn request_id(&self, link: Link) -> Option<RequestId> {
        let entry = self.sessions.get(link.session)?;
        let stream = entry.session.id_of(link.stream)?.get();
        let (tunnel, connection) = (entry.tunnel, entry.connection);
        (entry.carrier == Carrier::Transport).then_some(RequestId { tunnel, connection, stream })
    }

    pub(super) fn carry_out(&mut self, command: Command, now: Time) {
        match command {
            Command::AddTunnel { tunnel, secret, home } => {
                self.visitors.forget_all();
                let entry = self.tunnels.entry(tunnel);
                let entry = entry.or_insert_with(|| Tunnel::new(secret.clone(), home));
                entry.secret = secret;
                entry.home = home;
                entry.life = Life::Serving;
            }
            Command::Spread { tunnel, spread } => {
                if let Some(entry) = self.tunnels.get_mut(&tunnel) {
                    entry.spread = Some(spread);
                }
            }
            Command::SetRouting { tunnel, routing } => {
                if let Some(entry) = self.tunnels.get_mut(&tunnel) {
                    entry.routing = routing;
                }
            }
            Command::DrainTunnel(tunnel) => {
                let Some(entry) = self.tunnels.get_mut(&tunnel) else { return };
                entry.life = Life::Ending;
                for session in entry.sessions.clone() {
                    self.drain_session(session);
                }
            }
            Command::CloseIdle(tunnel) => self.close_idle_browsers(tunnel),
            Command::RemoveTunnel(tunnel) => {
                self.visitors.forget_all();
                if let Some(entry) = self.tunnels.remove(&tunnel) {
                    for session in entry.sessions {
                        self.end_session(session, TunnelEnd::Local, now);
                    }
                    for key in entry.waiting {
                        self.fail_exchange(key, Failure::NotConnected, now);
                    }
                    self.end_direct_streams(tunnel, now);
                    self.cache.remove_tunnel(tunnel);
                }
                // A client's are in no list.
                for key in self.sessions.keys() {
                    if self.sessions.get(key).is_some_and(|entry| entry.tunnel == tunnel) {
                        self.end_session(key, TunnelEnd::Local, now);
                    }
                }
            }
            Command::Connect(connect) => self.connect(*connect, now),
            Command::Label { listener, fields } => {
                if self.listeners.contains_key(&listener) {
                    self.labels.insert(listener, fields);
                }
            }
            Command::Ways { socket, ways } => self.ways_named(socket.into(), ways, now),
            Command::Access { socket, access } => self.access_told(socket.into(), access, now),
            Command::SetEgress(egress) => self.config.egress = *egress,
            Command::Stop(stop) => self.stop(stop, now),
        }
    }

    fn stop(&mut self, stop: Stop, now: Time) {
        self.stopping = Some(stop);
        self.close_kept();
        match stop {
            Stop::Drain => {
                self.timers.set(now.after(self.config.drain_timeout), Timer::Drain);
                for key in self.sessions.keys() {
                    self.drain_session(key);
                }
            }
            Stop::Now => {
                for key in self.sessions.keys() {
                    self.end_session(key, TunnelEnd::Local, now);
                }
            }
        }
        self.close_idle_transports(now);
        self.check_stopped();
    }

    /// A browser takes the close of a connection that it has not asked anything by as it comes, and
    /// makes another.
    fn close_idle_browsers(&mut self, tunnel: TunnelId) {
        let is_idle = |socket: &Socket| match &socket.role {
            Role::Proxied(proxied) => {
                let waits = socket.timer.is_some_and(|(_, why)| why == DeadlineReason::KeepAlive);
                waits && proxied.tunnel == tunnel && !proxied.has_output()
            }
            Role::Transport(_) => false,
        };
        let idle: Vec<SocketKey> =
            self.sockets.iter().filter(|(_, socket)| is_idle(socket)).map(|(key, _)| key).collect();
        for key in idle {
            self.close_socket(key, CloseMode::Graceful);
        }
    }

    /// Takes no new streams; the session ends when none is left.
    fn drain_session(&mut self, key: SessionKey) {
        let Some(entry) = self.sessions.get_mut(key) else { return };
        entry.session.go_away(&mut self.pool);
        let (transport, tunnel) = (entry.transport, entry.tunnel);
        self.kick_transport(transport);
        self.publish(tunnel);
        self.note_drained(key);
    }

    /// Tells the embedder when, after a stop, the last transport has gone and, if it drains, the
    /// last byte was delivered.
    pub(super) fn check_stopped(&mut self) {
        let Some(stop) = self.stopping else { return };
        if self.stopped_told || self.sessions.len() > 0 {
            return;
        }
        let busy = self.sockets.iter().any(|(_, socket)| match &socket.role {
            Role::Transport(_) => true,
            Role::Proxied(proxied) => stop == Stop::Drain && proxied.has_output(),
        });
        if !busy {
            self.stopped_told = true;
            self.events.push_back(Event::Stopped);
        }
    }

    /// Remembers a session that may have nothing left to do. Its end is looked at when no frame
    /// of it is being taken in.
    pub(super) fn note_drained(&mut self, key: SessionKey) {
        if self.sessions.get(key).is_some_and(SessionEntry::is_over) {
            self.drained.push_back(key);
        }
    }

    /// Ends a session whose last stream is done, if it is draining.
    pub(super) fn check_drained(&mut self, key: SessionKey, now: Time) {
        if self.sessions.get(key).is_some_and(SessionEntry::is_over) {
            let end =
                if self.stopping.is_some() { TunnelEnd::Local } else { TunnelEnd::PeerDrained };
            self.end_session(key, end, now);
        }
    }

    /// After frames were taken in: what they brought about beyond their streams.
    pub(super) fn after_session(&mut self, key: SessionKey, now: Time) {
        self.retime_session(key);
        self.queue_sources(key);
        let Some(entry) = self.sessions.get_mut(key) else {
            return;
        };
        if entry.session.finds_path_long() {
            self.actions.push_back(Action::LongPath(entry.transport.into()));
        }
        let tunnel = entry.tunnel;
        self.retry_waiting(tunnel, now);
        self.note_drained(key);
    }

    /// Keeps the timer of a session no later than its deadline.
    pub(super) fn retime_session(&mut self, key: SessionKey) {
        let Some(entry) = self.sessions.get_mut(key) else {
            return;
        };
        let Some(deadline) = entry.session.deadline() else {
            return;
        };
        match entry.timer {
            // An earlier wake-up finds nothing due and sets the next.
            Some(at) if at <= deadline => return,
            Some(at) => self.timers.cancel(at, Timer::Session(key)),
            None => {}
        }
        entry.timer = Some(deadline);
        self.timers.set(deadline, Timer::Session(key));
    }

    pub(super) fn session_timeout(&mut self, key: SessionKey, now: Time) {
        let Some(entry) = self.sessions.get_mut(key) else {
            return;
        };
        entry.timer = None;
        let transport = entry.transport;
        match entry.session.handle_timeout(now) {
            Ok(()) => {
                self.retime_session(key);
                self.kick_transport(transport);
            }
            Err(loss) => {
                self.settle();
                self.lose_transport(transport, loss, now);
            }
        }
    }

    /// The limit of a drain has passed.
    pub(super) fn drain_timeout(&mut self, now: Time) {
        self.stop(Stop::Now, now);
    }

    /// Ends a session: its streams are reset, its transport is closed.
    pub(super) fn end_session(&mut self, key: SessionKey, end: TunnelEnd, now: Time) {
        self.settle();
        let Some(mut entry) = self.sessions.remove(key) else {
            return;
        };
        if let Some(at) = entry.timer {
            self.timers.cancel(at, Timer::Session(key));
        }
        if let Some(outage) = &mut entry.outage {
            self.cancel_outage(key, outage);
        }
        if let Some(tunnel) = self.tunnels.get_mut(&entry.tunnel) {
            tunnel.sessions.retain(|session| *session != key);
        }
        self.counters.credit_stalls += entry.session.credit_stalls();
        let drained = entry.session.is_drained();
        for owner in entry.session.owners() {
            self.session_lost(owner.into(), now);
        }
        if !drained {
            self.farewell(&mut entry, &end);
        }
        entry.session.detach();
        entry.session.clear(&mut self.pool);
        if entry.carrier == Carrier::Direct {
            self.direct = None;
            return self.check_stopped();
        }
        let (tunnel, session, connection) = (entry.tunnel, entry.session.id, entry.connection);
        self.events.push_back(Event::TunnelDown { tunnel, session, connection, end });
        self.close_transport(entry.transport, now);
        self.retry_waiting(entry.tunnel, now);
        self.check_stopped();
    }

    /// Tells the peer that nobody comes back to this session: it need not wait for that.
    fn farewell(&mut self, entry: &mut SessionEntry, end: &TunnelEnd) {
        let transport = self.sockets.get_mut(entry.transport).and_then(Socket::transport);
        let Some(transport) = transport else { return };
        let at_boundary = entry.session.takes_control();
        match (&entry.reach, end) {
            // A client that is to go is refused, if that does not stand amid a frame.
            (None, _) if at_boundary => drop(transport.refuse(Refusal::Ending)),
            (Some(_), TunnelEnd::Local) => {
                transport.first.extend_from_slice(&entry.session.last_words(&mut self.pool));
            }
            (None | Some(_), _) => {}
        }
    }

    /// Puts a session in the list of those whose sockets may be read.
    pub(super) fn queue_sources(&mut self, key: SessionKey) {
        if let Some(entry) = self.sessions.get_mut(key)
            && !entry.queued
            && entry.session.has_sources()
        {
            entry.queued = true;
            self.sources.push_back(key);
        }
    }

    /// A request waits until its tunnel may open a stream again.
    pub(super) fn wait_for_stream(&mut self, tunnel: TunnelId, key: SocketKey) -> Waits {
        let most = MAX_WAITING / self.spread_over(tunnel);
        let Self { tunnels, sockets, .. } = self;
        let Some(entry) = tunnels.get_mut(&tunnel) else { return Waits::No };
        if entry.waiting.len() >= most {
            // Those whose browsers have left make room.
            entry.waiting.retain(|key| {
                let http = sockets.get_mut(*key).and_then(Socket::proxied).and_then(Proxied::http);
                http.is_some_and(|http| http.opening.is_some())
            });
        }
        if entry.waiting.len() >= most {
            return Waits::No;
        }
        entry.waiting.push_back(key);
        self.publish_waiting(tunnel);
        Waits::Yes
    }

    /// Opens streams for requests that wait, oldest first, as far as it goes.
    pub(super) fn retry_waiting(&mut self, tunnel: TunnelId, now: Time) {
        let Some(entry) = self.tunnels.get(&tunnel) else { return };
        let count = entry.waiting.len();
        if entry.is_spread() {
            self.publish(tunnel);
        }
        for _ in 0..count {
            if self.place(tunnel) == Err(NoPlace::Yet) {
                break;
            }
            let Some(entry) = self.tunnels.get_mut(&tunnel) else {
                return;
            };
            let Some(key) = entry.waiting.pop_front() else {
                break;
            };
            self.open_again(key, now);
        }
        if count > 0 {
            self.publish_waiting(tunnel);
        }
    }
}

/// Whether a request may wait for a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waits {
    Yes,
    No,
}
