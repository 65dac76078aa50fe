//! Who may use a proxy port: what is remembered of visitors, the question to the embedder, and
//! the way of a browser's connection to the worker of its tunnel.
//!
//! A request to a guarded port waits until it is known by which tunnel it may go. A visitor who
//! was let in is remembered for [`Ingress::remember`](super::Ingress), so that requests in a row
//! cost a look into a map; those who were not are never remembered, so that guessing always
//! reaches the embedder, who counts it.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use core::net::SocketAddr;
use core::time::Duration;

use super::http::Http;
use super::route::Wish;
use super::socket::{Proxied, Role, Socket, SocketKey};
use super::{Core, MAX_EVENTS};
use crate::contract::{Access, AccessRefused, Door, Event, SocketId, TunnelId, Visitor, WorkerId};
use crate::http1::{Credentials, Failure, Front};
use crate::{DeadlineReason, Time};

/// How long the embedder may take to say whether a visitor is let in.
const ACCESS_TIMEOUT: Duration = Duration::from_secs(10);
/// How soon a visitor tries again to get to another worker whose mailbox is full, and how often.
const NEXT_TRY: Duration = Duration::from_millis(5);
const MAX_TRIES: u8 = 200;
/// Most visitors that are remembered.
const MAX_VISITORS: usize = 1024;
/// The tunnel of a connection to the shared port whose first request is still to come.
pub(super) const NO_TUNNEL: TunnelId = TunnelId([0; 16]);

/// A request that waits to be let in.
#[derive(Debug)]
pub(super) struct Asked {
    wish: Wish,
    visitor: Visitor,
}

/// Visitors who were let in a moment ago.
#[derive(Debug, Default)]
pub(super) struct Visitors {
    by_door: BTreeMap<Door, BTreeMap<Box<str>, Known>>,
    count: usize,
}

#[derive(Debug)]
struct Known {
    visitor: Visitor,
    tunnel: TunnelId,
    until: Time,
}

impl Visitors {
    fn find(&self, door: Door, visitor: &Visitor, now: Time) -> Option<TunnelId> {
        let known = self.by_door.get(&door)?.get(visitor.user_id())?;
        let is_same = known.visitor.has_key_of(visitor);
        (is_same && now < known.until).then_some(known.tunnel)
    }

    fn remember(&mut self, door: Door, visitor: Visitor, tunnel: TunnelId, until: Time) {
        if self.count >= MAX_VISITORS {
            // Each of them costs one question to be known again.
            self.forget_all();
        }
        let visitors = self.by_door.entry(door).or_default();
        let known = Known { tunnel, until, visitor };
        if visitors.insert(known.visitor.user_id().into(), known).is_none() {
            self.count += 1;
        }
    }

    /// Tunnels have changed: who meant which may have, too.
    pub(super) fn forget_all(&mut self) {
        *self = Self::default();
    }
}

impl Core {
    /// Server: a browser's connection was accepted. `None`: nobody is let in from there.
    pub(super) fn accept_browser(
        &mut self,
        door: Door,
        peer: SocketAddr,
        now: Time,
    ) -> Option<SocketId> {
        if !self.config.ingress.admits(peer.ip()) {
            self.counters.visits.outside += 1;
            if self.events.len() < MAX_EVENTS {
                self.events.push_back(Event::VisitorOutside { peer });
            }
            return None;
        }
        let front = Front::new(self.config.http).marked(self.config.ingress.mark.clone());
        let mut http = Box::new(Http::new(front));
        http.door = self.config.ingress.guards(door).then_some(door);
        let tunnel = match door {
            Door::Tunnel(tunnel) | Door::Open(tunnel) => tunnel,
            Door::Shared => NO_TUNNEL,
        };
        let role = Role::Proxied(Proxied::new(tunnel, None, Some(http)));
        self.counters.connected(&role);
        let key = self.sockets.insert(Socket::new(role, Some(peer)));
        let deadline = now.after(self.config.request_head_timeout);
        self.set_timer(key, deadline, DeadlineReason::KeepAlive);
        self.seat(key, tunnel);
        Some(key.into())
    }

