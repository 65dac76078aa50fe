//! The REST API as types: what goes over the wire between `sc` clients and `sc server`.
//!
//! Both sides of the binary use these, so that they cannot disagree. Names and meanings are those
//! of the public tunnel API (base path [`BASE`], HTTP Basic, JSON both ways, times in Unix
//! seconds); what is ours alone is marked *extension*. Unknown fields are ignored everywhere, so
//! that a client and a server of different ages understand one another.

mod answer;
mod create;
mod hex;
#[cfg(feature = "server")]
mod job;
mod metadata;
mod rules;
mod tunnel;
mod updates;
#[cfg(feature = "server")]
mod versions;

pub(crate) use answer::{DeleteAnswer, ErrorBody, HeartbeatAnswer, NumJobs};
pub(crate) use create::{CreateAnswer, CreateTunnel, KgpAccess, Messages};
pub(crate) use hex::CertificateSha256;
#[cfg(feature = "server")]
pub(crate) use job::{CreateJob, Job, JobDetails, JobStatus, JobUpdate, label};
pub(crate) use metadata::Metadata;
pub(crate) use rules::{RuleSyntax, Rules, RulesError};
pub(crate) use tunnel::{Protocol, Status, Tunnel};
#[cfg(feature = "server")]
pub(crate) use tunnel::{SHARED, ip_address};
#[cfg(feature = "server")]
pub(crate) use updates::Region;
pub(crate) use updates::{Configuration, Heartbeat, Updates};
#[cfg(feature = "server")]
pub(crate) use versions::{
    Checksum, Download, DownloadAnswer, PlatformDownload, VersionStatus, Versions,
};

/// What every path of the API begins with.
pub(crate) const BASE: &str = "/rest/v1";
