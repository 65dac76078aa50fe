//! Why options come to no settings.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use crate::server::announcements::AnnouncementsError;
use crate::server::data_dir::DataDirError;
use crate::server::metrics::MetricsSettingsError;
use crate::server::registry::DatabaseUrlError;

/// The options do not come to settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettingsError {
    /// The configuration file cannot be read.
    #[error("cannot read the configuration file {}: {source}", path.display())]
    ReadFile {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The configuration file is not what it should be.
    #[error("the configuration file {} is wrong: {source}", path.display())]
    ParseFile {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        source: serde_norway::Error,
    },
    /// One of two options that need one another.
    #[error("--{cert} and --{key} go together: give both or none")]
    HalfCertificate {
        /// The certificate's flag.
        cert: &'static str,
        /// The key's flag.
        key: &'static str,
    },
    /// What to tell clients cannot be guessed.
    #[error(
        "--tunnel-address {0} means all addresses of this machine: say by --tunnel-host under \
         which name or address clients reach it"
    )]
    TunnelHostNeeded(SocketAddr),
    /// A number that is too small or too big.
    #[error("--{flag} {value} is not from {} to {}", range.start(), range.end())]
    OutOfRange {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: u32,
        /// What it may be.
        range: RangeInclusive<i64>,
    },
    /// Not a host.
    #[error("--{flag} {value:?} is neither a host name nor an IP address")]
    NotAHost {
        /// The flag.
        flag: &'static str,
        /// Its value.
        value: String,
    },
    /// A name without an address.
    #[error("--proxy-host {0:?} has no address on this machine")]
    ProxyHostUnknown(String),
    /// Announcements.
    #[error(transparent)]
    Announcements(#[from] AnnouncementsError),
    /// The database of a fleet.
    #[error(transparent)]
    Database(#[from] DatabaseUrlError),
    /// Metrics.
    #[error(transparent)]
    Metrics(#[from] MetricsSettingsError),
    /// No data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
}
