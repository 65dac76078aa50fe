//! What a caller is told when something is not done.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::super::guesses::Wait;
use super::super::registry::{RegistryError, TeamError, UserError};
use super::super::tunnels::{CreateError, JobError};
use super::MAX_BODY;
use crate::api::ErrorBody;

/// An answer that is not a success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestError {
    /// Wrong or no credentials.
    #[error("Not authorized: give user name and access key by HTTP Basic")]
    Unauthorized,
    /// Somebody else's part of the API.
    #[error("no user {0:?} whose tunnels you may see or change: use your own name in the path")]
    NotYours(String),
    /// Something that the caller sees but may not do.
    #[error("your role does not allow you to {0}")]
    Forbidden(&'static str),
    /// A user was not added, changed or removed.
    #[error(transparent)]
    User(#[from] UserError),
    /// A team was not.
    #[error(transparent)]
    Team(#[from] TeamError),
    /// No such tunnel, or somebody else's.
    #[error("you have no tunnel {0:?}")]
    NoTunnel(String),
    /// No such job, or somebody else's.
    #[error("no job {0:?}")]
    NoJob(String),
    /// A job was not made.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Not a path of the API.
    #[error("no such path: see docs/rest-api.md")]
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
    /// No download that fits.
    #[error(
        "no download of the client is known for {0}: the server's operator names them by \
         --announcements"
    )]
    NoDownload(String),
    /// Only the server that carries the tunnel can do it.
    #[error("another server of the fleet carries this tunnel: ask that one")]
    CarriedElsewhere,
    /// More calls than one user may make.
    #[error("too many calls: at most {0} a second are answered, wait a moment")]
    TooManyCalls(u32),
    /// Wrong keys came too often.
    #[error(transparent)]
    Guesses(Wait),
    /// The registry failed.
    #[error("the server cannot read or write its registry: see its log")]
    Registry(#[from] RegistryError),
    /// A handler broke down.
    #[error("the server failed to answer: see its log")]
    Broken,
}

impl RestError {
    /// The word for programs. Words are documented in docs/rest-api.md and do not change.
    fn code(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::NotYours(_) => "no-such-user",
            Self::Forbidden(_) => "forbidden",
            Self::User(error) => match error {
                UserError::Name(_) => "bad-name",
                UserError::Exists(_) => "exists",
                UserError::Unknown(_) => "no-such-user",
                UserError::NoOrganisation(_) => "no-such-organisation",
                UserError::Parent(_) => "bad-parent",
                UserError::Registry(_) => "registry-failed",
                UserError::Random(_) => "internal",
            },
            Self::Team(error) => match error {
                TeamError::Name(_) => "bad-name",
                TeamError::Exists(_) => "exists",
                TeamError::Unknown(_) => "no-such-team",
                TeamError::HasUsers(_) => "not-empty",
                TeamError::Stranger(_) => "no-such-user",
                TeamError::Registry(_) => "registry-failed",
            },
            Self::NoTunnel(_) => "no-such-tunnel",
            Self::NoJob(_) => "no-such-job",
            Self::Job(error) => match error {
                JobError::NoTunnel { .. } => "no-such-tunnel-name",
                JobError::NotReady(_) => "tunnel-not-ready",
                JobError::Field(_) => "bad-request",
                JobError::TooMany => "too-many-jobs",
                JobError::Port(_) | JobError::NoEntrance => "no-proxy-port",
                JobError::Elsewhere(_) => "server-not-able",
                JobError::Registry(_) => "registry-failed",
                JobError::Random(_) => "internal",
            },
            Self::NoSuchPath => "no-such-path",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::BadRequest(_) => "bad-request",
            Self::TooLarge => "body-too-large",
            Self::Body { status, .. } if *status == StatusCode::PAYLOAD_TOO_LARGE => {
                "body-too-large"
            }
            Self::Body { .. } => "bad-body",
            Self::TooSlow => "timeout",
            Self::NoDownload(_) => "no-download",
            Self::CarriedElsewhere => "server-not-able",
            Self::TooManyCalls(_) => "too-many-calls",
            Self::Guesses(_) => "too-many-guesses",
            Self::Create(error) => match error {
                CreateError::Name => "bad-name",
                CreateError::Rules(_) => "bad-rules",
                CreateError::Protocol(_) => "protocol-not-offered",
                CreateError::Pool => "pool-without-name",
                CreateError::Shared(_) => "bad-sharing",
                CreateError::TooLong { .. } => "field-too-long",
                CreateError::TooMany(_)
                | CreateError::OrganisationLimit { .. }
                | CreateError::UserLimit { .. } => "too-many-tunnels",
                CreateError::Port(_) => "no-proxy-port",
                CreateError::FleetFull => "fleet-full",
                CreateError::Elsewhere(_) => "server-not-able",
                CreateError::Stopping | CreateError::DataPlane(_) => "stopping",
                CreateError::Registry(_) => "registry-failed",
                CreateError::Random(_) => "internal",
            },
            Self::Registry(_) => "registry-failed",
            Self::Broken => "internal",
        }
    }

    /// The status of its answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::NotYours(_)
            | Self::NoTunnel(_)
            | Self::NoJob(_)
            | Self::NoSuchPath
            | Self::NoDownload(_) => StatusCode::NOT_FOUND,
            Self::CarriedElsewhere => StatusCode::SERVICE_UNAVAILABLE,
            Self::Job(error) => match error {
                JobError::NoTunnel { .. } => StatusCode::NOT_FOUND,
                JobError::Field(_) => StatusCode::BAD_REQUEST,
                // The tunnel is the caller's own; the server is well.
                JobError::NotReady(_) => StatusCode::CONFLICT,
                JobError::TooMany
                | JobError::Port(_)
                | JobError::Elsewhere(_)
                | JobError::NoEntrance => StatusCode::SERVICE_UNAVAILABLE,
                JobError::Registry(_) | JobError::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::TooManyCalls(_) | Self::Guesses(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::User(error) => match error {
                UserError::Unknown(_) => StatusCode::NOT_FOUND,
                UserError::Name(_)
                | UserError::Exists(_)
                | UserError::NoOrganisation(_)
                | UserError::Parent(_) => StatusCode::BAD_REQUEST,
                UserError::Registry(_) | UserError::Random(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
            Self::Team(error) => match error {
                TeamError::Unknown(_) | TeamError::Stranger(_) => StatusCode::NOT_FOUND,
                TeamError::Name(_) | TeamError::Exists(_) | TeamError::HasUsers(_) => {
                    StatusCode::BAD_REQUEST
                }
                TeamError::Registry(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
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
                | CreateError::OrganisationLimit { .. }
                | CreateError::UserLimit { .. }
                | CreateError::TooMany(_) => StatusCode::BAD_REQUEST,
                CreateError::Port(_)
                | CreateError::FleetFull
                | CreateError::Elsewhere(_)
                | CreateError::Stopping
                | CreateError::DataPlane(_) => StatusCode::SERVICE_UNAVAILABLE,
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
        let (status, code) = (self.status(), self.code());
        // The caller is told that something failed, the log what.
        let error = match &self {
            Self::Registry(inner)
            | Self::Create(CreateError::Registry(inner))
            | Self::Job(JobError::Registry(inner))
            | Self::User(UserError::Registry(inner))
            | Self::Team(TeamError::Registry(inner)) => {
                log::error!("REST: {inner}");
                "the server cannot read or write its registry: see its log".to_owned()
            }
            other => other.to_string(),
        };
        let mut answer = (status, Json(ErrorBody { error, code: code.into() })).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Basic realm=\"sc\", charset=\"UTF-8\"");
            answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        let retry_after = match &self {
            Self::Guesses(Wait(wait)) => Some(wait.as_secs().max(1)),
            Self::TooManyCalls(_) => Some(1),
            _ if status == StatusCode::SERVICE_UNAVAILABLE => Some(5),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}
