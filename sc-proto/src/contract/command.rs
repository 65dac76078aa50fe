//! What an embedder tells the core.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::access::Access;
use super::action::SocketClass;
use super::id::{
    ClientId, ConnectionNumber, ListenerId, SocketId, TunnelId, TunnelSecret, WorkerId,
};
use super::spread::Spread;
use super::target::Target;
use crate::egress::{Egress, Way};
use crate::rules::Routing;
use crate::tls::TlsClient;

/// What connections accepted by a listener are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerRole {
    /// KGP transports from clients.
    Kgp,
    /// The proxy port of one tunnel.
    Ingress(TunnelId),
    /// One more proxy port of one tunnel, where nobody is asked for credentials: whoever opened it
    /// sees to it that only those reach it who may.
    OpenIngress(TunnelId),
    /// The proxy port of all tunnels: a request's credentials say which.
    SharedIngress,
    /// Client: a proxy port of its own. What comes there takes the same way to sites as what comes
    /// through the tunnel, and needs no session. Where it may lead is limited by
    /// [`Config::direct`](crate::Config::direct), too.
    LocalIngress,
}

impl ListenerRole {
    /// What the connections carry: how the driver sets their sockets up.
    pub const fn class(self) -> SocketClass {
        match self {
            Self::Kgp => SocketClass::Transport,
            Self::Ingress(_) | Self::OpenIngress(_) | Self::SharedIngress | Self::LocalIngress => {
                SocketClass::Proxied
            }
        }
    }
}

/// A command to one core.
#[derive(Debug)]
#[non_exhaustive]
pub enum Command {
    /// Server: expect a client for this tunnel. Said to every worker, so that each can judge a
    /// handshake; the sessions live on worker `home`, or with [`Command::Spread`] from there on.
    /// Said again it changes secret and home for those who come from then on.
    AddTunnel {
        /// Which.
        tunnel: TunnelId,
        /// What the client must present.
        secret: TunnelSecret,
        /// The worker that owns its sessions and its proxy port.
        home: WorkerId,
    },
    /// Server: the sessions of a tunnel whose client has several connections may live on several
    /// workers. Said to each of them after [`Command::AddTunnel`], with one and the same
    /// [`Spread`]; without it all live at home. The proxy port is home's all the same: browsers
    /// are handed over from there.
    Spread {
        /// Which.
        tunnel: TunnelId,
        /// What these workers share.
        spread: Arc<Spread>,
    },
    /// Server: where the requests of a tunnel go, from here on. Said to all workers that may carry
    /// the tunnel after [`Command::AddTunnel`]; without it all go through the tunnel.
    SetRouting {
        /// Which.
        tunnel: TunnelId,
        /// Its rules.
        routing: Arc<Routing>,
    },
    /// Server: requests that come to this listener bear these fields from here on, where they can be
    /// read. Forgotten with the listener.
    Label {
        /// Which.
        listener: ListenerId,
        /// Whole header lines, each with its end.
        fields: Arc<str>,
    },
    /// Server: the tunnel is to end. Said to all workers. Its sessions take no new streams and each ends with
    /// [`Event::TunnelDown`](super::Event::TunnelDown) when its running ones are done. No new
    /// session begins. [`Command::RemoveTunnel`] is still to follow.
    DrainTunnel(TunnelId),
    /// Server: closes browsers' connections of this tunnel that wait for their next request: the
    /// address they were made to may lead to another tunnel now. Said to all workers. What runs
    /// goes on.
    CloseIdle(TunnelId),
    /// The tunnel ended. Its sessions are closed, their streams are reset. Of a client each that
    /// waits for its server is given up, too.
    RemoveTunnel(TunnelId),
    /// Client: connect to a server and serve a tunnel's streams. A tunnel may have several
    /// connections, each with a session of its own; the command is given once for each.
    Connect(Box<Connect>),
    /// Client: the answer to [`Event::WayWanted`](super::Event::WayWanted).
    Ways {
        /// What waits for it. If it has gone, nothing happens.
        socket: SocketId,
        /// The ways, to be tried in this order; at most [`MAX_WAYS`](crate::egress::MAX_WAYS)
        /// count. Without any the request fails with
        /// [`DialFailure::NoWay`](super::DialFailure::NoWay).
        ways: Vec<Way>,
    },
    /// Server: the answer to [`Event::AccessWanted`](super::Event::AccessWanted).
    Access {
        /// What waits for it. If it has gone, nothing happens.
        socket: SocketId,
        /// Whether its request may go on.
        access: Access,
    },
    /// Client: other rules for what comes from now on. What is under way goes on as it began.
    SetEgress(Box<Egress>),
    /// End all sessions: see [`Stop`].
    Stop(Stop),
}

/// How a client reaches its server.
#[derive(Debug)]
pub struct Connect {
    /// The tunnel to serve.
    pub tunnel: TunnelId,
    /// Proof of the right to it.
    pub secret: TunnelSecret,
    /// Who this is. The same for all connections of a client; another client's sessions of this
    /// tunnel end.
    pub client: ClientId,
    /// Which of the client's connections it is to be. If the server still has a session of it,
    /// the new one takes its place.
    pub connection: ConnectionNumber,
    /// Where the server listens.
    pub server: Target,
    /// The name its certificate is checked against.
    pub server_name: String,
    /// What certificates to trust.
    pub tls: TlsClient,
}

/// How to end. No new transport is taken or dialled. [`Event::Stopped`](super::Event::Stopped)
/// follows once; 5 seconds are the most that a transport may take to say goodbye.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Send GOAWAY, take no new stream, let running ones finish and their last bytes be
    /// delivered, then close. After [`Config::drain_timeout`](crate::Config::drain_timeout) it
    /// goes on as [`Stop::Now`].
    Drain,
    /// Reset all streams and close at once.
    Now,
}
