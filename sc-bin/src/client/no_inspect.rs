//! In the place of [`inspect`](super) in a build without that feature: nothing is looked into.

use std::net::SocketAddr;
use std::time::Instant;

use ureq::http::HeaderMap;

use super::failure::Failure;
use super::plane::{Inspecting, WorkerPlane};
use crate::cli::{Inspect, Settings};
use crate::monitor::Handler;

/// Nothing.
///
/// # Errors
///
/// Never.
pub(super) fn start(_settings: &Settings) -> Result<Inspecting, Failure> {
    Ok(Inspecting::default())
}

/// Opens nothing.
///
/// # Errors
///
/// Never.
pub(super) fn open(
    _settings: &Settings,
    _plane: &WorkerPlane,
) -> Result<Option<SocketAddr>, Failure> {
    Ok(None)
}

/// Nothing.
pub(super) fn about(_address: SocketAddr) -> Vec<String> {
    Vec::new()
}

/// Nothing.
pub(super) fn warnings(_settings: &Settings) -> Vec<String> {
    Vec::new()
}

/// Nothing.
pub(super) fn configuration(_settings: &Settings) -> Vec<(&'static str, String)> {
    Vec::new()
}

/// The log of REST calls, which there is none of.
#[derive(Clone, Copy, Debug)]
pub(super) struct ControlLog;

/// Nothing.
pub(super) fn control(_settings: &Settings) -> ControlLog {
    ControlLog
}

impl ControlLog {
    /// Nothing.
    #[allow(clippy::unused_self, reason = "the log has something to keep")]
    pub(super) fn tell(
        self,
        _method: &str,
        _place: &str,
        _began: Instant,
        _answer: Option<(u16, &HeaderMap)>,
    ) {
    }
}

/// The handler as it is.
pub(super) fn watched(_inspect: &Inspect, handler: Handler) -> Handler {
    handler
}
