//! What a member does again and again: it gives a sign of life, looks after the others, fulfils
//! wishes and carries out orders.

use std::sync::Arc;
use std::time::Instant;

use sc_proto::contract::TunnelId;

use super::orders::{Answer, Body, Limit, read};
use super::{Fleet, JobOrder, JoinError, OrderError, TunnelOrder, Wish, locked};
use crate::server::registry::{MemberStatus, Order, RegistryError, Standing};
use crate::server::tunnels::{CreateError, EndReason, JobEnd, JobError, Streams, Tunnels};

/// Heartbeats between two looks for what is forgotten.
const PRUNE_BEATS: u64 = 60;

/// Does a member's duties, for as long as the process lives.
pub(crate) async fn attend(fleet: Arc<Fleet>, tunnels: Arc<Tunnels>) {
    let mut ticks = tokio::time::interval(fleet.settings.beat);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut beats, mut trouble) = (0_u64, None);
    loop {
        let beat = tokio::select! {
            _ = ticks.tick() => Some(beats),
            () = fleet.woken.notified() => None,
        };
        beats += u64::from(beat.is_some());
        let duty = async {
            if let Some(beat) = beat {
                fleet.beat(&tunnels).await?;
                if beat.is_multiple_of(PRUNE_BEATS) {
                    fleet.clean_up(&tunnels).await?;
                }
            }
            fleet.serve(&tunnels).await?;
            Ok::<_, JoinError>(())
        };
        // A connection that hangs must not take the heart with it.
        let done = match tokio::time::timeout(fleet.settings.timeout, duty).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err("the database does not answer in time".to_owned()),
        };
        match (done, trouble) {
            (Ok(()), None) => {}
            (Ok(()), Some(since)) => {
                trouble = None;
                let span = Instant::now().saturating_duration_since(since);
                log::warn!("the fleet's database is back after {} s", span.as_secs());
            }
            (Err(error), None) => {
                trouble = Some(Instant::now());
                log::error!("the fleet's database fails, tunnels go on meanwhile: {error}");
            }
            (Err(error), Some(_)) => log::debug!("the fleet's database still fails: {error}"),
        }
    }
}

/// This server stops: it gets no more tunnels, or is gone.
pub(crate) async fn leave(fleet: &Fleet, how: Leaving) {
    let done = match how {
        Leaving::Begins => {
            let me = fleet.registry.member();
            fleet.registry.set_member(&me, MemberStatus::Draining).await.map(drop)
        }
        Leaving::Done => fleet.registry.forget_member(&fleet.registry.member()).await,
    };
    if let Err(error) = done {
        log::error!("the fleet is not told that this server stops: {error}");
    }
}

/// How far a stop has got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its tunnels are still there.
    Begins,
    /// They have ended.
    Done,
}

impl Fleet {
    async fn beat(self: &Arc<Self>, tunnels: &Arc<Tunnels>) -> Result<(), JoinError> {
        let count = u32::try_from(tunnels.carried().len()).unwrap_or(u32::MAX);
        if self.registry.beat(count).await? == Standing::Buried {
            self.return_from_the_dead(tunnels).await?;
        }
        self.registry.ask_time().await?;
        let members = self.registry.members().await?;
        let dead = locked(&self.watch).look(&members, Instant::now());
        for dead in dead {
            self.bury(&dead).await?;
        }
        Ok(())
    }

    /// Removes what nobody answers for any more.
    async fn clean_up(&self, tunnels: &Tunnels) -> Result<(), RegistryError> {
        self.registry.prune_orders().await?;
        let end = EndReason::ServerLost.at(self.registry.now());
        let orphans = self.registry.end_orphans(&end).await?;
        if orphans > 0 {
            log::warn!("tunnels whose server nobody knows, now ended: {orphans}");
        }
        self.reconcile(tunnels).await
    }

    /// Looks for what others want. What may take long is done beside.
    async fn serve(self: &Arc<Self>, tunnels: &Arc<Tunnels>) -> Result<(), RegistryError> {
        for (id, answer) in self.registry.take_answers().await? {
            self.answered(&id, answer);
        }
        for order in self.registry.take_orders().await? {
            let (fleet, tunnels) = (Arc::clone(self), Arc::clone(tunnels));
            tokio::spawn(async move { fleet.carry_out(order, tunnels).await });
        }
        for (id, wish) in self.registry.wishes().await? {
            if locked(&self.at_work).insert(id) {
                let (fleet, tunnels) = (Arc::clone(self), Arc::clone(tunnels));
                tokio::spawn(async move { fleet.fulfil(id, &wish, &tunnels).await });
            }
        }
        for id in self.registry.jobs_to_end().await? {
            tunnels.end_job(&id, JobEnd::Request).await;
        }
        Ok(())
    }

