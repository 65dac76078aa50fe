//! A tunnel whose sessions live on several workers: which is where, and what goes from one to another.
//!
//! A session and all its streams stay on one worker. What crosses is a transport before its session
//! begins, a browser's connection between two streams, and notes. The tunnel's home takes browsers
//! in and says whose client it is; else no worker is above the others.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::net::SocketAddr;
use core::time::Duration;

use super::access::Arrival;
use super::placing::NoPlace;
use super::route::Opening;
use super::socket::{Proxied, Role, Socket, SocketKey};
use super::timers::Timer;
use super::transport::Stage;
use super::{Core, SessionKey};
use crate::contract::{
    Action, ClientId, ConnectionNumber, HandOver, HandedOver, News, Note, Seated, SocketId, Spread,
    Standing, TransportLoss, TunnelEnd, TunnelId, WorkerId,
};
use crate::kgp::Session;
use crate::{DeadlineReason, Time};

/// How often a browser's connection may be handed on before it has a stream. Two workers may each
/// think that the other has room.
const MAX_HOPS: u8 = 4;
/// How soon a note is offered again that could not be given.
const NOTE_RETRY: Duration = Duration::from_millis(5);

/// A browser's connection on its way to another worker, without a stream.
#[derive(Debug)]
pub(crate) struct Browser(Proxied);

impl Core {
    /// What the workers of a tunnel share, if its sessions live on several.
    pub(super) fn spread_of(&self, tunnel: TunnelId) -> Option<&Arc<Spread>> {
        self.tunnels.get(&tunnel)?.spread.as_ref().filter(|spread| spread.is_used())
    }

    /// The worker of a connection's session. `None`: there is no such tunnel.
    pub(super) fn worker_of(
        &self,
        tunnel: TunnelId,
        connection: ConnectionNumber,
    ) -> Option<WorkerId> {
        let entry = self.tunnels.get(&tunnel)?;
        let spread = entry.spread.as_ref();
        Some(spread.map_or(entry.home, |spread| spread.worker_of(connection)))
    }

    /// Whether the session of a connection lives on another worker.
    pub(super) fn is_elsewhere(&self, tunnel: TunnelId, connection: ConnectionNumber) -> bool {
        self.worker_of(tunnel, connection).is_some_and(|worker| worker != self.worker)
    }

    /// How the sessions of a tunnel stand here.
    fn standing(&self, tunnel: TunnelId) -> Standing {
        let standing = |(_, entry): (SessionKey, &super::SessionEntry)| {
            if !entry.session.takes_streams() {
                Standing::Draining
            } else if entry.outage.is_some() {
                Standing::Interrupted
            } else {
                full_or_open(&entry.session)
            }
        };
        self.sessions_of(tunnel).map(standing).max().unwrap_or(Standing::None)
    }

    /// Lets the other workers of a tunnel know how its sessions stand here, if that has changed.
    pub(super) fn publish(&mut self, tunnel: TunnelId) {
        let Some(spread) = self.spread_of(tunnel) else { return };
        let standing = self.standing(tunnel);
        if spread.set_standing(self.worker, standing) == standing {
            return;
        }
        let spread = Arc::clone(spread);
        for to in spread.waiting(self.worker) {
            self.actions.push_back(Action::Tell { to, note: Note(News::Standing(tunnel)) });
        }
    }

    /// Lets the other workers know how many requests wait here.
    pub(super) fn publish_waiting(&self, tunnel: TunnelId) {
        if let Some(spread) = self.spread_of(tunnel) {
            let waiting = self.tunnels.get(&tunnel).map_or(0, |entry| entry.waiting.len());
            spread.set_waiting(self.worker, waiting);
        }
    }

    /// How the best of the other workers stands, and one that takes streams.
    pub(super) fn elsewhere(&self, tunnel: TunnelId) -> (Standing, Option<WorkerId>) {
        let Some(spread) = self.spread_of(tunnel) else { return (Standing::None, None) };
        let best = spread.others(self.worker).map(|(_, standing)| standing).max();
        let open = spread.least_busy(Some(self.worker));
        (best.unwrap_or(Standing::None), open)
    }

