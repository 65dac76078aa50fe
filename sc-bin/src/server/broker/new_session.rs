//! `POST /session`: who asks, for which tunnel, at which endpoint.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use serde_json::Value;

use super::capabilities::{Trust, Wanted};
use super::endpoint::NoAnswer;
use super::error::BrokerError;
use super::seats::Seat;
use super::sessions::{Proof, Session};
use super::{Broker, Told, headers, proof_of};
use crate::api::{CreateJob, Job, JobDetails, label};
use crate::server::accounts::Account;
use crate::server::rest::{self, Patience, RestError};
use crate::server::tunnels::{Brief, JobEnd, JobError};

/// Largest body of a new session: a browser's profile or extensions may be in it. Of somebody who
/// has not said yet who it is: less.
const MAX_BODY: usize = 32 * 1024 * 1024;
const MAX_BODY_OF_STRANGER: usize = 1024 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer to it.
const MAX_ANSWER: usize = 4 * 1024 * 1024;
/// How long an endpoint may take. A grid lets new sessions wait for a browser.
const NEW_SESSION_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest time without a command that a session may ask for, in seconds.
const MAX_IDLE: u32 = 3600;

/// Makes a session.
pub(super) async fn begin(broker: &Arc<Broker>, request: Request) -> Result<Response, BrokerError> {
    let (parts, body) = request.into_parts();
    let known = match parts.headers.contains_key(header::AUTHORIZATION) {
        true => Some(rest::authenticate(&parts, &broker.rest).await?),
        false => None,
    };
    let limit = if known.is_some() { MAX_BODY } else { MAX_BODY_OF_STRANGER };
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, limit)).await;
    let body = body.ok().and_then(Result::ok).ok_or(BrokerError::Body(limit))?;
    let mut wanted = Wanted::read(&body)?;
    let (user, proof) = match known {
        Some(user) => (user, proof_of(&parts)),
        None => (by_options(broker, &parts, &wanted).await?, None),
    };
    Patience::want(&parts);
    let broker = Arc::clone(broker);
    // In a task of its own: a client that hangs up must not leave half a session.
    let made = tokio::spawn(async move {
        let order = order(&wanted);
        // Better said now than when a place has become free.
        if order.is_for_a_tunnel() {
            rest::would_begin_job(&broker.rest, &user, &order.0).await?;
        }
        // While it waits it needs no proxy port.
        let seat = broker.seats.take(&[]).await?;
        let job = begin_job(&broker, user, order).await?;
        if !job.proxy_address.is_empty() {
            let trust = match broker.rest.tunnels.resigns(&job.tunnel_id).await {
                Ok(false) => Trust::Sites,
                Ok(true) => Trust::Resigned,
                Err(error) => {
                    broker.end_job(&job.id, JobEnd::NotCreated).await;
                    return Err(RestError::from(error).into());
                }
            };
            wanted.go_by(&job.proxy_address, trust);
        }
        let id = job.id.clone();
        let made = make(&broker, seat, job, proof, wanted).await;
        if !matches!(&made, Ok(answer) if answer.status().is_success()) {
            broker.end_job(&id, JobEnd::NotCreated).await;
        }
        made
    });
    made.await.map_err(|_| BrokerError::Broken)?
}

/// Who the capabilities say it is.
async fn by_options(
    broker: &Broker,
    parts: &Parts,
    wanted: &Wanted,
) -> Result<Account, BrokerError> {
    let user = wanted.text(&["username"]).ok_or(BrokerError::NoCredentials)?;
    let key = wanted.text(&["accessKey"]).ok_or(BrokerError::NoCredentials)?;
    Ok(rest::check(&broker.rest, parts, &user, &key).await?)
}

/// The job that a session needs.
struct Order(CreateJob);

impl Order {
    fn is_for_a_tunnel(&self) -> bool {
        self.0.tunnel_identifier.is_some() || self.0.tunnel_owner.is_some()
    }
}

fn order(wanted: &Wanted) -> Order {
    Order(CreateJob {
        tunnel_identifier: wanted.text(&["tunnelName", "tunnelIdentifier", "tunnel-identifier"]),
        tunnel_owner: wanted.text(&["tunnelOwner", "parentTunnel", "parent-tunnel"]),
        name: wanted.text(&["name"]).map(label),
        // Commands count, not connections: the broker looks after that itself.
        idle_timeout: Some(u32::MAX),
        max_duration: wanted.seconds("maxDuration").filter(|seconds| *seconds > 0),
        details: details(wanted),
    })
}

/// Begins the job: on the tunnel that was asked for; on the unnamed one if none was, and it runs;
/// or on none.
async fn begin_job(broker: &Broker, user: Account, order: Order) -> Result<Job, BrokerError> {
    let is_for_a_tunnel = order.is_for_a_tunnel();
    let Order(request) = order;
    let begun = rest::begin_job(&broker.rest, user.clone(), request.clone()).await;
    let none_runs = |error: &RestError| {
        matches!(error, RestError::Job(JobError::NoTunnel { .. } | JobError::NotReady(_)))
    };
    match begun {
        Err(error) if !is_for_a_tunnel && none_runs(&error) => {
            let begun = broker.rest.tunnels.begin_job_without_tunnel(user, request).await;
            Ok(begun.map_err(RestError::from)?)
        }
        begun => Ok(begun?),
    }
}

