//! What lets people look into a client: its own proxy port, the log of its exchanges, the keys of
//! its TLS. All of it is off unless it is asked for.
//!
//! A build without the feature `inspect` has `no_inspect.rs` in this place.

mod http_log;
mod key_file;
mod local_proxy;
mod redact;

use std::path::PathBuf;
use std::sync::Arc;

use sc_proto::egress::Watch;

pub(super) use http_log::{ControlLog, watched};
pub(super) use local_proxy::{about, open};

use super::failure::Failure;
use super::plane::Inspecting;
use crate::cli::{LogMode, Settings};

/// Begins what the settings ask for, as far as it concerns the data plane.
///
/// # Errors
///
/// A file cannot be written, or there is no thread.
pub(super) fn start(settings: &Settings) -> Result<Inspecting, Failure> {
    let mode = settings.logs.http.proxy;
    let keys = |flag, path: &Option<PathBuf>| match path {
        Some(path) => key_file::open(flag, path).map(Some),
        None => Ok(None),
    };
    Ok(Inspecting {
        watch: match mode {
            LogMode::None => Watch::Nothing,
            LogMode::ShortUrl | LogMode::Url => Watch::Requests,
            LogMode::Headers | LogMode::Errors => Watch::Heads,
            LogMode::Body => Watch::Bodies,
        },
        told: match mode {
            LogMode::None => None,
            mode => Some(http_log::start(mode, &settings.egress.exchanges.rules.headers)?),
        },
        tunnel_keys: keys("--tunnel-tls-keylog-file", &settings.key_logs.tunnel)?,
        site_keys: keys("--http-tls-keylog-file", &settings.key_logs.sites)?,
    })
}

/// What people are told at the start, a line each.
pub(super) fn warnings(settings: &Settings) -> Vec<String> {
    let keys = &settings.key_logs;
    [("the tunnel", &keys.tunnel), ("TLS with sites and proxies", &keys.sites)]
        .into_iter()
        .filter_map(|(what, path)| Some((what, path.as_ref()?)))
        .map(|(what, path)| {
            format!(
                "Warning: keys of {what} are written to {}: whoever has them can read what was \
                 recorded",
                path.display()
            )
        })
        .collect()
}

/// The log of REST calls.
pub(super) fn control(settings: &Settings) -> ControlLog {
    ControlLog::new(settings.logs.http.control)
}

/// Where keys of TLS go.
pub(super) type Keys = Arc<dyn sc_proto::tls::KeyLog>;