    /// Decides whether a request may go on.
    pub(super) fn admit(
        &mut self,
        key: SocketKey,
        wish: Wish,
        credentials: Credentials,
        now: Time,
    ) {
        let Some(peer) = self.sockets.get(key).and_then(|socket| socket.peer) else { return };
        let Some(http) = self.http(key) else { return };
        let Some(door) = http.door else {
            return self.begin_opening(key, wish, now);
        };
        let visitor = match credentials {
            Credentials::Basic(visitor) => visitor,
            Credentials::None | Credentials::Unreadable => {
                return self.turn_away(key, &AccessRefused::Credentials, now);
            }
        };
        if let Some(tunnel) = self.visitors.find(door, &visitor, now) {
            self.counters.visits.remembered += 1;
            return self.let_in(key, wish, tunnel, now);
        }
        if self.events.len() >= MAX_EVENTS {
            return self.turn_away(key, &AccessRefused::Unchecked, now);
        }
        self.counters.visits.asked += 1;
        let socket = key.into();
        self.events.push_back(Event::AccessWanted {
            socket,
            peer,
            door,
            visitor: Box::new(visitor.clone()),
        });
        if let Some(http) = self.http(key) {
            http.asked = Some(Box::new(Asked { wish, visitor }));
        }
        self.set_timer(key, now.after(ACCESS_TIMEOUT), DeadlineReason::Access);
    }

    /// The embedder has looked at a visitor. A late answer finds nobody.
    pub(super) fn access_told(&mut self, key: SocketKey, access: Access, now: Time) {
        let Some(http) = self.http(key) else { return };
        let Some(door) = http.door else { return };
        let Some(asked) = http.asked.take() else { return };
        self.clear_timer(key);
        match access {
            Access::Granted(tunnel) => {
                let Asked { wish, visitor } = *asked;
                let until = now.after(self.config.ingress.remember);
                self.visitors.remember(door, visitor, tunnel, until);
                self.let_in(key, wish, tunnel, now);
            }
            Access::Refused(reason) => self.turn_away(key, &reason, now),
        }
    }

    /// The embedder has not said a word in time; or a visitor may try again to get to the worker of
    /// their tunnel.
    pub(super) fn access_timeout(&mut self, key: SocketKey, now: Time) {
        let Some(http) = self.http(key) else { return };
        if http.leaving.is_some() {
            return self.movers.push_back(key);
        }
        http.asked = None;
        self.turn_away(key, &AccessRefused::Unchecked, now);
    }

    fn turn_away(&mut self, key: SocketKey, reason: &AccessRefused, now: Time) {
        let Some(http) = self.http(key) else { return };
        let ending = http.front.turn_away(reason);
        self.conclude(key, ending, &[], now);
    }

    /// The request goes by `tunnel`, perhaps on another worker.
    fn let_in(&mut self, key: SocketKey, wish: Wish, tunnel: TunnelId, now: Time) {
        let to = self.worker_for(tunnel);
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let Some(to) = to else {
            // It ended a moment ago.
            return self.end_exchange(key, Failure::NotConnected, &[], now);
        };
        if proxied.tunnel == tunnel {
            // It came to the tunnel's own port, or its last request went there, too.
            return self.begin_opening(key, wish, now);
        }
        proxied.tunnel = tunnel;
        proxied.seated = None;
        proxied.hops = 0;
        if let Some(http) = proxied.http() {
            http.leaving = Some((to, wish));
        }
        if to == self.worker {
            self.arrive(key, now);
        } else {
            // Not at once: what was read with the request is still in other hands, and goes along.
            self.movers.push_back(key);
        }
    }

    /// The worker that takes a newcomer of this tunnel. `None`: there is no such tunnel.
    fn worker_for(&self, tunnel: TunnelId) -> Option<WorkerId> {
        let home = self.tunnels.get(&tunnel)?.home;
        let least_busy = self.spread_of(tunnel).and_then(|spread| spread.least_busy(None));
        Some(least_busy.unwrap_or(home))
    }

    /// A visitor's request is at the worker where it was to go, or was given back by the driver.
    /// Says whether there was one.
    pub(super) fn arrive(&mut self, key: SocketKey, now: Time) -> Arrival {
        let here = self.worker;
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else {
            return Arrival::NoVisitor;
        };
        let (tunnel, hops) = (proxied.tunnel, proxied.hops);
        let Some((to, wish)) = proxied.http().and_then(|http| http.leaving.take()) else {
            return Arrival::NoVisitor;
        };
        if to == here {
            proxied.hops = 0;
            self.take_seat(key, tunnel);
            self.begin_opening(key, wish, now);
        } else if hops < MAX_TRIES {
            if let Some(http) = self.http(key) {
                http.leaving = Some((to, wish));
            }
            self.set_timer(key, now.after(NEXT_TRY), DeadlineReason::Access);
        } else {
            // The next request begins anew.
            proxied.tunnel = NO_TUNNEL;
            self.end_exchange(key, Failure::TooManyStreams, &[], now);
        }
        Arrival::Visitor
    }
}

/// Whether a connection from another worker brings a request that was let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    Visitor,
    NoVisitor,
}
