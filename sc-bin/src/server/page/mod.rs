//! The Tunnels page: what people see of their tunnels in a browser, and end there.
//!
//! It stands beside the REST API on the same listener, knows what REST knows, and lets a user see
//! and end exactly what REST would. `sign_in` makes `sessions`, `visitor` finds out who comes;
//! `list`, `tunnel` and `stop` are the pages, `layout` is what they have in common, `row`, `graph` and
//! `amounts` are what they are made of; `live` keeps them up to date, from the samples in `health`.
//! Pages are whole without a script: [`assets`] has one, which follows `live` and asks before a
//! tunnel ends.

mod amounts;
mod assets;
mod command;
mod error;
mod graph;
mod health;
mod layout;
mod list;
mod listeners;
mod live;
mod memo;
mod row;
mod sessions;
mod sign_in;
mod stop;
mod tunnel;
mod users;
mod visitor;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use tokio::sync::watch;

use super::rest::{RestState, answer_in_time};
use health::Health;
use listeners::Listeners;
use sessions::Sessions;
use users::Users;

/// Largest form, in bytes.
const MAX_FORM: usize = 16 * 1024;

/// Where things are.
pub(crate) const LIST: &str = "/tunnels";
const SIGN_IN: &str = "/sign-in";
const SIGN_OUT: &str = "/sign-out";
const STOP_MINE: &str = "/tunnels/stop-mine";

/// Nothing from elsewhere, nothing inline, in nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// What the page works on.
#[derive(Debug)]
pub(crate) struct Page {
    rest: Arc<RestState>,
    sessions: Sessions,
    listeners: Arc<Listeners>,
    health: Health,
    users: Users,
    /// Becomes true when the server stops.
    stopping: watch::Receiver<bool>,
}

impl Page {
    /// Nobody signed in, nothing sampled yet.
    pub(crate) fn new(rest: Arc<RestState>, stopping: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self {
            rest,
            sessions: Sessions::default(),
            listeners: Arc::default(),
            health: Health::default(),
            users: Users::default(),
            stopping,
        })
    }

    /// Samples the tunnels, forever.
    pub(crate) async fn sample(self: Arc<Self>) {
        self.health.run(&self.rest.tunnels).await;
    }
}

/// The page as a service, to be merged with REST's.
pub(crate) fn router(page: Arc<Page>) -> Router {
    Router::new()
        .route("/", get(async || Redirect::to(LIST)))
        .route(SIGN_IN, get(sign_in::show).post(sign_in::take))
        .route(SIGN_OUT, post(sign_in::out))
        .route(LIST, get(list::show))
        .route("/tunnels/live", get(list::live))
        .route(STOP_MINE, get(stop::ask_mine).post(stop::mine))
        .route("/tunnels/{id}", get(tunnel::show))
        .route("/tunnels/{id}/live", get(tunnel::live))
        .route("/tunnels/{id}/stop", get(stop::ask).post(stop::one))
        .route("/assets/{name}", get(assets::serve))
        .layer(DefaultBodyLimit::max(MAX_FORM))
        .layer(middleware::from_fn(answer_in_time))
        .layer(middleware::from_fn(protect))
        .with_state(page)
}

/// What browsers are told of every answer.
async fn protect(request: Request, next: Next) -> Response {
    let mut answer = next.run(request).await;
    let fixed: [(HeaderName, &'static str); 6] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let headers = answer.headers_mut();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What is in a browser's store may be read when its user has signed out.
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    answer
}
