//! `/{user}/jobs`: a proxy address for harnesses without WebDriver. Extensions.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use super::RestState;
use super::auth::Visit;
use super::body::parse;
use super::error::RestError;
use crate::api::{CreateJob, Job};

type Shared = State<Arc<RestState>>;
type Body = Result<Bytes, BytesRejection>;
/// User and job id, as the path has them.
type JobPath = Path<(String, String)>;

/// `POST /{user}/jobs`.
pub(super) async fn begin(
    visit: Visit,
    State(state): Shared,
    body: Body,
) -> Result<Json<Job>, RestError> {
    let request: CreateJob = parse(body)?;
    may_act(&visit)?;
    let user = visit.owner;
    let owner = match &request.tunnel_owner {
        Some(name) if !name.is_empty() && *name != user.name => {
            let owner = state.registry.account(name).await?.filter(|owner| user.knows(owner));
            owner.ok_or_else(|| RestError::NotYours(name.clone()))?
        }
        _ => user.clone(),
    };
    let tunnels = Arc::clone(&state.tunnels);
    // In a task of its own: a caller who hangs up must not leave half a job.
    let begun = tokio::spawn(tunnels.begin_job(user, owner, request)).await;
    Ok(Json(begun.map_err(|_| RestError::Broken)??))
}

/// `GET /{user}/jobs`: those that run.
pub(super) async fn list(visit: Visit, State(state): Shared) -> Result<Json<Vec<Job>>, RestError> {
    may_act(&visit)?;
    Ok(Json(state.tunnels.jobs_everywhere_of(&visit.owner.name).await?))
}

/// `GET /{user}/jobs/{id}`.
pub(super) async fn show(
    visit: Visit,
    State(state): Shared,
    path: JobPath,
) -> Result<Json<Job>, RestError> {
    Ok(Json(find(&state, &visit, path).await?))
}

/// `DELETE /{user}/jobs/{id}`.
pub(super) async fn end(
    visit: Visit,
    State(state): Shared,
    path: JobPath,
) -> Result<Json<Value>, RestError> {
    let id = find(&state, &visit, path).await?.id;
    let (tunnels, job) = (Arc::clone(&state.tunnels), id.clone());
    let ended = tokio::spawn(async move { tunnels.end_job_everywhere(&job).await }).await;
    ended.map_err(|_| RestError::Broken)??;
    Ok(Json(json!({"result": true, "id": id})))
}

async fn find(state: &RestState, visit: &Visit, Path((_, id)): JobPath) -> Result<Job, RestError> {
    may_act(visit)?;
    let found = state.tunnels.find_job(&visit.owner.name, &id).await?;
    found.ok_or(RestError::NoJob(id))
}

/// Jobs are for who has them, and for who is responsible for that user.
fn may_act(Visit { caller, owner }: &Visit) -> Result<(), RestError> {
    match caller.name == owner.name || caller.may_stop_of(owner) {
        true => Ok(()),
        false => Err(RestError::Forbidden("see or change another user's jobs")),
    }
}
