//! What a client tells about itself.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where and how the client of a tunnel runs. Kept with the tunnel and shown to its owner.
///
/// Every part may be missing. It is shown to others who may see the tunnel, so a client leaves
/// secrets out of `command_args` and `external_proxy`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Metadata {
    /// Build of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) build: Option<String>,
    /// Version of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) release: Option<String>,
    /// Commit the client was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) git_version: Option<String>,
    /// Name of the program.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command: Option<String>,
    /// Its arguments, in one string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) command_args: Option<String>,
    /// Operating system and processor, as `linux-x86_64`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) platform: Option<String>,
    /// Name of the client's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hostname: Option<String>,
    /// Number of its processors, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host_cpu: Option<String>,
    /// Its memory, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) host_memory: Option<u64>,
    /// Most files the client may have open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nofile_limit: Option<u64>,
    /// The proxy the client goes through to reach the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external_proxy: Option<String>,
    /// The user's own, from `--metadata`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) extra: Option<BTreeMap<String, String>>,
}
