//! What is said when a command is not carried out, in the form of W3C WebDriver (section 6.6).

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::capabilities::BadCapabilities;
use super::endpoint::NoAnswer;
use super::seats::NoSeat;
use crate::server::rest::RestError;

/// Why a command is not carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum BrokerError {
    /// The body is not that of a new session.
    #[error(transparent)]
    Capabilities(#[from] BadCapabilities),
    /// The body is too large, or did not come in time.
    #[error("the body is too large or did not come in time: at most {0} bytes are taken here")]
    Body(usize),
    /// Who asks may not, or has no such tunnel.
    #[error("{0}")]
    Rest(#[from] RestError),
    /// No credentials.
    #[error(
        "Not authorized: give user name and access key by HTTP Basic, or as username and accessKey \
         in sauce:options"
    )]
    NoCredentials,
    /// No endpoint.
    #[error(transparent)]
    Seat(#[from] NoSeat),
    /// The endpoints do not answer a new session.
    #[error("no WebDriver endpoint could be reached. The last: {url} {why}")]
    Unreachable {
        /// Which.
        url: String,
        /// Why.
        why: NoAnswer,
    },
    /// The endpoint's answer to a new session cannot be read.
    #[error("the WebDriver endpoint {0} gave an answer that is not W3C WebDriver")]
    Answer(String),
    /// No such session, or somebody else's.
    #[error(
        "there is no session {0}: it has ended, by a command, for idleness, or with its WebDriver \
         endpoint; GET /rest/v1/USER/jobs/ID says why"
    )]
    NoSession(String),
    /// The endpoint of a session is gone.
    #[error("the session's WebDriver endpoint {url}: {why}{end}")]
    Lost {
        /// Which.
        url: String,
        /// Why.
        why: NoAnswer,
        /// What that means for the session.
        end: &'static str,
    },
    /// Not a path of WebDriver.
    #[error("no such WebDriver command here: paths begin with /session or /wd/hub/session")]
    NoCommand,
    /// A script of ours that does not exist.
    #[error("there is no script {0:?} here: see docs/webdriver.md")]
    NoScript(String),
    /// A task broke down.
    #[error("the server failed to answer: see its log")]
    Broken,
}

impl BrokerError {
    /// W3C's word, and the status that goes with it.
    fn word(&self) -> (&'static str, StatusCode) {
        let not_created = "session not created";
        match self {
            Self::Capabilities(_) | Self::NoScript(_) => {
                ("invalid argument", StatusCode::BAD_REQUEST)
            }
            Self::Body(_) => ("invalid argument", StatusCode::PAYLOAD_TOO_LARGE),
            Self::NoCredentials => (not_created, StatusCode::UNAUTHORIZED),
            Self::Rest(error) if error.is_about_caller() => (not_created, error.status()),
            Self::Rest(_) | Self::Seat(_) | Self::Unreachable { .. } | Self::Answer(_) => {
                (not_created, StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::NoSession(_) => ("invalid session id", StatusCode::NOT_FOUND),
            Self::NoCommand => ("unknown command", StatusCode::NOT_FOUND),
            Self::Lost { .. } | Self::Broken => {
                ("unknown error", StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl IntoResponse for BrokerError {
    fn into_response(self) -> Response {
        let (error, status) = self.word();
        let message = self.to_string();
        match &self {
            // What was asked for may be a session's whole id.
            Self::NoSession(_) => log::debug!("WebDriver: {error}"),
            _ => log::info!("WebDriver: {error}: {message}"),
        }
        let retry_after = match self {
            Self::Rest(error) => error.into_response().headers_mut().remove(header::RETRY_AFTER),
            _ => None,
        };
        let value = json!({"value": {"error": error, "message": message, "stacktrace": ""}});
        let mut answer = (status, Json(value)).into_response();
        let headers = answer.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds);
        }
        answer
    }
}
