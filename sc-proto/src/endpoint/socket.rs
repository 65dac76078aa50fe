//! One socket as the core sees it.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;

use super::egress::Outgoing;
use super::exchange::Exchange;
use super::http::Http;
use super::kept::Site;
use super::secure::Secure;
use super::story::Story;
use super::{SessionKey, Transport};
use crate::contract::{CloseMode, Seated, SocketId, StreamKind, TunnelId};
use crate::kgp::StreamKey;
use crate::slab::Key;
use crate::{DeadlineReason, Time};

pub(super) type SocketKey = Key<Socket>;

impl From<SocketId> for SocketKey {
    fn from(id: SocketId) -> Self {
        Self::from_parts(id.index, id.generation)
    }
}

impl From<SocketKey> for SocketId {
    fn from(key: SocketKey) -> Self {
        let (index, generation) = key.parts();
        Self { index, generation }
    }
}

/// See the module's head.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) role: Role,
    /// Whom it is connected to; `None` while it is dialled.
    pub(super) peer: Option<SocketAddr>,
    /// What the driver last said.
    pub(super) can_read: bool,
    pub(super) can_write: bool,
    /// Whether it stands in the list of sockets to write.
    pub(super) write_queued: bool,
    /// Whether it stands in the list of sockets to read outside the turns of a session.
    pub(super) read_queued: bool,
    pub(super) timer: Option<(Time, DeadlineReason)>,
    /// When a byte of a proxied connection last moved. The timer for that looks here when it
    /// fires, so that no byte has to move it.
    pub(super) moved: Time,
}

/// What a socket is for.
#[derive(Debug)]
pub(super) enum Role {
    /// It carries a session. `None` only while its state is being worked on.
    Transport(Option<Box<Transport>>),
    /// A proxied connection, from a browser or to a site.
    Proxied(Proxied),
}

/// A socket linked with a stream, or about to be.
#[derive(Debug)]
pub(super) struct Proxied {
    /// The tunnel whose proxy port took it; sites have theirs by the session.
    pub(super) tunnel: TunnelId,
    pub(super) link: Option<Link>,
    /// HTTP is spoken with the browser. `None`: bytes are relayed as they are.
    pub(super) http: Option<Box<Http>>,
    /// Bytes for the socket that it did not take at once. What it holds of the stream's is
    /// bounded by the stream's window.
    pub(super) spill: VecDeque<u8>,
    /// Bytes for the socket that are still where they were decrypted: first and last segment.
    pub(super) lent: Option<(u32, u32)>,
    /// Bytes received on the stream whose credit has not been returned.
    pub(super) unreturned: u64,
    /// Bytes for the stream that go before anything is read from the socket.
    pub(super) ahead: Bytes,
    pub(super) input: Input,
    pub(super) output: Output,
    pub(super) toward: Toward,
    /// What a site's socket is for.
    pub(super) kind: StreamKind,
    /// The site is not reached yet. Until then the socket counts as not connected.
    pub(super) outgoing: Option<Box<Outgoing>>,
    /// TLS is spoken on the socket. What the socket is said to be able to read is plaintext then.
    pub(super) tls: Option<Box<Secure>>,
    /// A browser counts for its worker, if its tunnel's sessions live on several.
    pub(super) seated: Option<Seated>,
    /// How often a browser came from another worker since its last stream.
    pub(super) hops: u8,
    /// HTTP is spoken with the site. `None`: bytes are relayed as they are.
    pub(super) exchange: Option<Box<Exchange>>,
    /// The connection to this site waits for another exchange.
    pub(super) kept: Option<Box<Site>>,
    /// What is to be told of the present exchange with a site.
    pub(super) story: Option<Box<Story>>,
}

/// The stream of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) session: SessionKey,
    pub(super) stream: StreamKey,
}

/// Who is at the other end of a proxied socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Toward {
    Browser,
    /// A site, perhaps behind a proxy.
    Site,
}

/// Reading from the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Open,
    /// What comes is dropped until the end: the answer was given, only its delivery matters.
    Discard,
    Ended,
}

/// Writing to the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    Open,
    /// Half-close once everything is written.
    EndWanted,
    /// Everything is written and half-closed.
    Ended,
    /// The socket takes no more, but may still be read. What comes for it is dropped.
    Failed,
}

