//! Orders: one server asks another one to make something, and waits for what comes of it.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::{Fleet, locked};
use crate::api::{CreateAnswer, CreateJob, CreateTunnel, Job};
use crate::server::random::{self, NoRandomness};
use crate::server::registry::RegistryError;

/// How long an order may wait for somebody to begin with it.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long one that was begun may take after that.
const WORK: Duration = Duration::from_secs(12);

/// What one server wants of another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Body {
    /// A tunnel.
    Tunnel(Box<TunnelOrder>),
    /// A job.
    Job(Box<JobOrder>),
}

/// A tunnel shall be made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct TunnelOrder {
    /// Who asked for it.
    pub(crate) by: String,
    /// Whose it will be.
    pub(crate) owner: String,
    /// What it shall be like.
    pub(crate) request: CreateTunnel,
}

/// A job shall begin.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct JobOrder {
    /// Whose it will be.
    pub(crate) user: String,
    /// Whose tunnel it shall use.
    pub(crate) tunnel_owner: String,
    /// What it shall be like.
    pub(crate) request: CreateJob,
}

/// What shall be done with a tunnel that stands in a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Wish {
    /// It shall end when what runs has finished.
    Finish {
        /// Who wants that.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// It shall end now.
    Cut {
        /// Who wants that.
        by: String,
        /// Why.
        reason: Option<String>,
    },
    /// Another one of its name takes its place.
    GiveWay {
        /// Who made that.
        by: String,
    },
}

/// What came of an order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Answer {
    /// The tunnel.
    Tunnel(Box<CreateAnswer>),
    /// The job.
    Job(Box<Job>),
    /// The organisation has too many tunnels.
    OrganisationLimit(Limit),
    /// The user has.
    UserLimit(Limit),
    /// This server cannot.
    Unable(String),
}

/// A limit that is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limit {
    /// With the new one.
    pub(crate) count: u32,
    /// As many as there may be.
    pub(crate) most: u32,
}

/// Nothing came of an order.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrderError {
    /// The organisation has too many tunnels.
    #[error("Too many active org tunnels: {} >= {}", .0.count, .0.most)]
    OrganisationLimit(Limit),
    /// The user has.
    #[error("Too many active tunnels: {} >= {}", .0.count, .0.most)]
    UserLimit(Limit),
    /// The other server cannot.
    #[error("the server chosen for it could not: {0}")]
    Unable(String),
    /// The other server says nothing.
    #[error("the server chosen for it does not answer. Try again")]
    NoAnswer,
    /// The registry fails.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No name for it.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

impl Fleet {
    /// Has another member make a tunnel.
    pub(crate) async fn order_tunnel(
        &self,
        member: &str,
        order: TunnelOrder,
    ) -> Result<CreateAnswer, OrderError> {
        match self.order(member, &Body::Tunnel(Box::new(order))).await? {
            Answer::Tunnel(made) => Ok(*made),
            other => Err(refusal(other)),
        }
    }

    /// Has another member begin a job.
    pub(crate) async fn order_job(&self, member: &str, order: JobOrder) -> Result<Job, OrderError> {
        match self.order(member, &Body::Job(Box::new(order))).await? {
            Answer::Job(begun) => Ok(*begun),
            other => Err(refusal(other)),
        }
    }

    async fn order(&self, member: &str, body: &Body) -> Result<Answer, OrderError> {
        let id: [u8; 16] = random::bytes()?;
        let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
        let (sender, answered) = oneshot::channel();
        locked(&self.waiting).insert(id.clone(), sender);
        let answer = self.send_and_wait(&id, member, body, answered).await;
        locked(&self.waiting).remove(&id);
        answer
    }

    async fn send_and_wait(
        &self,
        id: &str,
        member: &str,
        body: &Body,
        mut answered: oneshot::Receiver<String>,
    ) -> Result<Answer, OrderError> {
        let unreadable = || RegistryError::Broken(format!("order {id}"));
        let text = serde_json::to_string(body).map_err(|_| unreadable())?;
        self.registry.send_order(id, member, &text).await?;
        let mut answer = tokio::time::timeout(PATIENCE, &mut answered).await.ok();
        if answer.is_none() {
            if self.registry.withdraw_order(id).await? {
                return Err(OrderError::NoAnswer);
            }
            answer = tokio::time::timeout(WORK, answered).await.ok();
        }
        let answer = answer.and_then(Result::ok).ok_or(OrderError::NoAnswer)?;
        Ok(read(&answer).ok_or_else(unreadable)?)
    }

    /// Hands out an answer that came. Nobody may wait for it any more.
    pub(super) fn answered(&self, id: &str, answer: String) {
        match locked(&self.waiting).remove(id) {
            Some(waiting) => drop(waiting.send(answer)),
            None => log::warn!("the answer to order {id} came too late"),
        }
    }
}

/// Reads an order or an answer.
pub(super) fn read<T: DeserializeOwned>(text: &str) -> Option<T> {
    serde_json::from_str(text).ok()
}

fn refusal(answer: Answer) -> OrderError {
    match answer {
        Answer::OrganisationLimit(limit) => OrderError::OrganisationLimit(limit),
        Answer::UserLimit(limit) => OrderError::UserLimit(limit),
        Answer::Unable(why) => OrderError::Unable(why),
        Answer::Tunnel(_) | Answer::Job(_) => OrderError::NoAnswer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_answers_survive_the_way() {
        let request =
            CreateTunnel { tunnel_identifier: Some("ci".to_owned()), ..CreateTunnel::default() };
        let order = TunnelOrder { by: "a".to_owned(), owner: "b".to_owned(), request };
        let text = serde_json::to_string(&Body::Tunnel(Box::new(order.clone()))).unwrap();
        let Some(Body::Tunnel(read_again)) = read(&text) else { panic!("{text}") };
        assert_eq!(read_again.request, order.request);
        let text = serde_json::to_string(&Answer::UserLimit(Limit { count: 3, most: 2 })).unwrap();
        let error = refusal(read(&text).unwrap());
        assert_eq!(error.to_string(), "Too many active tunnels: 3 >= 2");
        let wish = Wish::Cut { by: "a".to_owned(), reason: None };
        assert_eq!(read(&serde_json::to_string(&wish).unwrap()), Some(wish));
    }
}