    /// How many workers share the tunnel.
    pub(super) fn spread_over(&self, tunnel: TunnelId) -> usize {
        self.spread_of(tunnel).map_or(1, |spread| spread.len())
    }

    /// At home: another worker has fewer browsers of this tunnel, so the newcomer goes there.
    pub(super) fn seat(&mut self, key: SocketKey, tunnel: TunnelId) {
        let Some(spread) = self.spread_of(tunnel) else { return };
        let worker = spread.least_busy(None).unwrap_or(self.worker);
        let seated = Seated::at(spread, worker);
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        proxied.seated = Some(seated);
        if worker != self.worker {
            self.movers.push_back(key);
        }
    }

    /// A request is for a worker that takes streams, and its browser's connection goes there with it.
    /// It waits here if it has been handed about too often.
    pub(super) fn place_there(&mut self, key: SocketKey, opening: Opening, now: Time) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let tunnel = proxied.tunnel;
        let may_move = !proxied.has_output() && proxied.ahead.is_empty() && proxied.hops < MAX_HOPS;
        match &mut proxied.http {
            Some(http) if may_move => {
                http.opening = Some(opening);
                // Not at once: what was read with the request is still in other hands.
                self.movers.push_back(key);
            }
            _ => self.open_later(key, tunnel, opening, now),
        }
    }

    /// Gives a socket to the worker that is to have it, if it still is to.
    pub(super) fn move_out(&mut self, key: SocketKey, now: Time) -> Option<Action> {
        let socket = self.sockets.get_mut(key)?;
        let proxied = match &mut socket.role {
            Role::Proxied(proxied) => proxied,
            Role::Transport(Some(transport)) => {
                let leaves = matches!(transport.stage, Stage::Admitted(_));
                return if leaves { self.hand_over(key) } else { None };
            }
            Role::Transport(None) => return None,
        };
        let tunnel = proxied.tunnel;
        let to = match &proxied.http {
            Some(http) if http.leaving.is_some() => http.leaving.as_ref().map(|(to, _)| *to),
            Some(http) if http.opening.is_some() => match self.place(tunnel) {
                Err(NoPlace::Elsewhere(worker)) => Some(worker),
                _ => None,
            },
            _ => proxied.seated.as_ref().map(Seated::worker),
        };
        match to {
            Some(to) if to != self.worker => {
                self.take_out_of_cache(key, now);
                self.hand_browser_over(key, to)
            }
            _ => {
                self.open_again(key, now);
                None
            }
        }
    }

    fn hand_browser_over(&mut self, key: SocketKey, to: WorkerId) -> Option<Action> {
        let Socket { role: Role::Proxied(mut proxied), .. } = self.forget(key)? else {
            return None;
        };
        proxied.hops = proxied.hops.saturating_add(1);
        let state = HandOver(HandedOver::Browser(Box::new(Browser(proxied))));
        Some(Action::HandOver { socket: key.into(), to, state })
    }

    /// Takes a browser's connection from another worker, or back.
    pub(super) fn adopt_browser(
        &mut self,
        Browser(mut proxied): Browser,
        peer: SocketAddr,
        now: Time,
    ) -> SocketId {
        let opening = proxied.http().and_then(|http| http.opening.take());
        let tunnel = proxied.tunnel;
        let role = Role::Proxied(proxied);
        self.counters.connected(&role);
        let mut socket = Socket::new(role, Some(peer));
        socket.moved = now;
        let key = self.sockets.insert(socket);
        if self.arrive(key, now) == Arrival::Visitor {
            return key.into();
        }
        self.take_seat(key, tunnel);
        if let Some(opening) = opening {
            self.ask_cache(key, opening, now);
        } else {
            let deadline = now.after(self.config.request_head_timeout);
            self.set_timer(key, deadline, DeadlineReason::KeepAlive);
        }
        key.into()
    }

    /// A browser counts for this worker from here on.
    pub(super) fn take_seat(&mut self, key: SocketKey, tunnel: TunnelId) {
        let seat = self.spread_of(tunnel).map(|spread| Seated::at(spread, self.worker));
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        if proxied.seated.as_ref().map(Seated::worker) != Some(self.worker) {
            proxied.seated = seat;
        }
    }

    /// A request has begun to wait: one of the other workers may have found room before it saw that.
    pub(super) fn look_again(&mut self, tunnel: TunnelId) {
        if self.spread_of(tunnel).is_some() {
            self.unplaced.push_back(tunnel);
        }
    }

    /// Home: the tunnel has another client. The other workers end the sessions that were the last
    /// one's.
    pub(super) fn announce_client(&mut self, tunnel: TunnelId) {
        let Some(entry) = self.tunnels.get_mut(&tunnel) else { return };
        let (Some((client, connections)), Some(spread)) = (entry.client, &entry.spread) else {
            return;
        };
        if connections > 1 {
            spread.begin();
        }
        if !spread.is_used() {
            return;
        }
        entry.era += 1;
        let note = Note(News::Client { tunnel, client, connections, era: entry.era });
        for (to, _) in spread.others(self.worker) {
            self.actions.push_back(Action::Tell { to, note: note.clone() });
        }
    }

    /// Takes what another worker tells.
    pub(super) fn take_note(&mut self, note: Note, now: Time) {
        match note.0 {
            News::Standing(tunnel) => self.retry_waiting(tunnel, now),
            News::Client { tunnel, client, connections, era } => {
                let Some(entry) = self.tunnels.get_mut(&tunnel) else { return };
                if era <= entry.era {
                    return;
                }
                entry.era = era;
                let _ = self.change_client(tunnel, (client, connections), now);
            }
        }
    }

    /// The tunnel is this client's now: ends the sessions of another.
    pub(super) fn change_client(
        &mut self,
        tunnel: TunnelId,
        newcomer: (ClientId, u8),
        now: Time,
    ) -> Client {
        let Some(entry) = self.tunnels.get_mut(&tunnel) else { return Client::Same };
        if entry.client == Some(newcomer) {
            return Client::Same;
        }
        entry.client = Some(newcomer);
        // The requests that wait stay.
        let waiting = core::mem::take(&mut entry.waiting);
        for session in entry.sessions.clone() {
            self.end_session(session, TunnelEnd::Lost(TransportLoss::Ended), now);
        }
        if let Some(entry) = self.tunnels.get_mut(&tunnel) {
            entry.waiting = waiting;
        }
        self.publish_waiting(tunnel);
        Client::Another
    }

    /// A note could not be given now. Of several that say the same one is kept, so there are no
    /// more than tunnels for each worker.
    pub(super) fn keep_note(&mut self, to: WorkerId, note: Note, now: Time) {
        let says_the_same = |(other, earlier): &(WorkerId, Note)| {
            *other == to
                && match (earlier.0, note.0) {
                    (News::Standing(one), News::Standing(other)) => one == other,
                    (News::Client { tunnel, .. }, News::Client { tunnel: other, .. }) => {
                        tunnel == other
                    }
                    _ => false,
                }
        };
        match self.untold.iter_mut().find(|kept| says_the_same(kept)) {
            Some(kept) => kept.1 = note,
            None => self.untold.push_back((to, note)),
        }
        if self.untold.len() == 1 {
            self.timers.set(now.after(NOTE_RETRY), Timer::Notes);
        }
    }

    /// Offers the notes again that could not be given.
    pub(super) fn retry_notes(&mut self) {
        let untold = self.untold.drain(..);
        self.actions.extend(untold.map(|(to, note)| Action::Tell { to, note }));
    }
}

/// Whose a tunnel is, beside before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Client {
    Same,
    Another,
}

fn full_or_open(session: &Session) -> Standing {
    if session.is_full() { Standing::Full } else { Standing::Open }
}
