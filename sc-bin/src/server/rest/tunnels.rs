//! `/{user}/tunnels`: make, see and end tunnels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use sc_proto::contract::TunnelId;
use serde::Deserialize;

use super::super::accounts::Account;
use super::super::tunnels::{Streams, sharing_of};
use super::RestState;
use super::auth::Visit;
use super::body::parse;
use super::error::RestError;
use super::query::Parameters;
use crate::api::{
    CreateAnswer, CreateTunnel, DeleteAnswer, Heartbeat, HeartbeatAnswer, NumJobs, Rules, Tunnel,
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

/// `POST /{user}/tunnels`.
pub(super) async fn create(
    visit: Visit,
    State(state): Shared,
    body: Body,
) -> Result<Json<CreateAnswer>, RestError> {
    let request: CreateTunnel = parse(body)?;
    let Visit { caller, owner } = visit;
    if !caller.may_start_for(&owner) {
        return Err(RestError::Forbidden("start this tunnel"));
    }
    let tunnels = Arc::clone(&state.tunnels);
    // In a task of its own: a caller who hangs up must not leave half a tunnel.
    let made = tokio::spawn(tunnels.create(caller.name, owner, request)).await;
    Ok(Json(made.map_err(|_| RestError::Broken)??))
}

/// `GET /{user}/tunnels`.
pub(super) async fn list(
    visit: Visit,
    State(state): Shared,
    query: Parameters,
) -> Result<Response, RestError> {
    let (all, full) = (query.flag("all", false)?, query.flag("full", false)?);
    let mut tunnels = match all {
        true => {
            let found = state.tunnels.everywhere_in(&visit.caller.organisation).await?;
            let users = users_needed(&state, &visit.caller, &found).await?;
            let found = usable_by_both(found, &visit.caller, &visit.owner, &users);
            found.into_iter().map(|found| found.tunnel).collect()
        }
        false => state.tunnels.everywhere_of(&visit.owner.name).await?,
    };
    tunnels.retain(|tunnel| {
        tunnel.owner != visit.owner.name
            || visit.caller.may_use_of(&visit.owner, sharing_of(tunnel))
    });
    thin_out(&mut tunnels, &query)?;
    if !all {
        return Ok(match full {
            true => Json(tunnels).into_response(),
            false => Json(ids(&tunnels)).into_response(),
        });
    }
    let mut by_owner = BTreeMap::from([(visit.owner.name, Vec::new())]);
    for tunnel in tunnels {
        by_owner.entry(tunnel.owner.clone()).or_insert_with(Vec::new).push(tunnel);
    }
    Ok(match full {
        true => Json(by_owner).into_response(),
        false => {
            let ids = by_owner.into_iter().map(|(owner, tunnels)| (owner, ids(&tunnels)));
            Json(ids.collect::<BTreeMap<_, _>>()).into_response()
        }
    })
}

/// Live tunnels that a user may see and use, with their owners, oldest first. `users` are those of
/// its organisation.
pub(crate) async fn usable_by(
    state: &RestState,
    user: &Account,
    users: &[Account],
) -> Result<Vec<Found>, RestError> {
    let tunnels = state.tunnels.everywhere_in(&user.organisation).await?;
    Ok(usable_by_both(tunnels, user, user, users))
}

/// The users among whom the owners of these tunnels are.
async fn users_needed(
    state: &RestState,
    user: &Account,
    tunnels: &[Tunnel],
) -> Result<Vec<Account>, RestError> {
    match tunnels.iter().any(|tunnel| tunnel.owner != user.name) {
        true => Ok(state.registry.users(Some(&user.organisation)).await?),
        // As on most small servers.
        false => Ok(vec![user.clone()]),
    }
}

/// Those of an organisation's tunnels that both the caller and the path's user may use.
fn usable_by_both(
    tunnels: Vec<Tunnel>,
    caller: &Account,
    user: &Account,
    users: &[Account],
) -> Vec<Found> {
    let owners: BTreeMap<&str, &Account> =
        users.iter().map(|user| (user.name.as_str(), user)).collect();
    let found = tunnels.into_iter().filter_map(|tunnel| {
        let owner = *owners.get(tunnel.owner.as_str())?;
        let sharing = sharing_of(&tunnel);
        let may = caller.may_use_of(owner, sharing) && user.may_use_of(owner, sharing);
        may.then(|| Found { tunnel, owner: owner.clone() })
    });
    found.collect()
}

fn ids(tunnels: &[Tunnel]) -> Vec<String> {
    tunnels.iter().map(|tunnel| tunnel.id.to_string()).collect()
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
    visit: Visit,
    State(state): Shared,
    query: Parameters,
) -> Result<Json<BTreeMap<&'static str, Vec<Tunnel>>>, RestError> {
    let limit = query.number("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    let mut tunnels = state.tunnels.newest(&visit.owner.name, limit).await?;
    tunnels.retain(|tunnel| visit.caller.may_use_of(&visit.owner, sharing_of(tunnel)));
    Ok(Json(BTreeMap::from([("tunnels", tunnels)])))
}

/// `GET /{user}/tunnels/{id}`.
pub(super) async fn show(
    visit: Visit,
    State(state): Shared,
    path: TunnelPath,
) -> Result<Json<Tunnel>, RestError> {
    Ok(Json(find(&state, &visit, path).await?.tunnel))
}

/// `DELETE /{user}/tunnels/{id}`.
pub(super) async fn delete(
    visit: Visit,
    State(state): Shared,
    path: TunnelPath,
    query: Parameters,
    body: Body,
) -> Result<Json<DeleteAnswer>, RestError> {
    let said = said_at_end(&query, body)?;
    let streams = match said.wait_for_jobs.unwrap_or(true) && said.wait.unwrap_or(true) {
        true => Streams::MayFinish,
        false => Streams::AreCut,
    };
    let found = find(&state, &visit, path).await?;
    let id = found.tunnel.id;
    end(&state, &visit.caller, &found, said.reason, streams).await?;
    let jobs_running = state.tunnels.count_jobs(id).await?;
    Ok(Json(DeleteAnswer { result: true, id, jobs_running }))
}

/// Ends a tunnel, if the caller may.
pub(crate) async fn end(
    state: &RestState,
    caller: &Account,
    found: &Found,
    reason: Option<String>,
    streams: Streams,
) -> Result<(), RestError> {
    if !caller.may_stop_of(&found.owner) {
        return Err(RestError::Forbidden("end this tunnel"));
    }
    let (id, by) = (found.tunnel.id, caller.name.clone());
    let tunnels = Arc::clone(&state.tunnels);
    let ended =
        tokio::spawn(async move { tunnels.end_on_request(id, by, reason, streams).await }).await;
    ended.map_err(|_| RestError::Broken)??;
    Ok(())
}

/// What a DELETE says, in its query or, as the `saucelabs` package for Node has it, in a body.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SaidAtEnd {
    wait_for_jobs: Option<bool>,
    wait: Option<bool>,
    reason: Option<String>,
}