    async fn fulfil(&self, id: TunnelId, wish: &str, tunnels: &Tunnels) {
        match read::<Wish>(wish) {
            Some(Wish::Finish { by, reason }) => {
                tunnels.end_on_request_here(id, by, reason, Streams::MayFinish).await;
            }
            Some(Wish::Cut { by, reason }) => {
                tunnels.end_on_request_here(id, by, reason, Streams::AreCut).await;
            }
            Some(Wish::GiveWay { by }) => tunnels.give_way(id, &by).await,
            None => {
                log::error!("tunnel {id}: a newer server wants something that is not known here")
            }
        }
        if let Err(error) = self.registry.wish_done(id).await {
            // Done again, which does no harm.
            log::debug!("tunnel {id}: that a wish is fulfilled is not recorded: {error}");
        }
        locked(&self.at_work).remove(&id);
    }

    async fn carry_out(&self, order: Order, tunnels: Arc<Tunnels>) {
        let Ok(_hand) = self.hands.acquire().await else { return };
        let answer = match read(&order.body) {
            Some(Body::Tunnel(wanted)) => self.make_tunnel(*wanted, tunnels).await,
            Some(Body::Job(wanted)) => self.make_job(*wanted, tunnels).await,
            None => Answer::Unable("it does not know the order: it is an older version".to_owned()),
        };
        let Ok(text) = serde_json::to_string(&answer) else { return };
        if let Err(error) = self.registry.answer_order(&order, &text).await {
            log::error!("order {} of member {}: no answer: {error}", order.id, order.sender);
        }
    }

    async fn make_tunnel(&self, wanted: TunnelOrder, tunnels: Arc<Tunnels>) -> Answer {
        let TunnelOrder { by, owner, request } = wanted;
        let owner = match self.registry.account(&owner).await {
            Ok(Some(owner)) => owner,
            Ok(None) => return Answer::Unable("the owner is removed".to_owned()),
            Err(error) => return Answer::Unable(error.to_string()),
        };
        match tunnels.create_here(by, owner, request).await {
            Ok(made) => Answer::Tunnel(Box::new(made)),
            Err(CreateError::OrganisationLimit { count, limit: most }) => {
                Answer::OrganisationLimit(Limit { count, most })
            }
            Err(CreateError::UserLimit { count, limit: most }) => {
                Answer::UserLimit(Limit { count, most })
            }
            Err(error) => Answer::Unable(error.to_string()),
        }
    }

    async fn make_job(&self, wanted: JobOrder, tunnels: Arc<Tunnels>) -> Answer {
        let JobOrder { user, tunnel_owner, request } = wanted;
        let accounts = async {
            let user = self.registry.account(&user).await?;
            let owner = self.registry.account(&tunnel_owner).await?;
            Ok::<_, RegistryError>(user.zip(owner))
        };
        match accounts.await {
            Ok(Some((user, owner))) => match tunnels.begin_job_here(user, owner, request).await {
                Ok(begun) => Answer::Job(Box::new(begun)),
                Err(error) => Answer::Unable(error.to_string()),
            },
            Ok(None) => Answer::Unable("the user is removed".to_owned()),
            Err(error) => Answer::Unable(error.to_string()),
        }
    }
}

impl From<OrderError> for CreateError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::OrganisationLimit(Limit { count, most }) => {
                Self::OrganisationLimit { count, limit: most }
            }
            OrderError::UserLimit(Limit { count, most }) => Self::UserLimit { count, limit: most },
            OrderError::Registry(error) => Self::Registry(error),
            OrderError::Random(error) => Self::Random(error),
            OrderError::Unable(_) | OrderError::NoAnswer => Self::Elsewhere(error.to_string()),
        }
    }
}

impl From<OrderError> for JobError {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Registry(error) => Self::Registry(error),
            OrderError::Random(error) => Self::Random(error),
            other => Self::Elsewhere(other.to_string()),
        }
    }
}
