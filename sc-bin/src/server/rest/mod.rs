//! The REST API: HTTP, on its own thread.
//!
//! `serve` speaks HTTP and TLS within the `places` there are, `auth` finds out who calls, `tunnels`
//! and `info` answer, `error` says what went wrong, `body` takes what nobody read. What is answered
//! is decided in [`tunnels`](super::tunnels).

mod auth;
mod body;
mod error;
mod info;
mod places;
mod query;
mod serve;
mod tls;
mod tunnels;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use super::log_limit::LogLimit;
use super::registry::Registry;
use super::tunnels::Tunnels;
use crate::api::BASE;
use error::RestError;
pub(crate) use serve::serve;
pub(crate) use tls::{RestTlsError, acceptor};

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
    /// `http` or `https`.
    pub(crate) scheme: &'static str,
    /// The certificate of the CA of re-signed TLS, as PEM.
    pub(crate) resign_ca: String,
    /// This API, as seen from this machine.
    pub(crate) url: String,
}

/// All paths of the API.
pub(crate) fn router(state: Arc<RestState>) -> Router {
    let path = |path: &str| format!("{BASE}{path}");
    Router::new()
        .route(&path("/{user}/tunnels"), get(tunnels::list).post(tunnels::create))
        .route(&path("/{user}/all_tunnels"), get(tunnels::list_all))
        .route(&path("/{user}/tunnels/{id}"), get(tunnels::show).delete(tunnels::delete))
        .route(&path("/{user}/tunnels/{id}/num_jobs"), get(tunnels::num_jobs))
        .route(&path("/{user}/tunnels/{id}/connected"), post(tunnels::connected))
        .route(&path("/{user}/tunnels/info/updates"), get(info::updates))
        .route(&path("/public/tunnels/info/versions"), get(info::versions))
        .route(&path("/ca.pem"), get(info::resign_ca))
        .fallback(async || RestError::NoSuchPath)
        .method_not_allowed_fallback(async || RestError::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(middleware::from_fn(answer_in_time))
        .with_state(state)
}

async fn answer_in_time(request: Request, next: Next) -> Response {
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
