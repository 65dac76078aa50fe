//! Tunnels and jobs wherever in the fleet they are. Without a fleet that is here.

use std::sync::Arc;
use std::time::Duration;

use sc_proto::contract::TunnelId;

use super::create::{self, CreateError, Wanted};
use super::end::{EndReason, Streams};
use super::jobs::{JobEnd, JobError, shown_name};
use super::{Tunnels, sharing_of};
use crate::api::{CreateAnswer, CreateJob, CreateTunnel, Job, JobStatus, Status, Tunnel};
use crate::server::accounts::{Account, Sharing};
use crate::server::fleet::{Fleet, JobOrder, TunnelOrder, Wish};
use crate::server::random;
use crate::server::registry::{Client, Recorded, RegistryError};

/// Servers that are tried for one tunnel.
const MOST_TRIES: usize = 3;
/// How often a caller looks whether another server has done what it shall, and after what pause.
/// After that it is not done yet, and will be.
const LOOKS: u32 = 80;
const LOOK: Duration = Duration::from_millis(50);
/// Names that a refusal lists at most.
const MAX_NAMES_TOLD: usize = 20;

impl Tunnels {
    /// Makes a tunnel for `owner`, asked for by the user `by`, on the emptiest server.
    ///
    /// Not to be dropped half-way: what it has set up would stay. A caller who may be cancelled
    /// spawns it.
    pub(crate) async fn create(
        self: Arc<Self>,
        by: String,
        owner: Account,
        request: CreateTunnel,
    ) -> Result<CreateAnswer, CreateError> {
        let Some(fleet) = self.fleet.clone() else {
            return self.create_here(by, owner, request).await;
        };
        // What is wrong is told at once.
        let wanted = create::check(owner.clone(), request.clone())?;
        let (mut tried, mut last) = (Vec::new(), None);
        while tried.len() < MOST_TRIES {
            let Some(member) = fleet.place(wanted.pool(), &tried).await? else { break };
            let (by, request) = (by.clone(), request.clone());
            let made = if fleet.is_me(&member) {
                Arc::clone(&self).create_here(by, owner.clone(), request).await
            } else {
                let order = TunnelOrder { by, owner: owner.name.clone(), request };
                fleet.order_tunnel(&member, order).await.map_err(CreateError::from)
            };
            match made {
                Err(error) if error.is_of_server() => {
                    log::warn!(
                        "a tunnel of {} is not made by member {member}: {error}",
                        owner.name
                    );
                    last = Some(error);
                    tried.push(member);
                }
                made => return made,
            }
        }
        Err(last.unwrap_or(CreateError::FleetFull))
    }

    /// Tunnels of a user that have not ended, oldest first.
    pub(crate) async fn everywhere_of(&self, owner: &str) -> Result<Vec<Tunnel>, RegistryError> {
        let mut all = self.live_of(owner);
        if self.fleet.is_some() {
            all.extend(tunnels(self.registry.live_elsewhere_of(owner).await?));
            all.sort_by_key(|tunnel| (tunnel.creation_time, tunnel.id));
        }
        Ok(all)
    }

    /// Tunnels of an organisation that have not ended, oldest first.
    pub(crate) async fn everywhere_in(
        &self,
        organisation: &str,
    ) -> Result<Vec<Tunnel>, RegistryError> {
        let mut all = self.live_in(organisation);
        if self.fleet.is_some() {
            all.extend(tunnels(self.registry.live_elsewhere_in(organisation).await?));
            all.sort_by_key(|tunnel| (tunnel.creation_time, tunnel.id));
        }
        Ok(all)
    }

    /// How many tunnels of an organisation are not ending.
    pub(crate) async fn active_in(&self, organisation: &str) -> Result<usize, RegistryError> {
        let elsewhere = match self.fleet {
            Some(_) => self.registry.count_elsewhere(organisation, "").await?.organisation,
            None => 0,
        };
        let elsewhere = usize::try_from(elsewhere).unwrap_or(usize::MAX);
        Ok(self.active_here_in(organisation).saturating_add(elsewhere))
    }

    /// Whether that member is another server.
    pub(super) fn is_elsewhere(&self, member: &str) -> bool {
        self.fleet.as_ref().is_some_and(|fleet| !fleet.is_me(member))
    }

    /// Whether only another server of the fleet can change this tunnel.
    pub(crate) fn is_carried_elsewhere(&self, id: TunnelId) -> bool {
        self.fleet.is_some() && !self.state().live.contains_key(&id)
    }

