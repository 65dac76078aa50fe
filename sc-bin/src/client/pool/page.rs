//! How a kept pool stands, by HTTP at `--api-address` and `--status-address`.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use crate::cli::Settings;
use crate::client::failure::Failure;
use crate::client::line::Line;
use crate::monitor::{Answer, Handler, Listener, Monitor, Options, Status};

/// How many members there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) ready: usize,
    pub(super) wanted: usize,
    /// As many are ready as the pool is large.
    pub(super) complete: bool,
    /// Process ids, those that drain among them.
    pub(super) processes: Vec<i32>,
}

/// The server of the page.
pub(super) struct Page {
    what: &'static str,
    monitor: Monitor,
}

/// Shows how the pool stands now.
pub(super) fn update(shown: &Mutex<Standing>, standing: Standing) {
    *shown.lock().unwrap_or_else(PoisonError::into_inner) = standing;
}

impl Page {
    /// Serves it where the settings say, if they do.
    ///
    /// # Errors
    ///
    /// The address is taken.
    pub(super) fn start(
        settings: &Settings,
        standing: &Arc<Mutex<Standing>>,
    ) -> Result<Vec<Self>, Failure> {
        let monitoring = &settings.monitoring;
        let api = Options {
            auth: monitoring.api_basic_auth.clone(),
            idle: monitoring.api_idle_timeout.unwrap_or(Options::default().idle),
        };
        let name = settings.name.as_ref().map(|name| name.as_str().to_owned());
        let mut pages = Vec::new();
        for (what, flag, address, options) in [
            ("API server", "--api-address", &monitoring.api_address, api),
            ("status server", "--status-address", &monitoring.status_address, Options::default()),
        ] {
            let Some(address) = address else { continue };
            let failed = |error: std::io::Error| Failure::Listen {
                flag,
                address: address.to_string(),
                error: error.to_string(),
            };
            let listener = Listener::bind(address).map_err(failed)?;
            let handler = handler(Arc::clone(standing), name.clone().unwrap_or_default());
            let monitor = Monitor::start(listener, options, handler).map_err(failed)?;
            pages.push(Self { what, monitor });
        }
        Ok(pages)
    }

    /// Where it is, to be told.
    pub(super) fn line(&self) -> Line {
        Line::Monitor { name: self.what, address: self.monitor.address().to_string() }
    }
}

fn handler(standing: Arc<Mutex<Standing>>, name: String) -> Handler {
    Arc::new(move |request| {
        let now = standing.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match request.path.as_str() {
            "/healthz" | "/liveness" => Answer::bare(Status::Ok, "OK"),
            "/readyz" | "/readiness" if now.complete => Answer::bare(Status::Ok, "OK"),
            "/readyz" | "/readiness" => Answer::bare(Status::Unavailable, "Service Unavailable"),
            "/info" => Answer::json(&json!({
                "tunnel_name": name, "pool": {
                    "ready": now.ready, "wanted": now.wanted, "processes": now.processes
                }
            })),
            _ => Answer::text(Status::NotFound, "of a pool there are /healthz, /readyz and /info"),
        }
    })
}