/// What the capabilities say about the job. What is too long or of the wrong kind is left out: a
/// test does not fail for its label.
fn details(wanted: &Wanted) -> JobDetails {
    let tags = wanted.option(&["tags"]).cloned();
    JobDetails {
        build: wanted.text(&["build"]),
        tags: tags.and_then(|tags| serde_json::from_value(tags).ok()).unwrap_or_default(),
        custom_data: match wanted.option(&["custom-data", "customData"]) {
            Some(Value::Object(fields)) => Some(fields.clone()),
            _ => None,
        },
        ..JobDetails::default()
    }
    .within_limits()
}

/// Has the endpoint of a place make the session; of one that cannot be reached another is tried.
async fn make(
    broker: &Arc<Broker>,
    mut seat: Seat,
    job: Job,
    proof: Option<Proof>,
    wanted: Wanted,
) -> Result<Response, BrokerError> {
    let idle = wanted.seconds("idleTimeout").filter(|seconds| *seconds > 0);
    let idle = idle
        .map_or(broker.idle_limit, |seconds| Duration::from_secs(u64::from(seconds.min(MAX_IDLE))));
    let body = Bytes::from(wanted.body());
    let mut tried = Vec::new();
    let answer = loop {
        let mut request = Request::new(Body::from(body.clone()));
        *request.method_mut() = axum::http::Method::POST;
        request.headers_mut().insert(header::CONTENT_TYPE, JSON);
        let why = match seat.url().send(request, "/session", NEW_SESSION_TIMEOUT).await {
            Ok(answer) => break answer,
            Err(why) => why,
        };
        let is_out = matches!(why, NoAnswer::Unreachable(_));
        let failure = BrokerError::Unreachable { url: seat.url().to_string(), why };
        log::warn!("WebDriver: {failure}");
        if !is_out {
            return Err(failure);
        }
        tried.push(seat.endpoint());
        drop(seat);
        // Without another one it is this failure that is to be told.
        seat = broker.seats.take(&tried).await.map_err(|_| failure)?;
    };
    enrol(broker, job, proof, idle, seat, answer).await
}

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Takes a session in, and gives it the id of its job. Refusals pass unchanged.
async fn enrol(
    broker: &Arc<Broker>,
    job: Job,
    proof: Option<Proof>,
    idle: Duration,
    seat: Seat,
    answer: Response<Incoming>,
) -> Result<Response, BrokerError> {
    let url = seat.url().to_string();
    let bad = || BrokerError::Answer(url.clone());
    let (mut head, body) = answer.into_parts();
    headers::strip(&mut head.headers);
    let body = tokio::time::timeout(BODY_TIMEOUT, to_bytes(Body::new(body), MAX_ANSWER)).await;
    let body = body.ok().and_then(Result::ok).ok_or_else(bad)?;
    if head.status != StatusCode::OK {
        log::info!("job {}: {url} made no session: {}", Brief(&job.id), head.status);
        return Ok(Response::from_parts(head, Body::from(body)));
    }
    let mut made: Value = serde_json::from_slice(&body).map_err(|_| bad())?;
    let remote = made["value"]["sessionId"].as_str().filter(|id| is_plain(id)).ok_or_else(bad)?;
    let (id, remote) = (job.id, remote.to_owned());
    made["value"]["sessionId"] = Value::from(id.as_str());
    if let Some(old) = made.get_mut("sessionId") {
        *old = Value::from(id.as_str());
    }
    let capabilities = made["value"]["capabilities"].as_object_mut().ok_or_else(bad)?;
    // Where the endpoint's machine is reached by its own programs only.
    capabilities.remove("webSocketUrl");
    let said = |name: &str| {
        let text = capabilities.get(name).and_then(Value::as_str)?;
        Some(text.chars().take(64).collect::<String>())
    };
    let (browser, version, os) =
        (said("browserName"), said("browserVersion"), said("platformName"));
    if let Err(error) = broker.rest.registry.job_has_session(&id, &url, &remote).await {
        log::warn!("job {}: its session is not recorded: {error}", Brief(&id));
    }
    let session = Session::new((id.clone(), remote), job.owner.clone(), proof, seat, idle);
    broker.sessions.add(session);
    let noted = broker.rest.tunnels.change_job(&job.owner, &id, |job| {
        let details = &mut job.details;
        (details.browser, details.browser_version, details.os) = (browser, version, os);
        details.automation_backend = Some("webdriver".to_owned());
    });
    if let Err(error) = noted.await {
        log::warn!("job {}: its browser is not recorded: {error}", Brief(&id));
    }
    if !broker.rest.tunnels.is_job_running(&id).await {
        // Ended by somebody meanwhile.
        broker.end(&id, JobEnd::Request, Told::Yes).await;
        return Err(BrokerError::NoSession(id));
    }
    log::info!("job {} of {}: a session at {url}", Brief(&id), job.owner);
    head.headers.remove(header::CONTENT_LENGTH);
    head.headers.insert(header::CONTENT_TYPE, JSON);
    Ok((head.status, head.headers, made.to_string()).into_response())
}

/// An id that can stand in a path as it is.
fn is_plain(id: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    !id.is_empty() && id.len() <= 256 && id.bytes().all(fits) && id != "." && id != ".."
}