    /// Takes in a client's heartbeat, whoever carries its tunnel. What it says about its connection
    /// is only believed as far as that server sees it too.
    pub(crate) async fn heartbeat(&self, id: TunnelId) {
        if self.fleet.is_none() || self.state().live.contains_key(&id) {
            return self.heartbeat_here(id).await;
        }
        if let Err(error) = self.registry.connected_elsewhere(id, self.registry.now()).await {
            log::error!("tunnel {id}: its state is not recorded: {error}");
        }
    }

    /// Ends a tunnel on the request of the user `by`, whoever carries it. Not to be dropped
    /// half-way, as [`Tunnels::create`].
    pub(crate) async fn end_on_request(
        &self,
        id: TunnelId,
        by: String,
        reason: Option<String>,
        streams: Streams,
    ) -> Result<(), RegistryError> {
        if self.fleet.is_none() || self.state().live.contains_key(&id) {
            self.end_on_request_here(id, by, reason, streams).await;
            return Ok(());
        }
        let why = EndReason::Request { by: by.clone(), reason: reason.clone() };
        let wish = match streams {
            Streams::MayFinish => Wish::Finish { by, reason },
            Streams::AreCut => Wish::Cut { by, reason },
        };
        self.wish_end(id, &wish, &why).await?;
        let mut looks = if streams == Streams::AreCut { LOOKS } else { 0 };
        while looks > 0 {
            let record = self.registry.tunnel(id).await?;
            if record.is_none_or(|record| record.status == Status::Terminated) {
                break;
            }
            tokio::time::sleep(LOOK).await;
            looks -= 1;
        }
        Ok(())
    }

    /// Has whoever carries a tunnel end it. It stands in the record until that is done.
    async fn wish_end(
        &self,
        id: TunnelId,
        wish: &Wish,
        why: &EndReason,
    ) -> Result<(), RegistryError> {
        let broken = |_| RegistryError::Broken(format!("wish for tunnel {id}"));
        let text = serde_json::to_string(wish).map_err(broken)?;
        self.registry.wish_end(id, &text, &why.at(self.registry.now())).await?;
        Ok(())
    }

    /// Others' tunnels that have to end for a new one: those of its name, but for the members of
    /// the pool that it joins.
    pub(super) async fn colliding_elsewhere(
        &self,
        wanted: &Wanted,
    ) -> Result<Vec<TunnelId>, RegistryError> {
        if self.fleet.is_none() {
            return Ok(Vec::new());
        }
        let same = self.registry.live_elsewhere_of(&wanted.owner.name).await?;
        let same = tunnels(same).filter(|tunnel| {
            tunnel.tunnel_identifier == wanted.name
                && tunnel.status != Status::Halting
                && !(wanted.joins_pool() && tunnel.tunnel_pool)
        });
        Ok(same.map(|tunnel| tunnel.id).collect())
    }

    /// Others' tunnels make place for one that the user `by` starts.
    pub(super) async fn have_give_way(
        &self,
        ids: &[TunnelId],
        by: &str,
    ) -> Result<(), RegistryError> {
        for id in ids {
            let why = EndReason::Collision { by: by.to_owned() };
            self.wish_end(*id, &Wish::GiveWay { by: by.to_owned() }, &why).await?;
        }
        Ok(())
    }

    /// How many jobs use a tunnel, whoever carries it.
    pub(crate) async fn count_jobs(&self, id: TunnelId) -> Result<u32, RegistryError> {
        match self.fleet {
            Some(_) if !self.state().live.contains_key(&id) => self.registry.jobs_on(id).await,
            _ => Ok(self.jobs_of(id)),
        }
    }

    /// The jobs of a user that run, oldest first.
    pub(crate) async fn jobs_everywhere_of(&self, user: &str) -> Result<Vec<Job>, RegistryError> {
        let mut jobs = self.jobs_of_user(user);
        if self.fleet.is_some() {
            jobs.extend(self.registry.jobs_elsewhere(user).await?);
            jobs.sort_by(|a, b| (a.creation_time, &a.id).cmp(&(b.creation_time, &b.id)));
        }
        Ok(jobs)
    }

    /// Begins a job of `user` on a tunnel of `tunnel_owner`, on whatever server the pool's member
    /// with the fewest jobs is. Not to be dropped half-way, as [`Tunnels::create`].
    pub(crate) async fn begin_job(
        self: Arc<Self>,
        user: Account,
        tunnel_owner: Account,
        request: CreateJob,
    ) -> Result<Job, JobError> {
        if let Some(fleet) = self.fleet.clone() {
            let name = request.tunnel_identifier.as_deref().filter(|name| !name.is_empty());
            let member = self.member_for_job(&user, &tunnel_owner, name).await?;
            if !fleet.is_me(&member) {
                let (user, tunnel_owner) = (user.name, tunnel_owner.name);
                let order = JobOrder { user, tunnel_owner, request };
                return Ok(fleet.order_job(&member, order).await?);
            }
        }
        self.begin_job_here(user, tunnel_owner, request).await
    }