impl Socket {
    pub(super) fn new(role: Role, peer: Option<SocketAddr>) -> Self {
        Self {
            role,
            peer,
            can_read: false,
            // A connection just made takes bytes.
            can_write: peer.is_some(),
            write_queued: false,
            read_queued: false,
            timer: None,
            moved: Time::ZERO,
        }
    }

    /// Whether the driver has a connection for it, to whomever.
    pub(super) fn is_connected(&self) -> bool {
        let hop = match &self.role {
            Role::Proxied(Proxied { outgoing: Some(outgoing), .. }) => outgoing.is_connected(),
            Role::Proxied(_) | Role::Transport(_) => false,
        };
        self.peer.is_some() || hop
    }

    /// Whether a proxied socket takes bytes, and has some.
    pub(super) fn may_write(&self) -> bool {
        match &self.role {
            Role::Proxied(Proxied { outgoing: Some(outgoing), tls, .. }) => {
                outgoing.may_write(tls.as_deref())
            }
            Role::Proxied(proxied) => {
                self.can_write
                    && match &proxied.tls {
                        None => proxied.has_output(),
                        Some(tls) => tls.may_write(proxied.has_plain_output()),
                    }
            }
            Role::Transport(_) => false,
        }
    }

    /// Whether TLS is spoken on a proxied socket.
    pub(super) fn is_secure(&self) -> bool {
        matches!(&self.role, Role::Proxied(Proxied { tls: Some(_), .. }))
    }

    pub(super) fn proxied(&mut self) -> Option<&mut Proxied> {
        match &mut self.role {
            Role::Proxied(proxied) => Some(proxied),
            Role::Transport(_) => None,
        }
    }

    pub(super) fn transport(&mut self) -> Option<&mut Transport> {
        match &mut self.role {
            Role::Transport(transport) => transport.as_deref_mut(),
            Role::Proxied(_) => None,
        }
    }
}

impl Proxied {
    pub(super) fn new(tunnel: TunnelId, link: Option<Link>, http: Option<Box<Http>>) -> Self {
        Self {
            tunnel,
            link,
            http,
            spill: VecDeque::new(),
            lent: None,
            unreturned: 0,
            ahead: Bytes::new(),
            input: Input::Open,
            output: Output::Open,
            toward: Toward::Browser,
            kind: StreamKind::Connect,
            outgoing: None,
            tls: None,
            seated: None,
            hops: 0,
            exchange: None,
            kept: None,
            story: None,
        }
    }

    pub(super) fn http(&mut self) -> Option<&mut Http> {
        self.http.as_deref_mut()
    }

    /// Whether the stream is for one HTTP exchange, and still speaks HTTP.
    pub(super) fn is_exchange(&self) -> bool {
        let is_read = matches!(self.kind, StreamKind::Http | StreamKind::Https);
        self.exchange.is_some() || is_read && self.outgoing.is_some()
    }

    /// Has bytes go to the stream behind those that wait for it already.
    pub(super) fn send_later(&mut self, bytes: Vec<u8>) {
        self.ahead = match (self.ahead.is_empty(), bytes.is_empty()) {
            (_, true) => return,
            (true, false) => bytes.into(),
            (false, false) => [&self.ahead[..], &bytes].concat().into(),
        };
    }

    /// Bytes kept here, but for what is lent.
    pub(super) fn buffered(&self) -> usize {
        let http = self.http.as_ref().map_or(0, |http| http.kept.len() + http.answer.len());
        let outgoing = self.outgoing.as_ref().map_or(0, |outgoing| outgoing.held());
        let tls = self.tls.as_ref().map_or(0, |tls| tls.held());
        let exchange = self.exchange.as_ref().map_or(0, |exchange| exchange.held());
        self.spill.len() + self.ahead.len() + http + outgoing + exchange + tls
    }

    /// How the socket ends when its stream is reset.
    pub(super) fn on_reset(&self) -> CloseMode {
        match self.kind {
            StreamKind::Connect => CloseMode::Abort,
            // The exchange is over for the browser; the site need not see a failure.
            StreamKind::Http | StreamKind::Https => CloseMode::Graceful,
        }
    }

    /// Whether something is to be written to the socket.
    pub(super) fn has_output(&self) -> bool {
        self.has_plain_output() || self.tls.as_ref().is_some_and(|tls| tls.has_output())
    }

    /// Whether bytes of the stream, or of our own, wait.
    pub(super) fn has_plain_output(&self) -> bool {
        !self.spill.is_empty() || self.lent.is_some()
    }
}
