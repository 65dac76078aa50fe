//! The small answers.

use std::borrow::Cow;

use sc_proto::contract::TunnelId;
use serde::{Deserialize, Serialize};

use super::hex;

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ErrorBody {
    /// What happened and what to do next.
    pub(crate) error: String,
    /// The same in a word for programs, as `no-such-tunnel`. It does not change.
    #[serde(default)]
    pub(crate) code: Cow<'static, str>,
}

/// The answer to `DELETE /{user}/tunnels/{id}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DeleteAnswer {
    /// Always true; a failure is an [`ErrorBody`].
    pub(crate) result: bool,
    /// The tunnel that ends.
    #[serde(with = "hex::tunnel_id")]
    pub(crate) id: TunnelId,
    /// Jobs that still use it. The client waits for them.
    pub(crate) jobs_running: u32,
}

/// The answer to `GET /{user}/tunnels/{id}/num_jobs`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NumJobs {
    /// The tunnel.
    #[serde(with = "hex::tunnel_id")]
    pub(crate) id: TunnelId,
    /// Jobs that use it now.
    pub(crate) jobs_running: u32,
}

/// The answer to `POST /{user}/tunnels/{id}/connected`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeartbeatAnswer {
    /// Always true; a failure is an [`ErrorBody`].
    pub(crate) result: bool,
    /// The tunnel.
    #[serde(with = "hex::tunnel_id")]
    pub(crate) id: TunnelId,
}
