//! All other commands: `/session/{id}/…`, relayed to the session's endpoint.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::endpoint::NoAnswer;
use super::error::BrokerError;
use super::script::Script;
use super::sessions::Session;
use super::{Broker, Told, headers, proof_of};
use crate::server::rest::{self, Patience, RestError};
use crate::server::tunnels::{Brief, JobEnd};

/// How long an endpoint may take for a command. A page may load, and a script run, for minutes.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(600);
/// Largest script that is looked at, in bytes.
const MAX_SCRIPT: usize = 16 * 1024 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// Largest answer that is looked at for the session's end, in bytes.
const MAX_LOOKED_AT: usize = 64 * 1024;

/// Carries out a command. `rest` is what follows the session's id in the path, with the query.
pub(super) async fn run(
    broker: &Arc<Broker>,
    id: &str,
    rest: &str,
    request: Request,
) -> Result<Response, BrokerError> {
    let no_session = || BrokerError::NoSession(id.chars().take(64).collect());
    let session = broker.sessions.get(id).ok_or_else(no_session)?;
    let (mut parts, mut body) = request.into_parts();
    if !may_drive(broker, &session, &parts).await? {
        return Err(no_session());
    }
    Patience::want(&parts);
    let busy = session.busy();
    if parts.method == Method::DELETE && rest.is_empty() {
        // In a task of its own: it is done whether the client waits for it or not.
        let (broker, id) = (Arc::clone(broker), session.id.clone());
        let ended = tokio::spawn(async move {
            broker.end(&id, JobEnd::SessionDeleted, Told::Yes).await;
        });
        ended.await.map_err(|_| BrokerError::Broken)?;
        return Ok(done());
    }
    if parts.method == Method::POST && matches!(rest, "/execute/sync" | "/execute") {
        let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, MAX_SCRIPT)).await;
        let script = read.ok().and_then(Result::ok).ok_or(BrokerError::Body(MAX_SCRIPT))?;
        if let Some(ours) = Script::read(&script) {
            return carry_out(broker, &session, ours).await;
        }
        body = Body::from(script);
    }
    let closes = parts.method == Method::DELETE && rest == "/window";
    headers::strip_request(&mut parts.headers);
    let path = format!("/session/{}{rest}", session.remote);
    let request = Request::from_parts(parts, body);
    let answer = match session.seat.url().send(request, &path, COMMAND_TIMEOUT).await {
        Ok(answer) => answer,
        Err(why) => return Err(lost(broker, &session, why).await),
    };
    drop(busy);
    let (mut head, body) = answer.into_parts();
    headers::strip(&mut head.headers);
    let body = Body::new(body);
    if head.status != StatusCode::NOT_FOUND && !closes {
        return Ok(Response::from_parts(head, body));
    }
    let body = to_bytes(body, MAX_LOOKED_AT).await.map_err(|_| BrokerError::Broken)?;
    let said: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_unknown = said["value"]["error"] == "invalid session id";
    // With its last window a session ends (W3C WebDriver, 11.2).
    let was_last = closes && said["value"].as_array().is_some_and(Vec::is_empty);
    if is_unknown || was_last {
        let why = if was_last { JobEnd::SessionDeleted } else { JobEnd::EndpointGone };
        broker.end(&session.id, why, Told::No).await;
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

/// Whether a command may come from there. Its session's id is proof enough, as many clients bring
/// their credentials to a new session only; but credentials that are there have to be those of the
/// owner, or of somebody who may end the owner's tunnels.
async fn may_drive(
    broker: &Broker,
    session: &Session,
    parts: &axum::http::request::Parts,
) -> Result<bool, BrokerError> {
    let proof = proof_of(parts);
    if proof.is_none() || proof == session.proof {
        return Ok(true);
    }
    let caller = rest::authenticate(parts, &broker.rest).await?;
    if caller.name == session.owner {
        return Ok(true);
    }
    let owner = broker.rest.registry.account(&session.owner).await.map_err(RestError::from)?;
    Ok(owner.is_some_and(|owner| caller.may_stop_of(&owner)))
}

/// Does what a script of ours says.
async fn carry_out(
    broker: &Broker,
    session: &Session,
    script: Script,
) -> Result<Response, BrokerError> {
    let update = match script {
        Script::Unknown(script) => return Err(BrokerError::NoScript(script)),
        Script::Context(text) => {
            log::debug!("job {}: {text:?}", Brief(&session.id));
            let note = |job: &mut crate::api::Job| job.details.note(&text);
            broker.rest.tunnels.change_job(&session.owner, &session.id, note).await
        }
        Script::Update(update) => {
            let change = |job: &mut crate::api::Job| job.change(update);
            broker.rest.tunnels.change_job(&session.owner, &session.id, change).await
        }
    };
    update.map_err(RestError::from)?;
    Ok(done())
}

/// A command did not get through. A session whose endpoint cannot be reached has ended.
async fn lost(broker: &Arc<Broker>, session: &Session, why: NoAnswer) -> BrokerError {
    let url = session.seat.url().to_string();
    log::warn!("job {}: {url} {why}", Brief(&session.id));
    let end = match why {
        NoAnswer::Unreachable(_) => {
            broker.end(&session.id, JobEnd::EndpointGone, Told::No).await;
            ". The session has ended"
        }
        NoAnswer::Broken(_) | NoAnswer::TooSlow(_) => "",
    };
    BrokerError::Lost { url, why, end }
}

/// Success without a value.
fn done() -> Response {
    let headers = [(header::CACHE_CONTROL, "no-cache")];
    (headers, axum::Json(json!({ "value": null }))).into_response()
}
