//! What a client asks before it makes a tunnel.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;

use super::RestState;
use super::auth::Caller;
use super::query::Parameters;
use crate::api::{BASE, Configuration, Region, Updates, Versions};

/// `GET /{user}/tunnels/info/updates`.
pub(super) async fn updates(
    Caller(_): Caller,
    State(state): State<Arc<RestState>>,
    headers: HeaderMap,
) -> Json<Updates> {
    // The name the client used for this server works for this client.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let url = match host {
        Some(host) => format!("{}://{host}{BASE}", state.scheme),
        None => state.url.clone(),
    };
    Json(Updates {
        configuration: Configuration {
            regions: vec![Region { name: "self-hosted".to_owned(), url }],
            ..Configuration::default()
        },
        ..Updates::default()
    })
}

/// `GET /ca.pem`, for everybody: what browsers have to trust for re-signed TLS.
pub(super) async fn resign_ca(State(state): State<Arc<RestState>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/x-pem-file")], state.resign_ca.clone())
}

/// `GET /public/tunnels/info/versions`, for everybody.
pub(super) async fn versions(query: Parameters) -> Json<Versions> {
    Json(Versions {
        latest_version: env!("CARGO_PKG_VERSION").to_owned(),
        client_version: query.text("client_version").unwrap_or_default().to_owned(),
        warning: Vec::new(),
    })
}
