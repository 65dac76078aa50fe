//! Jobs: what uses a tunnel for a while.

use serde::{Deserialize, Serialize};

/// The request `POST /{user}/jobs`. An extension, as all of jobs' own calls are.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct CreateJob {
    /// Name of the tunnel or pool; none: the owner's unnamed tunnel.
    #[serde(alias = "tunnelName", alias = "tunnelIdentifier")]
    pub(crate) tunnel_identifier: Option<String>,
    /// Whose tunnel; none: the user's own.
    #[serde(alias = "tunnelOwner", alias = "parentTunnel")]
    pub(crate) tunnel_owner: Option<String>,
    /// What people call the job.
    pub(crate) name: Option<String>,
    /// After so many seconds without a new connection it ends.
    pub(crate) idle_timeout: Option<u32>,
    /// After so many seconds it ends in any case.
    pub(crate) max_duration: Option<u32>,
}

/// A job, running or ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Its id: 32 hex digits.
    pub(crate) id: String,
    /// Whose it is.
    pub(crate) owner: String,
    /// What people call it.
    pub(crate) name: Option<String>,
    /// Whether it counts.
    pub(crate) status: JobStatus,
    /// The tunnel it uses now. That of a pool changes when a member goes.
    pub(crate) tunnel_id: String,
    /// The name of that tunnel.
    pub(crate) tunnel_identifier: Option<String>,
    /// Its owner.
    pub(crate) tunnel_owner: String,
    /// The job's own HTTP proxy, `host:port`. It stays the same until the job ends.
    pub(crate) proxy_address: String,
    /// When it began.
    pub(crate) creation_time: u64,
    /// When it ended.
    pub(crate) end_time: Option<u64>,
    /// Why it ended, as `request`, `idle`.
    pub(crate) end_reason: Option<String>,
}

/// Whether a job counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum JobStatus {
    /// It does.
    Running,
    /// It did.
    Ended,
}
