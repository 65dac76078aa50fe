//! Crash reports of clients: kept for people to read, within bounds.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use serde_json::{Map, Value, json};

use super::RestState;
use super::auth::Visit;
use super::body::parse;
use super::error::RestError;
use crate::server::registry::CrashReport;

/// `POST /{user}/errors`: `Tunnel`, `Info` and `Logs`, each as the client likes it.
pub(super) async fn report(
    Visit { caller, owner }: Visit,
    State(state): State<Arc<RestState>>,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Value>, RestError> {
    if caller.name != owner.name {
        return Err(RestError::Forbidden("report crashes in another user's name"));
    }
    let report: Map<String, Value> = parse(body)?;
    let kept = ["Tunnel", "Info", "Logs"].map(|part| report.get(part).cloned());
    if kept.iter().all(Option::is_none) {
        return Err(RestError::BadRequest("a crash report has Tunnel, Info or Logs".to_owned()));
    }
    let [tunnel, info, logs] = kept.map(Option::unwrap_or_default);
    let report = json!({"Tunnel": tunnel, "Info": info, "Logs": logs});
    state.registry.add_crash_report(&owner.name, state.registry.now(), &report).await?;
    log::warn!("a client of {0} reports a crash: GET /{0}/errors shows it", owner.name);
    Ok(Json(json!({"result": true})))
}

/// `GET /{user}/errors`: the user's reports, newest first.
pub(super) async fn list(
    Visit { caller, owner }: Visit,
    State(state): State<Arc<RestState>>,
) -> Result<Json<Vec<CrashReport>>, RestError> {
    if !caller.may_stop_of(&owner) && caller.name != owner.name {
        return Err(RestError::Forbidden("see another user's crash reports"));
    }
    Ok(Json(state.registry.crash_reports(&owner.name).await?))
}
