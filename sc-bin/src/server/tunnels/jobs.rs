//! Jobs: each has a proxy address of its own, which leads to a tunnel and, when that goes, to
//! another one of its pool.
//!
//! A job's listening socket is kept here and lent, as a duplicate, to the worker of the tunnel that
//! the job uses. So the address stays the job's while it moves.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sc_proto::ListenerId;
use sc_proto::contract::TunnelId;

use super::create::host_and_port;
use super::job_details::Brief;
use super::{Live, State, Tunnels};
use crate::api::{CreateJob, Job, JobStatus, Status};
use crate::server::accounts::{Account, Sharing};
use crate::server::data_plane::Place;
use crate::server::ports::PortError;
use crate::server::random::{self, NoRandomness};
use crate::server::registry::RegistryError;

/// Most jobs at once.
const MAX_JOBS: usize = 10_000;
/// Longest name of a job, in bytes.
const MAX_NAME: usize = 256;
/// A job ends after so many seconds without a new connection, unless it says otherwise.
const IDLE_TIMEOUT: u32 = 900;
/// And after so many in any case; also the most it may ask for.
const MAX_DURATION: u32 = 3 * 3600;
/// How long a job without a tunnel waits for another one of its pool.
const ORPHANED_LIMIT: Duration = Duration::from_secs(60);
/// Names that a refusal lists at most.
const MAX_NAMES_TOLD: usize = 20;

/// Why a job was not made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// No tunnel of that name.
    #[error("{owner} has no tunnel {name} that you may use. There is {existing}")]
    NoTunnel {
        /// Whose.
        owner: String,
        /// Its name, as people read it.
        name: String,
        /// Those there are.
        existing: String,
    },
    /// There is one, without its client.
    #[error("tunnel {0} is not ready: its client is not connected, or it is ending")]
    NotReady(String),
    /// A field that makes no sense.
    #[error("{0}")]
    Field(&'static str),
    /// Too many.
    #[error("too many jobs: {MAX_JOBS} are running. End one first")]
    TooMany,
    /// The server that carries its tunnel could not.
    #[error("{0}")]
    Elsewhere(String),
    /// No proxy port.
    #[error(transparent)]
    Port(#[from] PortError),
    /// The data plane is gone, or a socket cannot be had twice.
    #[error("the server cannot give the job a proxy address now")]
    NoEntrance,
    /// The record cannot be written.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// No random numbers.
    #[error(transparent)]
    Random(#[from] NoRandomness),
}

/// Why a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum JobEnd {
    /// Somebody asked.
    Request,
    /// No new connection for too long.
    Idle,
    /// It lasted too long.
    MaxDuration,
    /// Its tunnel ended and no other of its pool came.
    TunnelGone,
    /// Its owner was removed.
    OwnerRemoved,
    /// Its WebDriver session was ended by the test.
    SessionDeleted,
    /// Its WebDriver session was not made.
    NotCreated,
    /// The WebDriver endpoint of its session is gone, or does not know it any more.
    EndpointGone,
    /// The server stopped, or came up and found it left over.
    ServerRestart,
}

impl JobEnd {
    /// As records have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Idle => "idle",
            Self::MaxDuration => "maxDuration",
            Self::TunnelGone => "tunnelGone",
            Self::OwnerRemoved => "ownerRemoved",
            Self::SessionDeleted => "sessionDeleted",
            Self::NotCreated => "notCreated",
            Self::EndpointGone => "endpointGone",
            Self::ServerRestart => "serverRestart",
        }
    }
}

/// All jobs that run.
#[derive(Debug, Default)]
pub(super) struct Jobs {
    pub(super) running: BTreeMap<String, LiveJob>,
    /// Counts choices, so that equals take turns.
    choices: u64,
}

