//! The settings of a core.

use alloc::sync::Arc;
use core::net::IpAddr;
use core::time::Duration;

use ipnet::IpNet;

use crate::CacheLimits;
use crate::contract::{AddressGuard, Door};
use crate::egress::Egress;
use crate::http1::{self, Mark};
use crate::kgp::Settings;
use crate::tls::{Resigner, TlsServer};

/// Settings of a [`Core`](crate::Core), fixed for its life.
#[derive(Clone, Debug)]
pub struct Config {
    /// Server: certificate and key for the listeners of role
    /// [`ListenerRole::Kgp`](crate::ListenerRole::Kgp). A client has none.
    pub tls_server: Option<TlsServer>,
    /// Limits and timing of KGP sessions.
    pub kgp: Settings,
    /// Client: what may be reached, and by which way.
    pub egress: Egress,
    /// What this program is called in `Via`, before a hyphen and random digits.
    pub agent: &'static str,
    /// Limits of the HTTP/1.1 machines.
    pub http: http1::Limits,
    /// Server: where direct traffic may lead. Client: where its own proxy port may lead,
    /// [`ListenerRole::LocalIngress`](crate::ListenerRole::LocalIngress); what the tunnel may reach
    /// is decided by [`Config::egress`] alone.
    pub direct: AddressGuard,
    /// Server: who may use proxy ports.
    pub ingress: Ingress,
    /// Server: whom it stands in for towards browsers whose TLS is re-signed. `None`: all TLS
    /// passes through.
    pub resigner: Option<Resigner>,
    /// How long a TLS handshake with a browser, a site or a proxy may take.
    pub tls_handshake_timeout: Duration,
    /// Server: how much memory answers may take that are kept for later requests. By default
    /// none: nothing is kept.
    pub cache: CacheLimits,
    /// Server: how long a browser waits for an answer that another one has asked for, before it
    /// asks for itself.
    pub collapse_wait: Duration,
    /// Seconds of the wall clock (Unix time) at [`Time::ZERO`](crate::Time::ZERO),
    /// to judge certificates by. With the default of 0 none is valid yet, unless it is pinned.
    pub unix_time_at_zero: u64,
    /// From the start of a transport to the end of its handshake.
    pub handshake_timeout: Duration,
    /// From a request to the site's answer to the dial.
    pub dial_timeout: Duration,
    /// Client: from the connection to an upstream proxy to its answer that the site is reached.
    /// Server: it waits so much longer than [`Config::dial_timeout`] for a client's answer.
    pub upstream_timeout: Duration,
    /// From the first byte of a request to the end of its head, and before that from the last
    /// answer to the first byte.
    pub request_head_timeout: Duration,
    /// How long a session waits for a new transport after it lost one.
    pub grace: Duration,
    /// How long no byte may move, either way, on a connection that has a stream or something to
    /// deliver. A browser or site that vanished without a word costs no more than this.
    pub idle_timeout: Duration,
    /// How long a stop waits for running streams.
    pub drain_timeout: Duration,
}

/// Who may use a server's proxy ports.
#[derive(Clone, Debug)]
pub struct Ingress {
    /// What a tunnel's own port wants to know.
    pub own_ports: OwnPorts,
    /// From where browsers may come. `None`: from anywhere. Others are closed at once.
    pub networks: Option<Arc<[IpNet]>>,
    /// How long a visitor who was let in is let in again without a question to the embedder. So
    /// long a key that is void may still be good.
    pub remember: Duration,
    /// What all workers of this server call themselves in `Via`: a request that bears it has been
    /// here before. By default each has a mark of its own, and none is looked for.
    pub mark: Mark,
}

/// What a tunnel's own proxy port wants to know of a visitor. The shared one always wants
/// credentials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnPorts {
    /// Nothing: who reaches it may use it.
    #[default]
    Open,
    /// Credentials.
    Guarded,
}

impl Default for Ingress {
    fn default() -> Self {
        Self {
            own_ports: OwnPorts::Open,
            networks: None,
            remember: Duration::from_secs(5),
            mark: Mark::default(),
        }
    }
}

impl Ingress {
    /// Whether browsers may come from there.
    pub(super) fn admits(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.networks.as_ref().is_none_or(|all| all.iter().any(|network| network.contains(&ip)))
    }

    /// Whether a port wants credentials.
    pub(super) fn guards(&self, door: Door) -> bool {
        match door {
            Door::Shared => true,
            Door::Tunnel(_) => self.own_ports == OwnPorts::Guarded,
            Door::Open(_) => false,
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tls_server: None,
            kgp: Settings::default(),
            egress: Egress::default(),
            agent: "sc",
            http: http1::Limits::default(),
            direct: AddressGuard::public(),
            ingress: Ingress::default(),
            resigner: None,
            tls_handshake_timeout: Duration::from_secs(10),
            cache: CacheLimits::default(),
            collapse_wait: Duration::from_secs(2),
            unix_time_at_zero: 0,
            handshake_timeout: Duration::from_secs(15),
            dial_timeout: Duration::from_secs(25),
            upstream_timeout: Duration::from_secs(60),
            request_head_timeout: Duration::from_secs(60),
            grace: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(3600),
            drain_timeout: Duration::from_secs(300),
        }
    }
}
