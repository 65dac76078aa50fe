//! A client's own proxy port: whoever is beside the client tries how sites are reached from there.
//!
//! A browser that comes there is one like those of a server's proxy ports. Its streams are those of
//! direct traffic: they are opened by the near session of this core and taken by the far one, and
//! from there on the egress knows no difference. So rules, ways, headers and credentials are the
//! same by construction, and the port works before the tunnel is up and while it is interrupted.

use alloc::boxed::Box;
use core::net::SocketAddr;

use super::Core;
use super::access::NO_TUNNEL;
use super::http::{Entrance, Http};
use super::socket::{Proxied, Role, Socket, SocketKey};
use crate::contract::SocketId;
use crate::http1::Front;
use crate::{DeadlineReason, Time};

impl Core {
    /// Client: a browser has come to its own proxy port.
    pub(super) fn accept_local(&mut self, peer: SocketAddr, now: Time) -> SocketId {
        let mut http = Box::new(Http::new(Front::new(self.config.http)));
        http.entrance = Entrance::Local;
        let role = Role::Proxied(Proxied::new(NO_TUNNEL, None, Some(http)));
        self.counters.connected(&role);
        let key = self.sockets.insert(Socket::new(role, Some(peer)));
        let deadline = now.after(self.config.request_head_timeout);
        self.set_timer(key, deadline, DeadlineReason::KeepAlive);
        key.into()
    }

    /// Whether a browser came to the client's own proxy port.
    pub(super) fn is_local(&self, key: SocketKey) -> bool {
        match self.sockets.get(key).map(|socket| &socket.role) {
            Some(Role::Proxied(Proxied { http: Some(http), .. })) => {
                http.entrance == Entrance::Local
            }
            _ => false,
        }
    }
}
