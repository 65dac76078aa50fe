//! `/users`, `/teams`, `/organisation`, `/audit`: who there is and what they did. Extensions: the
//! original manages them elsewhere.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::RestState;
use super::auth::Caller;
use super::body::parse;
use super::error::RestError;
use super::query::Parameters;
use crate::server::access_key::{AccessKey, sha256_of_key};
use crate::server::accounts::{Account, Role};
use crate::server::registry::{Deed, NewUser, Team, TeamError, UserError};
use crate::server::user_command::{add_account, new_team};

type Shared = State<Arc<RestState>>;
type Body = Result<Bytes, BytesRejection>;

/// `limit` of [`audit`] when nothing is said, and at most.
const DEFAULT_LIMIT: u32 = 100;
const MAX_LIMIT: u32 = 1000;

/// A user as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct ShownUser {
    username: String,
    organisation: String,
    role: Role,
    team_ids: Vec<String>,
    parent: Option<String>,
    tunnel_limit: Option<u32>,
    creation_time: u64,
    last_used: Option<u64>,
    key_creation_time: u64,
    /// Only in the answer to who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    access_key: Option<String>,
}

impl From<Account> for ShownUser {
    fn from(account: Account) -> Self {
        Self {
            username: account.name,
            organisation: account.organisation,
            role: account.role,
            team_ids: account.teams.into_iter().collect(),
            parent: account.parent,
            tunnel_limit: account.tunnel_limit,
            creation_time: account.created,
            last_used: account.last_used,
            key_creation_time: account.key_created,
            access_key: None,
        }
    }
}

/// A team as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct ShownTeam {
    id: String,
    name: String,
    organisation: String,
    members: Vec<String>,
}

/// The body of `POST /users`.
#[derive(Debug, Deserialize)]
struct AddUser {
    username: String,
    #[serde(default = "member")]
    role: Role,
    #[serde(default)]
    team_ids: Vec<String>,
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    tunnel_limit: Option<u32>,
}

fn member() -> Role {
    Role::Member
}

/// The body of `PATCH /users/{name}`. What is not there stays.
#[derive(Debug, Deserialize)]
struct ChangeUser {
    role: Option<Role>,
    #[serde(default, deserialize_with = "given")]
    tunnel_limit: Option<Option<u32>>,
}

/// Tells null, which takes a limit away, from nothing.
fn given<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<u32>>, D::Error> {
    Option::<u32>::deserialize(deserializer).map(Some)
}

/// The body of `POST /teams`.
#[derive(Debug, Deserialize)]
struct AddTeam {
    name: String,
}

/// `GET /users`: whom the caller knows.
pub(super) async fn list(
    Caller(caller): Caller,
    State(state): Shared,
) -> Result<Json<Vec<ShownUser>>, RestError> {
    let mut users = state.registry.users(Some(&caller.organisation)).await?;
    users.retain(|user| caller.knows(user));
    Ok(Json(users.into_iter().map(ShownUser::from).collect()))
}

/// `POST /users`.
pub(super) async fn add(
    Caller(caller): Caller,
    State(state): Shared,
    body: Body,
) -> Result<Json<ShownUser>, RestError> {
    let wanted: AddUser = parse(body)?;
    may_manage(&caller)?;
    let mut teams = Vec::new();
    for id in &wanted.team_ids {
        teams.push(team_of(&state, &caller, id).await?);
    }
    let new = NewUser {
        name: wanted.username,
        organisation: caller.organisation.clone(),
        role: wanted.role,
        parent: wanted.parent,
        tunnel_limit: wanted.tunnel_limit,
    };
    let key = add_account(&state.registry, &new).await?;
    for team in &teams {
        state.registry.join_team(team, &new.name).await?;
    }
    note(&state, &caller, "user-added", &new.name).await;
    let added = state.registry.account(&new.name).await?;
    let shown = ShownUser::from(added.ok_or(UserError::Unknown(new.name))?);
    Ok(Json(ShownUser { access_key: Some(key.expose().to_owned()), ..shown }))
}

/// `GET /users/{name}`.
pub(super) async fn show(
    Caller(caller): Caller,
    State(state): Shared,
    Path(name): Path<String>,
) -> Result<Json<ShownUser>, RestError> {
    Ok(Json(known(&state, &caller, name).await?.into()))
}

/// `PATCH /users/{name}`.
pub(super) async fn change(
    Caller(caller): Caller,
    State(state): Shared,
    Path(name): Path<String>,
    body: Body,
) -> Result<Json<ShownUser>, RestError> {
    let wanted: ChangeUser = parse(body)?;
    let user = known(&state, &caller, name).await?;
    may_manage(&caller)?;
    let limit = wanted.tunnel_limit.unwrap_or(user.tunnel_limit);
    state.registry.set_user(&user.name, wanted.role.unwrap_or(user.role), limit).await?;
    note(&state, &caller, "user-changed", &user.name).await;
    Ok(Json(known(&state, &caller, user.name).await?.into()))
}

