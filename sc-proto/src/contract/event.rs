//! What the core tells its embedder.

use core::net::SocketAddr;

use super::id::{SessionId, TunnelId};
use super::reason::{ConnectFailure, TransportLoss};

/// Something the embedder may want to know, act on or log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A session of this tunnel is up (both ends).
    TunnelUp {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Its session.
        session: SessionId,
        /// The other end of the transport.
        peer: SocketAddr,
    },
    /// The session of this tunnel ended (both ends).
    TunnelDown {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Its session.
        session: SessionId,
        /// Why.
        end: TunnelEnd,
    },
    /// Client: [`Command::Connect`](super::Command::Connect) came to nothing.
    ConnectFailed {
        /// Which tunnel.
        tunnel: TunnelId,
        /// Why.
        failure: ConnectFailure,
    },
    /// Server: a transport was dropped before it belonged to a session. To be logged.
    TransportDropped {
        /// Who it was.
        peer: SocketAddr,
        /// Why.
        loss: TransportLoss,
    },
    /// All sessions have ended after [`Command::Stop`](super::Command::Stop).
    Stopped,
}

/// Why a tunnel's session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
