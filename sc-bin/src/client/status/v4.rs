//! Version 4's status server.

use std::sync::Arc;

use serde_json::json;

use super::views::Views;
use crate::cli::shown_arg_list;
use crate::monitor::{Answer, Handler, Status};

/// Answers version 4's paths, and `/metrics`.
pub(super) fn handler(views: &Arc<Views>) -> Handler {
    let views = Arc::clone(views);
    Arc::new(move |request| match request.path.as_str() {
        "/readiness" => readiness(&views),
        "/liveness" => views.alive(),
        "/api/v1/status" => status(&views),
        "/debug/vars" => variables(&views),
        "/metrics" => views.metrics(),
        _ => Answer::text(
            Status::NotFound,
            "there is /readiness, /liveness, /api/v1/status, /debug/vars and /metrics",
        ),
    })
}

fn readiness(views: &Views) -> Answer {
    let snapshot = views.snapshot();
    if snapshot.is_ready() {
        return Answer::bare(Status::Ok, "OK");
    }
    let state = snapshot.links.state().name();
    let text = format!("The server is not ready: the tunnel failed its readiness ({state}).");
    Answer::text(Status::Unavailable, text)
}

/// The original's fields, and `link`, which is ours.
fn status(views: &Views) -> Answer {
    let snapshot = views.snapshot();
    let tunnel = snapshot.tunnel.as_ref();
    let connected = snapshot.links.is_connected();
    Answer::json(&json!({
        "firstConnectedTime": snapshot.links.first_connected().unwrap_or(0),
        "tunnelID": tunnel.map_or(String::new(), |tunnel| tunnel.id.to_string()),
        "tunnelName": snapshot.name.as_deref().unwrap_or_default(),
        "tunnelServer": tunnel.map_or("", |tunnel| tunnel.host.as_str()),
        "lastStatusChange": snapshot.links.since().unix,
        "reconnectCount": snapshot.links.reconnects(),
        "tunnelStatus": if connected { "connected" } else { "disconnected" },
        "link": views.link(&snapshot),
    }))
}

fn variables(views: &Views) -> Answer {
    let snapshot = views.snapshot();
    Answer::json(&json!({
        "cmdline": shown_arg_list(),
        "kgp": {
            "Connected": snapshot.links.is_connected(),
            "LastStatusChange": snapshot.links.since().unix,
            "ReconnectCount": snapshot.links.reconnects(),
        },
    }))
}