#[derive(Debug)]
pub(super) struct LiveJob {
    pub(super) record: Job,
    /// Its address, as long as it runs; none of a job without a tunnel.
    socket: Option<TcpListener>,
    /// Where connections are taken from it now.
    entrance: Option<Entrance>,
    begun: Instant,
    lifetime: Duration,
    idle_limit: Duration,
    /// When a connection was last seen, and how many its entrance had then.
    last_visit: Instant,
    visits: u64,
    /// Since when it has no tunnel.
    orphaned: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Entrance {
    tunnel: TunnelId,
    place: Place,
}

impl Jobs {
    /// How many use a tunnel.
    pub(super) fn count(&self, tunnel: TunnelId) -> usize {
        let uses = |job: &&LiveJob| job.entrance.is_some_and(|entrance| entrance.tunnel == tunnel);
        self.running.values().filter(uses).count()
    }
}

/// Whether a tunnel takes new jobs.
fn takes_jobs(live: &Live) -> bool {
    live.halting.is_none() && live.record.status == Status::Running && live.sessions.is_connected()
}

impl Tunnels {
    /// Jobs that use a tunnel.
    pub(crate) fn jobs_of(&self, tunnel: TunnelId) -> u32 {
        u32::try_from(self.state().jobs.count(tunnel)).unwrap_or(u32::MAX)
    }

    /// Whether that job runs here.
    pub(super) fn has_job(&self, id: &str) -> bool {
        self.state().jobs.running.contains_key(id)
    }

    /// How many jobs use each tunnel that has any.
    pub(crate) fn jobs_by_tunnel(&self) -> BTreeMap<TunnelId, u32> {
        let mut counts = BTreeMap::new();
        let state = self.state();
        for entrance in state.jobs.running.values().filter_map(|job| job.entrance) {
            *counts.entry(entrance.tunnel).or_default() += 1;
        }
        counts
    }

    /// The jobs that use a tunnel, oldest first, `limit` at most.
    pub(crate) fn jobs_on(&self, tunnel: TunnelId, limit: usize) -> Vec<Job> {
        let state = self.state();
        let uses = |job: &&LiveJob| job.entrance.is_some_and(|entrance| entrance.tunnel == tunnel);
        let using = state.jobs.running.values().filter(uses);
        let mut records: Vec<Job> = using.map(|job| job.record.clone()).collect();
        records.sort_by(|a, b| (a.creation_time, &a.id).cmp(&(b.creation_time, &b.id)));
        records.truncate(limit);
        records
    }

    /// Whether any job runs here.
    pub(crate) fn has_jobs(&self) -> bool {
        !self.state().jobs.running.is_empty()
    }

    /// All jobs that run, and whose they are.
    pub(super) fn job_owners(&self) -> Vec<(String, String)> {
        let state = self.state();
        let running = state.jobs.running.values();
        running.map(|job| (job.record.id.clone(), job.record.owner.clone())).collect()
    }

    /// Begins a job of `user` on a tunnel of `tunnel_owner` that is carried here. Not to be dropped half-way, as
    /// [`Tunnels::create`].
    pub(crate) async fn begin_job_here(
        self: Arc<Self>,
        user: Account,
        tunnel_owner: Account,
        request: CreateJob,
    ) -> Result<Job, JobError> {
        check(&request)?;
        let name = request.tunnel_identifier.clone().filter(|name| !name.is_empty());
        let mut ports = self.life.lock().await;
        let kept = self.kept_ports().await?;
        let socket = ports.acquire(None, &kept).await?;
        let port = socket.local_addr().map_or(0, |address| address.port());
        let tunnel = self.choose(&user, &tunnel_owner, name.as_deref())?;
        let entrance = self.enter(&self.state().live, tunnel, &socket);
        let entrance = entrance.ok_or(JobError::NoEntrance)?;
        let mut job = LiveJob::new(user.name, request, self.registry.now())?;
        job.record.tunnel_id = tunnel.to_string();
        job.record.tunnel_identifier = name;
        job.record.tunnel_owner = tunnel_owner.name;
        job.record.proxy_address = host_and_port(&self.announced.proxy_host, port);
        (job.socket, job.entrance) = (Some(socket), Some(entrance));
        log::info!("job {} of {} uses tunnel {tunnel}", Brief(&job.record.id), job.record.owner);
        self.run_job(job).await
    }

