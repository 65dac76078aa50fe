//! What the core tells its embedder.

use alloc::boxed::Box;
use core::net::SocketAddr;
use core::time::Duration;

use super::access::{Door, Visitor};
use super::id::{ConnectionNumber, SessionId, SocketId, TunnelId};
use super::reason::{ConnectFailure, TransportLoss};
use super::target::{StreamKind, Target};
use crate::egress::Exchanged;

/// Something the embedder may want to know, act on or log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A session of this tunnel is up (both ends). The tunnel may have others, one for each of its
    /// connections.
    TunnelUp {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Its session.
        session: SessionId,
        /// Which of the tunnel's connections that is.
        connection: ConnectionNumber,
        /// The other end of the transport.
        peer: SocketAddr,
    },
    /// A session of this tunnel lost its transport. Its streams wait (both ends).
    TunnelInterrupted {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Its session.
        session: SessionId,
        /// Which of the tunnel's connections that is.
        connection: ConnectionNumber,
        /// What happened to the transport.
        cause: TransportLoss,
    },
    /// Client: a try to get a new transport has failed.
    Reconnecting {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Its session.
        session: SessionId,
        /// Which of the tunnel's connections that is.
        connection: ConnectionNumber,
        /// Which try, from 1.
        attempt: u32,
        /// Why it failed.
        failure: ConnectFailure,
        /// The pause before the next.
        next_try_in: Duration,
    },
    /// The session goes on with a new transport (both ends).
    TunnelResumed {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Its session.
        session: SessionId,
        /// Which of the tunnel's connections that is.
        connection: ConnectionNumber,
        /// Bytes that this side sends again.
        replayed: u64,
        /// Streams that were kept.
        streams: usize,
        /// How long it had no transport; zero if the old one was replaced.
        outage: Duration,
    },
    /// A session of this tunnel ended (both ends).
    TunnelDown {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Its session.
        session: SessionId,
        /// Which of the tunnel's connections that is.
        connection: ConnectionNumber,
        /// Why.
        end: TunnelEnd,
    },
    /// Client: [`Command::Connect`](super::Command::Connect) came to nothing.
    ConnectFailed {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Which of its connections.
        connection: ConnectionNumber,
        /// Why.
        failure: ConnectFailure,
    },
    /// Client: by which ways a site may be reached is to be said, with
    /// [`Command::Ways`](super::Command::Ways), within 20 seconds. Asked where
    /// [`WayChoice::Asked`](crate::egress::WayChoice::Asked) is set.
    WayWanted {
        /// What waits for the answer.
        socket: SocketId,
        /// What is wanted of the site.
        kind: StreamKind,
        /// The site.
        target: Target,
    },
    /// Client: an exchange with a site has ended, or a CONNECT has got its way, or neither came to
    /// be. Told where [`Egress::watch`](crate::egress::Egress::watch) asks for it, if not too much
    /// waits to be heard.
    Exchanged(Box<Exchanged>),
    /// Server: a transport was dropped before it belonged to a session. To be logged.
    TransportDropped {
        /// Who it was.
        peer: SocketAddr,
        /// Why.
        loss: TransportLoss,
    },
    /// Server: a request wants to be let in; to be said with
    /// [`Command::Access`](super::Command::Access) within 10 seconds.
    AccessWanted {
        /// What waits for the answer.
        socket: SocketId,
        /// The browser.
        peer: SocketAddr,
        /// Which proxy port it came to.
        door: Door,
        /// Whom it says it is of. Not proved.
        visitor: Box<Visitor>,
    },
    /// Server: a browser came from where nobody is let in, and was closed. To be logged.
    VisitorOutside {
        /// Who it was.
        peer: SocketAddr,
    },
    /// All sessions have ended after [`Command::Stop`](super::Command::Stop).
    Stopped,
}

/// Why a session of a tunnel ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelEnd {
    /// Its transport ended.
    #[error("{0}")]
    Lost(TransportLoss),
    /// The peer drained it with GOAWAY and all streams are done.
    #[error("the peer is shutting down")]
    PeerDrained,
    /// This side ended it.
    #[error("ended on this side")]
    Local,
}
