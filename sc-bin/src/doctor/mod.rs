//! What `sc doctor` and `sc server doctor` share: findings, how they are shown, and how certificates
//! and limits are looked at. The checks themselves are in `client::doctor` and `server::doctor`.

mod certificate;
mod limits;
mod report;
#[cfg(feature = "client")]
pub(crate) mod tls;

pub(crate) use certificate::{Certificate, days_left};
pub(crate) use limits::open_files;
pub(crate) use report::{Report, Severity, Shown};
