//! In the place of [`inspect`](super) in a build without that feature: nothing is looked into.

use std::net::SocketAddr;
use std::time::Instant;

use ureq::http::HeaderMap;

use super::failure::Failure;
use super::plane::{Inspecting, WorkerPlane};
use crate::cli::{LogHttp, Settings};
use crate::monitor::Handler;

/// Refuses what would look into the client.
///
/// # Errors
///
/// Something of it was asked for.
pub(super) fn start(settings: &Settings) -> Result<Inspecting, Failure> {
    let keys = &settings.key_logs;
    let is_asked = settings.local_proxy.address.is_some()
        || keys.tunnel.is_some()
        || keys.sites.is_some()
        || settings.logs.http != LogHttp::default();
    match is_asked {
        true => Err(Failure::Machine {
            what: "no local proxy port, log of HTTP or file of keys",
            error: "this sc was built without the feature `inspect`".to_owned(),
        }),
        false => Ok(Inspecting::default()),
    }
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
pub(super) fn watched(_settings: &Settings, handler: Handler) -> Handler {
    handler
}
