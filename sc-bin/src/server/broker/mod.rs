//! The WebDriver broker: sessions of tests, each a job with a proxy address of its own, at the
//! endpoints that were given (`--webdriver-url`).
//!
//! It is served beside the REST API, at `/wd/hub/session` and `/session`. `new_session` makes a
//! session: `capabilities` is what the test asked for and what the browser is told, `seats` which
//! `endpoint` it gets. `commands` relays the rest, but for the scripts of `script`, within what
//! `headers` lets through; `sessions` are those that run, `error` what is said when something is
//! not done. Which tunnel a job uses is decided in [`tunnels`](super::tunnels).

mod capabilities;
mod commands;
mod endpoint;
mod error;
mod headers;
mod new_session;
mod script;
mod seats;
mod sessions;

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use axum::{Json, Router};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use super::rest::{self, RestState};
use super::tunnels::{Brief, JobEnd};
use endpoint::NoAnswer;
pub(crate) use endpoint::WebDriverUrl;
use error::BrokerError;
use seats::Seats;
use sessions::{Proof, Sessions};

/// Where endpoints are and how sessions there are kept.
#[derive(Clone, Debug)]
pub(crate) struct BrokerSettings {
    /// The endpoints.
    pub(crate) endpoints: Vec<WebDriverUrl>,
    /// Most sessions at once at each.
    pub(crate) most: Option<NonZeroU32>,
    /// After so long without a command a session ends.
    pub(crate) idle_limit: Duration,
}

impl Default for BrokerSettings {
    fn default() -> Self {
        Self { endpoints: Vec::new(), most: None, idle_limit: Duration::from_secs(90) }
    }
}

/// How often it is looked for sessions to end.
const TICK: Duration = Duration::from_secs(1);
/// How often endpoints with sessions are looked at.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// An endpoint that could not be reached so often in a row is gone, and its sessions with it.
const PROBES: u32 = 3;
/// How long an endpoint may take to end a session.
const DELETE_TIMEOUT: Duration = Duration::from_secs(30);

/// What a session's endpoint is told of its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// It ends the session there.
    Yes,
    /// It knows, or is not there.
    No,
}

/// The broker of a server.
#[derive(Debug)]
pub(crate) struct Broker {
    rest: Arc<RestState>,
    seats: Arc<Seats>,
    sessions: Sessions,
    idle_limit: Duration,
}

impl Broker {
    /// No session yet.
    pub(crate) fn new(rest: Arc<RestState>, settings: BrokerSettings) -> Arc<Self> {
        Arc::new(Self {
            rest,
            seats: Seats::new(settings.endpoints, settings.most),
            sessions: Sessions::default(),
            idle_limit: settings.idle_limit,
        })
    }

    /// Its paths.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        let paths = ["/wd/hub", "/wd/hub/{*command}", "/status", "/session", "/session/{*command}"];
        let mut router = Router::new();
        for path in paths {
            router = router.route(path, any(answer));
        }
        router.with_state(Arc::clone(self))
    }

    /// Ends sessions that nobody uses, whose jobs have ended, or whose endpoints are gone. For ever.
    pub(crate) async fn look_after(self: Arc<Self>) {
        tokio::join!(self.end_the_idle(), self.probe());
    }

    /// Ends all sessions, with the server.
    pub(crate) async fn end_all(self: &Arc<Self>) {
        let mut ending = JoinSet::new();
        for session in self.sessions.all() {
            let broker = Arc::clone(self);
            ending.spawn(async move {
                broker.end(&session.id, JobEnd::ServerRestart, Told::Yes).await;
            });
        }
        while ending.join_next().await.is_some() {}
    }

    /// Ends sessions, by endpoint and id there, that a run of this server before left open: their
    /// browsers would stay.
    pub(crate) async fn close_left_open(self: Arc<Self>, sessions: Vec<(String, String)>) {
        for (endpoint, remote) in sessions {
            let Some(url) = self.seats.named(&endpoint) else { continue };
            match delete(url, &remote).await {
                Ok(()) => log::info!("WebDriver: a session that was left open at {url} is closed"),
                Err(why) => log::warn!("WebDriver: {url} {why}"),
            }
        }
    }

    async fn end_the_idle(self: &Arc<Self>) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            for session in self.sessions.all() {
                let why = match self.rest.tunnels.is_job_running(&session.id).await {
                    // It says itself why.
                    false => JobEnd::Request,
                    true if session.is_idle(Instant::now()) => JobEnd::Idle,
                    true => continue,
                };
                // Taken out at once, so that no two tasks end one session.
                let Some(session) = self.sessions.remove(&session.id) else { continue };
                let broker = Arc::clone(self);
                tokio::spawn(async move { broker.close(&session, why, Told::Yes).await });
            }
        }
    }

    async fn probe(self: &Arc<Self>) {
        let mut failures: BTreeMap<usize, u32> = BTreeMap::new();
        let mut ticks = tokio::time::interval(PROBE_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let mut by_endpoint: BTreeMap<usize, Vec<_>> = BTreeMap::new();
            for session in self.sessions.all() {
                by_endpoint.entry(session.seat.endpoint()).or_default().push(session);
            }
            failures.retain(|endpoint, _| by_endpoint.contains_key(endpoint));
            for (endpoint, sessions) in by_endpoint {
                let Some(url) = sessions.first().map(|session| session.seat.url()) else {
                    continue;
                };
                let Err(why) = url.connect().await else {
                    failures.remove(&endpoint);
                    continue;
                };
                let count = failures.entry(endpoint).or_default();
                *count += 1;
                if *count < PROBES {
                    continue;
                }
                log::warn!("WebDriver: {url} {why}: its {} sessions have ended", sessions.len());
                for session in sessions {
                    self.end(&session.id, JobEnd::EndpointGone, Told::No).await;
                }
            }
        }
    }

    /// Ends a session and its job. One that has ended stays as it is.
    async fn end(&self, id: &str, why: JobEnd, told: Told) {
        if let Some(session) = self.sessions.remove(id) {
            self.close(&session, why, told).await;
        }
    }

    /// Ends what belonged to a session that was taken out.
    async fn close(&self, session: &sessions::Session, why: JobEnd, told: Told) {
        // The job lasts until the browser is gone, or it would lose its last requests.
        if told == Told::Yes
            && let Err(why) = delete(session.seat.url(), &session.remote).await
        {
            log::warn!("job {}: {} {why}", Brief(&session.id), session.seat.url());
        }
        self.end_job(&session.id, why).await;
    }

    /// Ends a job, whoever has it. One that has ended stays as it is.
    async fn end_job(&self, id: &str, why: JobEnd) {
        if let Err(error) = self.rest.tunnels.end_job_everywhere(id, why).await {
            log::error!("job {}: it is not ended: {error}", Brief(id));
        }
    }
}