    /// Begins a job of `user` that uses no tunnel. Not to be dropped half-way, as
    /// [`Tunnels::create`].
    pub(crate) async fn begin_job_without_tunnel(
        &self,
        user: Account,
        request: CreateJob,
    ) -> Result<Job, JobError> {
        check(&request)?;
        if self.state().jobs.running.len() >= MAX_JOBS {
            return Err(JobError::TooMany);
        }
        let mut job = LiveJob::new(user.name, request, self.registry.now())?;
        job.record.tunnel_owner = job.record.owner.clone();
        log::info!("job {} of {} uses no tunnel", Brief(&job.record.id), job.record.owner);
        self.run_job(job).await
    }

    /// Whether a job of `user` on a tunnel of `owner` that is carried here could begin now.
    pub(super) fn would_begin_here(
        &self,
        user: &Account,
        owner: &Account,
        name: Option<&str>,
    ) -> Result<(), JobError> {
        self.choose(user, owner, name).map(drop)
    }

    async fn run_job(&self, job: LiveJob) -> Result<Job, JobError> {
        let record = job.record.clone();
        self.label_job(&self.state().live, &job);
        self.state().jobs.running.insert(record.id.clone(), job);
        if let Err(error) = self.registry.insert_job(&record).await {
            self.end_job(&record.id, JobEnd::Request).await;
            return Err(error.into());
        }
        Ok(record)
    }

    /// The jobs of a user that run, oldest first.
    pub(crate) fn jobs_of_user(&self, user: &str) -> Vec<Job> {
        let state = self.state();
        let own = state.jobs.running.values().filter(|job| job.record.owner == user);
        let mut records: Vec<Job> = own.map(|job| job.record.clone()).collect();
        records.sort_by(|a, b| (a.creation_time, &a.id).cmp(&(b.creation_time, &b.id)));
        records
    }

    /// A job of a user, running or ended.
    pub(crate) async fn find_job(
        &self,
        user: &str,
        id: &str,
    ) -> Result<Option<Job>, RegistryError> {
        let running = self.state().jobs.running.get(id).map(|job| job.record.clone());
        match running {
            Some(record) => Ok((record.owner == user).then_some(record)),
            None => self.registry.job(user, id).await,
        }
    }

    /// Ends a job: its address is closed, connections that run go on. One that has ended stays as
    /// it is.
    pub(crate) async fn end_job(&self, id: &str, why: JobEnd) {
        let (job, drained) = {
            let mut state = self.state();
            let Some(job) = state.jobs.running.remove(id) else { return };
            let tunnel = job.entrance.map(|entrance| entrance.tunnel);
            (job, tunnel.filter(|tunnel| state.jobs.count(*tunnel) == 0))
        };
        if let Some(entrance) = job.entrance {
            self.data_plane.close_proxy(entrance.place);
        }
        log::info!("job {} of {} ended: {}", Brief(id), job.record.owner, why.name());
        if let Some(tunnel) = drained {
            self.jobs_are_done(tunnel);
        }
        let ended = self.registry.job_ended(id, self.registry.now(), why.name()).await;
        if let Err(error) = ended {
            log::error!("job {}: its end is not recorded: {error}", Brief(id));
        }
    }

    /// Ends what is idle or too old at `now`, and moves jobs whose tunnels are gone or ending.
    /// `visits` are the connections that each entrance has taken so far.
    pub(crate) async fn look_after_jobs(&self, visits: &BTreeMap<ListenerId, u64>, now: Instant) {
        self.move_jobs(now).await;
        let due: Vec<_> = {
            let mut state = self.state();
            let due = state
                .jobs
                .running
                .values_mut()
                .filter_map(|job| Some((job.record.id.clone(), job.due(visits, now)?)));
            due.collect()
        };
        for (id, why) in due {
            self.end_job(&id, why).await;
        }
    }

    /// Moves each job whose tunnel takes no more jobs to another one of its pool, if there is one.
    pub(super) async fn move_jobs(&self, now: Instant) {
        let moved: Vec<(String, TunnelId)> = {
            let mut state = self.state();
            let leaving = state.leaving_jobs();
            let moved = leaving.into_iter().filter_map(|id| {
                let tunnel = self.move_job(&mut state, &id, now)?;
                Some((id, tunnel))
            });
            moved.collect()
        };
        for (id, tunnel) in moved {
            log::info!("job {} uses tunnel {tunnel} from now on", Brief(&id));
            if let Err(error) = self.registry.job_moved(&id, &tunnel.to_string()).await {
                log::error!("job {}: its tunnel is not recorded: {error}", Brief(&id));
            }
        }
    }

