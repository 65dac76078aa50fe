//! The life of tunnels: made, connected, ended.
//!
//! What runs is in memory and owned here; the [`Registry`] keeps the record. Whoever makes or ends
//! a tunnel holds [`Tunnels::life`], so that two starts of one name, or a start and an end, come
//! one after the other.

mod access;
mod create;
mod elsewhere;
mod end;
mod events;
mod figures;
mod happenings;
mod job_details;
mod jobs;
mod labels;
mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sc_proto::WorkerId;
use sc_proto::contract::{SessionId, TunnelId};
use tokio::sync::watch;

use super::accounts::Sharing;
use super::data_plane::{DataPlane, Place};
use super::fleet::Fleet;
use super::guesses::Guesses;
use super::log_limit::LogLimit;
use super::ports::ProxyPorts;
use super::registry::{Deed, Recorded, Registry, RegistryError};
use crate::api::{CertificateSha256, Status, Tunnel};
use access::Gate;
pub(crate) use access::Question;
pub(crate) use create::{CreateError, MAX_TUNNELS, host_and_port};
pub(crate) use end::{Draining, EndReason, Streams};
use figures::Told;
pub(crate) use figures::{LinkState, TunnelFigures};
pub(crate) use happenings::Happening;
use happenings::Happenings;
pub(crate) use job_details::Brief;
use jobs::Jobs;
pub(crate) use jobs::{JobEnd, JobError};

/// What clients and browsers are told about this server.
#[derive(Clone, Debug)]
pub(crate) struct Announced {
    /// What clients dial.
    pub(crate) tunnel_host: String,
    /// And at which port.
    pub(crate) tunnel_port: u16,
    /// Which certificate clients accept there.
    pub(crate) pin: Option<CertificateSha256>,
    /// Where browsers find proxy ports.
    pub(crate) proxy_host: String,
}

/// All tunnels of this server.
#[derive(Debug)]
pub(crate) struct Tunnels {
    registry: Registry,
    data_plane: DataPlane,
    announced: Announced,
    unconnected_limit: Duration,
    /// The other servers, if it works with any.
    fleet: Option<Arc<Fleet>>,
    /// Held by whoever makes or ends a tunnel.
    life: tokio::sync::Mutex<ProxyPorts>,
    state: Mutex<State>,
    /// Held by whoever changes what is known about a job.
    changing_jobs: tokio::sync::Mutex<()>,
    /// Workers whose sessions have all ended after a stop.
    stopped_workers: watch::Sender<BTreeSet<WorkerId>>,
    /// For log lines about connections that became no session.
    strangers: LogLimit,
    /// Who may use them.
    gate: Gate,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    live: BTreeMap<TunnelId, Live>,
    /// Last records of tunnels that have ended and are being written down. Their clients ask for
    /// the reason at once.
    ended: BTreeMap<TunnelId, Tunnel>,
    jobs: Jobs,
}

impl State {
    /// The record of a tunnel if it is newer than the registry's.
    fn newest(&self, id: TunnelId) -> Option<&Tunnel> {
        self.live.get(&id).map(|live| &live.record).or_else(|| self.ended.get(&id))
    }
}

/// Whether the server takes new tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    Stopping,
}

/// A tunnel that has not ended.
#[derive(Debug)]
struct Live {
    record: Tunnel,
    /// What its owner belongs to.
    organisation: String,
    place: Place,
    sessions: Sessions,
    halting: Option<Halting>,
    told: Told,
    happenings: Happenings,
}

/// A connected tunnel was asked to end: what runs may finish.
#[derive(Debug)]
struct Halting {
    why: EndReason,
    since: Instant,
    waiting: Waiting,
}

/// What a tunnel that is to end waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// Jobs that no other tunnel could take. Their connections are still taken.
    Jobs,
    /// Streams that run.
    Streams,
}

/// Whether a session has its client at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attachment {
    /// It has a transport.
    Attached,
    /// It lost its transport, its streams wait for another.
    Interrupted,
}

/// The sessions of a tunnel: one for each connection of its client, and for a moment more when
/// a client came anew. The core bounds them.
#[derive(Debug)]
struct Sessions {
    attachments: BTreeMap<SessionId, Attachment>,
    /// Since when none is attached. Without meaning while one is.
    unconnected_since: Instant,
}

impl Sessions {
    /// None yet.
    fn none(now: Instant) -> Self {
        Self { attachments: BTreeMap::new(), unconnected_since: now }
    }

    /// Whether the tunnel has its client.
    fn is_connected(&self) -> bool {
        self.attachments.values().any(|attachment| *attachment == Attachment::Attached)
    }

    /// Since when it has none.
    fn unconnected_since(&self) -> Option<Instant> {
        (!self.is_connected()).then_some(self.unconnected_since)
    }

    fn is_empty(&self) -> bool {
        self.attachments.is_empty()
    }