    /// Who carries the tunnel for a new job: of those that take jobs the one with the fewest,
    /// equals by chance.
    async fn member_for_job(
        &self,
        user: &Account,
        owner: &Account,
        name: Option<&str>,
    ) -> Result<String, JobError> {
        let may_use = |sharing| user.name == owner.name || user.may_use_of(owner, sharing);
        let mut places = self.registry.job_places(&owner.name, name).await?;
        places.retain(|place| {
            may_use(if place.is_shared { Sharing::Shared } else { Sharing::Private })
        });
        let Some(fewest) = places.iter().map(|place| place.jobs).min() else {
            let mut all = self.everywhere_of(&owner.name).await?;
            all.retain(|tunnel| may_use(sharing_of(tunnel)));
            return Err(no_place(owner, name, &all));
        };
        places.retain(|place| place.jobs == fewest);
        let turn = usize::from(u16::from_le_bytes(random::bytes()?)) % places.len();
        Ok(places.swap_remove(turn).member)
    }

    /// Ends a job on request, whoever has it.
    pub(crate) async fn end_job_everywhere(&self, id: &str) -> Result<(), RegistryError> {
        if self.fleet.is_none() || self.has_job(id) {
            self.end_job(id, JobEnd::Request).await;
            return Ok(());
        }
        self.registry.wish_job_end(id).await?;
        for _ in 0..LOOKS {
            let job = self.registry.job_of_anybody(id).await?;
            if job.is_none_or(|job| job.status == JobStatus::Ended) {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

/// What the fleet asks of the tunnels here.
impl Tunnels {
    /// The tunnels that are carried here.
    pub(crate) fn carried(&self) -> Vec<TunnelId> {
        self.state().live.keys().copied().collect()
    }

    /// Whether a tunnel is carried here, or its end is being written down.
    pub(crate) fn knows(&self, id: TunnelId) -> bool {
        let state = self.state();
        state.live.contains_key(&id) || state.ended.contains_key(&id)
    }

    /// Those that were launched before a moment.
    pub(crate) fn carried_since_before(&self, moment: u64) -> Vec<TunnelId> {
        let state = self.state();
        let is_old = |record: &Tunnel| record.launch_time.is_some_and(|then| then < moment);
        let live = state.live.values().filter(|live| is_old(&live.record));
        live.map(|live| live.record.id).collect()
    }

    /// A tunnel makes place for one of its name on another server.
    pub(crate) async fn give_way(&self, id: TunnelId, by: &str) {
        let mut ports = self.life.lock().await;
        self.end_collided(&mut ports, id, by).await;
    }

    /// Gives up a tunnel that another server carries by now. Its record is not this server's.
    pub(crate) async fn lose(&self, id: TunnelId) {
        let mut ports = self.life.lock().await;
        let Some(live) = self.state().live.remove(&id) else { return };
        self.data_plane.remove_tunnel(id, live.place);
        ports.released();
        log::info!("tunnel {id} is given up: another server carries it");
    }

    /// Writes down anew which tunnels have their clients.
    pub(crate) async fn tell_clients_state(&self) {
        let connected: Vec<TunnelId> = {
            let state = self.state();
            let live = state.live.values().filter(|live| live.sessions.is_connected());
            live.map(|live| live.record.id).collect()
        };
        for id in connected {
            let told = self.registry.tunnel_client(id, self.registry.now(), Client::Here).await;
            if let Err(error) = told {
                log::error!("tunnel {id}: its state is not recorded: {error}");
            }
        }
    }

    /// This server as a member of its fleet.
    pub(crate) fn fleet(&self) -> Option<&Arc<Fleet>> {
        self.fleet.as_ref()
    }
}

fn tunnels(recorded: Vec<Recorded>) -> impl Iterator<Item = Tunnel> {
    recorded.into_iter().map(|recorded| recorded.tunnel)
}

/// Why no tunnel is there for a job, if those are all that the user may use.
fn no_place(owner: &Account, name: Option<&str>, all: &[Tunnel]) -> JobError {
    if all.iter().any(|tunnel| tunnel.tunnel_identifier.as_deref() == name) {
        return JobError::NotReady(shown_name(name));
    }
    let mut names: Vec<String> =
        all.iter().map(|tunnel| shown_name(tunnel.tunnel_identifier.as_deref())).collect();
    names.sort();
    names.dedup();
    names.truncate(MAX_NAMES_TOLD);
    let existing = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    JobError::NoTunnel { owner: owner.name.clone(), name: shown_name(name), existing }
}