    /// Moves a job, if another tunnel takes it. One whose tunnel is gone waits from `now` on.
    fn move_job(&self, state: &mut State, id: &str, now: Instant) -> Option<TunnelId> {
        let State { live, jobs, .. } = state;
        let record = &jobs.running.get(id)?.record;
        let (owner, name) = (record.tunnel_owner.clone(), record.tunnel_identifier.clone());
        let belongs =
            |live: &Live| live.record.owner == owner && live.record.tunnel_identifier == name;
        let to = least_loaded(jobs, live, belongs);
        let job = jobs.running.get_mut(id)?;
        let socket = job.socket.as_ref()?;
        let entrance = to.and_then(|to| self.enter(live, to, socket));
        let Some(entrance) = entrance else {
            let is_gone = |entrance: &mut Entrance| !live.contains_key(&entrance.tunnel);
            if let Some(old) = job.entrance.take_if(is_gone) {
                job.orphaned = Some(now);
                self.data_plane.close_proxy(old.place);
            }
            return None;
        };
        // The new one first, so that there is always one.
        if let Some(old) = job.entrance.replace(entrance) {
            self.data_plane.close_proxy(old.place);
            // Or its browser would send its next request to the tunnel that it has left.
            self.data_plane.close_idle(old.tunnel);
        }
        (job.orphaned, job.visits) = (None, 0);
        job.record.tunnel_id = entrance.tunnel.to_string();
        self.label_job(live, job);
        Some(entrance.tunnel)
    }

    /// Has requests of a job say whose they are, if the tunnel's owner wants that.
    fn label_job(&self, live: &BTreeMap<TunnelId, Live>, job: &LiveJob) {
        let Some(Entrance { tunnel, place }) = job.entrance else { return };
        let fields = live.get(&tunnel).and_then(|live| live.label(Some(&job.record.id)));
        if let Some(fields) = fields {
            self.data_plane.label(place, fields);
        }
    }

    /// The tunnel for a new job: of those that take jobs the one with the fewest; equals take turns.
    fn choose(
        &self,
        user: &Account,
        owner: &Account,
        name: Option<&str>,
    ) -> Result<TunnelId, JobError> {
        let mut guard = self.state();
        let state = &mut *guard;
        if state.jobs.running.len() >= MAX_JOBS {
            return Err(JobError::TooMany);
        }
        let is_usable = |live: &Live| {
            let sharing = match live.record.shared_tunnel {
                true => Sharing::Shared,
                false => Sharing::Private,
            };
            live.record.owner == owner.name
                && (user.name == owner.name || user.may_use_of(owner, sharing))
        };
        let is_meant =
            |live: &Live| is_usable(live) && live.record.tunnel_identifier.as_deref() == name;
        if let Some(tunnel) = least_loaded(&mut state.jobs, &state.live, is_meant) {
            return Ok(tunnel);
        }
        let shown = shown_name(name);
        if state.live.values().any(is_meant) {
            return Err(JobError::NotReady(shown));
        }
        let mut names: Vec<String> = state
            .live
            .values()
            .filter(|live| is_usable(live))
            .map(|live| shown_name(live.record.tunnel_identifier.as_deref()))
            .collect();
        names.sort();
        names.dedup();
        names.truncate(MAX_NAMES_TOLD);
        let existing = match names.is_empty() {
            true => "none".to_owned(),
            false => names.join(", "),
        };
        Err(JobError::NoTunnel { owner: owner.name.clone(), name: shown, existing })
    }

