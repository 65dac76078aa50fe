//! Version 5's API server.

use std::fmt::Write as _;
use std::sync::Arc;

use serde_json::json;

use super::views::Views;
use crate::monitor::{Answer, Handler, Status, build};

/// The pages, for the index.
const PAGES: [(&str, &str); 8] = [
    ("/healthz", "whether the process does its work"),
    ("/readyz", "whether tests may use the tunnel"),
    ("/info", "the tunnel"),
    ("/status", "the link to the server, with its history"),
    ("/version", "this program"),
    ("/configz", "every option in effect, without secrets"),
    ("/metrics", "figures for Prometheus"),
    ("/pac", "the PAC script in use, if there is one"),
];

/// Answers version 5's paths, and `/status`, which is ours.
pub(super) fn handler(views: &Arc<Views>) -> Handler {
    let views = Arc::clone(views);
    Arc::new(move |request| match request.path.as_str() {
        "/" => index(&views),
        "/healthz" => views.alive(),
        "/readyz" => readiness(&views),
        "/info" => info(&views),
        "/status" => Answer::json(&views.link(&views.snapshot())),
        "/version" => version(),
        "/configz" => views.configuration(),
        "/metrics" => views.metrics(),
        "/pac" => views.script().unwrap_or_else(|| absent("/pac")),
        path => absent(path),
    })
}

fn readiness(views: &Views) -> Answer {
    match views.snapshot().is_ready() {
        true => Answer::bare(Status::Ok, "OK"),
        false => Answer::bare(Status::Unavailable, "Service Unavailable"),
    }
}

/// Fields without a value yet are empty, as in the original.
fn info(views: &Views) -> Answer {
    let snapshot = views.snapshot();
    let tunnel = snapshot.tunnel.as_ref();
    let server = tunnel.and_then(|tunnel| tunnel.peer.clone());
    Answer::json(&json!({
        "tunnel_id": tunnel.map_or(String::new(), |tunnel| tunnel.id.to_string()),
        "tunnel_name": snapshot.name.as_deref().unwrap_or_default(),
        "tunnel_server": server.unwrap_or_default(),
        "tunnel_host": tunnel.map_or("", |tunnel| tunnel.host.as_str()),
        "proxy": tunnel.map_or("", |tunnel| tunnel.proxy.as_str()),
    }))
}

fn version() -> Answer {
    Answer::json(&json!({
        "version": build::VERSION,
        "time": build::TIME,
        "commit": build::COMMIT,
    }))
}

fn index(views: &Views) -> Answer {
    let mut page = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
                    <title>sc</title></head>\n<body><h1>sc</h1>\n<ul>\n"
        .to_owned();
    let has_script = views.script().is_some();
    for (path, what) in PAGES.into_iter().filter(|(path, _)| has_script || *path != "/pac") {
        // Writing to a string does not fail.
        let _ = writeln!(page, "<li><a href=\"{path}\">{path}</a>: {what}</li>");
    }
    page.push_str("</ul></body></html>\n");
    Answer::html(page)
}

/// Says why a page of the original is not there.
fn absent(path: &str) -> Answer {
    let why = match path {
        "/pac" => "no PAC file is in use",
        "/cacert" => "no certificates are made here, so there is no CA of this client",
        path if path.starts_with("/debug/pprof") => {
            "this program has no Go profiles; /metrics has its figures"
        }
        _ => "there is no such page; / lists those that there are",
    };
    Answer::text(Status::NotFound, why)
}