fn said_at_end(query: &Parameters, body: Body) -> Result<SaidAtEnd, RestError> {
    let body = match body {
        Ok(body) if body.trim_ascii().is_empty() => SaidAtEnd::default(),
        body => parse(body)?,
    };
    let flag = |name: &str, in_body: Option<bool>| match query.text(name) {
        Some(_) => query.flag(name, true).map(Some),
        None => Ok(in_body),
    };
    Ok(SaidAtEnd {
        wait_for_jobs: flag("wait_for_jobs", body.wait_for_jobs)?,
        wait: flag("wait", body.wait)?,
        reason: query.text("reason").map(str::to_owned).or(body.reason),
    })
}

/// `GET /{user}/tunnels/{id}/num_jobs`.
pub(super) async fn num_jobs(
    visit: Visit,
    State(state): Shared,
    path: TunnelPath,
) -> Result<Json<NumJobs>, RestError> {
    let id = find(&state, &visit, path).await?.tunnel.id;
    Ok(Json(NumJobs { id, jobs_running: state.tunnels.count_jobs(id).await? }))
}

/// `POST /{user}/tunnels/{id}/connected`.
pub(super) async fn connected(
    visit: Visit,
    State(state): Shared,
    path: TunnelPath,
    body: Body,
) -> Result<Json<HeartbeatAnswer>, RestError> {
    let heartbeat: Heartbeat = parse(body)?;
    let found = find(&state, &visit, path).await?;
    if !visit.caller.may_stop_of(&found.owner) {
        return Err(RestError::Forbidden("speak for this tunnel's client"));
    }
    let id = found.tunnel.id;
    if heartbeat.kgp_is_connected {
        state.tunnels.heartbeat(id).await;
    } else {
        let since = heartbeat.kgp_seconds_since_last_status_change;
        log::info!("tunnel {id}: its client says that it is not connected, for {since} s");
    }
    Ok(Json(HeartbeatAnswer { result: true, id }))
}

/// `PUT /{user}/tunnels/{id}/rules`: an extension, for clients whose rules were read again.
pub(super) async fn set_rules(
    visit: Visit,
    State(state): Shared,
    path: TunnelPath,
    body: Body,
) -> Result<Json<HeartbeatAnswer>, RestError> {
    let rules: Rules = parse(body)?;
    let found = find(&state, &visit, path).await?;
    if !visit.caller.may_stop_of(&found.owner) {
        return Err(RestError::Forbidden("change this tunnel's rules"));
    }
    let id = found.tunnel.id;
    if state.tunnels.is_carried_elsewhere(id) {
        return Err(RestError::CarriedElsewhere);
    }
    state.tunnels.set_rules(id, rules).await?;
    Ok(Json(HeartbeatAnswer { result: true, id }))
}

/// A tunnel that the caller may see.
#[derive(Debug)]
pub(crate) struct Found {
    /// It.
    pub(crate) tunnel: Tunnel,
    /// Whose it is.
    pub(crate) owner: Account,
}

/// The tunnel of an id, running or ended, if the caller may see it.
pub(crate) async fn find_for(
    state: &RestState,
    caller: &Account,
    id: String,
) -> Result<Found, RestError> {
    let visit = Visit { caller: caller.clone(), owner: caller.clone() };
    find(state, &visit, Path((String::new(), id))).await
}

/// The tunnel that the path names. Its owner is whom the path names, or the path names the caller.
async fn find(
    state: &RestState,
    visit: &Visit,
    Path((_, id)): TunnelPath,
) -> Result<Found, RestError> {
    let Visit { caller, owner: user } = visit;
    let Ok(parsed) = id.parse::<TunnelId>() else {
        return Err(RestError::NoTunnel(id));
    };
    let Some(tunnel) = state.tunnels.find(parsed).await? else {
        return Err(RestError::NoTunnel(id));
    };
    let owner = match tunnel.owner == user.name {
        true => Some(user.clone()),
        false if caller.name == user.name => state.registry.account(&tunnel.owner).await?,
        false => None,
    };
    match owner.filter(|owner| caller.may_use_of(owner, sharing_of(&tunnel))) {
        Some(owner) => Ok(Found { tunnel, owner }),
        None => Err(RestError::NoTunnel(id)),
    }
}
