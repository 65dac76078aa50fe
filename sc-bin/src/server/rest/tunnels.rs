//! `/{user}/tunnels`: make, see and end tunnels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use sc_proto::contract::TunnelId;
use serde::de::DeserializeOwned;

use super::super::tunnels::Streams;
use super::RestState;
use super::auth::Caller;
use super::error::RestError;
use super::query::Parameters;
use crate::api::{
    CreateAnswer, CreateTunnel, DeleteAnswer, Heartbeat, HeartbeatAnswer, NumJobs, Tunnel,
};

type Shared = State<Arc<RestState>>;
type Body = Result<Bytes, BytesRejection>;
/// User and tunnel id, as the path has them.
type TunnelPath = Path<(String, String)>;

/// `limit` of [`list_all`] when nothing is said, and at most.
const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// Values of the parameter `filter`: one tunnel of each pool, or those of that version.
const ONE_PER_POOL: &str = "one_per_pool";
const V2_ALPHA: &str = "v2alpha";

/// Jobs that use a tunnel. Nothing makes jobs yet.
const NO_JOBS: u32 = 0;

/// `POST /{user}/tunnels`.
pub(super) async fn create(
    Caller(caller): Caller,
    State(state): Shared,
    body: Body,
) -> Result<Json<CreateAnswer>, RestError> {
    let request: CreateTunnel = parse(body)?;
    let tunnels = Arc::clone(&state.tunnels);
    // In a task of its own: a caller who hangs up must not leave half a tunnel.
    let made = tokio::spawn(tunnels.create(caller, request)).await;
    Ok(Json(made.map_err(|_| RestError::Broken)??))
}

/// `GET /{user}/tunnels`.
pub(super) async fn list(
    Caller(caller): Caller,
    State(state): Shared,
    query: Parameters,
) -> Result<Response, RestError> {
    let mut own = state.tunnels.live_of(&caller);
    thin_out(&mut own, &query)?;
    let ids = |own: &[Tunnel]| own.iter().map(|tunnel| tunnel.id.to_string()).collect::<Vec<_>>();
    Ok(match (query.flag("all", false)?, query.flag("full", false)?) {
        (false, false) => Json(ids(&own)).into_response(),
        (false, true) => Json(own).into_response(),
        (true, false) => Json(BTreeMap::from([(caller, ids(&own))])).into_response(),
        (true, true) => Json(BTreeMap::from([(caller, own)])).into_response(),
    })
}

/// What the parameters `protocol` and `filter` leave of a list.
fn thin_out(tunnels: &mut Vec<Tunnel>, query: &Parameters) -> Result<(), RestError> {
    if let Some(protocols) = query.text("protocol").filter(|text| !text.is_empty()) {
        let mut wanted = Vec::new();
        for protocol in protocols.split(',').map(str::trim) {
            match protocol {
                "kgp" | "h2c" | "ipsec" => wanted.push(protocol),
                other => return Err(unknown_value("protocol", other, "kgp, h2c, ipsec")),
            }
        }
        // All that this server has.
        if !wanted.contains(&"kgp") {
            tunnels.clear();
        }
    }
    match query.text("filter") {
        None | Some("") => {}
        Some(ONE_PER_POOL) => {
            let mut seen = BTreeSet::new();
            tunnels.retain(|tunnel| {
                let pool = (tunnel.owner.clone(), tunnel.tunnel_identifier.clone());
                !tunnel.tunnel_pool || seen.insert(pool)
            });
        }
        Some(V2_ALPHA) => tunnels.retain(|tunnel| tunnel.vm_version.as_deref() == Some(V2_ALPHA)),
        Some(other) => return Err(unknown_value("filter", other, "one_per_pool, v2alpha")),
    }
    Ok(())
}

fn unknown_value(name: &str, value: &str, known: &str) -> RestError {
    RestError::BadRequest(format!("{name}={value:?}: write one of {known}"))
}

/// `GET /{user}/all_tunnels`.
pub(super) async fn list_all(
    Caller(caller): Caller,
    State(state): Shared,
    query: Parameters,
) -> Result<Json<BTreeMap<&'static str, Vec<Tunnel>>>, RestError> {
    let limit = query.number("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let tunnels = state.tunnels.newest(&caller, limit).await?;
    Ok(Json(BTreeMap::from([("tunnels", tunnels)])))
}

/// `GET /{user}/tunnels/{id}`.
pub(super) async fn show(
    Caller(caller): Caller,
    State(state): Shared,
    path: TunnelPath,
) -> Result<Json<Tunnel>, RestError> {
    Ok(Json(find(&state, &caller, path).await?))
}

/// `DELETE /{user}/tunnels/{id}`.
pub(super) async fn delete(
    Caller(caller): Caller,
    State(state): Shared,
    path: TunnelPath,
    query: Parameters,
) -> Result<Json<DeleteAnswer>, RestError> {
    let streams = match query.flag("wait_for_jobs", true)? && query.flag("wait", true)? {
        true => Streams::MayFinish,
        false => Streams::AreCut,
    };
    let id = find(&state, &caller, path).await?.id;
    let reason = query.text("reason").map(str::to_owned);
    let tunnels = Arc::clone(&state.tunnels);
    let ended =
        tokio::spawn(async move { tunnels.end_on_request(id, reason, streams).await }).await;
    ended.map_err(|_| RestError::Broken)?;
    Ok(Json(DeleteAnswer { result: true, id, jobs_running: NO_JOBS }))
}

/// `GET /{user}/tunnels/{id}/num_jobs`.
pub(super) async fn num_jobs(
    Caller(caller): Caller,
    State(state): Shared,
    path: TunnelPath,
) -> Result<Json<NumJobs>, RestError> {
    let id = find(&state, &caller, path).await?.id;
    Ok(Json(NumJobs { id, jobs_running: NO_JOBS }))
}

/// `POST /{user}/tunnels/{id}/connected`.
pub(super) async fn connected(
    Caller(caller): Caller,
    State(state): Shared,
    path: TunnelPath,
    body: Body,
) -> Result<Json<HeartbeatAnswer>, RestError> {
    let heartbeat: Heartbeat = parse(body)?;
    let id = find(&state, &caller, path).await?.id;
    if heartbeat.kgp_is_connected {
        state.tunnels.heartbeat(id).await;
    } else {
        let since = heartbeat.kgp_seconds_since_last_status_change;
        log::info!("tunnel {id}: its client says that it is not connected, for {since} s");
    }
    Ok(Json(HeartbeatAnswer { result: true, id }))
}

async fn find(
    state: &RestState,
    caller: &str,
    Path((_, id)): TunnelPath,
) -> Result<Tunnel, RestError> {
    let Ok(parsed) = id.parse::<TunnelId>() else {
        return Err(RestError::NoTunnel(id));
    };
    let found = state.tunnels.find(caller, parsed).await?;
    found.ok_or(RestError::NoTunnel(id))
}

/// Reads a JSON body, whatever its `Content-Type` says.
fn parse<T: DeserializeOwned>(body: Body) -> Result<T, RestError> {
    let body = body.map_err(|rejection| RestError::Body {
        status: rejection.status(),
        text: rejection.body_text(),
    })?;
    serde_json::from_slice(&body).map_err(|error| {
        RestError::BadRequest(format!("the body is not what this call takes: {error}"))
    })
}