    /// Lets a tunnel's worker take connections from a job's socket.
    fn enter(
        &self,
        live: &BTreeMap<TunnelId, Live>,
        tunnel: TunnelId,
        socket: &TcpListener,
    ) -> Option<Entrance> {
        let place = live.get(&tunnel)?.place;
        let place = self.data_plane.add_entrance(tunnel, place, socket.try_clone().ok()?).ok()?;
        Some(Entrance { tunnel, place })
    }
}

impl State {
    /// Jobs whose tunnels are gone, ending, or without their client at the moment.
    fn leaving_jobs(&self) -> Vec<String> {
        let stays = |entrance: &Entrance| self.live.get(&entrance.tunnel).is_some_and(takes_jobs);
        let all = self.jobs.running.values().filter(|job| job.socket.is_some());
        let leaving = all.filter(|job| !job.entrance.as_ref().is_some_and(stays));
        leaving.map(|job| job.record.id.clone()).collect()
    }
}

impl LiveJob {
    /// One that begins now, which is `at`, without a tunnel.
    fn new(owner: String, request: CreateJob, at: u64) -> Result<Self, NoRandomness> {
        let (id, now): ([u8; 16], _) = (random::bytes()?, Instant::now());
        let seconds = |wanted: Option<u32>, usual| {
            Duration::from_secs(u64::from(wanted.unwrap_or(usual).min(MAX_DURATION)))
        };
        Ok(Self {
            record: Job {
                id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
                owner,
                name: request.name,
                status: JobStatus::Running,
                tunnel_id: String::new(),
                tunnel_identifier: None,
                tunnel_owner: String::new(),
                proxy_address: String::new(),
                creation_time: at,
                end_time: None,
                end_reason: None,
                details: request.details.within_limits(),
            },
            socket: None,
            entrance: None,
            begun: now,
            lifetime: seconds(request.max_duration, MAX_DURATION),
            idle_limit: seconds(request.idle_timeout, IDLE_TIMEOUT),
            last_visit: now,
            visits: 0,
            orphaned: None,
        })
    }

    /// Why it has to end at `now`, if it has.
    fn due(&mut self, visits: &BTreeMap<ListenerId, u64>, now: Instant) -> Option<JobEnd> {
        let since = |then: Instant| now.saturating_duration_since(then);
        let seen = self.entrance.and_then(|entrance| visits.get(&entrance.place.listener()));
        if let Some(&seen) = seen
            && seen != self.visits
        {
            (self.visits, self.last_visit) = (seen, now);
        }
        if self.orphaned.is_some_and(|then| since(then) >= ORPHANED_LIMIT) {
            return Some(JobEnd::TunnelGone);
        }
        if since(self.begun) >= self.lifetime {
            return Some(JobEnd::MaxDuration);
        }
        (since(self.last_visit) >= self.idle_limit).then_some(JobEnd::Idle)
    }
}

/// Of the tunnels that belong and take jobs, the one with the fewest; equals take turns.
fn least_loaded(
    jobs: &mut Jobs,
    live: &BTreeMap<TunnelId, Live>,
    belongs: impl Fn(&Live) -> bool,
) -> Option<TunnelId> {
    let fitting: Vec<TunnelId> = live
        .iter()
        .filter(|(_, live)| takes_jobs(live) && belongs(live))
        .map(|(id, _)| *id)
        .collect();
    let least = fitting.iter().map(|id| jobs.count(*id)).min()?;
    let equals: Vec<TunnelId> = fitting.into_iter().filter(|id| jobs.count(*id) == least).collect();
    let turn = usize::try_from(jobs.choices).unwrap_or(0) % equals.len();
    jobs.choices = jobs.choices.wrapping_add(1);
    equals.get(turn).copied()
}

pub(super) fn shown_name(name: Option<&str>) -> String {
    name.map_or_else(|| "without a name".to_owned(), |name| format!("{name:?}"))
}

fn check(request: &CreateJob) -> Result<(), JobError> {
    let is_bad = |name: &String| name.len() > MAX_NAME || name.chars().any(char::is_control);
    if request.name.as_ref().is_some_and(is_bad) {
        return Err(JobError::Field("name: at most 256 bytes and no control characters"));
    }
    if request.idle_timeout == Some(0) || request.max_duration == Some(0) {
        return Err(JobError::Field("idle_timeout, max_duration: at least one second"));
    }
    Ok(())
}