    /// A session began, lost its transport, got another (`Some`), or ended (`None`).
    fn set(&mut self, session: SessionId, attachment: Option<Attachment>, now: Instant) {
        let was_connected = self.is_connected();
        match attachment {
            Some(attachment) => self.attachments.insert(session, attachment),
            None => self.attachments.remove(&session),
        };
        if was_connected && !self.is_connected() {
            self.unconnected_since = now;
        }
    }
}

impl Tunnels {
    /// No tunnel yet.
    pub(crate) fn new(
        registry: Registry,
        data_plane: DataPlane,
        announced: Announced,
        ports: ProxyPorts,
        unconnected_limit: Duration,
        guesses: Arc<Guesses>,
        fleet: Option<Arc<Fleet>>,
    ) -> Self {
        Self {
            registry,
            data_plane,
            announced,
            unconnected_limit,
            fleet,
            life: tokio::sync::Mutex::new(ports),
            state: Mutex::new(State {
                phase: Phase::Serving,
                live: BTreeMap::new(),
                ended: BTreeMap::new(),
                jobs: Jobs::default(),
            }),
            changing_jobs: tokio::sync::Mutex::new(()),
            stopped_workers: watch::Sender::new(BTreeSet::new()),
            strangers: LogLimit::new("dropped connections to the tunnel listener"),
            gate: Gate::new(guesses),
        }
    }

    /// Tunnels of a user that are carried here, oldest first.
    pub(crate) fn live_of(&self, owner: &str) -> Vec<Tunnel> {
        let state = self.state();
        let own = state.live.values().filter(|live| live.record.owner == owner);
        let mut records: Vec<Tunnel> = own.map(|live| live.record.clone()).collect();
        records.sort_by_key(|tunnel| (tunnel.creation_time, tunnel.id));
        records
    }

    /// Tunnels of an organisation that are carried here, oldest first.
    pub(crate) fn live_in(&self, organisation: &str) -> Vec<Tunnel> {
        let state = self.state();
        let own = state.live.values().filter(|live| live.organisation == organisation);
        let mut records: Vec<Tunnel> = own.map(|live| live.record.clone()).collect();
        records.sort_by_key(|tunnel| (tunnel.creation_time, tunnel.id));
        records
    }

    /// How many tunnels of an organisation are carried here and not ending.
    fn active_here_in(&self, organisation: &str) -> usize {
        let state = self.state();
        let own = state.live.values().filter(|live| live.organisation == organisation);
        own.filter(|live| live.halting.is_none()).count()
    }

    /// A tunnel, running or ended.
    pub(crate) async fn find(&self, id: TunnelId) -> Result<Option<Tunnel>, RegistryError> {
        if let Some(record) = self.state().newest(id) {
            return Ok(Some(record.clone()));
        }
        let record = self.registry.recorded(id).await?;
        Ok(record.map(|record| self.current(record)))
    }

    /// The newest tunnels of a user, ended ones included.
    pub(crate) async fn newest(
        &self,
        owner: &str,
        limit: u32,
    ) -> Result<Vec<Tunnel>, RegistryError> {
        let records = self.registry.newest_recorded(owner, limit).await?;
        Ok(records.into_iter().map(|record| self.current(record)).collect())
    }

    /// A record of the registry, brought up to date. What another server carries is as that one
    /// says. What should run here and does not has ended, even if that could not be written down;
    /// unless it is just being made.
    fn current(&self, Recorded { tunnel: mut record, member }: Recorded) -> Tunnel {
        match self.state().newest(record.id) {
            Some(newest) => newest.clone(),
            None => {
                if record.status != Status::Booting && !self.is_elsewhere(&member) {
                    record.status = Status::Terminated;
                }
                record
            }
        }
    }

    /// Tells of log lines that were kept back.
    pub(crate) fn sum_up_strangers(&self) {
        self.strangers.sum_up();
        self.gate.sum_up();
    }

    /// Writes down who did something to a tunnel; nobody: this server.
    async fn note(&self, organisation: &str, deed: Deed) {
        if let Err(error) = self.registry.note(organisation, &deed).await {
            log::error!("{} of {} is not recorded: {error}", deed.action, deed.subject);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether others may use a tunnel.
pub(crate) fn sharing_of(tunnel: &Tunnel) -> Sharing {
    if tunnel.shared_tunnel { Sharing::Shared } else { Sharing::Private }
}

/// A tunnel as logs name it.
struct Label<'a>(&'a Tunnel);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(tunnel) = self;
        match &tunnel.tunnel_identifier {
            Some(name) => write!(f, "tunnel {} {name:?} of {}", tunnel.id, tunnel.owner),
            None => write!(f, "tunnel {} (unnamed) of {}", tunnel.id, tunnel.owner),
        }
    }
}

/// Now, in Unix seconds.
pub(crate) fn unix_now() -> u64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
