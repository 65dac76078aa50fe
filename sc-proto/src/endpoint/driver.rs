//! What a driver tells the core and asks of it, but for [`Core::poll_action`].

use core::net::SocketAddr;

use super::socket::{Role, SocketKey};
use super::timers::Timer;
use super::{Core, Place};
use crate::contract::{
    DialFailure, Door, HandOver, HandedOver, ListenerId, ListenerRole, Note, Read, SocketId,
    WorkerId, Write,
};
use crate::{Deadline, Time};

impl Core {
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

    /// Where to read into, after [`Action::Read`](crate::Action::Read). Empty if the id is stale, or another
    /// [`Action::Read`](crate::Action::Read) was taken since: then report [`Read::WouldBlock`].
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

    /// What to write, after [`Action::Write`](crate::Action::Write): fills `out` from its front, says how many slices.
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
}
