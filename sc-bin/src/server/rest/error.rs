//! What a caller is told when something is not done.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::registry::RegistryError;
use super::super::tunnels::CreateError;
use super::MAX_BODY;
use crate::api::ErrorBody;

/// An answer that is not a success.
#[derive(Debug, thiserror::Error)]
pub(super) enum RestError {
    /// Wrong or no credentials.
    #[error("Not authorized: give user name and access key by HTTP Basic")]
    Unauthorized,
    /// Somebody else's part of the API.
    #[error("no user {0:?} whose tunnels you may see or change: use your own name in the path")]
    NotYours(String),
    /// No such tunnel, or somebody else's.
    #[error("you have no tunnel {0:?}")]
    NoTunnel(String),
    /// Not a path of the API.
    #[error("no such path: see docs/server.md for the REST API")]
    NoSuchPath,
    /// A path of the API, but not with this method.
    #[error("this path does not take this method: see the Allow header")]
    MethodNotAllowed,
    /// A wrong part of the request.
    #[error("{0}")]
    BadRequest(String),
    /// A body beyond [`MAX_BODY`].
    #[error("the body is too large: at most {MAX_BODY} bytes are taken")]
    TooLarge,
    /// The body could not be read.
    #[error("{text}")]
    Body {
        /// 413, 408 or 400.
        status: StatusCode,
        /// Why.
        text: String,
    },
    /// The request or its answer took too long.
    #[error("the request was not complete, or not answered, in time")]
    TooSlow,
    /// A tunnel was not made.
    #[error(transparent)]
    Create(#[from] CreateError),
    /// The registry failed.
    #[error("the server cannot read or write its registry: see its log")]
    Registry(#[from] RegistryError),
    /// A handler broke down.
    #[error("the server failed to answer: see its log")]
    Broken,
}

impl RestError {
    fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotYours(_) | Self::NoTunnel(_) | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body { status, .. } => *status,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Create(error) => match error {
                CreateError::Name
                | CreateError::Rules(_)
                | CreateError::Protocol(_)
                | CreateError::Pool
                | CreateError::Shared(_)
                | CreateError::TooLong { .. }
                | CreateError::TooMany(_) => StatusCode::BAD_REQUEST,
                CreateError::Port(_) | CreateError::Stopping | CreateError::DataPlane(_) => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                CreateError::Registry(_) | CreateError::Random(_) => {
                    StatusCode::INTERNAL_SERVER_ERROR
                }
            },
            Self::Registry(_) | Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let status = self.status();
        // The caller is told that something failed, the log what.
        let error = match &self {
            Self::Registry(inner) | Self::Create(CreateError::Registry(inner)) => {
                log::error!("REST: {inner}");
                "the server cannot read or write its registry: see its log".to_owned()
            }
            other => other.to_string(),
        };
        let mut answer = (status, Json(ErrorBody { error })).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"sc\", charset=\"UTF-8\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        answer
    }
}