/// Ends a session at its endpoint.
async fn delete(url: &WebDriverUrl, remote: &str) -> Result<(), NoAnswer> {
    let mut request = Request::new(axum::body::Body::empty());
    *request.method_mut() = Method::DELETE;
    url.send(request, &format!("/session/{remote}"), DELETE_TIMEOUT).await.map(drop)
}

/// Answers one request.
async fn answer(State(broker): State<Arc<Broker>>, request: Request) -> Response {
    let (request, remainder) = rest::lend(request);
    let answer = dispatch(&broker, request).await.unwrap_or_else(BrokerError::into_response);
    remainder.discard().await;
    answer
}

async fn dispatch(broker: &Arc<Broker>, request: Request) -> Result<Response, BrokerError> {
    let path = request.uri().path();
    let command = path.strip_prefix("/wd/hub").unwrap_or(path);
    if command == "/status" && request.method() == Method::GET {
        return Ok(Json(json!({"value": {"ready": true, "message": "sc server"}})).into_response());
    }
    let Some(command) = command.strip_prefix("/session") else {
        return Err(BrokerError::NoCommand);
    };
    let Some(command) = command.strip_prefix('/').filter(|command| !command.is_empty()) else {
        return match *request.method() {
            Method::POST => new_session::begin(broker, request).await,
            _ => Err(BrokerError::NoCommand),
        };
    };
    if has_dots(command) {
        return Err(BrokerError::NoCommand);
    }
    let (id, rest) = match command.find('/') {
        Some(slash) => command.split_at(slash),
        None => (command, ""),
    };
    let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
    let (id, rest) = (id.to_owned(), format!("{}{query}", rest.trim_end_matches('/')));
    commands::run(broker, &id, &rest, request).await
}

/// Whether a path has segments that mean another place, however they are written. An endpoint that
/// resolves them would carry out a command of another session.
fn has_dots(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let path = path.replace("%2e", ".").replace("%2f", "/").replace("%5c", "\\");
    path.split(['/', '\\']).any(|segment| matches!(segment, "." | ".."))
}

/// What the head of a request proves, if it has credentials.
fn proof_of(parts: &Parts) -> Option<Proof> {
    let value = parts.headers.get(header::AUTHORIZATION)?;
    Some(Sha256::digest(value.as_bytes()).into())
}

#[cfg(test)]
mod tests {
    use super::has_dots;

    #[test]
    fn a_path_leads_to_its_own_session() {
        for bad in ["id/../other/url", "id/%2e%2E/x", "id/a%2f..", "id/./url", "id/..%5Cx", ".."] {
            assert!(has_dots(bad), "{bad}");
        }
        for good in ["id/url", "id/cookie/a%2Fb", "id/element/f.1.d.2/text", "id/cookie/..a"] {
            assert!(!has_dots(good), "{good}");
        }
    }
}
