//! Where a browser's request goes: nowhere, directly to the site, or through its tunnel.

use alloc::sync::Arc;

use alloc::boxed::Box;
use alloc::format;

use bytes::Bytes;

use super::socket::{Proxied, Role, Socket, SocketKey};
use super::tunnel::Carrier;
use super::{Config, Core};
use crate::Time;
use crate::contract::{DialFailure, StreamKind, Target};
use crate::http1::Failure;
use crate::rules::Way;

/// What a request asks for.
#[derive(Debug)]
pub(super) struct Wish {
    pub(super) target: Target,
    pub(super) kind: StreamKind,
    /// What goes first on the stream.
    pub(super) head: Bytes,
}

/// A request whose stream is to be opened.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    pub(super) target: Target,
    pub(super) kind: StreamKind,
    /// What goes first on the stream.
    pub(super) head: Bytes,
    pub(super) way: Way,
}

/// A mark for `Via` that no other core bears (RFC 9110, section 7.6.3), unless all workers of a
/// server have one.
pub(super) fn mark(config: &Config, id: [u8; 10]) -> Box<str> {
    let of_server = config.ingress.mark.word();
    if !of_server.is_empty() {
        return of_server.into();
    }
    let digits = id.iter().map(|byte| format!("{byte:02x}")).collect::<alloc::string::String>();
    format!("{}-{digits}", config.agent).into_boxed_str()
}

impl Core {
    /// The head of a request through the tunnel: it says who asked, and that it passed here.
    pub(super) fn stamped(&self, key: SocketKey, opening: &Opening) -> Bytes {
        let socket = self.sockets.get(key);
        let peer = socket.and_then(|socket| socket.peer);
        let label = match socket.map(|socket| &socket.role) {
            Some(Role::Proxied(Proxied { http: Some(http), .. })) => http.label.as_deref(),
            _ => None,
        };
        let label = label.unwrap_or_default();
        let fields = opening.head.strip_suffix(b"\r\n");
        let (Some(peer), Some(fields)) = (peer, fields) else { return opening.head.clone() };
        let address = peer.ip().to_canonical();
        let stamp = match opening.way {
            Way::Tunnel => {
                format!("{label}X-Forwarded-For: {address}\r\nVia: 1.1 {}\r\n\r\n", self.mark)
            }
            // The egress of this core leaves its mark itself.
            Way::Direct if self.is_local(key) => format!("X-Forwarded-For: {address}\r\n\r\n"),
            Way::Direct => return opening.head.clone(),
        };
        [fields, stamp.as_bytes()].concat().into()
    }

    /// Decides where a request goes and opens its stream, or refuses it.
    pub(super) fn begin_opening(&mut self, key: SocketKey, wish: Wish, now: Time) {
        let Wish { target, kind, head } = wish;
        if self.is_local(key) {
            if let Some(http) = self.http(key) {
                http.opening = Some(Opening { target, kind, head, way: Way::Direct });
            }
            return self.open_stream(key, now);
        }
        let Some(proxied) = self.sockets.get_mut(key).and_then(Socket::proxied) else { return };
        let routing = self.tunnels.get(&proxied.tunnel).map(|tunnel| Arc::clone(&tunnel.routing));
        let verdict = match &routing {
            Some(routing) => routing.judge(&target, kind, &head),
            // It ends anyway.
            None => Ok(Way::Tunnel),
        };
        let Ok(way) = verdict else {
            return self.end_exchange(key, Failure::Denied, &[], now);
        };
        if kind == StreamKind::Connect
            && way == Way::Tunnel
            && self.config.resigner.is_some()
            && let Some(why) = routing.as_ref().and_then(|routing| routing.resigns(&target.host))
        {
            return self.begin_peek(key, target, why, now);
        }
        self.ask_cache(key, Opening { target, kind, head, way }, now);
    }

    /// What a failed dial means for a browser: it matters who dialled.
    pub(super) fn failure_of(&mut self, key: SocketKey, failure: DialFailure) -> Failure {
        let link = self.sockets.get_mut(key).and_then(Socket::proxied).and_then(|p| p.link);
        let session = link.and_then(|link| self.sessions.get(link.session));
        match session.map(|entry| entry.carrier) {
            Some(Carrier::Direct) if self.is_local(key) => Failure::Local(failure),
            Some(Carrier::Direct) => Failure::Direct(failure),
            Some(Carrier::Transport) | None => Failure::Dial(failure),
        }
    }
}
