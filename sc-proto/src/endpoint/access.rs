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

use super::http::{Http, Wants};
use super::route::Wish;
use super::socket::{Proxied, Role, Socket, SocketKey};
use super::{Core, MAX_EVENTS};
use crate::contract::{
    Access, AccessRefused, Action, Door, Event, HandOver, SocketId, TunnelId, Visitor, WorkerId,
};
use crate::http1::{Credentials, Failure};
use crate::{DeadlineReason, Time};

/// How long the embedder may take to say whether a visitor is let in.
const ACCESS_TIMEOUT: Duration = Duration::from_secs(10);
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

/// A browser's connection on its way to the worker of its tunnel, with a request that was let in.
#[derive(Debug)]
pub(crate) struct Visit {
    http: Box<Http>,
    wish: Wish,
    tunnel: TunnelId,
}

/// What a core hands to another.
#[derive(Debug)]
pub(crate) enum Handed {
    /// A transport whose client was let in.
    Transport(Box<super::Transport>),
    /// A browser's connection.
    Browser(Box<Visit>),
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
        let mut http = Box::new(Http::new(self.config.http, self.config.ingress.mark.clone()));
        http.door = self.config.ingress.guards(door).then_some(door);
        let tunnel = match door {
            Door::Tunnel(tunnel) => tunnel,
            Door::Shared => NO_TUNNEL,
        };
        let key = self.browser_socket(tunnel, http, peer);
        let deadline = now.after(self.config.request_head_timeout);
        self.set_timer(key, deadline, DeadlineReason::KeepAlive);
        Some(key.into())
    }

    fn browser_socket(&mut self, tunnel: TunnelId, http: Box<Http>, peer: SocketAddr) -> SocketKey {
        let role = Role::Proxied(Proxied::new(tunnel, None, Some(http)));
        self.counters.connected(&role);
        self.sockets.insert(Socket::new(role, Some(peer)))
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

    /// The embedder has not said a word in time.
    pub(super) fn access_timeout(&mut self, key: SocketKey, now: Time) {
        if let Some(http) = self.http(key) {
            http.asked = None;
        }
        self.turn_away(key, &AccessRefused::Unchecked, now);
    }

    fn turn_away(&mut self, key: SocketKey, reason: &AccessRefused, now: Time) {
        let Some(http) = self.http(key) else { return };
        let ending = http.front.turn_away(reason);
        self.conclude(key, ending, &[], now);
    }

    /// The request goes by `tunnel`, perhaps on another worker.
    fn let_in(&mut self, key: SocketKey, wish: Wish, tunnel: TunnelId, now: Time) {
        let home = self.tunnels.get(&tunnel).map(|tunnel| tunnel.home);
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        proxied.tunnel = tunnel;
        match home {
            Some(home) if home == self.worker => self.begin_opening(key, wish, now),
            Some(home) => {
                if let Some(http) = self.http(key) {
                    http.asked = None;
                    http.leaving = Some((home, wish));
                }
                // What was read with the request is kept first, and goes along.
                self.leaving.push_back(key);
            }
            // It ended a moment ago.
            None => self.end_exchange(key, Failure::NotConnected, &[], now),
        }
    }

    /// Gives a browser's connection to the worker of its tunnel.
    pub(super) fn hand_browser_over(&mut self, key: SocketKey) {
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let tunnel = proxied.tunnel;
        let leaving = proxied.http().and_then(|http| http.leaving.take());
        let Some((to, wish)) = leaving else { return };
        let Some(mut http) = proxied.http.take() else { return };
        http.wants = Wants::Nothing;
        let visit = Box::new(Visit { http, wish, tunnel });
        self.send_off(key, to, HandOver(Handed::Browser(visit)));
    }

    fn send_off(&mut self, key: SocketKey, to: WorkerId, state: HandOver) {
        if self.forget(key).is_some() {
            self.actions.push_back(Action::HandOver { socket: key.into(), to, state });
        }
    }

    /// Takes a browser's connection from another worker and goes on with its request.
    pub(super) fn adopt_browser(&mut self, visit: Visit, peer: SocketAddr, now: Time) -> SocketId {
        let Visit { http, wish, tunnel } = visit;
        let key = self.browser_socket(tunnel, http, peer);
        self.begin_opening(key, wish, now);
        key.into()
    }
}
