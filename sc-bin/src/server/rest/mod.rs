//! The REST API: HTTP, on its own thread.
//!
//! `serve` speaks HTTP and TLS within the `places` there are, `auth` finds out who calls, `rates`
//! how often. `tunnels`, `jobs`, `users`, `info` and `crashes` answer, `error` says what went wrong, `etag` spares
//! who polls, `body` takes what nobody read. What is answered is decided in
//! [`tunnels`](super::tunnels); `openapi` describes it all.

mod auth;
mod body;
mod crashes;
mod error;
mod etag;
mod info;
mod jobs;
mod openapi;
mod places;
mod query;
mod rates;
mod serve;
mod tls;
mod tunnels;
mod users;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{MethodRouter, delete, get, post, put};

use super::announcements::Announcements;
use super::guesses::Guesses;
use super::log_limit::LogLimit;
use super::registry::Registry;
use super::tunnels::Tunnels;
use crate::api::BASE;
pub(crate) use auth::{address_of, admit_call, identify};
pub(crate) use error::RestError;
pub(crate) use rates::Rates;
pub(crate) use serve::serve;
pub(crate) use tls::{RestTlsError, acceptor};
pub(crate) use tunnels::{Found, end, find_for, usable_by};

/// Largest body of a request, in bytes. A create request with long rule lists fits by far.
const MAX_BODY: usize = 256 * 1024;

/// From the end of a request's head to its answer. Bounds slow bodies too.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// What the handlers work on.
#[derive(Debug)]
pub(crate) struct RestState {
    /// Users.
    pub(crate) registry: Registry,
    /// Tunnels.
    pub(crate) tunnels: Arc<Tunnels>,
    /// For log lines about callers without the right credentials.
    pub(crate) strangers: LogLimit,
    /// For log lines about a registry that cannot be written.
    pub(crate) troubles: LogLimit,
    /// Wrong keys of late.
    pub(crate) guesses: Arc<Guesses>,
    /// What is left to each user.
    pub(crate) rates: Rates,
    /// What clients are told.
    pub(crate) announcements: Announcements,
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// The certificate of the CA of re-signed TLS, as PEM.
    pub(crate) resign_ca: String,
    /// This API, as seen from this machine.
    pub(crate) url: String,
}

/// All paths of the API, below [`BASE`], as the OpenAPI document has them.
fn paths() -> Vec<(&'static str, MethodRouter<Arc<RestState>>)> {
    vec![
        ("/{user}/tunnels", get(tunnels::list).post(tunnels::create)),
        ("/{user}/all_tunnels", get(tunnels::list_all)),
        ("/{user}/tunnels/{id}", get(tunnels::show).delete(tunnels::delete)),
        ("/{user}/tunnels/{id}/num_jobs", get(tunnels::num_jobs)),
        ("/{user}/tunnels/{id}/connected", post(tunnels::connected)),
        ("/{user}/tunnels/{id}/rules", put(tunnels::set_rules)),
        ("/{user}/tunnels/info/updates", get(info::updates)),
        ("/{user}/jobs", get(jobs::list).post(jobs::begin)),
        ("/{user}/jobs/{id}", get(jobs::show).delete(jobs::end)),
        ("/{user}/errors", get(crashes::list).post(crashes::report)),
        ("/users", get(users::list).post(users::add)),
        ("/users/{name}", get(users::show).patch(users::change).delete(users::remove)),
        ("/users/{name}/accesskey/change", post(users::rotate)),
        ("/teams", get(users::list_teams).post(users::add_team)),
        ("/teams/{id}", delete(users::remove_team)),
        ("/teams/{id}/members/{name}", put(users::join).delete(users::leave)),
        ("/organisation", get(users::organisation)),
        ("/audit", get(users::audit)),
        ("/public/tunnels/info/versions", get(info::versions)),
        ("/public/tunnels/sauce-connect/download", get(info::download)),
        ("/public/openapi.json", get(openapi::document)),
        ("/ca.pem", get(info::resign_ca)),
    ]
}

/// The API as a service.
pub(crate) fn router(state: Arc<RestState>) -> Router {
    let mut router = Router::new();
    for (path, methods) in paths() {
        router = router.route(&format!("{BASE}{path}"), methods);
    }
    router
        .fallback(async || RestError::NoSuchPath)
        .method_not_allowed_fallback(async || RestError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(etag::tag))
        .layer(middleware::from_fn(answer_in_time))
        .with_state(state)
}

/// Bounds how long a request and its answer's head may take, and what is read of a body.
pub(crate) async fn answer_in_time(request: Request, next: Next) -> Response {
    let line = format!("{} {}", request.method(), request.uri().path());
    let is_too_large =
        body::announced_length(&request).is_some_and(|length| length > MAX_BODY as u64);
    let (request, remainder) = body::lend(request);
    let answer = if is_too_large {
        drop(request);
        RestError::TooLarge.into_response()
    } else {
        match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
            Ok(answer) => answer,
            Err(_) => RestError::TooSlow.into_response(),
        }
    };
    remainder.discard().await;
    log::debug!("REST: {line}: {}", answer.status().as_u16());
    answer
}
