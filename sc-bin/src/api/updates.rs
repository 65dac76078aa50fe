//! What a client asks at its start, and says while it runs.

use serde::{Deserialize, Serialize};

/// The answer to `GET /{user}/tunnels/info/updates`: texts for the user and settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Updates {
    /// The client prints them and stops.
    pub(crate) fatal: Vec<String>,
    /// The client prints them and goes on.
    pub(crate) warning: Vec<String>,
    /// The client prints them.
    pub(crate) info: Vec<String>,
    /// How the client shall work.
    pub(crate) configuration: Configuration,
}

/// How a client shall work. Times are in seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Configuration {
    /// Places a tunnel can be started at, never empty.
    pub(crate) regions: Vec<Region>,
    /// From the create request to status `running`.
    pub(crate) start_timeout: u32,
    /// From the dial to the end of the KGP handshake.
    pub(crate) kgp_handshake_timeout: u32,
    /// Between two heartbeats.
    pub(crate) client_status_interval: u32,
    /// For the answer to a heartbeat.
    pub(crate) client_status_timeout: u32,
    /// Between two polls of the tunnel's record.
    pub(crate) server_status_interval: u32,
    /// For the answer to a poll.
    pub(crate) server_status_timeout: u32,
    /// How long a client that ends waits for running jobs.
    pub(crate) job_wait_timeout: u32,
    /// Signs of life without an answer before a connection counts as dead.
    pub(crate) max_missed_acks: u32,
    /// Most bytes a second that the client reads from sites. None: no limit.
    pub(crate) scproxy_read_limit: Option<u64>,
    /// Most bytes a second that it writes to them.
    pub(crate) scproxy_write_limit: Option<u64>,
    /// Names of what is being tried out.
    pub(crate) experimental: Vec<String>,
}

impl Default for Configuration {
    fn default() -> Self {
        Self {
            regions: Vec::new(),
            start_timeout: 45,
            kgp_handshake_timeout: 15,
            client_status_interval: 30,
            client_status_timeout: 15,
            server_status_interval: 10,
            server_status_timeout: 5,
            job_wait_timeout: 300,
            max_missed_acks: 300,
            scproxy_read_limit: None,
            scproxy_write_limit: None,
            experimental: Vec::new(),
        }
    }
}

/// A place tunnels can be started at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Region {
    /// Its name.
    pub(crate) name: String,
    /// Its REST API.
    pub(crate) url: String,
}

/// The body of `POST /{user}/tunnels/{id}/connected`, sent every
/// [`Configuration::client_status_interval`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Heartbeat {
    /// Whether the client has a KGP session.
    pub(crate) kgp_is_connected: bool,
    /// Seconds since that changed.
    pub(crate) kgp_seconds_since_last_status_change: u64,
    /// How much memory its machine has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Memory>,
}

/// The memory of a client's machine, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Memory {
    /// All there is.
    pub(crate) total: u64,
    /// What programs could get.
    pub(crate) available: u64,
    /// What they have.
    pub(crate) used: u64,
    /// What nobody has.
    pub(crate) free: u64,
}
