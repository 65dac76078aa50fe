//! The settings of a core.

use core::time::Duration;

use crate::CacheLimits;
use crate::contract::AddressGuard;
use crate::egress::Egress;
use crate::http1;
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
    /// Server: where direct traffic may lead.
    pub direct: AddressGuard,
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

impl Default for Config {
    fn default() -> Self {
        Self {
            tls_server: None,
            kgp: Settings::default(),
            egress: Egress::default(),
            agent: "sc",
            http: http1::Limits::default(),
            direct: AddressGuard::public(),
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
