//! Which versions of the client there are, and where.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The answer to `GET /public/tunnels/info/versions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Versions {
    /// The newest version that this server knows of.
    pub(crate) latest_version: String,
    /// The version the client said it is.
    pub(crate) client_version: String,
    /// What that client should do.
    pub(crate) status: VersionStatus,
    /// Where to read about versions.
    pub(crate) info_url: Option<String>,
    /// The download for the platform that the client named.
    pub(crate) download_url: Option<String>,
    /// Its SHA-1, if that is known.
    pub(crate) sha1: Option<String>,
    /// Texts for the user.
    pub(crate) warning: Vec<String>,
    /// Downloads of the newest version, by platform: `linux`, `linux-arm64`, `osx`, `win32`.
    pub(crate) downloads: BTreeMap<String, PlatformDownload>,
    /// With `all=true`: those of all versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) all_downloads: Option<BTreeMap<String, BTreeMap<String, PlatformDownload>>>,
}

/// What a client of some version should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum VersionStatus {
    /// Nothing.
    Ok,
    /// There is a newer one.
    Upgrade,
}

/// A download as [`Versions`] has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct PlatformDownload {
    /// Where it is.
    pub(crate) download_url: String,
    /// Its SHA-1, if that is known.
    pub(crate) sha1: Option<String>,
}

/// The answer to `GET /public/tunnels/sauce-connect/download`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DownloadAnswer {
    /// The one.
    pub(crate) download: Download,
}

/// One download of the client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Download {
    /// Where it is.
    pub(crate) url: String,
    /// Its version.
    pub(crate) version: String,
    /// What it can be checked with.
    pub(crate) checksums: Vec<Checksum>,
}

/// A checksum of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Checksum {
    /// In hexadecimal digits.
    pub(crate) value: String,
    /// `sha256`, for example.
    pub(crate) algorithm: String,
}
