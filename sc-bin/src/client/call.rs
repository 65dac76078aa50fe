//! The REST calls a controller makes, and their answers, as values.

use sc_proto::contract::TunnelId;

use super::rest_error::RestError;
use crate::api::{CreateAnswer, CreateTunnel, Heartbeat, Rules, Tunnel, Updates};

/// A REST call.
#[derive(Clone, Debug)]
pub(super) enum Call {
    /// `GET info/updates`: texts for the user, and how to work.
    Updates {
        /// The query, encoded.
        query: String,
    },
    /// `POST tunnels`.
    Create(Box<CreateTunnel>),
    /// `GET tunnels/{id}`.
    Poll(TunnelId),
    /// `GET tunnels/{id}/num_jobs`.
    Jobs(TunnelId),
    /// `POST tunnels/{id}/connected`.
    Heartbeat(TunnelId, Heartbeat),
    /// `PUT tunnels/{id}/rules`.
    Rules(TunnelId, Box<Rules>),
    /// `DELETE tunnels/{id}`.
    Delete {
        /// Which.
        id: TunnelId,
        /// What becomes of its jobs.
        jobs: JobsAtEnd,
        /// Why, as a word for the record.
        reason: &'static str,
    },
}

/// What becomes of the jobs that use a tunnel when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobsAtEnd {
    /// They may finish.
    Wait,
    /// They lose their tunnel.
    Abandon,
}

/// The outcome of a [`Call`].
#[derive(Debug)]
pub(crate) enum Answer {
    /// Of [`Call::Updates`].
    Updates(Result<Box<Updates>, RestError>),
    /// Of [`Call::Create`].
    Created(Result<Box<CreateAnswer>, RestError>),
    /// Of [`Call::Poll`].
    Polled(Result<Box<Tunnel>, RestError>),
    /// Of [`Call::Jobs`]: how many run.
    Jobs(Result<u32, RestError>),
    /// Of [`Call::Heartbeat`].
    Heartbeat(Result<(), RestError>),
    /// Of [`Call::Rules`].
    Rules(Result<(), RestError>),
    /// Of [`Call::Delete`]: what was said of jobs, and how many still run.
    Deleted(JobsAtEnd, Result<u32, RestError>),
}

impl Call {
    /// The answer to a call that could not be made.
    pub(super) fn failed(&self, error: RestError) -> Answer {
        match self {
            Self::Updates { .. } => Answer::Updates(Err(error)),
            Self::Create(_) => Answer::Created(Err(error)),
            Self::Poll(_) => Answer::Polled(Err(error)),
            Self::Jobs(_) => Answer::Jobs(Err(error)),
            Self::Heartbeat(..) => Answer::Heartbeat(Err(error)),
            Self::Rules(..) => Answer::Rules(Err(error)),
            Self::Delete { jobs, .. } => Answer::Deleted(*jobs, Err(error)),
        }
    }
}
