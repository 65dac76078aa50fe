//! The Tunnel object.

use sc_proto::contract::TunnelId;
use serde::{Deserialize, Serialize};

use super::hex;
use super::metadata::Metadata;
use super::rules::Rules;

/// A tunnel, running or ended, as the API shows it to its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tunnel {
    /// Its id.
    #[serde(with = "hex::tunnel_id")]
    pub(crate) id: TunnelId,
    /// The user who started it.
    pub(crate) owner: String,
    /// The teams of its owner.
    #[serde(default)]
    pub(crate) team_ids: Vec<String>,
    /// Where it is in its life.
    pub(crate) status: Status,
    /// The client is connected: jobs can use the tunnel.
    pub(crate) is_ready: bool,
    /// What client and server speak.
    pub(crate) protocol: Protocol,
    /// Its name. `None`: the owner's unnamed tunnel.
    pub(crate) tunnel_identifier: Option<String>,
    /// It belongs to a pool of tunnels of its name.
    #[serde(default)]
    pub(crate) tunnel_pool: bool,
    /// Others may use it.
    #[serde(default)]
    pub(crate) shared_tunnel: bool,
    /// The same as version 5 says it: `all`.
    #[serde(default)]
    pub(crate) shared: Option<String>,
    /// Name or address of the server that the client dials, and checks the certificate for.
    pub(crate) host: String,
    /// Its address, if [`Tunnel::host`] is one.
    #[serde(default)]
    pub(crate) ip_address: Option<String>,
    /// Port the client dials. The name is historic: it is KGP over TLS.
    pub(crate) ssh_port: u16,
    /// Extension: the tunnel's own HTTP proxy, `host:port`, for browsers. The port is released
    /// when the tunnel ends.
    pub(crate) proxy_address: String,
    /// When the record was made.
    pub(crate) creation_time: u64,
    /// When the tunnel began to run.
    pub(crate) launch_time: Option<u64>,
    /// When the client was last known to be connected.
    pub(crate) last_connected: Option<u64>,
    /// When the tunnel ended.
    pub(crate) shutdown_time: Option<u64>,
    /// Of an ended tunnel: whether that was on request.
    pub(crate) user_shutdown: Option<bool>,
    /// Of an ended tunnel: why, as `sigterm`, `serverTimeout`.
    pub(crate) shutdown_reason: Option<String>,
    /// Where its requests go.
    #[serde(flatten)]
    pub(crate) rules: Rules,
    /// Always true: the protocol is KGP.
    #[serde(default)]
    pub(crate) use_kgp: Option<bool>,
    /// Whether answers may be cached for it.
    #[serde(default)]
    pub(crate) use_caching_proxy: Option<bool>,
    /// The opposite, as it was asked for.
    #[serde(default)]
    pub(crate) no_proxy_caching: Option<bool>,
    /// What the client asked the server to run.
    #[serde(default)]
    pub(crate) vm_version: Option<String>,
    /// What a version 4 client told about itself: JSON inside a string.
    pub(crate) extra_info: Option<String>,
    /// What the client told about itself.
    #[serde(default)]
    pub(crate) metadata: Metadata,
}

/// What [`Tunnel::shared`] says of a shared tunnel.
#[cfg(feature = "server")]
pub(crate) const SHARED: &str = "all";

/// [`Tunnel::ip_address`] for a host: itself, if it is an address.
#[cfg(feature = "server")]
pub(crate) fn ip_address(host: &str) -> Option<String> {
    host.parse::<std::net::IpAddr>().ok().map(|ip| ip.to_string())
}

/// Where a tunnel is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Status {
    /// The server sets it up.
    Booting,
    /// The server is ready for the client. Whether the client is there says
    /// [`Tunnel::is_ready`].
    Running,
    /// Asked to end; what runs may finish.
    Halting,
    /// Ended.
    Terminated,
}

/// What client and server of a tunnel speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Protocol {
    /// Our KGP over TLS.
    Kgp,
}