/// `DELETE /users/{name}`.
pub(super) async fn remove(
    Caller(caller): Caller,
    State(state): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, RestError> {
    let user = known(&state, &caller, name).await?;
    may_manage(&caller)?;
    state.registry.remove_user(&user.name).await?;
    note(&state, &caller, "user-removed", &user.name).await;
    Ok(Json(json!({"result": true})))
}

/// `POST /users/{name}/accesskey/change`: one's own, or as who manages users.
pub(super) async fn rotate(
    Caller(caller): Caller,
    State(state): Shared,
    Path(name): Path<String>,
) -> Result<Json<Value>, RestError> {
    let user = known(&state, &caller, name).await?;
    if user.name != caller.name {
        may_manage(&caller)?;
    }
    let key = AccessKey::generate().map_err(UserError::from)?;
    state
        .registry
        .rotate_key(&user.name, &sha256_of_key(key.expose()), state.registry.now())
        .await?;
    note(&state, &caller, "key-rotated", &user.name).await;
    Ok(Json(json!({"username": user.name, "access_key": key.expose()})))
}

/// `GET /teams`: all of the organisation, with the members whom the caller knows.
pub(super) async fn list_teams(
    Caller(caller): Caller,
    State(state): Shared,
) -> Result<Json<Vec<ShownTeam>>, RestError> {
    let users = state.registry.users(Some(&caller.organisation)).await?;
    let teams = state.registry.teams(Some(&caller.organisation)).await?;
    let shown = teams.into_iter().map(|Team { id, name, organisation }| {
        let members = users.iter().filter(|user| user.teams.contains(&id) && caller.knows(user));
        let members = members.map(|user| user.name.clone()).collect();
        ShownTeam { id, name, organisation, members }
    });
    Ok(Json(shown.collect()))
}

/// `POST /teams`.
pub(super) async fn add_team(
    Caller(caller): Caller,
    State(state): Shared,
    body: Body,
) -> Result<Json<ShownTeam>, RestError> {
    let wanted: AddTeam = parse(body)?;
    may_manage(&caller)?;
    let team = new_team(&wanted.name, &caller.organisation).map_err(UserError::from)?;
    state.registry.add_team(&team, state.registry.now()).await?;
    note(&state, &caller, "team-added", &team.name).await;
    let Team { id, name, organisation } = team;
    Ok(Json(ShownTeam { id, name, organisation, members: Vec::new() }))
}

/// `DELETE /teams/{id}`.
pub(super) async fn remove_team(
    Caller(caller): Caller,
    State(state): Shared,
    Path(id): Path<String>,
) -> Result<Json<Value>, RestError> {
    may_manage(&caller)?;
    let team = team_of(&state, &caller, &id).await?;
    state.registry.remove_team(&team.id).await?;
    note(&state, &caller, "team-removed", &team.name).await;
    Ok(Json(json!({"result": true})))
}

/// `PUT /teams/{id}/members/{name}`.
pub(super) async fn join(
    Caller(caller): Caller,
    State(state): Shared,
    Path((id, name)): Path<(String, String)>,
) -> Result<Json<Value>, RestError> {
    may_manage(&caller)?;
    let team = team_of(&state, &caller, &id).await?;
    state.registry.join_team(&team, &name).await?;
    note(&state, &caller, "team-joined", &name).await;
    Ok(Json(json!({"result": true})))
}

/// `DELETE /teams/{id}/members/{name}`.
pub(super) async fn leave(
    Caller(caller): Caller,
    State(state): Shared,
    Path((id, name)): Path<(String, String)>,
) -> Result<Json<Value>, RestError> {
    may_manage(&caller)?;
    let team = team_of(&state, &caller, &id).await?;
    state.registry.leave_team(&team, &name).await?;
    note(&state, &caller, "team-left", &name).await;
    Ok(Json(json!({"result": true})))
}

/// `GET /organisation`: the caller's own.
pub(super) async fn organisation(
    Caller(caller): Caller,
    State(state): Shared,
) -> Result<Json<Value>, RestError> {
    let own = state.registry.organisation(&caller.organisation).await?;
    let limit = own.and_then(|own| own.tunnel_limit);
    let active = state.tunnels.active_in(&caller.organisation).await?;
    Ok(Json(json!({
        "name": caller.organisation, "tunnel_limit": limit, "active_tunnels": active,
    })))
}

/// `GET /audit`: what was done in the organisation, for who manages it.
pub(super) async fn audit(
    Caller(caller): Caller,
    State(state): Shared,
    query: Parameters,
) -> Result<Json<Vec<Deed>>, RestError> {
    let limit = query.number("limit", DEFAULT_LIMIT, MAX_LIMIT)?;
    may_manage(&caller)?;
    Ok(Json(state.registry.deeds(&caller.organisation, limit).await?))
}

fn may_manage(caller: &Account) -> Result<(), RestError> {
    match caller.manages_users() {
        true => Ok(()),
        false => Err(RestError::Forbidden("manage users and teams")),
    }
}

/// A user whom the caller knows; others do not exist.
async fn known(state: &RestState, caller: &Account, name: String) -> Result<Account, RestError> {
    let user = state.registry.account(&name).await?.filter(|user| caller.knows(user));
    user.ok_or(RestError::NotYours(name))
}

/// A team of the caller's organisation.
async fn team_of(state: &RestState, caller: &Account, id: &str) -> Result<Team, RestError> {
    let teams = state.registry.teams(Some(&caller.organisation)).await?;
    let team = teams.into_iter().find(|team| team.id == id);
    team.ok_or_else(|| TeamError::Unknown(format!("team {id}")).into())
}

async fn note(state: &RestState, caller: &Account, action: &str, subject: &str) {
    let deed = Deed {
        time: state.registry.now(),
        actor: Some(caller.name.clone()),
        action: action.to_owned(),
        subject: subject.to_owned(),
        detail: None,
    };
    if let Err(error) = state.registry.note(&caller.organisation, &deed).await {
        log::error!("{action} of {subject} is not recorded: {error}");
    }
}
